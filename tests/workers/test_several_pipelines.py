"""Several pipelines, or logs of one, at once, in processes and on a cluster: the same bytes as one after the other."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest

from tests.history.stored import HEADER, line
from tests.running import entro, entro_process
from tests.workers.dask_cluster import cluster, wait_for

__all__ = ["cluster"]

FORMATS = Path("sample_logs/formats").absolute()
DAY = 1_774_828_800 * 10**9  # 2026-03-30T00:00Z
NAMES = [f"p{number}" for number in range(6)]


def written(folder):
    """Every file's bytes, by its place; not the locks, nor what says when a file was read."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }


def logs(folder, names, rows):
    """A log for each pipeline, and a configuration that names them; one of them is not there."""
    lines = ['history = "history"', 'reports = "reports"', 'zone = "UTC"']
    for number, name in enumerate(names):
        parts = (line(DAY + row * 10**10, (row + number) % 5 / 2, row * 7 % 11) for row in range(rows))
        (folder / f"{name}.csv").write_text(HEADER + "".join(parts) + "bad,row,here\n")
        lines += [f"[pipelines.{name}]", f'logs = ["{name}.csv"]']
    lines += ["[pipelines.gone]", 'logs = ["gone.csv"]']
    (folder / "entro.toml").write_text("\n".join(lines) + "\n")
    return folder / "entro.toml"


@contextmanager
def fresh(folder):
    for name in ("history", "reports"):
        shutil.rmtree(folder / name, ignore_errors=True)
    yield
    assert not list(folder.glob("history/.entro-*")), "nothing is left behind"


def outcome_of(folder, *command):
    with fresh(folder):
        outcome = entro_process(*command, "--config", folder / "entro.toml", cwd=folder)
        return outcome.returncode, outcome.stdout, outcome.stderr, written(folder)


