"""Plain CSVs are read by Arrow: it gives what DuckDB gives, or leaves the file to DuckDB."""

from datetime import UTC, datetime
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.tables import fast_csv
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import ReadOptions
from entro_engine import EntroError
from tests.running import entro

table = TableReader()

pytest.importorskip("pyarrow", reason="the extra `fast` is not installed")


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
        *("-nan", "NaN", "+nan", "nan(1)", "null", "NULL", "N/A", "Infinity", "-inf", "-0", "-0.0", "-1e-400", "1e101"),
        *("0x10", "0X1p3", "0b1", "1__0", "1e1_0", "1.5f", "1L", "1,5", "é", "true", "1%", "\t1", "1\t", "1\v", "1 2"),
        *("9" * 400, "0." + "0" * 400 + "1", "1" * 309, "4.9e-324", "2e-324", "1e308", "1e309", "1.", ".", "1\0"),
        *("# 1", "'1'", "\\1", "1\\", '"', '1"', '""', '"1""2"', "1\r", "\ufeff1"),
    ]
)
ANY_NUMBERS = st.one_of(st.text("0123456789.eE+-_ naif", max_size=9), st.text(max_size=5))
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
        *("2026-04-06T12", "2026-04-06T12Z", "2026-04-06 12+02", "2026-04-06T12:30-02", "2026-04-06T12:30+02:00"),
        *(
            "2026-04-06T12:30Z",
            "2026-04-06T12:30",
            "2026-04-06T12+02:00",
            "2026-04-06T12:30:00+0230",
            "20260406T123000Z",
        ),
        *("2026-04-06T12:30:00+15:59", "2026-04-06T12:30:00-23:59", "2026-04-06T12:30:00+24:00", "2026-04-06Z"),
        *("2026-04-06T12:30:00,5Z", "2026-04-06t12:30:00Z", "2026/04/06 12:30:00", " 2026-04-06T12:30:00Z"),
        *("2026-04-06T12:30:00Z ", "2026-04-06T12:30:00 Europe/Berlin", "2026-04-06T12:30:00.Z", "2026-04-06T12:30:00"),
        *("1677-01-01T00:00:00Z", "2262-04-12T00:00:00Z", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00", "2026-4-6"),
        *("0x7fffffff", "1_775_000_000", "+1775000000", "1775000000.0000000001", "177500000000e-2", "1775000000 "),
        *(
            "499999999",
            "9000000000.000000001",
            "18446744075484551616",
            "340282366920938463463374607433543211456",
            "nan",
        ),
    ]
)
ANY_STAMPS = st.one_of(st.text("0123456789-:TZ+. ", max_size=26), st.text(max_size=5))
NOTES = st.one_of(
    st.sampled_from(
        ["a-b", "GET / of it", " ", "é", "\t", "\x01", "\x7f", "\0", "'", "#", "\\", '"a"', 'a "b"', '"', "\r"]
    ),
    st.text(max_size=6).filter(lambda text: "\n" not in text),
)


def columns(plain, odd):
    """Mostly cells of one plain form, at times with others among them."""
    alike = st.one_of([st.lists(form, min_size=12, max_size=12) for form in plain])
    mixed = st.lists(st.one_of(*plain, odd), min_size=12, max_size=12)
    one_odd = st.tuples(
        st.one_of(*(st.lists(form, min_size=11, max_size=11) for form in plain)), odd, st.integers(0, 11)
    )
    return st.one_of(
        alike, alike, mixed, one_odd.map(lambda drawn: [*drawn[0][: drawn[2]], drawn[1], *drawn[0][drawn[2] :]])
    )


def read(path):
    try:
        with plain_log(str(path)) as log:
            return table.read(log, ReadOptions(zone=UTC, zone_given=True))
    except EntroError as error:
        return str(error)


