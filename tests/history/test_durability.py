"""Eight concurrent writers and a reader, a disk that fills, a folder without write permission."""

import json
import os
import random
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from entro_cli.history.day_files import connect, count_days
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.transaction import write_lock
from entro_engine import EntroError
from tests.history.stored import HEADER, START, days, ingest, line, regular
from tests.running import COMMAND, entro, entro_process

LINES = regular(20_000, step_s=60)


def written(folder, name, lines):
    (folder / name).write_text(HEADER + "".join(lines))
    return folder / name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    ingest(folder / "h", written(folder, "log.csv", LINES))
    return days(folder / "h")


@pytest.mark.slow
@pytest.mark.parametrize("parts", ["overlapping parts", "the whole"])
def test_eight_at_once_and_a_reader(whole, tmp_path, parts):
    cuts = range(0, 20_000, 2500)
    logs = [
        written(tmp_path, f"{cut}.csv", LINES if parts == "the whole" else LINES[max(cut - 900, 0) : cut + 2507])
        for cut in cuts
    ]
    over, problems, looks = threading.Event(), [], []

    def look():
        report = ("report", "--since", "2026-03-29", "--until", "2026-04-12", "--tz", "UTC", "--json")
        while not over.is_set():
            process = entro_process(*report, "--history", tmp_path / "h")
            if process.returncode == 0:
                looks.append(json.loads(process.stdout)["figures"]["observed_steps"])
                problems.extend(process.stderr.splitlines())
            elif "nothing is stored of pipeline default" not in process.stderr:
                problems.append(process.stderr)

    reader = threading.Thread(target=look)
    reader.start()
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda log: entro_process("ingest", log, "--history", tmp_path / "h"), logs))
    over.set()
    reader.join()
    assert [process.returncode for process in ended] == [0] * 8, [process.stderr for process in ended]
    assert days(tmp_path / "h") == whole
    assert problems == []
    assert looks == sorted(looks)


@pytest.mark.slow
def test_nobody_sees_half_a_day(tmp_path):
    """While an ingest is at work, each day is not there yet, or whole."""
    log = written(tmp_path, "log.csv", LINES)
    ingest(tmp_path / "whole", log)
    place = PipelinePaths(tmp_path / "h", "default")
    with connect() as connection:
        whole = {day: count_days(connection, [file])[file].steps for day, file in files_of(tmp_path / "whole").items()}
        writer = subprocess.Popen([COMMAND, "ingest", log, "--history", tmp_path / "h"], stdout=subprocess.DEVNULL)
        looks = 0
        while writer.poll() is None or not looks:
            for day in place.days():
                assert count_days(connection, [file := place.day_file(day)])[file].steps == whole[day]
                looks += 1
    assert writer.returncode == 0
    assert place.days() == list(whole)


def files_of(history):
    place = PipelinePaths(history, "default")
    return {day: place.day_file(day) for day in place.days()}


@pytest.fixture
def disk(tmp_path):
    """A way to make a disk of so many bytes."""
    mounted = []

    def make(size):
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.decode().strip()}")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("size", ["120k", "180k", "240k", "300k"])
def test_a_disk_that_fills_leaves_the_history_as_it_was(disk, tmp_path, size):
    place = disk(size)
    ingest(place / "h", written(tmp_path, "a.csv", LINES[:3000]))
    before = everything(place)
    draw = random.Random(size)
    later = (START + index * 60 * 10**9 for index in range(20_000))
    log = written(tmp_path, "b.csv", [line(at, draw.random(), draw.random()) for at in later])
    process = entro_process("ingest", log, "--history", place / "h", "--source", "x")
    if process.returncode == 0:
        pytest.fail("the disk is too large for this test")
    assert process.returncode == 1
    assert "No space left on device" in process.stderr
    assert [text for text in process.stderr.splitlines() if not text.startswith("warning: ")] == [
        process.stderr.splitlines()[-1]
    ]
    assert everything(place) == before
    assert entro("history", "check", "--history", place / "h").status == 0


