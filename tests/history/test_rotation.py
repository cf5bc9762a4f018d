"""A log that grows, is rotated, packed, truncated, replaced: read on from where it was left, the bytes of the whole."""

import gzip
import json
import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.history.stored import HEADER, START, days, ingest, line, regular
from tests.marks import slow
from tests.running import entro

DATA = Path(__file__).parents[3] / "shared" / "data"
LINES = regular(3000)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    (folder / "log.csv").write_text(HEADER + "".join(LINES))
    ingest(folder / "h", folder / "log.csv")
    return days(folder / "h")


def state(history, pipeline="default"):
    return json.loads((history / f"pipeline={pipeline}" / "_entro" / "state.json").read_text())


def test_rotations_by_number_packed_and_a_new_log_with_its_header(whole, tmp_path):
    log = tmp_path / "log"
    pattern = tmp_path / "log*"
    log.write_text(HEADER + "".join(LINES[:1000]))
    ingest(tmp_path / "h", pattern)
    with log.open("a") as file:
        file.writelines(LINES[1000:1200])
    log.rename(tmp_path / "log.1")
    log.write_text("")
    ingest(tmp_path / "h", pattern)
    log.write_text(HEADER)
    ingest(tmp_path / "h", pattern)
    with log.open("a") as file:
        file.writelines(LINES[1200:2500])
    ingest(tmp_path / "h", pattern)
    (tmp_path / "log.2.gz").write_bytes(gzip.compress((tmp_path / "log.1").read_bytes()))
    log.rename(tmp_path / "log.1")
    log.write_text(HEADER + "".join(LINES[2500:]))
    outcome = ingest(tmp_path / "h", pattern, "--json")
    (stored,) = json.loads(outcome.out)["pipelines"]
    assert {Path(part["path"]).name: (part["taken"], part["rows_read"]) for part in stored["logs"]} == {
        "log": ("new", 500),
        "log.1": ("nothing new", 0),
        "log.2.gz": ("nothing new", 0),
    }
    assert days(tmp_path / "h") == whole
    assert {part["source"] for one in state(tmp_path / "h")["logs"] for part in one["series"]} == {"table"}


def test_copy_and_truncate(whole, tmp_path):
    log = tmp_path / "log.csv"
    with log.open("w") as writer:
        writer.write(HEADER + "".join(LINES[:1500]))
        writer.flush()
        ingest(tmp_path / "h", tmp_path / "log*")
        shutil.copyfile(log, tmp_path / "log.csv.1")
        os.truncate(log, 0)
        writer.seek(0)
        ingest(tmp_path / "h", tmp_path / "log*")
        writer.write(HEADER + "".join(LINES[1500:]))
    ingest(tmp_path / "h", tmp_path / "log*")
    assert days(tmp_path / "h") == whole


def test_a_log_whose_header_is_in_an_earlier_rotation(whole, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(LINES[:1000]))
    ingest(tmp_path / "h", tmp_path / "log*")
    log.rename(tmp_path / "log.csv.1")
    log.write_text("".join(LINES[1000:1007]) + "broken\n" + LINES[1007][:13])
    assert "log.csv: line 8: 1 cell instead of 3: broken" in ingest(tmp_path / "h", tmp_path / "log*").err
    with log.open("a") as file:
        file.write(LINES[1007][13:])
        file.writelines(LINES[1008:])
    assert "broken" not in ingest(tmp_path / "h", tmp_path / "log*").err
    assert days(tmp_path / "h") == whole
    other = tmp_path / "other.csv"
    other.write_text("".join(line.replace(",", ",x,", 1) for line in LINES[:5]))
    assert "no column is recognised as a rate or a queue" in ingest(tmp_path / "h", other, status=1).err


@pytest.mark.parametrize("change", ["touched", "copied", "linked", "replaced by as many bytes"])
def test_nothing_is_new(whole, tmp_path, change):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(LINES))
    ingest(tmp_path / "h", log)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "h").rglob("*.parquet")}
    if change == "touched":
        os.utime(log, ns=(0, 0))
    elif change == "copied":
        log = shutil.copyfile(log, tmp_path / "other.csv")
    elif change == "linked":
        os.link(log, tmp_path / "other.csv")
        log = tmp_path / "other.csv"
    else:
        log.unlink()
        log.write_text(HEADER + "".join(LINES[::-1]))
    assert "nothing new" in ingest(tmp_path / "h", log).out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "h").rglob("*.parquet")} == before
    assert days(tmp_path / "h") == whole


