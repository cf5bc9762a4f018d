"""What a log holds is text and nothing else, wherever it is shown."""

import csv
import io
import json
import unicodedata

import pytest

from tests.marks import slow
from tests.running import entro

NAMES = [
    "<script>alert(1)</script>",
    "[/x] [bold]loud[/bold] [link=http://x]",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "=cmd('/c calc')!A1",
    "@SUM(1)",
    "-1+1",
    "+1",
    "n" * 10_000,
    "漢字" * 20,
    "two\nlines\tand a tab",
    "right\u202eto left",
    "{{ 7 * 7 }}{% raw %}",
    ":smile: %s %(x)s {0}",
    'a "quoted, name"',
    "../../etc/passwd",
    "\u0085\u2028next",
]
HOSTILE = [*NAMES[:4], NAMES[7], *map(slow, (*NAMES[4:7], *NAMES[8:]))]


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def wide(name):
    rows = "".join(f"2026-04-06T12:00:{second:02}Z,30,30,{quoted(name)}\n" for second in range(20))
    return f"time,scraper_rate,{quoted(name)},note\n{rows}".encode()


def long(name):
    rows = [f"2026-04-06T12:00:{second:02}Z,{quoted(name)},30,queue\n" for second in range(20)]
    return ("time,stage,value,kind\n" + "".join(rows)).encode()


def columns(line):
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def check_inert(text):
    """Nothing a terminal would act on, but for the line feeds between lines."""
    assert all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_stage_of_that_name(name):
    outcome = entro("analyze", "-", stdin=long(name))
    assert outcome.status == 0, outcome.err
    check_inert(outcome.out)
    check_inert(outcome.err)
    assert all(columns(line) <= 80 for line in outcome.out.splitlines())
    if name.isprintable() and len(name) < 20:
        assert name in outcome.out
    document = entro("analyze", "-", "--json", stdin=long(name))
    check_inert(document.out)
    (stage,) = json.loads(document.out)["stages"]
    assert json.loads(document.out)["incidents"][0]["driver"] == stage["name"]
    if name.isprintable():
        assert stage["name"] == name
    head, *rows = csv.reader(io.StringIO(entro("analyze", "-", "--steps-csv", "-", stdin=long(name)).out))
    assert head[1] == f"load_{stage['name']}"
    assert not any(cell.startswith(("=", "@", "+")) for row in [head, *rows] for cell in row)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_column_of_that_name(name):
    outcome = entro("analyze", "-", "--stage", f"llm={name}:queue", "--steps-csv", "-", stdin=wide(name))
    assert outcome.status == 0, outcome.err
    assert "load_llm" in outcome.out
    error = entro("analyze", "-", "--time", "nowhere", stdin=wide(name)).error
    check_inert(error)
    assert len(error) < 500


@pytest.mark.parametrize("value", HOSTILE)
def test_a_bad_value_of_that_text(value):
    good = "".join(f"2026-04-06T12:00:{second:02}Z,1,1\n" for second in range(20))
    content = f"time,scraper_rate,llm_queue\n{good}2026-04-06T12:00:30Z,{quoted('x' + value)},1\n".encode()
    outcome = entro("analyze", "-", "--json", stdin=content)
    check_inert(outcome.err)
    check_inert(outcome.out)
    (row,) = json.loads(outcome.out)["sources"][0]["bad_rows"]
    assert (row["line"], row["reason"]) == (22, "not a number")
    assert len(row["text"]) <= 80


@pytest.mark.parametrize("name", [name for name in NAMES if len(name) < 200 and "/" not in name])
def test_a_file_and_a_pipeline_of_that_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(wide("llm_queue"))
    outcome = entro("analyze", path, "--pipeline", name)
    assert outcome.status == 0, outcome.err
    check_inert(outcome.out)
    assert all(columns(line) <= 80 for line in outcome.out.splitlines())
    path.write_bytes(b"")
    check_inert(entro("analyze", path).error)