@pytest.mark.slow
def test_a_disk_that_fills_leaves_no_partial_page(disk, tmp_path):
    place = disk("80k")
    ingest(tmp_path / "h", written(tmp_path, "a.csv", LINES[:3000]))
    report = ("report", "--daily", "--history", tmp_path / "h", "--tz", "UTC", "--out", place, "-q")
    process = entro_process(*report)
    assert process.returncode == 1
    assert "No space left on device" in process.stderr
    assert everything(place) == {}


@pytest.mark.slow
def test_a_disk_that_fills_keeps_the_old_page(disk, tmp_path):
    place = disk("8m")  # plotly.js alone is 4.8 MB
    report = ("report", "--daily", "--date", "2026-03-29", "--history", tmp_path / "h", "--tz", "UTC", "--out", place)
    ingest(tmp_path / "h", written(tmp_path, "a.csv", LINES[:300]))
    assert entro(*report, "-q", "--format", "html").status == 0
    ingest(tmp_path / "h", written(tmp_path, "b.csv", LINES[300:3000]))
    fill(place)
    before = everything(place)
    assert "No space left on device" in entro(*report, "-q", "--format", "html").error
    assert everything(place) == before
    (place / "filler").unlink()
    assert entro(*report, "-q", "--format", "html").status == 0
    assert everything(place).keys() == before.keys() - {Path("filler")}


def test_a_full_disk_is_pruned_or_stays_as_it_was(disk, tmp_path):
    place = disk("1m")
    ingest(place / "h", written(tmp_path, "a.csv", LINES))
    prune = ("history", "prune", "--before", "2026-04-05", "--history", place / "h")
    fill(place)
    before = everything(place)
    assert "No space left on device" in entro(*prune).error
    assert everything(place) == before
    (place / "filler").unlink()
    assert entro(*prune).status == 0
    assert entro("history", "check", "--history", place / "h").status == 0


def fill(place):
    """Leave no room on a disk."""
    with suppress(OSError), (place / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)


def test_a_history_that_may_only_be_read(disk, tmp_path):
    place = disk("1m")
    ingest(place / "h", written(tmp_path, "a.csv", LINES[:3000]))
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    before = everything(place)
    more = written(tmp_path, "b.csv", LINES[3000:3100])
    assert "cannot be written: Read-only file system" in ingest(place / "h", more, status=1).error
    prune = entro("history", "prune", "--before", "2026-03-30", "--history", place / "h")
    assert "cannot be written: Read-only file system" in prune.error
    assert entro("history", "check", "--history", place / "h").status == 0
    report = ("report", "--daily", "--date", "2026-03-29", "--history", place / "h", "--tz", "UTC", "--json")
    assert json.loads(entro(*report).out)["figures"]["observed_steps"] == 1380
    assert everything(place) == before


def test_a_place_that_may_not_be_written_to(tmp_path):
    log = written(tmp_path, "log.csv", LINES[:50])
    assert "cannot be written" in ingest("/proc/nowhere", log, status=1).error
    (tmp_path / "file").write_text("mine")
    assert "cannot be written" in ingest(tmp_path / "file" / "h", log, status=1).error


def test_one_waits_for_another_but_not_for_ever(tmp_path):
    place = PipelinePaths(tmp_path, "default")
    with (
        write_lock(place),
        pytest.raises(EntroError, match=r"another entro process has been writing there for 0\.2 s"),
        write_lock(place, timeout_s=0.2),
    ):
        pass


def test_the_same_log_twice_touches_nothing(tmp_path):
    log = written(tmp_path, "log.csv", LINES[:500])
    ingest(tmp_path / "h", log)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (tmp_path / "h").rglob("*.*")}
    ingest(tmp_path / "h", log)
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (tmp_path / "h").rglob("*.*")} == before
    assert os.listdir(tmp_path / "h") == ["pipeline=default"]  # noqa: PTH208