@pytest.mark.slow
def test_only_what_is_new_is_read_and_counted(tmp_path):
    lines = regular(60_000)
    lines[10] = lines[10].replace(",", ",x", 1)
    lines[59_990] = "broken\n"
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(lines[:59_000]))
    first = ingest(tmp_path / "h", log)
    assert "line 12: not a number" in first.err
    with log.open("a") as file:
        file.writelines(lines[59_000:])
    seen = []
    from entro_cli.history.ingest import read_tail as reading_part

    read = reading_part.read_log
    with pytest.MonkeyPatch.context() as patch:
        sizes = lambda log, *rest: seen.append(log.path.stat().st_size) or read(log, *rest)  # noqa: E731
        patch.setattr(reading_part, "read_log", sizes)
        outcome = ingest(tmp_path / "h", log, "--json")
    assert max(seen) < 400_000 < log.stat().st_size / 5
    (part,) = json.loads(outcome.out)["pipelines"][0]["logs"]
    assert (part["taken"], part["rows_read"], part["rows_skipped"]) == ("read on", 999, 1)
    assert "line 12:" not in outcome.err
    assert "line 59992: 1 cell instead of 3: broken" in outcome.err
    (log_seen,) = state(tmp_path / "h")["logs"]
    assert (log_seen["rows_read"], log_seen["rows_skipped"]) == (59_998, 2)
    ingest(tmp_path / "w", log)
    assert days(tmp_path / "h") == days(tmp_path / "w")


def test_a_log_that_is_written_to_meanwhile(tmp_path):
    lines = regular(40_000)
    log = tmp_path / "log.csv"
    log.write_text(HEADER)
    was_read, over = threading.Event(), threading.Event()

    def write():
        with log.open("a", buffering=1 << 14) as file:
            for begin in range(0, len(lines), 2000):
                file.writelines(lines[begin : begin + 2000])
                time.sleep(0.02)
                if begin == len(lines) // 2:
                    was_read.wait(60)
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    rounds = 0
    while not over.is_set():
        ingest(tmp_path / "h", tmp_path / "log*", "--step", "10s")
        rounds += 1
        was_read.set()
    writer.join()
    ingest(tmp_path / "h", log, "--step", "10s")
    ingest(tmp_path / "w", log, "--step", "10s")
    assert rounds > 1
    assert days(tmp_path / "h") == days(tmp_path / "w")


@pytest.mark.parametrize("cut", [slow(1), 9, slow(17), 29, slow(33)])
def test_a_last_line_without_its_end(tmp_path, cut):
    lines = [*regular(30), line(START + 300 * 10**9, 12.345, 6789.0)]
    log = tmp_path / "log.csv"
    content = HEADER + "".join(lines)
    log.write_text(content[: -len(lines[-1]) + cut])
    ingest(tmp_path / "h", log)
    log.write_text(content)
    ingest(tmp_path / "h", log)
    (tmp_path / "whole.csv").write_text(content)
    ingest(tmp_path / "w", tmp_path / "whole.csv")
    assert days(tmp_path / "h") == days(tmp_path / "w")


def test_a_last_line_that_never_gets_its_end_counts(tmp_path):
    (tmp_path / "log.csv").write_text((HEADER + "".join(regular(30))).rstrip("\n"))
    ingest(tmp_path / "h", tmp_path / "log.csv")
    report = ("report", "--since", "2026-03-29", "--until", "2026-03-30", "--tz", "UTC", "--history", tmp_path / "h")
    assert json.loads(entro(*report, "--json").out)["figures"]["observed_steps"] == 30