def both_ways(path):
    """What is read with Arrow and without, and whether Arrow read it."""
    taken = []
    read_plain_csv = fast_csv.read_plain_csv

    def watched(*arguments):
        taken.append(read_plain_csv(*arguments))
        return taken[-1]

    with (
        patch("entro_cli.readers.tables.fast_csv.WORTH_BYTES", 0),
        patch("entro_cli.readers.tables.fast_csv.BLOCK_BYTES", 64),
        patch("entro_cli.readers.tables.fast_csv.read_plain_csv", watched),
    ):
        by_arrow = read(path)
    return by_arrow, read(path), bool(taken) and taken[-1] is not None


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
    stamps=columns(PLAIN_STAMPS, st.one_of(ODD_STAMPS, ANY_STAMPS)),
    loads=st.tuples(*[columns(PLAIN_NUMBERS, st.one_of(ODD_NUMBERS, ANY_NUMBERS))] * 2),
    delimiter=st.sampled_from(",;\t|"),
    notes=st.one_of(st.just([]), st.lists(NOTES, min_size=12, max_size=12), st.just(["a note"] * 12)),
    header=st.sampled_from(["note", "note", '"note"', 'a "note"', "llm_queue ", "time ", "", "é"]),
    ends=st.tuples(
        st.sampled_from(["", "", "# a comment\n", "\n", "\ufeff", "\ufeff# a comment\n"]), st.sampled_from(["\n", ""])
    ),
    line_end=st.sampled_from(["\n", "\n", "\r\n"]),
    odd_line=st.sampled_from([None, None, None, None, "", " ", "# 1,2,3", "1", "1,2,3,4,5,6", "\r", "\0", ",,", ",,,"]),
)
@example(["2026-04-06T12:30:00Z"] * 12, (["1"] * 12, ["2"] * 12), ",", ["a"] * 12, "note", ("", "\n"), "\n", None)
@pytest.mark.slow
def test_arrow_reads_what_duckdb_reads(  # noqa: PLR0917 - as many things may be odd
    tmp_path_factory, stamps, loads, delimiter, notes, header, ends, line_end, odd_line
):
    others = [[note] for note in notes] or [[]] * 12
    rows = [["time", *([header] if notes else []), "scraper_rate", "llm_queue"]]
    rows += [[stamp, *other, *pair] for stamp, other, *pair in zip(stamps, others, *loads, strict=True)]
    lines = [delimiter.join(row) for row in rows]
    if odd_line is not None:
        lines.insert(7, odd_line.replace(",", delimiter))
    path = tmp_path_factory.mktemp("plain") / "log.csv"
    path.write_bytes("\n".join(lines).join(ends).replace("\n", line_end).encode())
    by_arrow, by_duckdb, _ = both_ways(path)
    assert alike(by_arrow, by_duckdb), (by_arrow, by_duckdb)


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
        (PLAIN.replace("0.125", "9007199254740993.0"), True),
        (PLAIN.replace("0.125", "9" * 40), True),
        (PLAIN.replace(",0.125", ",+.5"), True),
        (PLAIN.replace(",0.125", ",nan"), True),
        (PLAIN.replace(",0.125", ",-0.125"), False),
        (PLAIN.replace(",0.125", ",inf"), False),
        (PLAIN.replace(",0.125", ",1e101"), False),
        (PLAIN.replace(",0.125", ",1_0"), False),
        (PLAIN.replace(",0.125", ",0x10"), False),
        (PLAIN.replace("2026-04-06T00:00:01Z", "2026-04-06T00Z"), False),
        (PLAIN.replace("2026-04-06T00:00:01Z", "2026-04-06T00:00-00"), False),
        (PLAIN.replace("2026-04-06T00:00:01Z", "2026-04-06T00:00:01"), False),
        (PLAIN.replace("2026-04-06T00:00:01Z", ""), False),
        (PLAIN.replace("2026-04-06T", "9999-04-06T"), False),
        (PLAIN.replace("0.125,1", "0.125"), False),
        (PLAIN.replace("0.125,1", "0.125,1,2"), False),
        (PLAIN + "\n", False),
        (PLAIN.replace("time,", '"time",'), True),
        ("\ufeff" + PLAIN, True),
        ("# a comment\n" + PLAIN, True),
        (PLAIN.replace("2026-04-06T00:00:01Z", "# 2026-04-06T00:00:01Z"), False),
        (PLAIN.replace("Z,", "Z,a note,").replace("time,", "time,note,"), True),
        (PLAIN.replace("Z,", "Z,é,").replace("time,", "time,note,"), False),
        (PLAIN.replace("Z,", "Z,\x1f,").replace("time,", "time,note,"), True),
        (PLAIN.replace("Z,", "Z,'a',").replace("time,", "time,note,"), True),
        (PLAIN.replace("Z,", "Z,1,").replace("time,", "time,time ,"), False),  # two columns may be the time
        (PLAIN.partition("\n")[0] + "\n", False),
    ],
)
def test_which_csvs_are_plain(tmp_path, text, is_plain):
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode())
    by_arrow, by_duckdb, was_plain = both_ways(path)
    assert was_plain == is_plain
    assert alike(by_arrow, by_duckdb)


