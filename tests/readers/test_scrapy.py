"""Scrapy logs: pages from counts and stamps, runs told apart, clocks told by the spiders themselves."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.readers.registry import detect_format
from entro_cli.readers.scrapy.reader import ScrapyReader
from entro_cli.timeseries.bins import bins_of
from entro_cli.timeseries.observations import Measure, ReadOptions
from entro_cli.timeseries.problems import sentences
from entro_engine import EntroError

scrapy = ScrapyReader()

REAL = Path(__file__).parents[3] / "shared" / "data" / "scrapy" / "freenodes_2024-09_2025-02.log"
BEGIN = datetime(2026, 4, 6, 8, 0, tzinfo=UTC)
NS = 10**9


def read(path, **options):
    with plain_log(str(path)) as log:
        return scrapy.read(log, ReadOptions(**{"zone": UTC} | options))


def logstats(at, pages, items=0, logger="scrapy.extensions.logstats", offset=""):
    stamp = f"{BEGIN + timedelta(seconds=at):%Y-%m-%d %H:%M:%S}{offset}"
    told = f"Crawled {pages} pages (at {pages * 7} pages/min), scraped {items} items (at 0 items/min)"
    return f"{stamp} [{logger}] INFO: {told}\n"


def closing(at, pages, hours=0, began=0, more=""):
    stamp = f"{BEGIN + timedelta(seconds=at):%Y-%m-%d %H:%M:%S}"
    end = BEGIN + timedelta(seconds=at) - timedelta(hours=hours)
    parts = f"{end.year}, {end.month}, {end.day}, {end.hour}, {end.minute}, {end.second}, 250"
    return (
        f"{stamp} [scrapy.core.engine] INFO: Closing spider (finished)\n"
        f"{stamp} [scrapy.statscollectors] INFO: Dumping Scrapy stats:\n"
        f"{{'downloader/request_count': {pages},\n 'elapsed_time_seconds': {at - began}.25,\n"
        f" 'finish_reason': 'finished',\n"
        f" 'finish_time': datetime.datetime({parts}),\n"
        f" 'item_scraped_count': {pages},\n{more} 'response_received_count': {pages}}}\n"
        f"{stamp} [scrapy.core.engine] INFO: Spider closed (finished)\n"
    )


def written(folder, *lines, name="scrapy.log"):
    path = folder / name
    path.write_text("".join(lines))
    return path


def counts(series):
    """Requests in each span of a rate, with where it begins and ends, seconds from the beginning of the log."""
    zero = round(BEGIN.timestamp()) * NS
    seconds = (series.times - series.begins) / NS
    found = zip(series.begins - zero, series.times - zero, series.values * seconds, strict=True)
    return [(begin / NS, end / NS, round(pages, 6)) for begin, end, pages in found]


def test_rates_are_of_the_time_that_passed_not_of_the_minute_that_was_meant(tmp_path):
    path = written(tmp_path, logstats(0, 0), logstats(60, 30), logstats(302, 54), logstats(362, 60))
    (series,) = read(path).series
    assert (series.stage, series.measure, series.column) == ("scraper", Measure.SPANS, "pages")
    assert counts(series) == [(0, 60, 30), (60, 302, 24), (302, 362, 6)]


def test_the_last_pages_are_in_the_closing_stats(tmp_path):
    path = written(tmp_path, logstats(0, 0), logstats(60, 30), closing(75, 36))
    assert counts(read(path).series[0]) == [(0, 60, 30), (60, 75, 6)]


def test_nothing_is_known_between_two_runs(tmp_path):
    path = written(tmp_path, logstats(0, 0), closing(30, 6), logstats(600, 0), logstats(660, 9))
    assert counts(read(path).series[0]) == [(0, 30, 6), (600, 660, 9)]


def test_a_counter_that_goes_back_is_another_run(tmp_path):
    path = written(tmp_path, logstats(0, 0), logstats(60, 50), logstats(100, 0), logstats(160, 20))
    found = read(path)
    assert counts(found.series[0]) == [(0, 60, 50), (100, 160, 20)]


def test_a_line_that_comes_late_is_put_in_its_place(tmp_path):
    lines = [logstats(60 * minute, 30 * minute**2) for minute in range(9)]
    late = [lines[at] for at in (1, 0, 2, 4, 3, 5, 8, 6, 7)]
    found, expected = (read(written(tmp_path, *part)) for part in (late, lines))
    assert counts(found.series[0]) == counts(expected.series[0])
    assert found.problems == expected.problems


@pytest.mark.parametrize("prefix", ["28.02.2026 23:40:00 INFO", "[02/28/26 23:40:00] INFO", "INFO:scrapy:"])
def test_a_log_without_times_that_can_be_read_is_refused_by_its_name(tmp_path, prefix):
    path = written(tmp_path, *(f"{prefix} {logstats(0, pages).partition('INFO: ')[2]}" for pages in range(9)))
    with plain_log(str(path)) as log:
        assert detect_format(log, ReadOptions(zone=UTC)) == "scrapy"
    with pytest.raises(EntroError, match=r"9 of 9 lines cannot be read .*the time cannot be read.*LOG_DATEFORMAT"):
        read(path)


def opened(at, offset=""):
    return f"{BEGIN + timedelta(seconds=at):%Y-%m-%d %H:%M:%S}{offset} [scrapy.core.engine] INFO: Spider opened\n"


@pytest.mark.parametrize("late", [0, 1, 60, 119])
def test_the_first_logstats_line_belongs_to_the_spider_that_opened_before(tmp_path, late):
    path = written(tmp_path, opened(0), logstats(late, 0), logstats(late + 60, 60), closing(late + 90, 90))
    found = read(path)
    assert counts(found.series[0]) == [
        *([(0, late, 0)] if late else []),
        (late, late + 60, 60),
        (late + 60, late + 90, 30),
    ]
    assert not found.problems


def test_two_spiders_that_opened_in_one_second(tmp_path):
    both = [opened(0), opened(0), logstats(0, 0), logstats(1, 0)]
    found = read(written(tmp_path, *both, logstats(60, 40), logstats(61, 70)))
    assert sum(pages for *_, pages in counts(found.series[0])) == pytest.approx(110)
    assert "1 run of a spider overlaps with another: their rates are summed" in sentences(found.problems)


def loads(series, step=60):
    """The loads of the steps that have data, by where they begin, seconds from the beginning of the log."""
    bins = bins_of(series, 0, step * NS)
    return dict(zip(((bins.starts - round(BEGIN.timestamp()) * NS) // NS).tolist(), bins.loads.tolist(), strict=True))


def test_within_a_step_the_rate_is_0_while_no_spider_runs(tmp_path):
    first = [opened(30), logstats(30, 0), closing(36, 3, began=30)]
    second = [opened(50), logstats(50, 0), closing(51, 2, began=50)]
    found = read(written(tmp_path, *first, *second, opened(250), logstats(250, 0), logstats(310, 60)))
    # The last spider still runs: what it did in the rest of its last step is not known.
    assert loads(found.series[0]) == {0: 5 / 60, 240: 50 / 60, 300: 1.0}
    done = read(written(tmp_path, *first, *second))
    assert loads(done.series[0]) == {0: 5 / 60}
    middle = read(written(tmp_path, logstats(30, 50), logstats(90, 110)))
    assert loads(middle.series[0]) == {0: 1.0, 60: 1.0}


def test_a_run_without_a_page_is_data(tmp_path):
    none = closing(40, 0, began=10).replace(" 'response_received_count': 0}", " 'x': 1}")
    assert loads(read(written(tmp_path, opened(10), logstats(10, 0), none)).series[0]) == {0: 0.0}
    within = closing(10, 7, began=10)  # it ends in the second in which it began
    assert loads(read(written(tmp_path, opened(10), logstats(10, 0), within)).series[0]) == {0: pytest.approx(7 / 60)}


@given(
    runs=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 59, 61, 200]), st.integers(0, 3), st.integers(0, 400), st.integers(1, 4000)
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(deadline=None)
def test_steps_hold_the_pages_of_all_runs(tmp_path_factory, runs):
    at, total, lines = 7, 0, []
    for length, late, pages, pause in runs:
        marks = range(at + late, at + length + 1, 60)
        lines += [opened(at), *(logstats(mark, pages * (mark - at - late) // (length + 1)) for mark in marks)]
        lines.append(closing(at + length, pages, began=at))
        total += pages
        at += length + pause
    (series,) = read(written(tmp_path_factory.mktemp("runs"), *lines)).series
    for step in (1, 10, 60, 600):
        assert sum(loads(series, step).values()) * step == pytest.approx(total)


def test_throttling_retries_and_a_rate_that_collapses_are_reported(tmp_path):
    more = " 'downloader/response_status_count/429': 12,\n 'retry/count': 15,\n"
    lines = [logstats(60 * at, pages) for at, pages in enumerate([0, 100, 200, 205, 300, 301])]
    found = read(written(tmp_path, *lines, closing(330, 301, more=more)))
    assert sentences(found.problems) == (
        "2 logstats lines have less than a tenth of the best rate of their spider before",
        "12 responses were 429 (too many requests): sites throttle their spiders",
        "15 requests were retried by their spiders",
    )


def in_json(**fields):
    def log(text):
        lines = []
        for entry in re.split(r"\n(?=\d{4}-)", text.rstrip("\n")):
            when = datetime.strptime(entry[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            message = entry.partition(" [")[2].partition("INFO: ")[2]
            given = {name: form(when, message) for name, form in fields.items()}
            lines.append(json.dumps(given | {"levelname": "INFO"}) + "\n")
        return "".join(lines)

    return log


@pytest.mark.parametrize(
    "form",
    [
        in_json(message=lambda _, text: text, asctime=lambda when, _: f"{when:%Y-%m-%d %H:%M:%S},011"),
        in_json(event=lambda _, text: text, timestamp=lambda when, _: when.isoformat()),
        in_json(ts=lambda when, _: when.timestamp() + 0.25, msg=lambda _, text: text),
        lambda text: re.sub(r"(?m)^(\S+ \S+) \[(\S+)\] INFO: ", r"\1,004 - \2 - INFO - ", text),
        lambda text: re.sub(r"(?m)^(\S+)-(\S+)-(\S+) (\S+) \[(\S+)\] INFO: ", r"\1/\2/\3 \4 INFO \5: ", text),
    ],
)
def test_a_spider_with_a_log_format_of_its_own(tmp_path, form):
    lines = "".join([opened(0), logstats(0, 0), logstats(60, 30, 7), logstats(120, 31, 8), closing(130, 36)])
    expected = read(written(tmp_path, lines), zone_given=True)
    path = written(tmp_path, form(lines), name="other.log")
    with plain_log(str(path)) as log:
        assert detect_format(log, ReadOptions(UTC)) == "scrapy"
    found = read(path, zone_given=True)
    assert counts(found.series[0]) == counts(expected.series[0])
    assert (found.rows_read, found.rows_skipped) == (expected.rows_read, 0)


@pytest.mark.parametrize("form", [r"\3", r"\2-\3"])
def test_timestamps_without_a_date_go_on_behind_midnight(tmp_path, form):
    lines = [opened(57_500), logstats(57_500, 0), logstats(57_560, 30), logstats(57_620, 36), closing(57_630, 40)]
    lines = [
        re.sub(r"(?m)^(\d{4})-(\d\d-\d\d) (\S+) \[", r"\3 [" if form == r"\3" else r"\2 \3 [", line) for line in lines
    ]
    options = {"zone_given": True, "start_ns": round(BEGIN.timestamp()) * NS, "year": 2026}
    found = read(written(tmp_path, *lines), **options)
    assert counts(found.series[0]) == [(57_500, 57_560, 30), (57_560, 57_620, 6), (57_620, 57_630, 4)]
    path = written(tmp_path, *lines[:3])
    with plain_log(str(path)) as log:
        first = scrapy.resume(log, ReadOptions(zone=UTC, **options), b"")
    path = written(tmp_path, *lines[3:])
    with plain_log(str(path)) as log:
        second = scrapy.resume(log, ReadOptions(zone=UTC, **options), first.state)
    assert counts(first.observations.series[0]) + counts(second.observations.series[0]) == counts(found.series[0])


def test_a_line_in_another_format_without_its_time_is_counted(tmp_path):
    found = read(written(tmp_path, logstats(0, 0), logstats(60, 3), logstats(120, 9).partition("INFO: ")[2]))
    assert (found.rows_skipped, found.bad_rows[0].reason) == (1, "the time cannot be read")


def test_runs_that_ended_are_forgotten(tmp_path):
    daily = [86400 * day for day in range(300)]
    lines = [line for at in daily for line in (opened(at), logstats(at, 0), closing(at + 30, 5, began=at))]
    assert len(resumed(written(tmp_path, *lines)).state) < 500
    killed = [line for at in daily for line in (opened(2 * at), logstats(2 * at + 60, 9))]
    reading = resumed(written(tmp_path, *killed))
    assert len(reading.state) < 1000
    words = "299 runs end without closing stats: nothing is known after their last lines"
    assert words in sentences(reading.observations.problems)


def resumed(path, state=b""):
    with plain_log(str(path)) as log:
        return scrapy.resume(log, ReadOptions(zone=UTC), state)


def test_two_spiders_in_one_log_are_told_apart_and_summed(tmp_path):
    first = [(60 * at, 90 * at) for at in range(6)]
    second = [(60 * at + 20, 6 * at) for at in range(6)]
    lines = [logstats(at, pages) for at, pages in sorted(first + second)]
    found = read(written(tmp_path, *lines))
    assert sum(pages for *_, pages in counts(found.series[0])) == pytest.approx(450 + 30)
    inside = [round(pages / (end - begin), 6) for begin, end, pages in counts(found.series[0])]
    assert inside == [1.5] + [1.6] * (len(inside) - 2) + [0.1]
    assert "1 run of a spider overlaps with another: their rates are summed" in sentences(found.problems)


@pytest.mark.parametrize("hours", [8, 0, -5, 5.5])
def test_the_clock_is_told_by_the_spider(tmp_path, hours):
    path = written(tmp_path, logstats(0, 0), closing(60, 60, hours))
    found = read(path)
    shift = round(hours * 3600) * NS
    assert found.series[0].begins.tolist() == [round(BEGIN.timestamp()) * NS - shift]
    words = {8: "UTC+8", 0: "UTC", -5: "UTC-5", 5.5: "UTC+5:30"}
    assert found.zone == f"from its closing stats: {words[hours]}"
    assert read(path, zone_given=True).series[0].begins.tolist() == [round(BEGIN.timestamp()) * NS]


def test_stamps_of_0_x_say_how_far_their_clock_is_off(tmp_path):
    lines = [logstats(0, 0, logger="dmoz", offset="+0800"), logstats(60, 60, logger="dmoz", offset="+0800")]
    found = read(written(tmp_path, *lines))
    assert found.series[0].begins.tolist() == [(round(BEGIN.timestamp()) - 8 * 3600) * NS]
    assert found.zone == "as written, UTC+8"


@pytest.mark.parametrize("logger", ["scrapy.extensions.logstats", "scrapy", "spider one"])
def test_every_version_is_recognised(tmp_path, logger):
    with plain_log(str(written(tmp_path, logstats(0, 0, logger=logger), logstats(60, 3, logger=logger)))) as log:
        assert scrapy.recognise(log) > 0.9


def responses(at, number, logger="scrapy.core.engine"):
    stamp = f"{BEGIN + timedelta(seconds=at):%Y-%m-%d %H:%M:%S}"
    return "".join(
        f"{stamp} [{logger}] DEBUG: Crawled (200) <GET https://e.example/{index}> (referer: None)\n"
        for index in range(number)
    )


def test_responses_are_the_stage_where_no_line_counts_pages(tmp_path):
    path = written(tmp_path, responses(0, 3), responses(1, 1), responses(7, 5))
    (series,) = read(path).series
    assert (series.column, series.measure) == ("responses", Measure.EVENTS)
    assert series.values.tolist() == [3, 1, 5]
    both = read(written(tmp_path, logstats(0, 0), responses(5, 9), logstats(60, 9)))
    assert both.series[0].column == "pages"
    assert set(both.columns) == {"pages", "items", "responses"}


@pytest.mark.parametrize("lines", [(), (responses(9, 2), closing(60, 9)), (closing(60, 9),)])
def test_the_start_and_the_closing_stats_of_a_spider_leave_its_responses_the_stage(tmp_path, lines):
    """Without logstats lines (LOGSTATS_INTERVAL=0), they have only the mean of the whole run."""
    first = opened(0) + responses(0, 3) + responses(7, 4)
    path = written(tmp_path, first, *lines)
    (series,) = read(path).series
    assert series.values.tolist() == [3, 4] + [2] * (len(lines) == 2)
    before = resumed(written(tmp_path, first))
    after = resumed(written(tmp_path, *lines), before.state) if lines else before
    assert {part.column for part in (*before.observations.series, *after.observations.series)} == {"responses"}


def test_the_frontier_is_what_is_enqueued_and_not_dequeued(tmp_path):
    more = " 'scheduler/dequeued': 40,\n 'scheduler/enqueued': 55,\n"
    periodic = json.dumps({"stats": {"scheduler/enqueued": 30, "scheduler/dequeued": 10}})
    told = f"{BEGIN + timedelta(seconds=30):%Y-%m-%d %H:%M:%S} [scrapy.extensions.periodic_log] INFO: {periodic}\n"
    path = written(tmp_path, logstats(0, 0), told, closing(60, 40, more=more))
    options = ReadOptions(zone=UTC)
    assert "frontier" in read(path).columns
    from entro_cli.timeseries.observations import StageSpec

    (frontier,) = read(path, stages=(StageSpec("frontier", "frontier"),)).series
    assert frontier.values.tolist() == [20, 15]
    assert options.zone is UTC


def test_the_real_log_has_the_pages_that_its_lines_count():
    if not REAL.exists():
        pytest.skip("the shared data is not there")
    text = REAL.read_text()
    found = read(REAL)
    received = sum(map(int, re.findall(r"'response_received_count': (\d+)", text)))
    total = sum(pages for *_, pages in counts(found.series[0]))
    last = [int(pages) for pages in re.findall(r"INFO: Crawled (\d+) pages", text)]
    unclosed = len(re.findall("Spider opened", text)) - len(re.findall("Dumping Scrapy stats", text))
    assert received <= total + 1e-6 <= received + unclosed * max(last) + 1e-3
    assert found.rows_skipped == 0


def pieces(folder, content, cuts):
    """The readings of the parts of a log that is cut between two of its lines."""
    state, found, lines = b"", [], content.splitlines(keepends=True)
    for index, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(lines)], strict=True)):
        path = folder / f"part{index}"
        path.write_bytes(b"".join(lines[begin:end]))
        reading = resumed(path, state)
        state = reading.state
        found.append(reading.observations)
    return found


def test_cut_anywhere_it_is_the_same(tmp_path_factory):
    lines = [logstats(0, 0), responses(3, 2), logstats(60, 31), logstats(121, 60), closing(130, 64)]
    lines += [logstats(700, 0), logstats(760, 11)]
    content = "".join(lines).encode()

    @given(cuts=st.lists(st.integers(1, content.count(b"\n") - 1), min_size=1, max_size=3, unique=True))
    @settings(deadline=None)
    def check(cuts):
        folder = tmp_path_factory.mktemp("cut")
        (folder / "whole").write_bytes(content)
        whole = counts(read(folder / "whole").series[0])
        parts = pieces(folder, content, sorted(cuts))
        spans = {
            span for part in parts for series in part.series if series.begins is not None for span in counts(series)
        }
        assert sorted(spans) == whole

    check()
