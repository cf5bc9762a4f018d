"""Odd cells, rows and line ends of CSVs: a log that is read block by block has what it has at once."""

from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.grid.long_logs import both_ways, is_same, long_from
from tests.running import entro

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
DATES = st.datetimes(datetime(2026, 4, 5), datetime(2026, 4, 7))
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
def test_blocks_give_what_the_whole_gives(  # noqa: PLR0917 - as many things may be odd
    tmp_path_factory, stamps, loads, delimiter, notes, header, ends, line_end, odd_line
):
    others = [[note] for note in notes] or [[]] * 12
    rows = [["time", *([header] if notes else []), "scraper_rate", "llm_queue"]]
    in_order = sorted(stamps)  # as most logs are
    rows += [[stamp, *other, *pair] for stamp, other, *pair in zip(in_order, others, *loads, strict=True)]
    lines = [delimiter.join(row) for row in rows]
    if odd_line is not None:
        lines.insert(7, odd_line.replace(",", delimiter))
    path = tmp_path_factory.mktemp("odd") / "log.csv"
    path.write_bytes("\n".join(lines).join(ends).replace("\n", line_end).encode())
    short, whole, _ = both_ways(path, "1h")
    assert is_same(short, whole), (short, whole)


PLAIN = "time,scraper_rate,llm_queue\n" + "".join(
    f"2026-04-06T00:{second // 60:02}:{second % 60:02}Z,{second / 8},{second % 5}\n" for second in range(100)
)


def test_one_column_may_be_two_stages(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(PLAIN)
    command = "analyze", path, "--tz", "UTC", "--json", "--stage", "a=llm_queue:queue", "--stage", "b=llm_queue:generic"
    whole = entro(*command)
    with long_from(0):
        assert entro(*command) == whole
    assert whole.status == 0


def test_the_time_may_be_a_stage(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("time,scraper_rate\n" + "".join(f"{1_775_000_000 + second},1\n" for second in range(100)))
    command = "analyze", path, "--tz", "UTC", "--json", "--stage", "clock=time:generic"
    whole = entro(*command)
    with long_from(0):
        assert entro(*command) == whole
    assert whole.status == 0
