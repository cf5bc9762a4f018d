"""Plain CSVs are read by a short way of their own: it gives what the reader of all tables gives, or nothing."""

from datetime import UTC, datetime
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entro_cli.inputs import plain_log
from entro_cli.observations import ReadOptions
from entro_cli.readers import plain_csv, table
from entro_engine import EntroError

pytest.importorskip("numba", reason="the extra `fast` is not installed")

PLAIN_NUMBERS = (
    st.integers(0, 10**6).map(str),
    st.floats(0, 1e6).map(lambda value: f"{value:.3f}"),
    st.decimals(0, 99_999, places=9).map(str),
    st.sampled_from(["", "0", "0.0", "1.5", "007", "0.000000000000001", "999999999999999", "123456789.012345"]),
)
ODD_NUMBERS = st.sampled_from(
    [
        "-1",
        "1e3",
        "nan",
        "inf",
        " 1",
        "1 ",
        "1.",
        ".5",
        "+2",
        '"3"',
        "x",
        "1_0",
        "9" * 16,
        "1.2.3",
        "0.30000000000000004",
    ]
)
DATES = st.datetimes(datetime(1971, 1, 2), datetime(2199, 12, 30))
WHOLE = DATES.map(lambda when: when.replace(microsecond=0).isoformat())
PLAIN_STAMPS = (
    DATES.map(lambda when: when.isoformat(sep=" ")),
    DATES.map(lambda when: f"{when.isoformat()}Z"),
    WHOLE.map(lambda when: f"{when}+02:30"),
    WHOLE.map(lambda when: f"{when}.123456789-07:00"),
    st.integers(600_000_000, 8_000_000_000).map(str),
    st.decimals(600_000_000, 8_000_000_000, places=9).map(str),
    st.integers(600_000_000_000, 8_000_000_000_000).map(str),
)
ODD_STAMPS = st.sampled_from(
    [
        *("2024-02-29T00:00:00Z", "2023-02-29T00:00:00Z", "2100-02-29T01:00:00Z", "2026-04-06T24:00:00Z", "2026-04-06"),
        *("2026-04-06 12:30:60Z", "2026-13-01T00:00:00Z", "2026-04-06T12:30:00z", "2026-04-06T12:30:00.1234567891Z"),
        *("2026-04-06T12:30:00 +0200", "1960-01-01T00:00:00Z", "2230-01-01T00:00:00Z", "", "x"),
        *("1775000000.5", "1775000000.", ".5", "-5", "1775000000000000000", "9000000000", "1e9"),
    ]
)


def columns(plain, odd):
    """Mostly cells of one plain form, at times with others among them."""
    alike = st.one_of([st.lists(form, min_size=12, max_size=12) for form in plain])
    mixed = st.lists(st.one_of(*plain, odd), min_size=12, max_size=12)
    return st.one_of(alike, alike, alike, mixed)


def read(path):
    with plain_log(str(path)) as log:
        try:
            return table.read(log, ReadOptions(zone=UTC, zone_given=True))
        except EntroError as error:
            return str(error)


def both_ways(path):
    """What is read with the short way and without, and whether the short way was one."""
    taken = []
    original = plain_csv.plain_rows

    def watched(*arguments):
        taken.append(original(*arguments))
        return taken[-1]

    with (
        patch("entro_cli.readers.plain_csv.WORTH_BYTES", 0),
        patch("entro_cli.readers.plain_csv.BLOCK_BYTES", 64),
        patch("entro_cli.readers.rows.plain_rows", watched),
    ):
        short = read(path)
    return short, read(path), bool(taken) and taken[-1] is not None


def alike(first, second):
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    names = ("rows_read", "rows_skipped", "bad_rows", "zone", "problems", "columns")
    return all(getattr(first, name) == getattr(second, name) for name in names) and all(
        (a.stage, a.kind, a.full, a.column) == (b.stage, b.kind, b.full, b.column)
        and a.times.tobytes() == b.times.tobytes()
        and a.values.tobytes() == b.values.tobytes()
        for a, b in zip(first.series, second.series, strict=True)
    )


@settings(deadline=None)
@given(
    stamps=columns(PLAIN_STAMPS, ODD_STAMPS),
    loads=st.tuples(columns(PLAIN_NUMBERS, ODD_NUMBERS), columns(PLAIN_NUMBERS, ODD_NUMBERS)),
    delimiter=st.sampled_from(",;\t|"),
    before=st.sampled_from(["", "# a comment\n", "\n"]),
    has_other=st.booleans(),
    has_end=st.booleans(),
)
@example(["2026-04-06T12:30:00Z"] * 12, (["1"] * 12, ["2"] * 12), ",", "", True, True)
def test_it_gives_what_the_reader_of_all_tables_gives(
    tmp_path_factory, stamps, loads, delimiter, before, has_other, has_end
):
    other = ["a-b"] if has_other else []
    rows = [["time", *other, "scraper_rate", "llm_queue"]]
    rows += [[stamp, *other, *pair] for stamp, *pair in zip(stamps, *loads, strict=True)]
    path = tmp_path_factory.mktemp("plain") / "log.csv"
    path.write_text(before + "\n".join(delimiter.join(row) for row in rows) + ("\n" if has_end else ""))
    short, usual, _ = both_ways(path)
    assert alike(short, usual), (short, usual)


PLAIN = "time,scraper_rate,llm_queue\n" + "".join(
    f"2026-04-06T00:{second // 60:02}:{second % 60:02}Z,{second / 8},{second % 5}\n" for second in range(100)
)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        (PLAIN, True),
        (PLAIN.replace(",", "\t"), True),
        (PLAIN.replace("Z,", "+00:00,"), True),
        (PLAIN.replace("0.125", ""), True),
        (PLAIN.replace("0.125", '"0.125"'), False),
        (PLAIN.replace("0.125", "x"), False),
        (PLAIN.replace("0.125", "é"), False),
        (PLAIN.replace("\n", "\r\n"), False),
        (PLAIN.replace("0.125,1", "0.125"), False),
        (PLAIN.replace("0.125,1", "0.125,1,2"), False),
        (PLAIN + "\n", False),
        (PLAIN.replace("time,", '"time",'), True),
        (PLAIN.partition("\n")[0] + "\n", False),
    ],
)
def test_what_is_plain(tmp_path, text, is_plain):
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode())
    short, usual, was_plain = both_ways(path)
    assert was_plain == is_plain
    assert alike(short, usual)


def test_the_very_numbers(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(PLAIN)
    short, _, _ = both_ways(path)
    assert short.series[0].values.tolist() == [second / 8 for second in range(100)]
    assert np.diff(short.series[0].times).tolist() == [10**9] * 99
