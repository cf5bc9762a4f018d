"""Declared formats: what a pattern's groups give is what a table of the same loads or requests gives."""

import itertools
import json
import random
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from entro_cli.readers.declared.groups import check_declaration
from entro_cli.readers.declared.reader import DeclaredReader, shipped_readers
from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.registry import read_log, recognise
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import Declaration, Measure, ReadOptions, StageSpec
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError, Kind
from tests.history.stored import days, ingest
from tests.readers.reading import read
from tests.running import entro

ROOT = Path(__file__).parents[2]
FIELD = ROOT.parent / "shared" / "data" / "field"
BEGIN = datetime(2026, 4, 6, 12, tzinfo=UTC)

LOADS = Declaration("loads", r"^(?P<time>\S+) up: queue=(?P<queue>\S+) rate=(?P<rate>\S+)")
REQUESTS = Declaration("batch", r"(?P<arrival>\S+) start (?P<start>\S+) took (?P<duration_ms>\d+) ms")
EVENTS = Declaration(
    "jobs",
    r"^(?P<time>\S+ \S+) \[\w+\] job=(?P<id>\w+) (?P<event>\w+)",
    arrival=("queued", "requeued"),
    start=("started",),
    end=("done", "failed"),
)


def declared(declaration, content, folder, **options):
    check_declaration(declaration, "entro.toml: formats.x")
    return read(DeclaredReader(declaration), content, folder, **options)


def stamp(seconds, sep=" "):
    return (BEGIN + timedelta(seconds=seconds)).strftime(f"%Y-%m-%d{sep}%H:%M:%S.%f")


def parts(observations):
    return {
        series.stage: (
            series.kind,
            series.measure,
            series.times.tolist(),
            series.values.tolist(),
            None if series.begins is None else series.begins.tolist(),
        )
        for series in observations.series
    }


def some_requests(count=60, seed=5):
    chance = random.Random(seed)
    arrival, rows = 0.0, []
    for _ in range(count):
        arrival += chance.expovariate(1)
        start = arrival + chance.uniform(0, 3)
        rows.append((arrival, start, start + chance.uniform(0.1, 9)))
    return rows


def events_of(rows):
    """The lines of some requests, each with an id of its own, in the order of their times."""
    lines = []
    for number, (arrival, start, end) in enumerate(rows):
        for when, word in ((arrival, "queued"), (start, "started"), (end, "failed" if number % 7 == 0 else "done")):
            lines.append((when, f"{stamp(when)} [worker] job=j{number} {word}\n"))
    return [line for _, line in sorted(lines)]


def table_of(rows):
    return "arrival,start,end\n" + "".join(",".join(map(stamp, row)) + "\n" for row in rows)


load = st.integers(0, 10**6).map(lambda number: number / 8)


