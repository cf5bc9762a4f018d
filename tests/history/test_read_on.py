"""A log much longer than what is read again of it: only a part is read, and what is stored is that of the whole."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from entro_cli.readers.options import LoadOptions
from entro_cli.workflows.load_logs import load_logs
from tests.history.stored import HEADER, START, days, ingest, line, regular, stamp
from tests.history.test_merging import recalled, same_steps
from tests.marks import slow

S = 10**9
WIDE = "time,rate,queue,note\n"


def row(index, rate, queue, note="x" * 300):
    return f"{stamp(START + index * 10 * S)},{rate},{queue},{note}\n"


def metadata(history):
    return json.loads((history / "pipeline=default" / "_entro" / "state.json").read_text())


def grown(folder, text, cuts, *options):
    """Ingest a log as it grows to these lengths, assert that the whole log is stored, and return the warnings."""
    content = text.encode()
    log, whole = folder / "log.csv", folder / "whole.csv"
    whole.write_bytes(content)
    ingest(folder / "whole", whole, *options)
    warnings = []
    for cut in (*cuts, len(content)):
        log.write_bytes(content[:cut])
        warnings.append(ingest(folder / "parts", log, *options).err)
    assert days(folder / "parts") == days(folder / "whole")
    return warnings


@pytest.mark.parametrize("step", ["10s", slow("24h")])
def test_different_values_at_one_time_where_the_part_begins_and_where_it_ends(tmp_path, step):
    lines = [line(START + index * 10 * S, value + index % 5, 1.0) for index in range(3000) for value in (1.0, 3.0, 8.0)]
    content = HEADER + "".join(lines)
    cuts = [len(content) - cut for cut in (9000, 8975, 90, 20)]
    warnings = grown(tmp_path, content, cuts, "--step", step)
    assert not any("stored with other loads" in text for text in warnings)


@pytest.mark.slow
def test_a_step_that_was_left_within_is_not_told_as_one_of_other_loads(tmp_path):
    content = HEADER + "".join(regular(500, step_s=1))
    warnings = grown(tmp_path, content, [len(content) // 2 + cut for cut in (0, 33, 333, 3333)], "--step", "10s")
    assert warnings == [""] * 5


@pytest.mark.parametrize("step", [slow("10s"), "1min", slow("1h")])
def test_rows_that_come_later_than_what_is_read_again(tmp_path, step):
    lines = regular(9000)
    late = [line(START + 5 * S, 99.0, 99.0), line(START + 504 * S, 0.0, 55.0)]
    content = HEADER + "".join([*lines, *late, *regular(100, start=START + 9000 * 10 * S)])
    grown(tmp_path, content, [len(HEADER + "".join(lines))], "--step", step)


@pytest.mark.slow
def test_an_hour_shown_twice_that_is_longer_than_what_is_read_again(tmp_path):
    begin = datetime(2026, 10, 24, 23, 40, tzinfo=UTC)
    moments = [(begin + timedelta(seconds=index)).astimezone(ZoneInfo("Europe/Berlin")) for index in range(2 * 4800)]
    lines = [f"{at:%Y-%m-%d %H:%M:%S},1,{at.minute},{'y' * 60}\n" for at in moments]
    content = WIDE + "".join(lines)
    length = len(lines[0])
    cuts = [len(WIDE) + count * length for count in (3000, 4900, 8000, 9000, 9300)]
    grown(tmp_path, content, cuts, "--tz", "Europe/Berlin", "--step", "10s")


def test_while_the_step_is_not_fixed_a_log_is_read_whole(tmp_path):
    content = WIDE + "".join(
        row(index, index % 7, index % 5 if index % 100 == 0 else "", "x" * 900) for index in range(700)
    )
    grown(tmp_path, content, [len(content) // 2, len(content) * 3 // 4])


def test_a_part_without_samples_of_a_stage_that_was_asked_for(tmp_path):
    content = "time,rate,waiters,note\n" + "".join(
        row(index, index % 7, index % 5 if index < 50 else "") for index in range(1500)
    )
    grown(tmp_path, content, [len(content) - 3000], "--stage", "llm=waiters:queue")


def test_a_part_in_which_all_cells_are_empty(tmp_path):
    content = WIDE + "".join(
        row(index, index % 7 if index < 50 else "", index if index < 50 else "") for index in range(1500)
    )
    grown(tmp_path, content, [len(content) - 3000])


@pytest.mark.slow
def test_a_key_that_json_lines_have_only_later_is_read_in_no_part(tmp_path):
    lines = [
        json.dumps({"time": stamp(START + at * 10 * S), "rate": at % 7} | ({"queue": 1} if at >= 1000 else {})) + "\n"
        for at in range(12000)
    ]
    content = "".join(lines)
    grown(tmp_path, content, [len(content) * 2 // 3, len(content) * 5 // 6])


@pytest.mark.slow
def test_a_part_of_which_most_cannot_be_read(tmp_path):
    good = HEADER + "".join(regular(9000))
    content = good + "broken\n" * 8900 + "".join(regular(9, start=START + 10**14))
    warnings = grown(tmp_path, content, [len(good), len(good) + 7 * 8900])
    assert "8,900 of" in warnings[1]
    assert "line 9002: 1 cell instead of 3: broken" in warnings[1]
    assert warnings[2] == ""
    (log,) = metadata(tmp_path / "parts")["logs"]
    assert (log["rows_read"], log["rows_skipped"]) == (9009, 8900)


def test_new_bad_rows_are_shown_though_there_are_many_old_ones(tmp_path):
    first = HEADER + "".join([*regular(20), *["broken\n"] * 10, *regular(50, start=START + 10**13)])
    warnings = grown(tmp_path, first + "awful\n" + "".join(regular(9, start=START + 10**14)), [len(first)])
    assert "line 22: 1 cell instead of 3: broken" in warnings[0]
    assert "line 82: 1 cell instead of 3: awful" in warnings[1]
    assert "broken" not in warnings[1]


@pytest.mark.slow
def test_what_is_out_of_the_ordinary_is_kept_once(tmp_path):
    lines = [one for one in regular(300) for _ in range(2)]
    content = HEADER + "".join(lines)
    length = len(lines[0])
    grown(tmp_path, content, [len(HEADER) + length * count for count in (100, 200, 300)])
    assert metadata(tmp_path / "parts")["logs"][0]["problems"] == [["REPEATED", 300, []]]


def test_two_sources_of_which_one_was_silent_for_long(tmp_path):
    def written(number, after):
        log = tmp_path / f"{number}.log"
        log.write_text(WIDE + "".join(row(index, number + index % 3, index % 7) for index in range(after)))
        return log

    ingest(tmp_path / "h", written(1, 1500), written(2, 1500))
    ingest(tmp_path / "h", written(1, 4000))
    assert ingest(tmp_path / "h", written(1, 4200), written(2, 1700)).err == ""
    same_steps(recalled(tmp_path / "h"), load_logs([str(tmp_path / "*.log")], LoadOptions(tz="UTC")).steps)


@pytest.mark.slow
def test_a_stage_of_few_samples_whose_last_step_goes_on_in_the_next_log(tmp_path):
    lines = [
        f"{stamp(START + at * S)},{at % 7},{at if at < 5 or at == 2500 else ''},{'x' * 300}\n" for at in range(3000)
    ]
    (tmp_path / "whole.csv").write_text(WIDE + "".join(lines))
    ingest(tmp_path / "w", tmp_path / "whole.csv", "--step", "1h")
    log = tmp_path / "log"
    for count in (1000, 1500, 2400):
        log.write_text(WIDE + "".join(lines[:count]))
        ingest(tmp_path / "h", log, "--step", "1h")
    log.rename(tmp_path / "log.1")
    log.write_text(WIDE + "".join(lines[2400:]))
    ingest(tmp_path / "h", log, "--step", "1h")
    assert days(tmp_path / "h") == days(tmp_path / "w")


LOGSTATS = "2026-04-06 {}:{:02}:27 [scrapy.extensions.logstats] INFO: "
SPIDER = "2026-04-06 {}:00:27 [scrapy.core.engine] INFO: Spider opened\n"
COUNTS = LOGSTATS + "Crawled {} pages (at 50 pages/min), scraped 0 items (at 0 items/min)\n"
DUMPED = "2026-04-06 {}:12:41 [scrapy.statscollectors] INFO: Dumping Scrapy stats:\n"
CLOSED = DUMPED + "{{'response_received_count': 610,\n 'elapsed_time_seconds': 734.0}}\n"


@pytest.mark.parametrize("closed", [CLOSED, ""])
def test_the_idle_time_of_spiders_that_shows_only_later(tmp_path, closed):
    """A spider that has just begun hides that the one before it has ended, and so does one that is killed."""
    runs = [
        SPIDER.format(hour) + "".join(COUNTS.format(hour, minute, 50 * minute) for minute in range(13))
        for hour in (10, 11, 12)
    ]
    content = "".join(run + closed.format(hour) for hour, run in zip((10, 11, 12), runs, strict=True))
    begins = [content.index(run) for run in runs]
    grown(tmp_path, content, [begins[1], begins[2] + len(SPIDER) + len(COUNTS)], "--tz", "UTC")
