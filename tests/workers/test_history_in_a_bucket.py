"""Pipelines on a cluster whose history is in a bucket, which no worker sees but through its own copies."""

import subprocess
import sys

import pytest

from entro_cli.core.remote_folder import RemoteFolder
from tests.remote.conftest import bucket, s3_server
from tests.running import entro, entro_process
from tests.workers.dask_cluster import cluster, wait_for
from tests.workers.test_several_pipelines import logs

__all__ = ["bucket", "cluster", "s3_server"]

NAMES = [f"p{number}" for number in range(8)]
HISTORY = "s3://logs/history"


def stored(folder):
    """The steps of every pipeline in a bucket, by their places in it."""
    remote = RemoteFolder(folder)
    return {name: remote.read(name) for name in remote.files() if "/_entro/" not in name}


@pytest.mark.slow
def test_a_worker_is_killed_on_the_way(tmp_path, bucket, cluster, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "copies"))
    config = logs(tmp_path, NAMES, 20_000)
    here = entro_process("ingest", "--config", config, "--jobs", "2", cwd=tmp_path)
    config.write_text(config.read_text().replace('history = "history"', f'history = "{HISTORY}"'))
    address, workers, _ = cluster
    command = (sys.executable, "-m", "entro_cli.app", "ingest", "--config", config, "--cluster", address)
    with (tmp_path / "said").open("w") as said:
        ingest = subprocess.Popen(command, stdout=said, stderr=said)
        wait_for(lambda: any(name.endswith("state.json") for name in RemoteFolder(HISTORY).files()))
        workers[0].kill()
        assert len([name for name in RemoteFolder(HISTORY).files() if name.endswith("state.json")]) < len(NAMES)
        assert ingest.wait(120) == here.returncode == 1, (tmp_path / "said").read_text()  # for the log that is gone
    assert stored(HISTORY) == {
        path.relative_to(tmp_path / "history").as_posix(): path.read_bytes()
        for path in (tmp_path / "history").rglob("*.parquet")
    }
    assert not [name for name in RemoteFolder(HISTORY).files() if name.endswith("writer.json") or "/coming/" in name]
    assert entro("history", "check", "--history", HISTORY).status == 0
