"""Plain CSVs are read by a short way of their own: it gives what the reader of all tables gives, or nothing."""

from datetime import UTC, datetime
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.tables import fast_csv as plain_csv
from entro_cli.readers.tables import reader as table
from entro_cli.timeseries.observations import ReadOptions
from entro_engine import EntroError

pytest.importorskip("numba", reason="the extra `fast` is not installed")


def with_a_point(number):
    digits, places = number
    return f"{digits[:-places] or '0'}.{digits[-places:]}" if places else digits


PLAIN_NUMBERS = (
    st.integers(0, 10**6).map(str),
    st.floats(0, 1e6).map(lambda value: f"{value:.3f}"),
    st.decimals(0, 99_999, places=9).map(str),
    st.floats(0, 1e6).map(repr),
    st.floats(1e-9, 1e-3).map(repr),
    st.tuples(st.integers(2**53, 10**18 - 1).map(str), st.integers(0, 18)).map(with_a_point),
    st.sampled_from(["", "0", "0.0", "1.5", "007", "0.000000000000001", "999999999999999", "123456789.012345"]),
    st.sampled_from(["1e3", "1E-05", "2.5e+16", "9" * 16, "9007199254740992.5", "0.30000000000000004", "0e0"]),
)
ODD_NUMBERS = st.sampled_from(
    [
        "-1",
        "-1e3",
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
        "9" * 19,
        "1.2.3",
        "9007199254740993.0",
        "1e",
        "e3",
        ".e3",
        "1.e3",
        "1e+",
        "1e-400",
        "1e99999",
        "1e3e3",
        "1e3.5",
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
        patch("entro_cli.readers.tables.fast_csv.WORTH_BYTES", 0),
        patch("entro_cli.readers.tables.fast_csv.BLOCK_BYTES", 64),
        patch("entro_cli.readers.tables.rows.plain_rows", watched),
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
    other=st.sampled_from([[], ["a-b"], ["GET / of it"], [" "], ["é"]]),
    has_end=st.booleans(),
    line_end=st.sampled_from(["\n", "\n", "\r\n"]),
)
@example(["2026-04-06T12:30:00Z"] * 12, (["1"] * 12, ["2"] * 12), ",", "", ["a"], True, "\n")
def test_it_gives_what_the_reader_of_all_tables_gives(
    tmp_path_factory, stamps, loads, delimiter, before, other, has_end, line_end
):
    rows = [["time", *["note" for _ in other], "scraper_rate", "llm_queue"]]
    rows += [[stamp, *other, *pair] for stamp, *pair in zip(stamps, *loads, strict=True)]
    path = tmp_path_factory.mktemp("plain") / "log.csv"
    text = before + "\n".join(delimiter.join(row) for row in rows) + ("\n" if has_end else "")
    path.write_bytes(text.replace("\n", line_end).encode())
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
        (PLAIN.replace("\n", "\r\n"), True),
        (PLAIN.replace("\n", "\r\n").removesuffix("\r\n"), True),
        (PLAIN.replace("\n", "\r\n").removesuffix("\n"), False),
        (PLAIN.replace("1\n", "1\r\n"), False),
        (PLAIN.replace(",0.125", ",0.12500000000000001"), True),
        (PLAIN.replace("0.125", "1.25e-01"), True),
        (PLAIN.replace("0.125", "9007199254740993.0"), False),
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
