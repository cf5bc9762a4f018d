"""`entro history export`: the steps to their last bit, in three formats."""

import csv
import io
import json

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.stored import HEADER, START, days, ingest, line, regular
from tests.running import COMMAND, entro, entro_process

NS = 10**9


@pytest.fixture
def history(tmp_path):
    """Six steps of 10 s: one without a queue, two without anything; in one two samples of a rate."""
    log = tmp_path / "log.csv"
    rows = [line(START, 0.1, 3.0), line(START + 4 * NS, 0.3, 1.0), line(START + 10 * NS, 1e-17, 12345678.123456789)]
    rows += [f"{line(START + 20 * NS, 2.0, 0).rpartition(',')[0]},\n", line(START + 50 * NS, 1 / 3, 2.5)]
    log.write_text(HEADER + "".join(rows))
    ingest(tmp_path / "history", log, "--step", "10s")
    return tmp_path / "history"


def export(history, *arguments):
    outcome = entro("history", "export", "--history", history, *arguments)
    assert outcome.status == 0, outcome.err
    return outcome


CSV = """\
time,load_scraper,load_llm,peak_scraper,peak_llm,end_scraper,end_llm,samples_scraper,samples_llm,with_data
2026-03-29T03:00:00+02:00,0.2,2.0,0.3,3.0,0.3,1.0,2,2,true
2026-03-29T03:00:10+02:00,1e-17,12345678.12345679,1e-17,12345678.12345679,1e-17,12345678.12345679,1,1,true
2026-03-29T03:00:20+02:00,2.0,,2.0,,2.0,,1,0,false
2026-03-29T03:00:30+02:00,,,,,,,0,0,false
2026-03-29T03:00:40+02:00,,,,,,,0,0,false
2026-03-29T03:00:50+02:00,0.3333333333333333,2.5,0.3333333333333333,2.5,0.3333333333333333,2.5,1,1,true
"""


def test_as_csv(history, tmp_path):
    assert export(history, "--tz", "Europe/Berlin") == (0, CSV, "")
    assert export(history, "--tz", "Europe/Berlin", "--out", "-").out == CSV
    out = tmp_path / "made" / "out.txt"
    told = export(history, "--tz", "Europe/Berlin", "--out", out)
    assert told == (0, "", f"wrote {out}\n")
    assert out.read_text() == CSV


def as_rows(text):
    """CSV as JSON lines should be."""
    for row in csv.DictReader(io.StringIO(text)):
        yield {key: value if key == "time" else json.loads(value or "null") for key, value in row.items()}


def test_as_json_lines(history, tmp_path):
    text = export(history, "--tz", "Europe/Berlin", "--format", "jsonl").out
    assert [json.loads(row) for row in text.splitlines()] == list(as_rows(CSV))
    export(history, "--tz", "Europe/Berlin", "--out", tmp_path / "x.jsonl")
    assert (tmp_path / "x.jsonl").read_text() == text


def test_as_parquet(history, tmp_path):
    out = tmp_path / "it's [1].parquet"
    export(history, "--out", out)
    first = out.read_bytes()
    export(history, "--out", out)
    assert out.read_bytes() == first
    plain = tmp_path / "plain.parquet"
    plain.write_bytes(first)
    got = duckdb.sql(f"SELECT epoch_ns(time), * EXCLUDE (time) FROM '{plain}'").fetchall()
    wanted = [tuple(row.values())[1:] for row in as_rows(CSV)]
    assert got == [(START + index * 10 * NS, *row) for index, row in enumerate(wanted)]
    types = {name: kind for name, kind, *_ in duckdb.sql(f"DESCRIBE FROM '{plain}'").fetchall()}
    assert (types["time"], types["load_llm"], types["samples_llm"]) == ("TIMESTAMP_NS", "DOUBLE", "BIGINT")
    assert types["with_data"] == "BOOLEAN"


def test_a_document(history, tmp_path):
    told = json.loads(export(history, "--tz", "UTC", "--json", "--out", tmp_path / "x.csv").out)
    assert told == {
        "schema": "entro/history-export/1",
        "pipeline": "default",
        "file": str(tmp_path / "x.csv"),
        "format": "csv",
        "start": "2026-03-29T01:00:00+00:00",
        "end": "2026-03-29T01:01:00+00:00",
        "step_s": 10.0,
        "steps": 6,
        "stages": ["scraper", "llm"],
    }


