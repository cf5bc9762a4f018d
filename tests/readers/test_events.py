"""One row per request: arrivals, waiting and running requests, exactly, from every shape of table."""

import csv
import io
import itertools
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import Measure, StageSpec
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError, Kind
from tests.readers.reading import areas, counts, read, recognised, resumed
from tests.running import entro

events, table = EventsReader(), TableReader()

REAL = Path(__file__).parents[3] / "shared" / "data" / "requests"
BEGIN = 1_775_476_800  # 2026-04-06T12:00:00Z
NS = 10**9
ALL = tuple(StageSpec(name, name) for name in ("requests", "waiting", "in_system", "running"))


class Request(NamedTuple):
    """When one came, started and finished, milliseconds since BEGIN; None for what did not happen."""

    came: int
    started: int | None
    finished: int | None


def requests(seed, count):
    """Requests through one server that takes one at a time, and the truth of them: their very moments."""
    chance, free, now, made = random.Random(seed), 0, 0, []
    for _ in range(count):
        now += chance.randrange(0, 900)
        start = max(now, free)
        free = start + chance.randrange(1, 1000)
        made.append(Request(now, start, free))
    chance.shuffle(made)
    return made


def ns(ms):
    return BEGIN * NS + ms * 10**6


def iso(ms):
    return datetime.fromtimestamp(BEGIN + ms / 1000, UTC).isoformat(timespec="milliseconds")


def as_csv(made, columns=("arrival_time", "started_at", "finished_at"), form=iso, end="\n", delimiter=","):
    rows = [delimiter.join(["request_id", *columns])]
    for index, request in enumerate(made):
        cells = ("" if moment is None else str(form(moment)) for moment in request[: len(columns)])
        rows.append(delimiter.join([f"r{index}", *cells]))
    return (end.join(rows) + end).encode()


def series_of(got):
    return {series.column: series for series in got.series}


def level(spans, at):
    return sum(1 for begin, end in spans if begin <= at < end)


def check(got, made):
    """What was read is what was made, between any two changes."""
    found = series_of(got)
    truth = {}
    for request in made:
        truth[ns(request.came)] = truth.get(ns(request.came), 0) + 1
    assert counts(found["requests"]) == truth
    last = max(moment for request in made for moment in request if moment is not None)
    assert found["requests"].times[-1] == ns(last)
    edges = sorted({ns(moment) for request in made for moment in request})
    pairs = {"waiting": (0, 1), "in_system": (0, 2), "running": (1, 2)}
    for name, (first, second) in pairs.items():
        spans = [(ns(request[first]), ns(request[second])) for request in made]
        exact = [level(spans, low) * (high - low) for low, high in itertools.pairwise(edges)]
        assert areas(found[name], edges) == exact, name


@pytest.mark.parametrize("seed", range(5))
def test_what_was_made_is_what_is_read(seed, tmp_path):
    made = requests(seed, 60)
    got = read(events, as_csv(made), tmp_path, stages=ALL)
    check(got, made)
    assert (got.rows_read, got.rows_skipped, got.problems) == (60, 0, ())


