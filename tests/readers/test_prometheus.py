"""Saved answers of a Prometheus server: what each metric is, sums of engines, counters as rates."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from entro_cli.readers.prometheus.reader import PrometheusReader
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import Measure, StageSpec
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError, Kind
from tests.readers.reading import read, recognised, resumed
from tests.running import entro

prometheus, events, table = PrometheusReader(), EventsReader(), TableReader()

REAL = Path(__file__).parents[3] / "shared" / "data" / "prometheus"
BEGIN = 1_775_476_800
NS = 10**9


def matrix(*series, **more):
    """An answer; each series is (labels, {seconds since BEGIN: value})."""
    result = [
        {
            "metric": labels,
            "values": [[BEGIN + at, value if isinstance(value, str) else repr(value)] for at, value in points.items()],
        }
        for labels, points in series
    ]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}, **more}).encode()


def engine(number, name="vllm:num_requests_waiting"):
    return {"__name__": name, "engine": str(number), "model_name": "m"}


def points(series):
    return {
        (when - BEGIN * NS) / NS: value
        for when, value in zip(series.times.tolist(), series.values.tolist(), strict=True)
    }


WAITING = matrix((engine(0), {0: 1.0, 15: 2.0}))
QUEUES = [
    "vllm:num_requests_waiting",
    "sglang:num_queue_reqs",
    "tgi_queue_size",
    "llamacpp:requests_deferred",
    "my_queue",
]
COUNTERS = ["vllm:request_success_total", "sglang:num_requests_total", "tgi_request_count", "scrapy_responses_total"]


@pytest.mark.parametrize("name", QUEUES)
def test_queues_are_known_by_name(name, tmp_path):
    (series,) = read(prometheus, matrix((engine(0, name), {0: 1.0, 15: 2.0})), tmp_path).series
    assert (series.stage, series.kind, series.column, points(series)) == ("llm", Kind.QUEUE, name, {0: 1, 15: 2})


@pytest.mark.parametrize("name", COUNTERS)
def test_counters_become_rates(name, tmp_path):
    got = read(prometheus, matrix((engine(0, name), {0: 10.0, 10: 30.0, 20: 5.0})), tmp_path)
    (series,) = got.series
    assert (series.stage, series.kind, series.measure) == ("scraper", Kind.RATE, Measure.SPANS)
    assert points(series) == {10: 2.0, 20: 0.5}
    assert [(when - BEGIN * NS) // NS for when in series.begins.tolist()] == [0, 10]
    assert sentences(got.problems)[0] == f"{name} fell once: read as a counter reset"
    assert any("counts requests when they are done" in text for text in sentences(got.problems)) == (
        name in {"vllm:request_success_total", "sglang:num_requests_total"}
    )


def test_both_of_one_server(tmp_path):
    content = WAITING + b"\n" + matrix((engine(0, "vllm:request_success_total"), {0: 0.0, 15: 30.0})) + b"\n"
    assert [(series.stage, points(series)) for series in read(prometheus, content, tmp_path).series] == [
        ("llm", {0: 1, 15: 2}),
        ("scraper", {15: 2.0}),
    ]


def test_engines_are_summed_where_all_that_run_are_there(tmp_path):
    parts = [(engine(0), {0: 1.0, 15: 2.0, 30: 3.0, 45: 4.0}), (engine(1), {15: 10.0, 45: 20.0})]
    got = read(prometheus, matrix(*parts), tmp_path)
    assert points(got.series[0]) == {0: 1, 15: 12, 45: 24}  # at 30 s the second has none
    assert sentences(got.problems) == (
        "2 series of vllm:num_requests_waiting were summed",
        "vllm:num_requests_waiting has no sum at 1 time, when some of its series have no sample",
    )
    assert points(read(prometheus, matrix(*parts[::-1]), tmp_path).series[0]) == points(got.series[0])


def test_the_metric_of_a_known_server_comes_first(tmp_path):
    content = matrix((engine(0, "vllm:num_requests_waiting_by_reason"), {0: 1.0}), (engine(0), {0: 5.0}))
    (series,) = read(prometheus, content, tmp_path).series
    assert (series.stage, points(series)) == ("llm", {0: 5.0})


def test_engines_sampled_in_turn_are_summed(tmp_path):
    parts = [(engine(number), {15 * at + 7 * number: 5.0 + number for at in range(9)}) for number in (0, 1)]
    assert set(points(read(prometheus, matrix(*parts), tmp_path).series[0]).values()) == {11.0}


def test_an_engine_is_over_after_three_intervals(tmp_path):
    gone = dict.fromkeys((*range(0, 60, 15), *range(150, 240, 15)), 10.0)
    parts = [(engine(0), dict.fromkeys(range(0, 240, 15), 1.0)), (engine(1), gone)]
    sums = points(read(prometheus, matrix(*parts), tmp_path).series[0])
    assert sums == {at: 11.0 if at in gone else 1.0 for at in range(0, 240, 15)}


def test_counters_of_engines_scraped_at_other_times(tmp_path):
    name = "vllm:request_success_total"
    content = matrix((engine(0, name), {0: 0.0, 10: 20.0}), (engine(1, name), {5: 0.0, 15: 10.0}))
    assert points(read(prometheus, content, tmp_path).series[0]) == {5: 2.0, 10: 3.0, 15: 1.0}


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 10)), min_size=2, max_size=12))
def test_arrivals_are_what_is_done_and_the_growth_of_what_is_in_the_system(tmp_path_factory, rows):
    """vLLM counts requests when they are done: in a surge, that is its capacity, not its load."""
    names = ["vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:request_success_total"]
    levels: list[list[float]] = [[0, 0, 0]]
    for arriving, ending, slots in rows:
        waiting, running, done = levels[-1]
        in_system = waiting + running + arriving
        ended = min(ending, in_system)
        running = min(slots, in_system - ended)
        levels.append([in_system - ended - running, running, done + ended])
    series = [
        (engine(0, name), {10 * index: float(level[place]) for index, level in enumerate(levels)})
        for place, name in enumerate(names)
    ]
    got = read(prometheus, matrix(*series), tmp_path_factory.mktemp("arrivals"))
    rates = points(next(part for part in got.series if part.stage == "scraper"))
    assert [round(10 * rates[10 * (index + 1)], 6) for index in range(len(rows))] == [row[0] for row in rows]
    assert sum("arrivals are these plus the growth" in text for text in sentences(got.problems)) == 1


def test_without_the_gauges_at_the_same_times_there_are_no_arrivals(tmp_path):
    counter = (engine(0, "vllm:request_success_total"), {0: 0.0, 10: 20.0, 20: 40.0})
    gauges = [(engine(0, f"vllm:num_requests_{name}"), {5: 1.0, 15: 9.0}) for name in ("waiting", "running")]
    got = read(prometheus, matrix(counter, *gauges), tmp_path)
    assert points(next(part for part in got.series if part.stage == "scraper")) == {10: 2.0, 20: 2.0}
    assert any("not when they arrive" in text for text in sentences(got.problems))


def scraped(labels, points):
    return {"__name__": "vllm:num_requests_waiting", "engine": "0", **labels}, points


WAVE = {at: float(abs(at // 10 % 40 - 20) * 7) for at in range(0, 1200, 10)}
LATE = {at + 4: value + 2.0 for at, value in WAVE.items()}
JOBS = ({"instance": "a:8000", "job": "x"}, {"instance": "a:8000", "job": "y"})
REPLICA = ({"instance": "a", "replica": "0"}, {"instance": "a"})
PODS = ({"instance": "a:8000", "job": "x", "pod": "v0"}, {"instance": "a:8000", "job": "y"})
SERVERS = ({"prometheus_replica": "x"}, {"prometheus_replica": "y"})
SCRAPES = "1 series of vllm:num_requests_waiting is a second scrape of the same target: counted once"


@pytest.mark.parametrize(("one", "other"), [JOBS, PODS, SERVERS, REPLICA])
@pytest.mark.parametrize("second", [WAVE, LATE, dict(list(WAVE.items())[40:80])])
def test_two_scrapes_of_one_target_count_once(one, other, second, tmp_path):
    content = matrix(scraped(one, WAVE), scraped(other, second))
    got = read(prometheus, content, tmp_path)
    assert points(got.series[0]) in (WAVE, LATE)  # either scrape is as good
    assert sentences(got.problems) == (SCRAPES,)


def test_a_second_scrape_fills_what_the_first_missed(tmp_path):
    kept = {at: value for at, value in WAVE.items() if not 300 <= at < 500}
    half = {at: value for at, value in WAVE.items() if 200 <= at < 600}
    got = read(prometheus, matrix(scraped(JOBS[0], kept), scraped(JOBS[1], half)), tmp_path)
    assert points(got.series[0]) == WAVE


@pytest.mark.parametrize(
    ("one", "other", "second"),
    [
        ({"instance": "a", "job": "x"}, {"instance": "b", "job": "x"}, WAVE),  # two servers that are alike
        ({"job": "x"}, {"job": "y"}, WAVE),  # no address: each job may be a server
        ({"pod": "a", "engine": "0"}, {"pod": "a", "engine": "1"}, WAVE),
        (*JOBS, {at: 140.0 - value for at, value in WAVE.items()}),
        (*JOBS, {at: value + 30 for at, value in WAVE.items()}),
    ],
)
def test_series_that_differ_are_summed(one, other, second, tmp_path):
    got = read(prometheus, matrix(scraped(one, WAVE), scraped(other, second)), tmp_path)
    assert points(got.series[0]) == {at: WAVE[at] + second[at] for at in WAVE}
    assert sentences(got.problems) == ("2 series of vllm:num_requests_waiting were summed",)


@settings(max_examples=settings.default.max_examples // 2)
@given(st.lists(st.lists(st.integers(0, 1), min_size=60, max_size=60), min_size=2, max_size=2, unique_by=tuple))
def test_two_idle_servers_at_one_address_are_summed(tmp_path_factory, levels):
    """Such as localhost:8000 of two hosts, each with a Prometheus: noise alone is no sign of one target."""
    first, second = ({at: float(level) for at, level in enumerate(row)} for row in levels)
    assume(sum(first[at] == second[at] for at in first) < 54)
    content = matrix(scraped(JOBS[0], first), scraped(JOBS[1], second))
    got = read(prometheus, content, tmp_path_factory.mktemp("idle"))
    assert points(got.series[0]) == {at: first[at] + second[at] for at in first}


def test_nan_and_infinities_are_missing_samples(tmp_path):
    got = read(prometheus, matrix((engine(0), {0: 1.0, 15: "NaN", 30: "+Inf", 45: 2.0})), tmp_path)
    assert points(got.series[0]) == {0: 1, 45: 2}
    assert sentences(got.problems) == ("2 samples are NaN or infinite: taken as missing",)


def test_negative_loads_and_odd_samples_are_left_out_and_told(tmp_path):
    content = WAITING.replace(b'"2.0"', b'"-2.0"').replace(b"]]", b'], [1, 2, 3], "x", [null, "1"]]')
    got = read(prometheus, content, tmp_path)
    assert points(got.series[0]) == {0: 1}
    assert got.rows_skipped == 3
    assert "3 samples are not pairs of a time and a number: left out" in sentences(got.problems)
    assert "1 sample of vllm:num_requests_waiting is negative: left out" in sentences(got.problems)
    with pytest.raises(EntroError, match="3 samples are not pairs"):
        read(prometheus, content, tmp_path, strict=True)


def test_an_expression_must_be_named(tmp_path):
    content = matrix(({"job": "a"}, {0: 0.5, 15: 1.0}))
    with pytest.raises(EntroError, match=r"nothing says what it measures.*--stage scraper=value:rate"):
        read(prometheus, content, tmp_path)
    (series,) = read(prometheus, content, tmp_path, stages=(StageSpec("scraper", "value", Kind.RATE),)).series
    assert (series.stage, series.kind, points(series)) == ("scraper", Kind.RATE, {0: 0.5, 15: 1.0})


def test_running_is_a_stage_only_where_it_is_named(tmp_path):
    content = matrix((engine(0), {0: 1.0}), (engine(0, "vllm:num_requests_running"), {0: 7.0}))
    assert [series.stage for series in read(prometheus, content, tmp_path).series] == ["llm"]
    named = read(prometheus, content, tmp_path, stages=(StageSpec("gpu", "vllm:num_requests_running"),)).series
    assert [(series.stage, series.kind) for series in named] == [("gpu", Kind.GENERIC)]


@pytest.mark.parametrize(
    ("name", "kind", "values"), [("job_count", Kind.QUEUE, [5, 9, 4]), ("x_count", None, [0.4, 0.4])]
)
def test_what_is_named_as_a_queue_is_no_counter_by_its_name(name, kind, values, tmp_path):
    content = matrix(({"__name__": name}, {0: 5, 10: 9, 20: 4}))
    (series,) = read(prometheus, content, tmp_path, stages=(StageSpec("jobs", name, kind),)).series
    assert series.values.tolist() == values


def test_two_answers_that_differ_are_of_two_queries(tmp_path):
    content = matrix(({}, {0: 1.0})) + b"\n" + matrix(({}, {0: 2.0}))
    with pytest.raises(EntroError, match=r"differ at one time.*to a separate file"):
        read(prometheus, content, tmp_path)


def test_what_the_server_warns_of_is_told(tmp_path):
    content = matrix((engine(0), {0: 1.0}), warnings=["slow \x1b[31m storage"])
    (warning,) = sentences(read(prometheus, content, tmp_path).problems)
    assert warning.startswith("slow ")
    assert "\x1b" not in warning


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b'{"status":"error","errorType":"bad_data","error":"1:4: parse error"}',
            r"reports an error \(bad_data\): 1:4",
        ),
        (b'{"status":"success","data":{"resultType":"vector","result":[]}}', "instant query .a vector.*query_range"),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}', "instant query .a scalar"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "no series matched"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[1]}}', "is not a response"),
        (b'{"status":"success","data":{"resultType":"matrix","result"', "is not JSON, or is cut short"),
        (matrix((engine(0), {0: "NaN"})), "no finite number in 1 sample"),
        (matrix((engine(0, "x_total"), {0: 1.0})), "a counter needs two samples"),
    ],
)
def test_what_holds_no_course_is_an_error_in_words(content, says, tmp_path):
    with pytest.raises(EntroError, match=says):
        read(prometheus, content, tmp_path)


def test_it_is_told_from_other_json(tmp_path):
    assert recognised(prometheus, WAITING, tmp_path) == 1.0
    assert max(recognised(reader, WAITING, tmp_path) for reader in (events, table)) < 1.0
    for other in (b'{"time": 1, "queue": 2}\n', b'{"status": "success", "latency": 3}\n', b"a,b\n1,2\n", b"{"):
        assert recognised(prometheus, other, tmp_path) == 0.0


@settings(max_examples=settings.default.max_examples // 2)
@given(seed=st.integers(0, 10**6), where=st.integers(0, 10**6))
def test_lines_in_two_parts_are_the_whole(tmp_path_factory, seed, where):
    """A long time asked for in parts, an answer a line, and the file read twice while it grows."""
    folder = tmp_path_factory.mktemp("parts")
    chance = random.Random(seed)
    names = ["vllm:num_requests_waiting", "vllm:request_success_total"]
    counted, lines = 0.0, []
    for part in range(6):
        at = range(part * 40, part * 40 + 40, 10)
        counts = {second: (counted := chance.choice([counted + chance.randrange(20), 0.0])) for second in at}
        levels = {second: float(chance.randrange(9)) for second in at}
        lines.append(matrix((engine(0, names[0]), levels), (engine(0, names[1]), counts)) + b"\n")
    content = b"".join(lines)
    cut = content[: len(lines[0]) + where % (len(content) - len(lines[0]))].rfind(b"\n") + 1
    whole = {series.stage: series for series in read(prometheus, content, folder).series}
    found = resumed(prometheus, [content[:cut], content[cut:]], folder)
    parts = [{series.stage: series for series in part.series} for part in found]
    assert {when: load for part in parts for when, load in points(part["llm"]).items()} == points(whole["llm"])
    both = {when: load for part in parts if "scraper" in part for when, load in points(part["scraper"]).items()}
    assert both == points(whole["scraper"])


def test_through_the_command(tmp_path):
    path = tmp_path / "answers.json"
    rate = matrix((engine(0, COUNTERS[0]), {second: float(second) for second in range(0, 300, 15)}))
    queue = matrix((engine(0), dict.fromkeys(range(0, 300, 15), 3.0)))
    path.write_bytes(rate + b"\n" + queue)
    outcome = entro("analyze", path, "--json")
    assert outcome.status == 0, outcome.err
    assert json.loads(outcome.out)["sources"][0]["format"] == "prometheus"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not there")
def test_real_answers(tmp_path):
    rate = (REAL / "query_range_rate.json").read_bytes()
    assert recognised(prometheus, rate, tmp_path) == 1.0
    (series,) = read(prometheus, rate, tmp_path, stages=(StageSpec("scraper", "value", Kind.RATE),)).series
    assert series.values.tolist() == [0.7631000000000001, 1, 1, 1, 1]
    for name, says in [
        ("error_bad_query", "unclosed left parenthesis"),
        ("error_too_many_points", "exceeded maximum resolution"),
        ("query_instant_vector", "instant query"),
        ("query_range_empty", "no series matched"),
        ("query_range_nan_inf", "no finite number in 3 samples"),
    ]:
        content = (REAL / f"{name}.json").read_bytes()
        assert recognised(prometheus, content, tmp_path) == 1.0
        with pytest.raises(EntroError, match=says):
            read(prometheus, content, tmp_path)
    (gap,) = read(prometheus, (REAL / "query_range_gauge_with_leading_gap.json").read_bytes(), tmp_path).series
    assert len(gap.times) == 4