COMMANDS = [
    ("ingest",),
    ("ingest", "--json"),
    ("schedule", "run", "--daily", "--as-of", "2026-03-31T06:00", "--verbose"),
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_processes_change_no_byte(tmp_path, command):
    logs(tmp_path, NAMES, 60)
    one, several = (outcome_of(tmp_path, *command, "--jobs", jobs) for jobs in ("1", "3"))
    assert one == several
    status, out, err, files = one
    assert status == 1
    assert "gone.csv: there is no such file" in err
    assert sum(name.endswith(".parquet") for name in files) == len(NAMES)
    assert all(name in out + err for name in NAMES)


def rotated(folder):
    """Logs of three formats, some of which go on from others within a line; and what is none, in a folder."""
    inside = folder / "logs"
    inside.mkdir()
    for name in ("vllm.log", "celery.log", "sglang.log"):
        content = (FORMATS / name).read_bytes()
        cut = len(content) // 2
        (inside / f"{name}.1").write_bytes(content[:cut])
        (inside / name).write_bytes(content[cut:])
    (inside / "page.pdf").write_bytes(b"%PDF-1.7\n")
    return inside


def analyzed(folder, *options):
    outcome = entro_process("analyze", folder, "--tz", "UTC", "--year", "2026", "--json", *options)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout, outcome.stderr


@pytest.mark.slow
def test_logs_of_one_pipeline_in_processes(tmp_path):
    inside = rotated(tmp_path)
    one = analyzed(inside, "--jobs", "1")
    assert "page.pdf: left out" in one[1]
    assert analyzed(inside, "--jobs", "3") == one
    assert analyzed(inside) == one


def test_a_worker_elsewhere_is_in_another_folder():
    outcome = entro("analyze", "sample_logs/five-weeks.csv", "--cluster", "tcp://127.0.0.1:1")
    assert outcome.error.startswith(
        "sample_logs/five-weeks.csv: a relative path means nothing to a worker of the cluster; expected "
    )


@pytest.mark.slow
def test_logs_of_one_pipeline_on_a_cluster(tmp_path, cluster):
    inside = rotated(tmp_path)
    assert analyzed(inside, "--cluster", cluster[0]) == analyzed(inside, "--jobs", "1")
    urls = [f"file://{path}" for path in sorted(inside.glob("vllm*"))]
    command = ("analyze", *urls, "--tz", "UTC", "--json")
    here, there = (entro_process(*command, *how).stdout for how in ((), ("--cluster", cluster[0])))
    assert here == there != ""


@pytest.mark.slow
def test_a_zone_without_a_name(tmp_path):
    zone = tmp_path / "berlin"
    zone.write_bytes((files("tzdata") / "zoneinfo/Europe/Berlin").read_bytes())
    config = logs(tmp_path, NAMES[:2], 60)
    config.write_text(config.read_text().replace('zone = "UTC"\n', ""))
    command = ("schedule", "run", "--daily", "--as-of", "2026-03-31T06:00", "--config", config, "--jobs", "2")
    outcome = entro_process(*command, env={**os.environ, "TZ": f":{zone}"})
    assert outcome.stderr.splitlines()[-1].startswith(f"entro: {tmp_path}/gone.csv: there is no such file")
    assert len(list(tmp_path.glob("reports/*-day-2026-03-30.html"))) == 2


def test_logs_that_are_named_are_of_one_pipeline(tmp_path):
    outcome = entro("ingest", tmp_path / "x.csv", "--cluster", "tcp://127.0.0.1:1")
    assert (outcome.status, outcome.out) == (2, "")
    assert "LOGS belong to one pipeline" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_cluster_changes_no_byte(tmp_path, cluster, command):
    logs(tmp_path, NAMES, 60)
    here = outcome_of(tmp_path, *command, "--jobs", "1")
    assert outcome_of(tmp_path, *command, "--cluster", cluster[0]) == here


@pytest.mark.slow
def test_a_worker_is_killed_on_the_way(tmp_path, cluster):
    address, workers, _ = cluster
    with ingesting(tmp_path, "--cluster", address) as ingest:
        os.kill(workers[0].pid, signal.SIGKILL)
        assert len(stored(tmp_path)) < 14, "it came too late to be on the way"
        assert ingest.wait(60) == 1, (tmp_path / "said").read_text()  # for the log that is gone
        assert workers[1].poll() is None
        killed = written(tmp_path / "history")
    outcome_of(tmp_path, "ingest", "--jobs", "1")
    assert killed == written(tmp_path / "history")


@contextmanager
def ingesting(folder, *options):
    """An ingest of 16 pipelines that has just stored the first of them; what it says goes to `folder/said`."""
    config = logs(folder, [f"p{number}" for number in range(16)], 20_000)
    command = (sys.executable, "-m", "entro_cli.app", "ingest", "--config", config, *options)
    with fresh(folder), (folder / "said").open("w") as said:
        ingest = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        wait_for(lambda: stored(folder))
        yield ingest
        ingest.wait()


def stored(folder):
    return list(folder.glob("history/*/_entro/state.json"))


@pytest.mark.slow
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to it", "to all its processes"])
def test_it_is_interrupted(tmp_path, send):
    with ingesting(tmp_path, "--jobs", "2") as ingest:
        send(ingest.pid, signal.SIGINT)
        assert ingest.wait(60) == 130
        said = (tmp_path / "said").read_text()
        done = re.fullmatch(
            r"entro: interrupted: at least (\d+) of 17 pipelines are done; run it again to go on\n", said
        )
        assert int(done[1]) <= len(stored(tmp_path)) < 16
        assert entro("history", "check", "--history", tmp_path / "history").status == 0


@pytest.mark.slow
def test_the_scheduler_is_lost(tmp_path, cluster):
    address, _, scheduler = cluster
    with ingesting(tmp_path, "--cluster", address) as ingest:
        scheduler.kill()
        assert ingest.wait(60) == 1
    (said,) = (tmp_path / "said").read_text().splitlines()
    assert said.startswith(f"entro: --cluster {address}: the work stopped: ")
    assert said.endswith("; run the command again: finished tasks stay done")


@pytest.mark.slow
def test_no_worker_is_left(tmp_path, cluster):
    logs(tmp_path, NAMES, 60)
    address, workers, _ = cluster
    for worker in workers:
        worker.kill()
        worker.wait()
    code = "import entro_cli.core.parallel as w; w._CLUSTER_TIMEOUT_S = 3; from entro_cli.app import main; main()"
    command = (sys.executable, "-c", code, "ingest", "--config", tmp_path / "entro.toml", "--cluster", address)
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert f"entro: --cluster {address}: the scheduler has no worker" in process.stderr.splitlines()[-1]
