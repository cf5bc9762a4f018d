"""A last line that has no end yet: it counts as long as it has none, and leaves no trace once it has one."""

import pytest

from tests.history.stored import HEADER, START, days, ingest, line, regular
from tests.history.test_merging import recalled
from tests.history.test_read_on import grown, metadata
from tests.marks import slow


@pytest.mark.parametrize(
    ("stamps", "cut"),
    [
        *(("text", cut) for cut in (2, 5, 8)),
        *(("milliseconds", cut) for cut in (2, 4)),
        *(slow("text", cut) for cut in (4, 6, 10)),
        *(slow("milliseconds", cut) for cut in (5, 6, 8, 10)),
    ],
)
def test_one_that_is_cut_within_its_time(tmp_path, stamps, cut):
    text = "2026-04-01T00:{:02}:{:02}Z" if stamps == "text" else "17747460{:02}{:02}0"
    lines = [f"{index % 7},{index % 11},{text.format(index // 60, index % 60)}\n" for index in range(200)]
    content = "rate,queue,time\n" + "".join(lines)
    grown(tmp_path, content, [len(content) - cut], "--step", "1s", "--tz", "UTC")


@pytest.mark.parametrize("metric", ["vllm:num_requests_waiting", "vllm:request_success_total"])
def test_one_of_a_page_of_metrics_that_is_cut_within_its_time(tmp_path, metric):
    content = "".join(
        f"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting {index % 7} {time}\n"
        f"# TYPE vllm:request_success_total counter\nvllm:request_success_total {index * index} {time}\n"
        for index, time in enumerate(range(START // 10**6, START // 10**6 + 600_000, 10_000))
    )
    cut = content.index("\n", content.index(f"\n{metric}", len(content) // 2) + 1) - 5
    grown(tmp_path, content, [cut])


@pytest.mark.parametrize("line", [0, 1, 2])
def test_one_that_lacks_only_its_line_feed(tmp_path, line):
    """Each line of an export is a metric, with times that others have, too."""
    times = [1000 * time for time in range(START // 10**9, START // 10**9 + 600, 10)]
    lines = [
        f'{{"metric":{{"__name__":"{name}"}},"values":{[*range(60)]},"timestamps":{times}}}\n'
        for name in ("vllm:num_requests_waiting", "tgi_request_count", "vllm:num_requests_running")
    ]
    content = "".join(lines).rstrip("\n")
    grown(tmp_path, content, [len("".join(lines[: line + 1])) - 1])
    assert {*metadata(tmp_path / "whole")["stages"]} == {"llm", "scraper"}


@pytest.mark.slow
def test_one_that_is_the_only_one_of_its_day_and_turns_out_bad(tmp_path):
    before = HEADER + "".join(regular(30))
    last = line(START + 86400 * 10**9, 1.5, 2.0).rstrip("\n")
    grown(tmp_path, before + last + "x\n", [len(before + last)])


def test_one_that_names_a_stage_in_part(tmp_path):
    times = (f"{at:04}" for at in range(100))
    lines = [
        f"2026-04-01 00:{at[:2]}:{at[2:]},1,{stage}\n" for at in times if at[2:] < "60" for stage in ("rate", "queue_b")
    ]
    content = "time,value,stage\n" + "".join(lines)
    grown(tmp_path, content, [len(content) - 3], "--tz", "UTC")
    assert sorted(metadata(tmp_path / "parts")["stages"]) == sorted(metadata(tmp_path / "whole")["stages"])


def test_one_that_is_the_first_row(tmp_path):
    lines = regular(30)
    log = tmp_path / "log.csv"
    log.write_text(HEADER + lines[0].rstrip("\n"))
    ingest(tmp_path / "h", log)
    assert recalled(tmp_path / "h").samples.tolist() == [[1], [1]]
    ingest(tmp_path / "h", log)
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "".join(lines[20:]))
    ingest(tmp_path / "h", other)
    assert recalled(tmp_path / "h").samples.sum() == 22
    log.write_text(HEADER + "".join(lines[:20]))
    ingest(tmp_path / "h", log)
    whole = tmp_path / "whole.csv"
    whole.write_text(HEADER + "".join(lines))
    ingest(tmp_path / "w", whole)
    assert days(tmp_path / "h") == days(tmp_path / "w")


@pytest.mark.parametrize("cut", [slow(1), 10, 29, slow(31), slow(33), 35])
def test_a_first_row_that_is_cut_anywhere(tmp_path, cut):
    content = HEADER + "".join(regular(30))
    grown(tmp_path, content, [len(HEADER) + cut])


def test_rows_that_do_not_fit_the_header_are_an_error(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(row.replace("\n", ",\n") for row in regular(30)))
    assert "has a header but no rows that fit it" in ingest(tmp_path / "h", log, status=1).err
    log.write_text(HEADER)
    assert "nothing in it yet" in ingest(tmp_path / "h", log).out


def test_a_date_far_away_is_refused_there_too(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(regular(50)) + line(START + 36 * 365 * 86400 * 10**9, 1.0, 1.0).rstrip("\n"))
    assert "a time is probably wrong" in ingest(tmp_path / "h", log, status=1).error
    assert days(tmp_path / "h") == {}