FORMS = {
    "ISO": iso,
    "without a zone": lambda ms: iso(ms)[:23].replace("T", " "),
    "epoch s": lambda ms: f"{BEGIN + ms // 1000}.{ms % 1000:03}",
    "epoch ms": lambda ms: BEGIN * 1000 + ms,
    "epoch us": lambda ms: BEGIN * 10**6 + ms * 1000,
    "epoch ns": lambda ms: BEGIN * NS + ms * 10**6,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_form_of_time(form, end, tmp_path):
    made = requests(7, 30)
    check(read(events, as_csv(made, form=FORMS[form], end=end), tmp_path, stages=ALL), made)


@pytest.mark.parametrize("shape", ["tsv", "json lines", "parquet", "byte order mark"])
def test_every_shape(shape, tmp_path):
    made = requests(8, 30)
    content = as_csv(made, delimiter="\t" if shape == "tsv" else ",")
    if shape == "json lines":
        rows = csv.DictReader(io.StringIO(content.decode()))
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if shape == "byte order mark":
        content = b"\xef\xbb\xbf" + content
    if shape == "parquet":
        (tmp_path / "b.csv").write_bytes(content)
        place = tmp_path / "b.parquet"
        duckdb.sql(f"COPY (SELECT * FROM read_csv('{tmp_path / 'b.csv'}')) TO '{place}'")
        content = place.read_bytes()
    assert recognised(events, content, tmp_path) > recognised(table, content, tmp_path)
    check(read(events, content, tmp_path, stages=ALL), made)


def test_lengths_instead_of_moments(tmp_path):
    made = requests(9, 30)
    rows = ["submitted_at,queue_time_ms,processing_time_s"]
    rows += [f"{iso(a)},{b - a},{(c - b) / 1000}" for a, b, c in made]
    check(read(events, "\n".join(rows).encode(), tmp_path, stages=ALL), made)


def test_a_latency_up_to_the_stamp_of_a_logger(tmp_path):
    content = f"timestamp,latency_ms,path\n{iso(1500)},1500,/a\n{iso(800)},100,/b\n".encode()
    assert recognised(events, content, tmp_path) > recognised(table, content, tmp_path)
    (rate, queue) = read(events, content, tmp_path).series
    assert (rate.stage, queue.stage, queue.column) == ("scraper", "llm", "in_system")
    assert queue.values.tolist() == [1, 2, 1]
    assert queue.times.tolist() == [ns(700), ns(800), ns(1500)]


def test_a_length_without_a_unit_is_told(tmp_path):
    got = read(events, f"arrival,latency\n{iso(0)},1.5\n{iso(700)},1\n".encode(), tmp_path)
    assert sentences(got.problems) == (
        "arrival is the arrival of a request: it ended latency later (in s)",
        "latency names no unit: read as seconds (end its name in _s or _ms)",
    )


def test_arrivals_alone(tmp_path):
    content = f"TIMESTAMP,ContextTokens\n{iso(0)},12\n{iso(700)},40\n{iso(1000)},40\n".encode()
    assert recognised(events, content, tmp_path) > recognised(table, content, tmp_path)
    got = read(events, content, tmp_path)
    assert [series.stage for series in got.series] == ["scraper"]
    assert "how many requests wait is not: add a column such as started_at" in str(got.problems[0])


def test_requests_at_one_time_are_not_merged(tmp_path):
    rows = 3 * f"{iso(0)},a,{iso(5)}\n"
    got = read(events, f"arrival,id,finish\n{rows}".encode(), tmp_path)
    assert counts(got.series[0]) == {ns(0): 3}
    assert got.series[1].values.tolist() == [3]


def test_requests_that_never_start_or_finish(tmp_path):
    made = [Request(0, 10, 50), Request(5, None, None), Request(20, 50, None), Request(90, 100, 110)]
    got = read(events, as_csv(made), tmp_path, stages=ALL)
    found = series_of(got)
    edges = [ns(0), ns(110)]
    assert areas(found["waiting"], edges) == [(10 + 105 + 30 + 10) * 10**6]
    assert areas(found["in_system"], edges) == [(50 + 105 + 90 + 20) * 10**6]
    assert sentences(got.problems) == (
        "1 of 4 requests has no start: taken to last until the log ends",
        "2 of 4 requests have no finish: taken to last until the log ends",
    )


def test_bad_rows_are_counted_and_shown_with_their_lines(tmp_path):
    rows = [
        "arrival,start,finish,note",
        f"{iso(0)},{iso(1)},{iso(2)},fine",
        f"soon,{iso(1)},{iso(2)},",
        f"{iso(9)},{iso(10)},{iso(8)},",
        f"{iso(9)},{iso(8)},{iso(10)},",
        f"{iso(9)},{iso(12)},{iso(10)},",
        *[f"{iso(9)},{iso(10)},{iso(11)},"] * 5,
        f"{iso(9)},x,{iso(10)},",
        f"{iso(9)},{iso(10)}",
    ]
    content = "\n".join(rows).encode()
    got = read(events, content, tmp_path)
    assert (got.rows_read, got.rows_skipped) == (6, 6)
    assert [(row.line, row.reason) for row in got.bad_rows] == [
        (3, "the arrival cannot be read"),
        (4, "finished before it arrived"),
        (5, "started before it arrived"),
        (6, "finished before it started"),
        (12, "the start cannot be read"),
    ]
    with pytest.raises(EntroError, match="line 3: the arrival cannot be read"):
        read(events, content, tmp_path, strict=True)
    assert "soon" not in str(read(events, content, tmp_path, redact=True).bad_rows)


def test_a_negative_length_is_a_bad_row(tmp_path):
    got = read(events, f"arrival,latency_ms\n{iso(0)},5\n{iso(1)},-5\n{iso(2)},5\n".encode(), tmp_path)
    assert [(row.line, row.reason) for row in got.bad_rows] == [(3, "the duration is negative")]


def test_more_bad_rows_than_good_ones_are_an_error(tmp_path):
    with pytest.raises(EntroError, match="2 of 3 rows cannot be read"):
        read(events, f"arrival,finish\n{iso(5)},{iso(6)}\n{iso(5)},{iso(4)}\n{iso(5)},{iso(3)}\n".encode(), tmp_path)


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (f"arrived,submitted,end\n{iso(0)},{iso(0)},{iso(1)}", {}, "2 columns may be the arrival: arrived, submitted"),
        (
            f"a,end\n{iso(0)},{iso(1)}",
            {},
            "no column is recognised as the arrival.*add --time COLUMN; the columns are a, end",
        ),
        (f"a,end\n{iso(0)},{iso(1)}", {"time_column": "b"}, "no column is called b"),
        (f"a,end\nx,{iso(1)}", {"time_column": "a"}, "the column a does not hold times but x"),
        ("arrival,finish\n", {}, "has a header but no rows"),
        (f"arrival,end\n{iso(0)},{iso(1)[:23]}\n{iso(0)},{iso(1)}", {"zone_given": False}, "name no zone"),
    ],
)
def test_what_is_not_plain_is_an_error_that_helps(content, options, says, tmp_path):
    with pytest.raises(EntroError, match=says):
        read(events, content.encode(), tmp_path, **options)


