"""A log ingested whole, in parts, twice, in overlapping parts, in any order: the same bytes in the history."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.history.ingest import resume as reading_on
from tests.history.stored import HEADER, START, days, ingest, line, regular

GAPS = st.sampled_from([250_000_000, 10**9, 10**9, 10**9, 1_700_000_000, 2 * 10**9, 7 * 10**9, 3600 * 10**9])
LOADS = st.one_of(st.sampled_from([0.0, 1.0, 12.0, 0.1]), st.floats(0, 1e4, allow_nan=False))


@st.composite
def logs(draw, at_once=False):
    """The lines of a log in the order of time, with gaps and repeated rows; `at_once`: others at one time, too."""
    scale = draw(st.sampled_from([1, 10, 60]))
    now, lines = START + draw(st.integers(0, 10**10)), []
    for gap, rate, queue in draw(st.lists(st.tuples(GAPS, LOADS, LOADS), min_size=2, max_size=40)):
        now += 0 if at_once and gap == 250_000_000 else gap * scale
        lines += [line(now, rate, queue)] * draw(st.sampled_from([1, 1, 1, 2]))
    return lines


def stored_whole(folder, lines, *options):
    whole = folder / "whole.csv"
    whole.write_text(HEADER + "".join(lines))
    ingest(folder / "whole", whole, *options)
    return days(folder / "whole")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A new folder each time it is asked for."""
    return lambda: tmp_path_factory.mktemp("parts")


@pytest.mark.slow
@given(lines=logs(at_once=True), data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_a_log_that_grows_by_any_number_of_bytes(place, lines, data):
    folder = place()
    options = data.draw(st.sampled_from([("--step", "1s"), ("--step", "10s"), ("--step", "1h"), ()]))
    expected = stored_whole(folder, lines, *options)
    content = (HEADER + "".join(lines)).encode()
    log = folder / "log.csv"
    for cut in [*sorted(data.draw(st.lists(st.integers(1, len(content)), max_size=4))), len(content)]:
        log.write_bytes(content[:cut])
        entro_status = data.draw(st.sampled_from([1, 2]))
        for _ in range(entro_status):
            ingest(folder / "parts", log, *options)
    assert days(folder / "parts") == expected


@pytest.mark.slow
@given(lines=logs(at_once=True), data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_a_log_of_which_little_is_read_again(place, lines, data):
    folder = place()
    options = ("--step", data.draw(st.sampled_from(["1s", "10s", "1h"])))
    expected = stored_whole(folder, lines, *options)
    content = (HEADER + "".join(lines)).encode()
    log = folder / "log.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_on, "MARGINS_BYTES", (data.draw(st.sampled_from([60, 200, 500])),))
        for cut in [*sorted(data.draw(st.lists(st.integers(1, len(content)), max_size=5))), len(content)]:
            log.write_bytes(content[:cut])
            ingest(folder / "parts", log, *options)
    assert days(folder / "parts") == expected


@pytest.mark.slow
@given(lines=logs(), data=st.data())
@settings(max_examples=settings.default.max_examples // 4)
def test_parts_that_overlap_in_any_order(place, lines, data):
    folder = place()
    options = ("--step", data.draw(st.sampled_from(["1s", "10s", "1h"])))
    expected = stored_whole(folder, lines, *options)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=3)))
    overlaps = data.draw(st.lists(st.integers(0, 10), min_size=4, max_size=4))
    parts = []
    for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(lines)], strict=True)):
        part = folder / f"part-{number}.csv"
        part.write_text(HEADER + "".join(lines[max(begin - overlaps[number], 0) : end]))
        parts.append(part)
    together = data.draw(st.booleans())
    for group in [parts] if together else data.draw(st.permutations([[part] for part in parts])):
        ingest(folder / "parts", *group, *options)
    assert days(folder / "parts") == expected


UNITS = f"{HEADER}UTC,req/min,requests\n"


@pytest.mark.parametrize("is_rotated", [False, True])
def test_units_in_a_second_line_of_the_header_hold_for_later_parts(tmp_path, is_rotated):
    lines, log = regular(400), tmp_path / "log.csv"
    whole = tmp_path / "whole.csv"
    whole.write_text(UNITS + "".join(lines))
    ingest(tmp_path / "whole", whole)
    log.write_text(UNITS + "".join(lines[:200]))
    ingest(tmp_path / "parts", log)
    if is_rotated:
        log.rename(tmp_path / "log.csv.1")
    log.write_text("".join(lines[200:]) if is_rotated else whole.read_text())
    ingest(tmp_path / "parts", *sorted(tmp_path.glob("log.csv*"), reverse=True))
    assert days(tmp_path / "parts") == days(tmp_path / "whole")


def test_units_that_only_the_first_lines_of_json_name_hold_for_later_parts(tmp_path):
    rows = [f'{{"time": {1_795_694_400 + row}, "rate": {60 * (row % 5)}' for row in range(400)]
    lines = [row + (', "rate_unit": "req/min"}\n' if place < 9 else "}\n") for place, row in enumerate(rows)]
    for name, cuts in (("whole", [400]), ("parts", [200, 400])):
        for cut in cuts:
            (tmp_path / f"{name}.jsonl").write_text("".join(lines[:cut]))
            ingest(tmp_path / name, tmp_path / f"{name}.jsonl")
    assert days(tmp_path / "parts") == days(tmp_path / "whole")