@settings(max_examples=12)
@given(rows=st.lists(st.tuples(st.integers(0, 5000), load, load), min_size=2, max_size=40))
def test_loads_are_those_of_the_table(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("x")
    log = "".join(f"{stamp(at, 'T')}Z up: queue={queue} rate={rate}\n" for at, queue, rate in rows)
    csv = "time,queue,rate\n" + "".join(f"{stamp(at, 'T')}Z,{queue},{rate}\n" for at, queue, rate in rows)
    found = declared(LOADS, log.encode(), folder)
    expected = read(TableReader(), csv.encode(), folder)
    assert parts(found) == parts(expected)
    assert (found.rows_read, found.zone) == (expected.rows_read, expected.zone)
    assert found.format == "loads"


def test_requests_are_those_of_the_table(tmp_path):
    rows = [(int(arrival), int(start), int(end)) for arrival, start, end in some_requests()]
    log = "".join(f"GET / {stamp(a, 'T')}Z start {stamp(s, 'T')}Z took {(e - a) * 1000} ms\n" for a, s, e in rows)
    expected = read(EventsReader(), table_of(rows).encode(), tmp_path)
    assert parts(declared(REQUESTS, log.encode(), tmp_path)) == parts(expected)
    in_seconds = replace(REQUESTS, pattern=REQUESTS.pattern.replace("duration_ms", "duration"), unit="ms")
    assert parts(declared(in_seconds, log.encode(), tmp_path)) == parts(expected)


def test_a_stamp_beside_a_duration_is_the_end(tmp_path):
    rows = some_requests()
    log = "".join(f"{stamp(end)} GET /v1 200 {round((end - at) * 1e6)} us\n" for at, _, end in rows)
    log += f"{stamp(99)} GET /metrics 200 5 us\n"
    csv = "arrival,end\n" + "".join(f"{stamp(at)},{stamp(end)}\n" for at, _, end in rows)
    expected = parts(read(EventsReader(), csv.encode(), tmp_path))
    for group in ("time", "end"):
        pattern = rf"^(?P<{group}>\S+ \S+) GET (?P<path>\S+) (?P<status>\d+) (?P<duration>\d+) us"
        found = parts(declared(Declaration("x", pattern, unit="us"), log.encode(), tmp_path))
        assert [part[0:2] for part in found.values()] == [part[0:2] for part in expected.values()]
        for name, part in found.items():
            np.testing.assert_allclose(part[2], expected[name][2], rtol=0, atol=2000)
            assert part[3] == expected[name][3]


def test_events_become_the_requests_of_the_table(tmp_path):
    rows = some_requests()
    found = declared(EVENTS, "".join(events_of(rows)).encode(), tmp_path)
    assert parts(found) == parts(read(EventsReader(), table_of(rows).encode(), tmp_path))
    assert found.rows_read == len(rows)


def test_a_start_is_the_arrival_where_no_event_is_one(tmp_path):
    rows = some_requests()
    lines = [line for line in events_of(rows) if "queued" not in line]
    found = declared(replace(EVENTS, arrival=()), "".join(lines).encode(), tmp_path)
    csv = "arrival,end\n" + "".join(f"{stamp(start)},{stamp(end)}\n" for _, start, end in rows)
    expected = read(EventsReader(), csv.encode(), tmp_path)
    assert {name: set(zip(*part[2:4], strict=True)) for name, part in parts(found).items()} == {
        name: set(zip(*part[2:4], strict=True)) for name, part in parts(expected).items()
    }


def test_a_second_arrival_of_an_id_begins_another_request(tmp_path):
    lines = [
        (0, "a", "done"),  # of a request before the log begins
        (1, "a", "queued"),
        (2, "a", "started"),
        (3, "a", "started"),  # the first start counts
        (4, "a", "progress"),
        (5, "a", "failed"),
        (6, "a", "requeued"),
        (7, "a", "started"),
        (8, "a", "failed"),
        (9, "a", "done"),  # the last end counts
        (10, "b", "queued"),
    ]
    log = "".join(f"{stamp(at)} [w] job={name} {word}\n" for at, name, word in lines)
    found = declared(EVENTS, log.encode(), tmp_path)
    csv = "arrival,start,end\n" + "\n".join(
        [f"{stamp(1)},{stamp(2)},{stamp(5)}", f"{stamp(6)},{stamp(7)},{stamp(9)}", f"{stamp(10)},,"]
    )
    assert parts(found) == parts(read(EventsReader(), csv.encode(), tmp_path))
    said = sentences(found.problems)
    assert "1 request arrived before the log begins: left out" in said
    assert "1 line does not match the pattern of jobs: left out" in said


def test_times_of_a_declared_form(tmp_path):
    line = "10.0.0.1 - [06/Apr/2026:14:00:{:02d} +0200] queue=3\n"
    log = "".join(map(line.format, range(10))).encode()
    declaration = Declaration("x", r"\[(?P<time>[^]]+)\] queue=(?P<queue>\d+)", "%d/%b/%Y:%H:%M:%S %z")
    (series,) = declared(declaration, log, tmp_path).series
    assert series.times.tolist() == [(int(BEGIN.timestamp()) + second) * 10**9 for second in range(10)]
    local = replace(
        declaration, pattern=r"\[(?P<time>\S+) [^]]*\] queue=(?P<queue>\d+)", time_format="%d/%b/%Y:%H:%M:%S"
    )
    (series,) = declared(local, log, tmp_path).series
    assert series.times[0] == (int(BEGIN.timestamp()) + 7200) * 10**9


def test_commas_of_python_logging_are_read(tmp_path):
    (series,) = declared(
        Declaration("x", r"(?P<time>\S+ \S+) queue=(?P<queue>\d+)"), b"2026-04-06 12:00:00,250 queue=3\n" * 2, tmp_path
    ).series
    assert series.times.tolist() == [int(BEGIN.timestamp() * 1000 + 250) * 10**6]


ODD = b"".join(
    [
        b"not this one\n",
        b"\n",
        b"2026-04-06T12:00:00Z up: queue=1 rate=1 \xff\xfe not UTF-8\n",
        b"progress 10%\rprogress 20%\r\n",
        b"a\x1fb\n",
        b"2026-04-06T12:00:10Z up: queue=2 rate=2\r\n",
        b"2026-04-06T12:00:20Z up: queue=many rate=2\n",
        b"2026-04-06T12:00:30Z up: queue=4 rate=3",
    ]
)


def test_bad_rows_have_the_numbers_of_their_lines(tmp_path):
    found = declared(LOADS, ODD, tmp_path)
    assert (found.rows_read, found.rows_skipped) == (3, 1)
    assert [(row.line, row.reason) for row in found.bad_rows] == [(7, "not a number")]
    assert sentences(found.problems) == ("4 lines do not match the pattern of loads: left out",)
    with pytest.raises(EntroError, match="line 7: not a number"):
        declared(LOADS, ODD, tmp_path, strict=True)
    assert parts(found)["llm"][3] == [1.0, 2.0, 4.0]


def test_bad_rows_of_events_have_the_numbers_of_their_lines(tmp_path):
    log = "noise\n" + "".join(events_of(some_requests(5))) + "x x [w] job=z queued\n"
    found = declared(EVENTS, log.encode(), tmp_path)
    assert [(row.line, row.reason) for row in found.bad_rows] == [(17, "the arrival cannot be read")]


def test_a_long_line_and_a_hostile_pattern_take_no_long_time(tmp_path):
    hostile = Declaration("x", r"^(?P<time>\S+) queue=(?P<queue>(a+)+)$")
    log = b"2026-04-06T12:00:00Z queue=" + b"a" * 200_000 + b"!\n"
    begin = time.monotonic()
    with pytest.raises(EntroError, match="none of 2 lines matches"):
        declared(hostile, log * 2, tmp_path)
    assert time.monotonic() - begin < 10


def test_a_line_longer_than_any_buffer_is_no_error(tmp_path):
    content = b"2026-04-06T12:00:00Z up: queue=1 rate=1 " + b"x" * (17 << 20) + b"\n" + ODD
    found = declared(LOADS, content, tmp_path)
    assert (found.rows_read, found.bad_rows[0].line) == (4, 8)


@pytest.mark.parametrize(
    ("declaration", "reason"),
    [
        (Declaration("x", r"(?P<time>\S+"), "missing )"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+)(?=s)"), "invalid perl operator"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+) (?P=queue)"), "invalid perl operator: (?P;"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+) " + "a" * 1000), "more than 1,000 characters"),
        (Declaration("x", r"\S+"), "no group"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+) (?P<Time>\S+)"), "Duplicate group name"),
        (Declaration("x", r"(?P<time>\S+)"), "no group time with a group queue, rate or count"),
        (Declaration("x", r"(?P<queue>\d+)"), "no group time"),
        (Declaration("x", r"(?P<time>\S+) (?P<rate>\d+) (?P<rate_per_minute>\d+)"), "two groups are the rate"),
        (Declaration("x", r"(?P<arrival>\S+) (?P<duration_ms>\d+) (?P<duration_s>\d+)"), "two groups are the duration"),
        (Declaration("x", r"(?P<arrival>\S+) (?P<duration_ms>\d+) (?P<queue>\d+)"), "queue is a load"),
        (Declaration("x", r"(?P<time>\S+) (?P<start>\d+) (?P<duration_ms>\d+)"), "time is the end of a request"),
        (Declaration("x", r"(?P<wait_ms>\d+)"), "no group arrival, queued or start"),
        (Declaration("x", r"(?P<time>\S+) (?P<id>\d+)"), "no group event"),
        (Declaration("x", r"(?P<time>\S+) (?P<id>\d+) (?P<event>\w+)"), "nothing says which events"),
        (Declaration("x", r"(?P<time>\S+) (?P<id>\d+) (?P<event>\w+)", start=("a",), end=("a",)), "means two things"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+)", start=("a",)), "the group event, which is missing"),
        (Declaration("x", ""), "has no pattern"),
        (Declaration("table", r"(?P<time>\S+) (?P<queue>\d+)"), "the name of a format"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+)", time_format="%Q"), "%Q"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+)", time_format="%H:%M:%S"), "does not give the date"),
        (Declaration("x", r"(?P<time>\S+) (?P<queue>\d+)", time_format="%b %d %H:%M"), "does not give the date"),
    ],
)
def test_what_cannot_be_read_is_refused(declaration, reason):
    with pytest.raises(EntroError, match=re.escape(reason)) as caught:
        check_declaration(declaration, "entro.toml: formats.x")
    assert str(caught.value).startswith("entro.toml: formats.x")


