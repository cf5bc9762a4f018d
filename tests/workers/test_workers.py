"""Parts of work, done here, in processes of this machine, and sent to a cluster."""

import os
import socket
import sys
from unittest.mock import patch

import pytest

from entro_cli.core.clock import zone_of
from entro_cli.core.parallel import Executor, _ClusterTask, cores
from entro_engine import EntroError, __version__
from tests.marks import slow
from tests.workers import deeds

ZONE = str(zone_of(None))


@pytest.mark.parametrize("jobs", [1, 2, slow(3), None])
def test_results_come_in_the_order_of_the_parts(jobs):
    results = list(Executor(jobs).map(deeds.doubled, range(7)))
    assert [number for number, _ in results] == [0, 2, 4, 6, 8, 10, 12]
    elsewhere = {pid for _, pid in results} - {os.getpid()}
    assert len(elsewhere) <= (jobs or cores())
    assert bool(elsewhere) == ((jobs or cores()) > 1)


def test_one_part_needs_no_other_process():
    assert list(Executor(8).map(deeds.doubled, [3])) == [(6, os.getpid())]
    assert list(Executor(8).map(deeds.doubled, [])) == []


def test_an_error_is_the_same_from_another_process():
    with pytest.raises(EntroError, match=r"^1: is refused; expected another; none$"):
        Executor(2).map(deeds.refuse, [1, 2])


@pytest.mark.parametrize(("lives", "survives"), [slow(1, True), (2, True), (3, False)])
def test_a_process_that_dies(tmp_path, lives, survives):
    tasks = []
    for name, deaths in (("a", 0), ("b", lives), ("c", 0)):
        tasks.append(tmp_path / name)
        tasks[-1].mkdir()
        for number in range(deaths):
            (tasks[-1] / str(number)).touch()
    workers = Executor(2)
    if survives:
        assert list(workers.map(deeds.die_while_there_are_lives, tasks)) == ["a", "b", "c"]
    else:
        with pytest.raises(EntroError, match=r"of 3 tasks failed: their processes died 3 times; .*--jobs 1"):
            workers.map(deeds.die_while_there_are_lives, tasks)


def test_as_many_as_there_are_cores_for_this_process():
    with patch.object(os, "process_cpu_count", lambda: 5, create=True):
        assert cores() == 5
    if hasattr(os, "sched_getaffinity"):
        with (
            patch.object(os, "sched_getaffinity", lambda _: {1, 2, 6}),
            patch.object(os, "process_cpu_count", lambda: 3, create=True),
        ):
            assert cores() == 3


def test_a_worker_must_see_what_is_shared(tmp_path):
    seen, unseen = tmp_path / "seen", tmp_path / "unseen"
    seen.touch()
    assert _ClusterTask(deeds.doubled, (str(seen),), __version__, ZONE)(2) == (4, os.getpid())
    worker = f"the worker on {socket.gethostname()}"
    with pytest.raises(EntroError, match=rf"{worker}: does not see the files in {tmp_path};"):
        _ClusterTask(deeds.doubled, (str(seen), str(unseen)), __version__, ZONE)(2)


def test_a_worker_must_have_the_same_entro():
    with pytest.raises(EntroError, match=rf"runs entro {__version__}; expected 0\.0\.1, as on the client"):
        _ClusterTask(deeds.doubled, (), "0.0.1", ZONE)(2)


def test_a_worker_must_be_in_the_same_zone():
    with pytest.raises(EntroError, match=rf"is in zone {ZONE}; start the worker with TZ=Asia/Tokyo"):
        _ClusterTask(deeds.doubled, (), __version__, "Asia/Tokyo")(2)


def test_which_extra_to_install():
    with patch.dict(sys.modules, {"distributed": None}), pytest.raises(EntroError, match=r"'entro-cli\[cluster\]'"):
        Executor(cluster="tcp://127.0.0.1:1").map(deeds.doubled, [1])


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://127.0.0.1:1", "127.0.0.1:port"])
def test_no_scheduler_there(address):
    with (
        patch("entro_cli.core.parallel._CLUSTER_TIMEOUT_S", 1),
        pytest.raises(EntroError, match=r"the scheduler cannot be reached"),
    ):
        Executor(cluster=address).map(deeds.doubled, [1])
