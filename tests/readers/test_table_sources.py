"""Rows of one time that differ in what they are of: k sources in one table equal the sum of k tables."""

from datetime import UTC

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import ReadOptions, StageSpec
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError
from tests.running import entro

NS = 10**9


def read(folder, content, **options):
    path = folder / "table.csv"
    path.write_text(content)
    with plain_log(str(path)) as log:
        return TableReader().read(log, ReadOptions(UTC, zone_given=True, **options))


def stages(seen):
    return {part.stage: (part.times.tolist(), part.values.tolist()) for part in seen.series}


def stamp(second):
    return f"2026-04-06T12:{second // 60:02}:{second % 60:02}Z"


SOURCES = st.integers(1, 5).flatmap(
    lambda count: st.lists(
        st.lists(st.tuples(st.integers(0, 50), st.integers(0, 900)), min_size=12, max_size=12),
        min_size=count,
        max_size=count,
    )
)


@settings(max_examples=6)
@given(
    SOURCES,
    st.sampled_from(["instance", "pod_name", "engine", "Host", "kubernetes.pod.name"]),
    st.randoms(use_true_random=False),
)
def test_sources_of_a_wide_table_add_up(tmp_path_factory, sources, name, random):
    rows = [
        (stamp(10 * step), f"x{source}", rate, queue)
        for source, loads in enumerate(sources)
        for step, (rate, queue) in enumerate(loads)
    ]
    random.shuffle(rows)
    text = f"time,{name},rps,waiting\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows)
    seen = read(tmp_path_factory.mktemp("table"), text)
    assert {part.summed for part in seen.series} == {len(sources)}
    found = stages(seen)
    totals = np.sum(np.array(sources, float), axis=0)
    assert found["scraper"][1] == totals[:, 0].tolist()
    assert found["llm"][1] == totals[:, 1].tolist()
    assert len(found["llm"][0]) == 12


@settings(max_examples=6)
@given(SOURCES)
def test_sources_of_a_long_table_add_up(tmp_path_factory, sources):
    rows = [
        f"{stamp(10 * step)},{metric},{source},{load[place]}\n"
        for place, metric in enumerate(["request_rate", "num_requests_waiting"])
        for step in range(12)
        for source, loads in enumerate(sources)
        for load in [loads[step]]
    ]
    found = stages(read(tmp_path_factory.mktemp("table"), "time,metric,instance,value\n" + "".join(rows)))
    totals = np.sum(np.array(sources, float), axis=0)
    assert found["request_rate"][1] == totals[:, 0].tolist()
    assert found["num_requests_waiting"][1] == totals[:, 1].tolist()


@settings(max_examples=6)
@given(SOURCES)
def test_columns_that_differ_in_a_label_of_a_source_add_up(tmp_path_factory, sources):
    names = [f'"waiting{{instance=""{source}"", job=""llm""}}"' for source in range(len(sources))]
    rows = [",".join([stamp(10 * step), *(str(loads[step][1]) for loads in sources)]) + "\n" for step in range(12)]
    found = stages(read(tmp_path_factory.mktemp("table"), ",".join(["time", *names]) + "\n" + "".join(rows)))
    assert found["llm"][1] == np.sum(np.array(sources, float), axis=0)[:, 1].tolist()


def test_names_of_a_long_table_that_differ_in_a_label_of_a_source_add_up(tmp_path):
    """Grafana exports one series below the other."""
    names = ['waiting{pod="a"}', 'waiting{pod="b"}', 'rps{code="200"}', 'rps{code="500"}']
    rows = "".join(f"{name},{stamp(10 * row)},{row}\n" for name in names for row in range(9))
    seen = stages(read(tmp_path, "Series,Time,Value\n" + rows))
    assert seen["waiting"][1] == [2.0 * row for row in range(9)]
    assert [*seen] == ['rps{code="200"}', 'rps{code="500"}', "waiting"]
    asked = read(tmp_path, "Series,Time,Value\n" + rows, stages=(StageSpec("llm", names[0]),))
    assert stages(asked)["llm"][1] == [*range(9)]


