"""A log ingested whole, in parts, twice, in overlapping parts, in any order: the same bytes in the history."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.history.ingest import resume as reading_on
from tests.history.stored import HEADER, START, days, ingest, line

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