def test_the_arrival_can_be_named(tmp_path):
    got = read(events, f"arrived,submitted,end\n{iso(1)},{iso(0)},{iso(2)}".encode(), tmp_path, time_column="arrived")
    assert counts(got.series[0]) == {ns(1): 1}


@pytest.mark.parametrize(
    "content",
    [
        f"time,rate,queue\n{iso(0)},1,2\n{iso(1000)},1,2\n",
        f"timestamp,running,waiting,request_id\n{iso(0)},1,2,3\n{iso(1700)},1,2,3\n",
        f"timestamp,cpu,tokens\n{iso(0)},1,2\n{iso(1000)},1,2\n{iso(2000)},1,2\n{iso(3000)},1,2\n",
        f"time,stage,value\n{iso(0)},scraper_rate,2\n",
        f"start,end,count\n{iso(0)},{iso(1)},5\n",
        f"timestamp,latency_ms,cpu\n{iso(0)},1,2\n{iso(1000)},1,2\n{iso(2000)},1,2\n{iso(3000)},1,2\n",
        "hello\nworld\n",
        '[{"arrival": 1}]\n',
        '{"meta": {"start": 1795716000, "end": 1795719600, "step": 30}, "data": [[0.5, 3], [0.75, 4]]}\n',
    ],
)
def test_other_tables_are_left_to_their_reader(content, tmp_path):
    assert recognised(events, content.encode(), tmp_path) == 0.0


def two_clocks(made, uptime=479_894):
    """JSON lines with arrivals since the epoch and the rest since the machine started."""
    keys = ("queued_ts", "scheduled_ts", "last_token_ts")
    rows = []
    for request in made:
        stamps = {key: f"{uptime + ms // 1000}.{ms % 1000:03}" for key, ms in zip(keys, request, strict=True)}
        cells = ", ".join(f'"{key}": {value}' for key, value in stamps.items())
        rows.append(f'{{"arrival_time": {FORMS["epoch s"](request.came)}, {cells}}}\n')
    return "".join(rows).encode()


def test_two_clocks_in_one_log(tmp_path):
    made = requests(11, 40)
    got = read(events, two_clocks(made), tmp_path, stages=ALL)
    check(got, made)
    assert "the second was put onto that of arrival_time by the first request" in str(got.problems[0])