def test_a_declared_format_that_matches_most_lines_goes_before_all_others(tmp_path):
    csv = b"time,queue\n2026-04-06T12:00:00Z,1\n2026-04-06T12:00:10Z,2\n"
    mine = Declaration("mine", r"^(?P<time>[^,]+Z),(?P<queue>\d+)")
    rarely = replace(mine, name="rarely", pattern=r"^(?P<time>[^,]+0:00Z),(?P<queue>\d+)")
    (tmp_path / "a.csv").write_bytes(csv)
    (tmp_path / "b.log").write_bytes(b"what\nelse\nis\nthere\n2026-04-06T12:00:00Z,1\n")
    with plain_log(str(tmp_path / "a.csv")) as log:
        assert recognise(log, ReadOptions(UTC, formats=(mine,))).name == "mine"
        assert recognise(log, ReadOptions(UTC, formats=(rarely,))).name == "table"
        assert read_log(log, ReadOptions(UTC, formats=(rarely,)), "rarely").rows_read == 1
        with pytest.raises(EntroError, match="one of rarely, table"):
            read_log(log, ReadOptions(UTC, formats=(rarely,)), "mine")
    with plain_log(str(tmp_path / "b.log")) as log:
        assert recognise(log, ReadOptions(UTC, formats=(rarely,))).name == "rarely"