FORMS = {
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "BOM": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "Latin-1": lambda text: text.replace("\n", ",caf\xe9\n").encode("latin-1"),
    "comments before the header": lambda text: b"# made by x\n\n" + text.encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "quotes": lambda text: "\n".join(
        ",".join(f'"{cell}"' for cell in row.split(",")) for row in text.split("\n")
    ).encode(),
    "JSON lines": lambda text: "".join(
        json.dumps(dict(zip(HEADER.strip().split(","), row.split(","), strict=True))) + "\n"
        for row in text.splitlines()[1:]
    ).encode(),
    "long": lambda text: (
        "time,stage,value\n"
        + "".join(
            f"{at},scraper_rate,{rate}\n{at},llm_queue,{queue}\n"
            for at, rate, queue in (row.split(",") for row in text.splitlines()[1:])
        )
    ).encode(),
}


@pytest.mark.parametrize("form", [form if form in {"CRLF", "JSON lines", "long"} else slow(form) for form in FORMS])
def test_forms_in_parts(tmp_path, form):
    content = FORMS[form](HEADER + "".join(LINES))
    log = tmp_path / "log.csv"
    (tmp_path / "whole.csv").write_bytes(content)
    ingest(tmp_path / "w", tmp_path / "whole.csv")
    for cut in sorted(random.Random(form).sample(range(len(content) // 3, len(content)), 3)):
        log.write_bytes(content[:cut])
        ingest(tmp_path / "h", log)
    log.write_bytes(content)
    ingest(tmp_path / "h", log)
    assert days(tmp_path / "h") == days(tmp_path / "w")
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(content))
    assert "nothing new" in ingest(tmp_path / "h", packed).out


@pytest.mark.parametrize("day", [slow("2026-10-25"), "2026-03-29"])
def test_a_clock_that_is_set_meanwhile(tmp_path, day):
    """Stamps without a zone, every 20 s, over the hour that is shown twice or skipped; cut within it."""
    from datetime import UTC, datetime, timedelta
    from zoneinfo import ZoneInfo

    begin = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=UTC) - timedelta(hours=1)
    moments = [begin + index * timedelta(seconds=20) for index in range(4 * 180)]
    lines = [f"{at.astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M:%S},1,{at.minute}\n" for at in moments]
    zone = ("--tz", "Europe/Berlin")
    (tmp_path / "whole.csv").write_text("time,rate,queue\n" + "".join(lines))
    ingest(tmp_path / "w", tmp_path / "whole.csv", *zone)
    log = tmp_path / "log.csv"
    for cut in (200, 300, 380, 420, 500, 720):
        log.write_text("time,rate,queue\n" + "".join(lines[:cut]))
        ingest(tmp_path / "h", log, *zone)
    assert days(tmp_path / "h") == days(tmp_path / "w")


def test_rows_out_of_order_around_a_cut(tmp_path):
    lines = regular(2000)
    order = random.Random(1)
    shuffled = [lines[index] for index in sorted(range(2000), key=lambda index: index + order.uniform(0, 8))]
    log = tmp_path / "log.csv"
    (tmp_path / "whole.csv").write_text(HEADER + "".join(shuffled))
    ingest(tmp_path / "w", tmp_path / "whole.csv", "--step", "30s")
    for cut in (700, 701, 1300, 2000):
        log.write_text(HEADER + "".join(shuffled[:cut]))
        ingest(tmp_path / "h", log, "--step", "30s")
    assert days(tmp_path / "h") == days(tmp_path / "w")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("metrics/elb_request_count_8c0756.csv", ("--stage", "balancer=value:generic", "--tz", "UTC")),
        ("requests/timeseries.csv", ("--stage", "llm=waiting:queue", "--start", "2026-04-25T18:49:44Z", "--tz", "UTC")),
    ],
)
def test_real_logs_in_parts(tmp_path, name, options):
    if not (DATA / name).is_file():
        pytest.skip(f"there is no {DATA / name}")
    content = (DATA / name).read_bytes()
    (tmp_path / "whole.csv").write_bytes(content)
    ingest(tmp_path / "w", tmp_path / "whole.csv", *options)
    log = tmp_path / "log.csv"
    for cut in [*sorted(random.Random(7).sample(range(100, len(content)), 20)), len(content)]:
        log.write_bytes(content[:cut])
        ingest(tmp_path / "h", log, *options)
    assert days(tmp_path / "h") == days(tmp_path / "w")