def test_sources_that_are_sampled_at_other_times(tmp_path):
    """Each holds its last sample; one that ends is over, and does not become a zero."""
    rows = [(10 * step, "a", 3) for step in range(20)] + [(10 * step + 4, "b", 5) for step in range(10)]
    text = "time,pod,waiting\n" + "".join(f"{stamp(second)},{pod},{load}\n" for second, pod, load in sorted(rows))
    times, values = stages(read(tmp_path, text))["llm"]
    by_second = dict(zip([(time - times[0]) // NS for time in times], values, strict=True))
    assert [by_second[10 * step] for step in range(20)] == [8] * 10 + [3] * 10
    assert len(times) == 20


def test_a_source_that_misses_a_scrape_holds_its_sample(tmp_path):
    rows = [(10 * step, pod, 5) for step in range(20) for pod in "ab" if (step, pod) != (7, "b")]
    text = "time,pod,waiting\n" + "".join(f"{stamp(second)},{pod},{load}\n" for second, pod, load in rows)
    assert stages(read(tmp_path, text))["llm"][1] == [10.0] * 20


def test_a_pod_that_replaces_another_is_not_added_to_it(tmp_path):
    rows = [(10 * step, "old" if step < 10 else "new", 5) for step in range(20)]
    text = "time,pod,waiting\n" + "".join(f"{stamp(second)},{pod},{load}\n" for second, pod, load in rows)
    assert stages(read(tmp_path, text))["llm"][1] == [5.0] * 20


def test_a_queue_of_numbers_is_a_load_and_one_of_names_a_source(tmp_path):
    rows = "".join(f"{stamp(10 * step)},{step},{step}\n" for step in range(5))
    assert set(stages(read(tmp_path, "time,rps,queue\n" + rows))) == {"scraper", "llm"}
    rows = "".join(f"{stamp(10 * step)},{name},{step}\n" for step in range(5) for name in ("mail", "crawl"))
    assert stages(read(tmp_path, "time,queue,waiting\n" + rows))["llm"][1] == [0.0, 2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize("name", ["shard", "instance", "replica_id", "Partition"])
def test_numbers_name_sources_too(tmp_path, name):
    rows = "".join(f"{stamp(10 * step)},{number},3\n" for step in range(5) for number in range(3))
    assert stages(read(tmp_path, f"time,{name},waiting\n" + rows))["llm"][1] == [9.0] * 5


def test_numbers_of_an_unknown_name_that_differ_at_each_time_are_asked_for(tmp_path):
    rows = "".join(f"{stamp(10 * step)},{number},3\n" for step in range(5) for number in range(3))
    with pytest.raises(EntroError, match=r"rows of one time differ in the column gpu.*--by gpu"):
        read(tmp_path, "time,gpu,waiting\n" + rows)


@pytest.mark.parametrize(
    "names", [("a", "b", "total"), ("/v1/a", "/v1/b", "Aggregated"), ("*", "a", "b"), ("Grand Total", "a", "b")]
)
@pytest.mark.parametrize("column", ["pod", "Name"])
def test_a_total_among_the_sources_is_not_added_to_them(tmp_path, names, column):
    rows = "".join(
        f"{stamp(10 * step)},{name},{8 if name in {'total', 'Aggregated', '*', 'Grand Total', ''} else 4}\n"
        for step in range(5)
        for name in names
    )
    assert stages(read(tmp_path, f"time,{column},waiting\n" + rows))["llm"][1] == [8.0] * 5


@pytest.mark.parametrize("part", [slice(2, None), slice(-1)])
def test_a_total_in_a_log_that_begins_or_ends_between_the_rows_of_one_time(tmp_path, part):
    rows = [
        f"{stamp(10 * step)},{name},{8 if name == 'total' else 4}\n"
        for step in range(30)
        for name in ("a", "b", "total")
    ]
    loads = stages(read(tmp_path, "time,pod,waiting\n" + "".join(rows[part])))["llm"][1]
    assert set(loads[1:-1]) == {8.0}


def test_a_source_called_total_that_is_no_sum_counts(tmp_path):
    rows = "".join(f"{stamp(10 * step)},{name},4\n" for step in range(5) for name in ("a", "b", "all"))
    assert stages(read(tmp_path, "time,queue,waiting\n" + rows))["llm"][1] == [12.0] * 5


def test_a_total_below_the_rows_makes_the_time_no_source(tmp_path):
    rows = "".join(f"{stamp(10 * step)},{step}\n" for step in range(45))
    found = read(tmp_path, f"time,waiting\n{rows},\nTotal,\n")
    assert stages(found)["llm"][1] == [float(step) for step in range(45)]
    assert not any(problem.kind is ProblemKind.SOURCES_COMBINED for problem in found.problems)


def test_rows_without_a_load_are_no_sources(tmp_path):
    lines = (
        f'{{"time": "{stamp(10 * step)}", "msg": "{text}"{more}}}\n'
        for step in range(5)
        for text, more in (("hello", ""), ("stats", ', "queue": 3'))
    )
    assert stages(read(tmp_path, "".join(lines)))["llm"][1] == [3.0] * 5


TWO_ZONES = "time,zone,waiting\n" + "".join(
    f"{stamp(10 * step)},{zone},{load}\n" for step in range(5) for zone, load in (("eu", 2), ("us", 4))
)


@pytest.mark.parametrize(("how", "load"), [("sum", 6.0), ("mean", 3.0), ("max", 4.0)])
def test_options_name_the_sources_and_how_they_are_combined(tmp_path, how, load):
    path = tmp_path / "table.csv"
    path.write_text(TWO_ZONES)
    outcome = entro("analyze", path, "--by", "zone", "--aggregate", how, "--steps-csv", "-", "--tz", "UTC")
    assert outcome.status == 0
    assert {row.split(",")[1] for row in outcome.out.splitlines()[1:]} == {str(load)}
    assert "2 sources of waiting by zone were" in outcome.err


def test_generic_loads_of_sources_are_averaged(tmp_path):
    rows = "".join(f"{stamp(10 * step)},{pod},{load}\n" for step in range(5) for pod, load in (("a", 0.5), ("b", 1.0)))
    path = tmp_path / "table.csv"
    path.write_text("time,pod,busy\n" + rows)
    outcome = entro("analyze", path, "--stage", "gpu=busy:generic", "--steps-csv", "-", "--tz", "UTC")
    assert {row.split(",")[1] for row in outcome.out.splitlines()[1:]} == {"0.75"}


def long(text):
    """The rows of a wide table of zones as a long one."""
    rows = (row.split(",") for row in text.splitlines()[1:])
    return "time,stage,value,zone\n" + "".join(f"{time},waiting,{load},{zone}\n" for time, zone, load in rows)


@pytest.mark.parametrize("shape", [str, long])
@pytest.mark.parametrize("order", [str, lambda row: row.split(",")[1] + row])
def test_a_column_that_may_be_a_source_is_asked_for(tmp_path, shape, order):
    header, *rows = TWO_ZONES.splitlines(keepends=True)
    text = shape(header + "".join(sorted(rows, key=order)))
    with pytest.raises(EntroError, match=r"rows of one time differ in the column zone.*add --by zone"):
        read(tmp_path, text)
    assert stages(read(tmp_path, text, by=("zone",)))["llm" if shape is str else "waiting"][1] == [6.0] * 5


def test_rows_of_no_known_source_are_averaged(tmp_path):
    found = read(tmp_path, TWO_ZONES.replace("us", "eu"))
    assert stages(found)["llm"][1] == [3.0] * 5
    assert "10 rows with other values at the same time: averaged" in map(str, found.problems)


def test_a_source_column_that_no_log_has_is_an_error(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TWO_ZONES)
    outcome = entro("analyze", path, "--by", "region")
    assert outcome.status == 1
    assert "--by: no log has a column region" in outcome.err


def test_columns_are_added(tmp_path):
    rows = "".join(f"{stamp(10 * step)},{step},{2 * step},{3 * step}\n" for step in range(5))
    path = tmp_path / "table.csv"
    path.write_text('time,a,b+c,"d:queue"\n' + rows)
    outcome = entro("analyze", path, "--stage", 'llm=a+"b+c"+d:queue:queue', "--steps-csv", "-", "--tz", "UTC")
    assert outcome.status == 1  # there is no column d, and d:queue:queue is d:queue with a kind
    outcome = entro("analyze", path, "--stage", 'llm=a+"b+c"+"d:queue":queue', "--steps-csv", "-", "--tz", "UTC")
    assert [row.split(",")[1] for row in outcome.out.splitlines()[1:]] == ["0.0", "6.0", "12.0", "18.0", "24.0"]
    assert "3 sources of" in outcome.err
    outcome = entro("analyze", path, "--stage", "llm=b+c:queue", "--steps-csv", "-", "--tz", "UTC")
    assert [row.split(",")[1] for row in outcome.out.splitlines()[1:]] == ["0.0", "2.0", "4.0", "6.0", "8.0"]


def test_columns_of_different_units_are_not_added(tmp_path):
    rows = "".join(f"{stamp(10 * step)},{step},{2 * step}\n" for step in range(5))
    specs = (StageSpec("scraper", "pages_per_min+urls_per_s"),)
    with pytest.raises(EntroError, match="different units"):
        read(tmp_path, "time,pages_per_min,urls_per_s\n" + rows, stages=specs)


@pytest.fixture
def two_files(tmp_path):
    for name, load in (("a.csv", 1), ("b.csv", 7)):
        rows = "".join(f"{stamp(10 * step)},{load}\n" for step in range(5))
        (tmp_path / name).write_text("time,value\n" + rows)
    return tmp_path / "a.csv", tmp_path / "b.csv"


def test_columns_of_one_name_in_two_files(two_files):
    options = ["--stage", "scraper=a.csv:value:rate", "--stage", f"llm={two_files[1]}:value:queue:40"]
    outcome = entro("analyze", *two_files, *options, "--steps-csv", "-", "--tz", "UTC")
    assert outcome.status == 0, outcome.err
    assert {tuple(row.split(",")[1:3]) for row in outcome.out.splitlines()[1:]} == {("1.0", "7.0")}


def test_one_column_for_two_stages_of_two_files_is_refused(two_files):
    options = ["--stage", "scraper=value:rate", "--stage", "llm=value:queue"]
    outcome = entro("analyze", *two_files, *options)
    assert outcome.status == 1
    assert "scraper and llm are both the column value of 2 logs" in outcome.err
    assert "a.csv:value" in outcome.err


def test_a_total_without_a_name_is_not_added_to_its_parts(tmp_path):
    assert stages(read(tmp_path, TWO_ZONES.replace("us", "")))["llm"][1] == [3.0] * 5


def test_many_rows_of_one_date_are_refused(tmp_path):
    rows = "".join(f"2026-11-{26 + row // 30},{row // 15 % 24},{row % 15},1,{row}\n" for row in range(60))
    with pytest.raises(EntroError, match="most rows have the date of another in the column date"):
        read(tmp_path, f"date,hour,minute,rate,queue\n{rows}")
    by_day = "".join(f"2026-11-{1 + row % 5:02},{'ab'[row // 5]},1,{row}\n" for row in range(10))
    assert stages(read(tmp_path, f"date,pod,rate,queue\n{by_day}"))["llm"][1] == [5.0, 7.0, 9.0, 11.0, 13.0]
