"""Logs that go on where others end: cut anywhere, they are read as the one they were cut from."""

import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.stored import HEADER, START, line, regular
from tests.running import entro

SAMPLES = Path(__file__).parents[1] / "sample_logs" / "formats"
WHOLE = HEADER + "".join(regular(300))


def analysis(*logs):
    outcome = entro("analyze", *logs, "--json", "--tz", "UTC")
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    sources, _ = document.pop("sources"), document.pop("recommendations")
    return document, sources


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return lambda: tmp_path_factory.mktemp("logs")


@pytest.mark.slow
@given(cuts=st.lists(st.integers(len(HEADER), len(WHOLE) - 1), min_size=1, max_size=3, unique=True))
@settings(max_examples=settings.default.max_examples // 7)
def test_a_table_cut_anywhere(place, cuts):
    folder = place()
    (folder / "whole.csv").write_text(WHOLE)
    logs = []
    for index, (begin, end) in enumerate(zip([0, *sorted(cuts)], [*sorted(cuts), len(WHOLE)], strict=True)):
        logs.append(folder / f"part.{index}")
        logs[-1].write_bytes(gzip.compress(WHOLE[begin:end].encode()) if index % 2 else WHOLE[begin:end].encode())
    whole, parts = analysis(folder / "whole.csv")[0], analysis(*logs)[0]
    assert parts == whole


def test_rows_without_a_header_of_their_own_go_on_under_that_of_the_log_before(tmp_path):
    lines = regular(90)
    for index, name in enumerate(("log.2", "log.1", "log")):
        (tmp_path / name).write_text("".join([HEADER] * (index == 0) + lines[30 * index : 30 * index + 30]))
    document, sources = analysis(tmp_path / "log.2", tmp_path / "log.1", tmp_path / "log")
    assert document["rows_read"] == 90
    assert [source["rows_read"] for source in sources] == [30, 30, 30]


def test_a_last_row_that_is_whole_without_its_end_is_no_half_of_the_next_log(tmp_path):
    (tmp_path / "a.csv").write_text((HEADER + "".join(regular(30))).rstrip("\n"))
    (tmp_path / "b.csv").write_text(HEADER + "".join(regular(30, start=START + 300 * 10**9)))
    (tmp_path / "a.json").write_text('{"t":"2026-04-01T00:00:00Z","rate":1,"queue":2}')
    (tmp_path / "b.json").write_text('{"t":"2026-04-01T00:00:10Z","rate":1,"queue":2}\n')
    assert analysis(tmp_path / "a.csv", tmp_path / "b.csv")[0]["rows_read"] == 60
    assert analysis(tmp_path / "a.json", tmp_path / "b.json")[0]["rows_read"] == 2


def test_bad_rows_are_reported_with_their_lines_in_their_own_log(tmp_path):
    (tmp_path / "log.1").write_text(HEADER + "".join(regular(10)))
    (tmp_path / "log").write_text("".join(regular(9, start=START + 10**11)) + "broken\n" + line(START + 10**12, 1, 1))
    outcome = entro("analyze", tmp_path / "log.1", tmp_path / "log", "--tz", "UTC")
    assert f"{tmp_path / 'log'}: line 10: 1 cell instead of 3: broken" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vllm.log", "sglang.log", "scrapy.log", "celery.log", "requests.csv"])
def test_a_log_of_any_format_cut_anywhere(tmp_path, name):
    content = (SAMPLES / name).read_bytes()
    draw = random.Random(19441032)
    whole = analysis(SAMPLES / name, "--year", "2026", "--step", "10s")[0]
    for number in range(3):
        cuts = sorted(draw.sample(range(len(content) // 5, len(content)), 2))
        logs = [tmp_path / f"{number}-{name}.{part}" for part in range(3)]
        for log, begin, end in zip(logs, [0, *cuts], [*cuts, len(content)], strict=True):
            log.write_bytes(content[begin:end])
        assert analysis(*logs, "--year", "2026", "--step", "10s")[0] == whole, cuts


def test_a_zone_a_mark_and_carriage_returns_change_nothing(tmp_path):
    for name in ("vllm.log", "sglang.log", "celery.log", "requests.csv"):
        text = (SAMPLES / name).read_text()
        other = tmp_path / name
        other.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        packed = tmp_path / f"{name}.gz"
        packed.write_bytes(gzip.compress(text.encode()))
        whole = analysis(SAMPLES / name, "--year", "2026")[0]
        assert analysis(other, "--year", "2026")[0] == whole, name
        assert analysis(packed, "--year", "2026")[0] == whole, name