@pytest.mark.parametrize("note", ["\0", "é", "\r", '"a"', "a"])
def test_what_only_a_later_block_holds(tmp_path, note):
    lines = [f"{1_775_000_000 + second},{'x' * 100},1,2\n" for second in range(1000)]  # more than a log's head
    lines[900] = lines[900].replace("x" * 100, note)
    path = tmp_path / "log.csv"
    path.write_bytes("".join(["time,note,scraper_rate,llm_queue\n", *lines]).encode())
    by_arrow, by_duckdb, was_plain = both_ways(path)
    assert was_plain == (note == "a")
    assert alike(by_arrow, by_duckdb)


def test_the_numbers_read_are_those_written(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(PLAIN)
    by_arrow, _, _ = both_ways(path)
    assert by_arrow.series[0].values.tolist() == [second / 8 for second in range(100)]
    assert np.diff(by_arrow.series[0].times).tolist() == [10**9] * 99


EPOCHS = "time,scraper_rate,llm_queue\n" + "".join(f"{1_775_000_000 + second},1,2\n" for second in range(100))


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        (EPOCHS, True),
        (EPOCHS.replace("01,1", "01.000000001,1"), True),
        (EPOCHS.replace("01,1", "01.0000000001,1"), False),
        (EPOCHS.replace("1775000001,", "18446744075484551617,"), False),  # 2^64 more
        (EPOCHS.replace("1775000001,", "9000000000.1,"), False),
        (EPOCHS.replace("1775000001,", "1,"), False),
        (EPOCHS.replace("1775000001,", "0x69cc3b01,"), False),
        (EPOCHS.replace("1775000001,", "1_775_000_001,"), False),
        (EPOCHS.replace("1775000001,", ","), False),
        (EPOCHS.replace(",1,2", "123,1,2"), True),
        (EPOCHS.replace(",1,2", "123.456789,1,2"), True),
        (EPOCHS.replace(",1,2", "123.4567891,1,2"), False),
        (EPOCHS.replace(",1,2", "123456789,1,2"), True),
        (EPOCHS.replace(",1,2", "123456789.5,1,2"), False),
        (EPOCHS.replace("17750", ""), True),
        (EPOCHS.replace("17750", "-"), False),
    ],
)
def test_times_that_are_numbers(tmp_path, text, is_plain):
    path = tmp_path / "log.csv"
    path.write_text(text)
    by_arrow, by_duckdb, was_plain = both_ways(path)
    assert was_plain == is_plain
    assert alike(by_arrow, by_duckdb)


def test_one_column_may_be_two_stages(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(PLAIN)
    command = "analyze", path, "--tz", "UTC", "--json", "--stage", "a=llm_queue:queue", "--stage", "b=llm_queue:generic"
    by_duckdb = entro(*command)
    with patch("entro_cli.readers.tables.fast_csv.WORTH_BYTES", 0):
        assert entro(*command) == by_duckdb
    assert by_duckdb.status == 0


def test_the_time_may_be_a_stage(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(EPOCHS)
    command = "analyze", path, "--tz", "UTC", "--json", "--stage", "clock=time:generic"
    by_duckdb = entro(*command)
    with patch("entro_cli.readers.tables.fast_csv.WORTH_BYTES", 0):
        assert entro(*command) == by_duckdb
    assert by_duckdb.status == 0
