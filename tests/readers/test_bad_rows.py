"""Rows that cannot be read are skipped, counted and shown with the line numbers of `grep -n`."""

import gzip
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.running import entro

GOOD = ("2026-04-06T12:00:01Z", "1.5", "2")
FAULTS = {
    "the time cannot be read": ("yesterday", "1", "2"),
    "not a number": ("2026-04-06T12:00:00Z", "fast", "2"),
    "infinite": ("2026-04-06T12:00:00Z", "1", "inf"),
    "negative": ("2026-04-06T12:00:00Z", "-1", "2"),
    "2 cells instead of 4": ("2026-04-06T12:00:00Z",),
    "6 cells instead of 4": ("2026-04-06T12:00:00Z", "1", "2", "3", "4"),
}


def source_of(content, name="log", *options):
    """The JSON document's word on a log with that content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        outcome = entro("analyze", path, "--json", *options)
        assert outcome.status == 0, outcome.err
        (source,) = json.loads(outcome.out)["sources"]
        return source | {"err": outcome.err}


def lines_and_reasons(source):
    return [(row["line"], row["reason"]) for row in source["bad_rows"]]


NOTES = st.sampled_from(["", "plain", '"two\nlines"', '"a ""word"" in quotes"', '"a, b"', '"\n\n"', "#"])
ENTRIES = st.tuples(st.sampled_from([None, None, None, "blank", *FAULTS]), NOTES)


@given(
    st.lists(ENTRIES, max_size=12), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "# made by hand\n\n# so\n"])
)
@settings(max_examples=settings.default.max_examples // 2)
def test_lines_are_counted_by_line_feeds(entries, end, before):
    text, line, expected, good = f"{before}time,rate,queue,note{end}", before.count("\n") + 2, [], 0
    for fault, note in [(None, "")] * 12 + entries:
        row = "" if fault == "blank" else ",".join([*FAULTS.get(fault, GOOD), note.replace("\n", end)])
        if fault is None:
            good += 1
        elif fault != "blank":
            expected.append((line, fault))
        text += row + end
        line += row.count("\n") + 1
    source = source_of(text.encode())
    assert (source["rows_read"], source["rows_skipped"]) == (good, len(expected))
    assert lines_and_reasons(source) == expected[:5]


WRAPPED = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "BOM": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "Latin-1": lambda data: data.replace(b"cafe", "café".encode("latin-1")),
    "a lone carriage return": lambda data: data.replace(b"cafe", b"ca\rfe"),
    "an open quote": lambda data: data.replace(b"cafe", b'"cafe'),
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "tabs": lambda data: data.replace(b",", b"\t"),
    "semicolons": lambda data: data.replace(b",", b";"),
    "bars": lambda data: data.replace(b",", b"|"),
    "no last end of line": bytes.rstrip,
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_whatever_the_file_is_like(wrapping):
    rows = [f"2026-04-06T12:00:{second:02}Z,1.5,{second},cafe" for second in range(20)]
    rows[7] = "2026-04-06T12:00:07Z,1.5,seven,x"
    rows[11] = "2026-04-06T12:00:11Z,-1.5,11,x"
    data = "\n".join(["time,rate,queue,note", *rows, ""]).encode()
    source = source_of(WRAPPED[wrapping](data))
    assert (source["rows_read"], source["rows_skipped"]) == (18, 2)
    assert lines_and_reasons(source) == [(9, "not a number"), (13, "negative")]


def test_a_carriage_return_that_duckdb_takes_for_the_end_of_a_row():
    rows = [f"2026-04-06T12:00:{second:02}Z,x,1.5,{second}" for second in range(20)]
    rows[7] = rows[7].replace("x", "\r")
    rows[11] = rows[11].replace("1.5", "fast")
    source = source_of("\n".join(["time,note,rate,queue", *rows, ""]).encode())
    assert lines_and_reasons(source)[-1] == (13, "not a number")
    assert source["rows_read"] == 18


def test_quotes_that_are_never_closed_spoil_one_row():
    rows = [f'"2026-04-06T12:00:{second:02}Z","1.5","{second}","x"' for second in range(30)]
    rows[9] = rows[9].removesuffix('"')
    source = source_of("\n".join(["time,rate,queue,note", *rows, ""]).encode())
    assert source["rows_read"] + source["rows_skipped"] >= 29
    assert source["rows_skipped"] <= 1


def test_json_lines_that_are_none():
    good = json.dumps({"time": "2026-04-06T12:00:00Z", "rate": 1.5, "queue": None})
    lines = [good, "", '{"time": "2026-04-06T12:00:01Z", "rate": "fast"}', good, "not JSON", "[1]", good, "", good]
    lines += [good.replace("1.5", "NaN"), '{"rate": 1}', good]
    source = source_of("\n".join(lines).encode())
    assert lines_and_reasons(source) == [
        (3, "not a number"),
        (5, "not a row of the table"),
        (6, "not a row of the table"),
        (11, "the time cannot be read"),
    ]
    assert (source["rows_read"], source["rows_skipped"]) == (6, 4)


def test_empty_cells_and_nan_are_no_bad_rows():
    rows = [f"2026-04-06T12:00:0{second}Z,{cell},1" for second, cell in enumerate(["", "nan", "NaN", " ", "null", "1"])]
    source = source_of("\n".join(["time,rate,queue", *rows]).encode())
    assert (source["rows_read"], source["rows_skipped"]) == (6, 0)


def test_a_long_row_without_a_stage_is_told():
    rows = ["2026-04-06T12:00:00Z,scraper,1", "2026-04-06T12:00:00Z,llm,1", "2026-04-06T12:00:00Z,,1"]
    source = source_of("\n".join(["time,stage,value", *rows]).encode())
    assert lines_and_reasons(source) == [(4, "no stage is named")]


def test_the_first_five_are_shown_and_masked_when_asked():
    rows = ["2026-04-06T12:00:00Z,1,2"] * 20 + ["2026-04-06T12:00:00Z,secret,2"] * 9
    content = "\n".join(["time,rate,queue", *rows]).encode()
    source = source_of(content)
    assert [row["text"] for row in source["bad_rows"]] == ["2026-04-06T12:00:00Z,secret,2"] * 5
    assert [row["line"] for row in source["bad_rows"]] == [22, 23, 24, 25, 26]
    assert "9 of 29 rows could not be read" in source["err"]
    assert "and 4 more" in source["err"]
    masked = source_of(content, "log", "--redact")
    assert {row["text"] for row in masked["bad_rows"]} == {"xxxx-xx-xxxxx:xx:xxx,xxxxxx,x"}
    assert "secret" not in masked["err"]


def test_a_long_row_is_shortened():
    rows = ["2026-04-06T12:00:00Z,1,2,"] * 3 + ["2026-04-06T12:00:00Z,x,2," + "a" * 1_000_000]
    (row,) = source_of("\n".join(["time,rate,queue,note", *rows]).encode())["bad_rows"]
    assert len(row["text"]) <= 80