@pytest.mark.parametrize(
    "arguments", [["--json"], ["--format", "parquet"], ["--format", "xlsx"], ["--json", "--out", "-"]]
)
def test_wrong_usage(history, arguments):
    outcome = entro("history", "export", "--history", history, *arguments)
    assert (outcome.status, outcome.out) == (2, "")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_time_without_steps(history, tmp_path, form):
    out = tmp_path / f"x.{form}"
    outcome = export(history, "--until", "2026-01-01", "--out", out)
    assert "warning: nothing is stored for that time\n" in outcome.err
    if form == "parquet":
        assert duckdb.sql(f"FROM '{out}'").fetchall() == []
    else:
        assert out.read_text() == (CSV.splitlines()[0] + "\n" if form == "csv" else "")


def test_a_stretch_of_time(history):
    part = export(history, "--tz", "Europe/Berlin", "--since", "2026-03-29T03:00:10", "--until", "2026-03-29T03:00:20")
    assert part.out.splitlines() == [CSV.splitlines()[0], CSV.splitlines()[2]]


def test_it_does_not_write_over_the_history(history):
    before = days(history)
    (path,) = before
    error = entro("history", "export", "--history", history, "--out", history / path).error
    assert "is an input file, and would be overwritten" in error
    assert days(history) == before


@pytest.mark.parametrize("name", ["+1|' /C calc'!A0", "-1", "@SUM(A1)", "a,+1", 'a"+1', "a;b"])
def test_no_cell_is_a_formula(tmp_path, name):
    log = tmp_path / "log.csv"
    log.write_text("time,x\n2026-03-29T01:00:00Z,1\n2026-03-29T01:00:10Z,1\n")
    ingest(tmp_path / "history", log, "--stage", f"{name}=x:rate")
    rows = list(csv.reader(io.StringIO(export(tmp_path / "history").out)))
    assert all(len(row) == len(rows[0]) for row in rows)
    assert not [cell for row in rows for cell in row if cell[:1] in {*"=+-@\t\r"}]


def test_stages_that_differ_in_case_only(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("time,x,y\n2026-03-29T01:00:00Z,1,2\n2026-03-29T01:00:10Z,1,2\n")
    ingest(tmp_path / "history", log, "--stage", "LLM=x:rate", "--stage", "llm=y:queue")
    assert export(tmp_path / "history").out.startswith("time,load_LLM,load_llm,")
    error = entro("history", "export", "--history", tmp_path / "history", "--out", tmp_path / "x.parquet").error
    assert "except for upper and lower case; export as csv or jsonl" in error


def test_a_pipe_that_closes(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(regular(20_000)))
    ingest(tmp_path / "history", log)
    line_one = entro_process(
        "-c", f"{COMMAND} history export --history {tmp_path / 'history'} | head -1", executable="/bin/sh"
    )
    assert line_one.stdout.startswith("time,")
    assert line_one.stderr == ""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("export")


LOADS = st.one_of(st.none(), st.floats(0, 1e6, allow_nan=False))


@given(rows=st.lists(st.tuples(st.integers(1, 40), LOADS, LOADS), min_size=3, max_size=40))
@settings(max_examples=settings.default.max_examples // 7)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_what_is_exported_can_be_ingested(place, form, rows):
    """A history made of an export has the same loads in the same steps, to the last bit.

    A hole may be closed there: by its sparse samples a source may seem slower than the step, so that they hold.
    """
    folder, now, lines = place(), START, []
    for gap, rate, queue in [*rows, (1, 1.0, 2.0), (1, 1.0, 2.0)]:
        now += gap * NS
        lines.append(line(now, "" if rate is None else rate, "" if queue is None else queue).replace("'", ""))
    (folder / "log.csv").write_text(HEADER + "".join(lines))
    ingest(folder / "first", folder / "log.csv", "--step", "10s")
    export(folder / "first", "--out", folder / f"out.{form}")
    stages = ("--stage", "scraper=load_scraper:rate", "--stage", "llm=load_llm:queue")
    ingest(folder / "second", folder / f"out.{form}", "--step", "10s", *stages)
    first, second = loads(folder / "first"), loads(folder / "second")
    assert first == {at: second.get(at) for at in first}


def loads(history):
    """By time and column, the loads that are not empty."""
    rows = csv.DictReader(io.StringIO(export(history, "--tz", "UTC").out))
    return {(row["time"], name): row[name] for row in rows for name in ("load_scraper", "load_llm") if row[name]}


def test_days_with_holes_are_the_same_again(place):
    folder = place()
    rows = [row for index, row in enumerate(regular(9000)) if not 3000 < index < 3400 and index % 997]
    (folder / "log.csv").write_text(HEADER + "".join(rows))
    ingest(folder / "first", folder / "log.csv")
    export(folder / "first", "--tz", "Europe/Berlin", "--out", folder / "out.csv")
    stages = ("--stage", "scraper=load_scraper:rate", "--stage", "llm=load_llm:queue")
    ingest(folder / "second", folder / "out.csv", *stages)
    assert loads(folder / "second") == loads(folder / "first")
    assert len(loads(folder / "first")) > 17_000