@pytest.mark.slow
def test_loads_are_read_on_and_give_the_history_of_the_whole(tmp_path, monkeypatch):
    config = tmp_path / "entro.toml"
    config.write_text(f"zone = 'UTC'\n[formats.loads]\npattern = '{LOADS.pattern}'\n")
    chance = random.Random(3)
    lines = [f"{stamp(at, 'T')}Z up: queue={chance.randrange(99)} rate=2\nnoise\n" for at in range(12_000)]
    lines[-40:-30] = reversed(lines[-40:-30])
    content = "".join(lines).encode()
    log = tmp_path / "a.log"
    log.write_bytes(content)
    ingest(tmp_path / "whole", log, "--config", config, "--step", "10s")
    parsed = []
    read_log_of = DeclaredReader.read

    def noting(self, log, options):
        parsed.append(log.path.stat().st_size)
        return read_log_of(self, log, options)

    monkeypatch.setattr(DeclaredReader, "read", noting)
    for cut in (len(content) // 2, len(content) // 2 + 17, len(content) - 2100, len(content)):
        parsed.clear()
        log.write_bytes(content[:cut])
        ingest(tmp_path / "parts", log, "--config", config, "--step", "10s")
    assert days(tmp_path / "parts") == days(tmp_path / "whole")
    assert max(parsed) < len(content) / 2


CONFIG = """
zone = "UTC"

[formats.jobs]
pattern = '^(?P<time>\\S+ \\S+) \\[\\w+\\] job=(?P<id>\\w+) (?P<event>\\w+)'
arrival = ["queued"]
start = ["started"]
end = ["done", "failed"]
"""


@pytest.mark.slow
def test_a_log_that_grows_gives_the_history_of_the_whole(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text(CONFIG)
    content = "".join(events_of(some_requests(300))).encode()
    log = tmp_path / "jobs.log"
    log.write_bytes(content)
    ingest(tmp_path / "whole", log, "--config", config, "--step", "10s")
    for cut in (len(content) // 3, len(content) // 2 + 17, len(content) - 5, len(content)):
        log.write_bytes(content[:cut])
        ingest(tmp_path / "parts", log, "--config", config, "--step", "10s")
    assert days(tmp_path / "parts") == days(tmp_path / "whole")
    assert "nothing new" in ingest(tmp_path / "parts", log, "--config", config).out


def test_the_example_of_the_documents(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    section = text[text.index("## Formats of your own") :]
    (config,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    (lines,) = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("entro.toml").write_text(config)
    Path("gpu.log").write_text(lines)
    document = json.loads(entro("analyze", "gpu.log", "--json", "--tz", "UTC", "--config", "entro.toml").out)
    assert [source["format"] for source in document["sources"]] == ["gpu-worker"]
    assert [stage["name"] for stage in document["stages"]] == ["scraper", "llm"]
    assert document["rows_read"] == 3


PAGES = Declaration("pages", r"^(?P<time>\S+) (?P<count>\d+) pages")


@pytest.mark.slow
@settings(max_examples=12)
@given(steps=st.lists(st.tuples(st.integers(1, 600), st.integers(0, 10**6)), min_size=2, max_size=30))
def test_counts_become_the_rates_between_them(steps, tmp_path_factory):
    times, counts = (list(itertools.accumulate(part)) for part in zip(*steps, strict=True))
    log = "".join(f"{stamp(at, 'T')}Z {count} pages\n" for at, count in zip(times, counts, strict=True))
    (series,) = declared(PAGES, log.encode(), tmp_path_factory.mktemp("x")).series
    assert (series.stage, series.kind, series.measure) == ("scraper", Kind.RATE, Measure.SPANS)
    assert series.values.tolist() == [count / seconds for seconds, count in steps[1:]]
    assert (series.times - series.begins).tolist() == [seconds * 10**9 for seconds, _ in steps[1:]]


def test_a_count_that_falls_is_another_run(tmp_path):
    rows = ((0, 100), (10, 200), (20, 5), (30, 25))
    found = declared(PAGES, "".join(f"{stamp(at, 'T')}Z {count} pages\n" for at, count in rows).encode(), tmp_path)
    assert found.series[0].values.tolist() == [10.0, 2.0]
    assert sentences(found.problems) == ("the count fell once: another run began",)
    with pytest.raises(EntroError, match="a rate needs two"):
        declared(PAGES, b"2026-04-06T12:00:00Z 3 pages\n", tmp_path)


def test_a_count_may_be_another_stage(tmp_path):
    log = "".join(f"{stamp(at, 'T')}Z {at} pages\n" for at in (0, 10, 20)).encode()
    (series,) = declared(PAGES, log, tmp_path, stages=(StageSpec("crawl", "count", full=7.0),)).series
    assert (series.stage, series.kind, series.full, series.values.tolist()) == ("crawl", Kind.RATE, 7.0, [1.0, 1.0])


def test_formats_that_come_with_entro_pass_the_checks_of_others():
    for reader in shipped_readers():
        check_declaration(reader._declaration, reader.name)


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field data are not part of the project")
@pytest.mark.parametrize("name", ["custom-format.log", "nutch.log", "heritrix-progress-statistics.log"])
def test_crawls_of_the_known_run(tmp_path, name):
    pattern = r"^(?P<time>\S+ \S+) - \S+logstats - INFO - Crawled (?P<count>\d+) pages"
    with plain_log(str(FIELD / name)) as log:
        found = read_log(log, ReadOptions(UTC, formats=(Declaration("scrapy-dashes", pattern),)))
    (series,) = found.series
    assert np.average(series.values, weights=series.times - series.begins) == pytest.approx(1.047, rel=0.01)