@pytest.mark.slow
@settings(max_examples=settings.default.max_examples // 3)
@given(seed=st.integers(0, 10**6), where=st.floats(0, 1), shape=st.sampled_from(["csv", "two clocks"]))
def test_a_log_in_two_parts_is_the_log(tmp_path_factory, seed, where, shape):
    folder = tmp_path_factory.mktemp("parts")
    made = requests(seed, 25)
    content = as_csv(made) if shape == "csv" else two_clocks(made)
    rows = content.splitlines(keepends=True)
    cut = max(int(where * len(content)), len(b"".join(rows[:2])))
    first = content[: content[:cut].rfind(b"\n") + 1]  # an unfinished line is read with the part that goes on
    second = content[len(first) :]
    parts = [*resumed(events, [first, *([second] if second else [])], folder, stages=ALL)]
    edges = sorted({ns(moment) for request in made for moment in request})
    together = {}
    for part in parts:
        for when, number in counts(series_of(part)["requests"]).items():
            together[when] = together.get(when, 0) + number
    full = series_of(read(events, content, folder, stages=ALL))
    assert together == counts(full["requests"])
    for name in ("waiting", "in_system", "running"):
        own = [areas(series_of(part)[name], edges) for part in parts if name in series_of(part)]
        assert [sum(each) for each in zip(*own, strict=True)] == areas(full[name], edges)


@settings(max_examples=settings.default.max_examples // 3)
@given(order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    made = requests(3, 20)
    order.shuffle(made)
    check(read(events, as_csv(made), folder, stages=ALL), made)


def test_through_the_command(tmp_path):
    path = tmp_path / "requests.csv"
    path.write_bytes(as_csv(requests(5, 60)))
    outcome = entro("analyze", path, "--json", "--step", "1s")
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    assert document["sources"][0]["format"] == "events"
    assert [stage["kind"] for stage in document["stages"]] == ["rate", "queue"]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not there")
def test_the_gauges_of_a_real_server(tmp_path):
    found = series_of(read(events, (REAL / "requests.jsonl").read_bytes(), tmp_path, stages=ALL))
    meta = json.loads((REAL / "meta.json").read_text())
    start = round(datetime.fromisoformat(meta["started_at"]).timestamp() * NS)
    rows = list(csv.DictReader(io.StringIO((REAL / "timeseries.csv").read_text())))
    at = np.array([start + round(float(row["t"]) * NS) for row in rows])
    gauges = np.array([float(row["waiting"]) + float(row["running"]) for row in rows])

    def values(series):
        index = np.searchsorted(series.times, at, side="right")
        inside = np.minimum(index, len(series.times) - 1)
        return np.where((index < len(series.times)) & (series.begins[inside] <= at), series.values[inside], 0)

    assert np.abs(values(found["waiting"]) + values(found["running"]) - gauges).mean() < 0.7
    assert found["requests"].values.sum() == 300
    assert found["requests"].measure is Measure.EVENTS


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not there")
def test_real_arrivals_alone(tmp_path):
    content = (REAL / "AzureLLMInferenceTrace_conv.csv").read_bytes()
    assert recognised(events, content, tmp_path) > recognised(table, content, tmp_path)
    (series,) = read(events, content, tmp_path).series
    assert (series.kind, series.values.sum()) == (Kind.RATE, 19366)


@pytest.mark.parametrize(
    ("rows", "reader"),
    [
        ("timestamp,queued,started,finished\n0,0.1,1,5\n1.3,1.4,2,6\n3.9,4,5,9\n4.1,4.3,9,12\n", "events"),
        ("time,running,queued,completed\n2026-04-06T08:00:00Z,4,0,12\n2026-04-06T08:00:10Z,9,3,20\n", "table"),
    ],
    ids=["beside offsets", "beside dates"],
)
def test_small_numbers_are_moments_only_beside_offsets(tmp_path, rows, reader):
    log = tmp_path / "log.csv"
    log.write_text(rows)
    outcome = entro("analyze", log, "--tz", "UTC", "--json")
    assert json.loads(outcome.out)["sources"][0]["format"] == reader


def test_an_end_that_is_centuries_away_is_named(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(
        "arrival,end\n2026-04-06T12:00:00Z,2026-04-06T12:00:01Z\n2026-04-06T12:00:01Z,2254-04-26T19:00:55Z\n"
    )
    assert "and 2254-04-26T19:00:55+00:00; expected" in entro("analyze", log, "--tz", "UTC").error


def test_a_job_starts_when_it_started_not_when_it_was_scheduled_to(tmp_path):
    rows = "".join(f"{row},{row},{row + 0.5},{row + 20.25},{row + 30.5}\n" for row in range(40))
    content = f"id,created_at,scheduled_at,started_at,finished_at\n{rows}"
    outcome = entro("analyze", "-", "--start", "2026-11-26", "--json", stdin=content.encode())
    assert json.loads(outcome.out)["stages"][1]["peak_load"] == 21
    assert "the start is started_at, not scheduled_at" in outcome.err
