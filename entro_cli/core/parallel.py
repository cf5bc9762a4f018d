"""Who does work that falls into parts: this process, others on this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Generic, TypeVar

from entro_cli.core.clock import zone_of
from entro_cli.core.connections import lost_connections_as_errors, one_line
from entro_cli.core.console import printable
from entro_cli.core.files import unwritable
from entro_engine import EntroError, __version__

Task = TypeVar("Task")
Result = TypeVar("Result")

_MAX_ATTEMPTS = 3
"""How often a part is begun whose process dies; a Dask scheduler's own number is the same."""

_CLUSTER_TIMEOUT_S = 30.0
"""How long a cluster is waited for, s: for its scheduler's answer, and then for its first worker."""

_NOISY_LOGGERS = ("distributed", "distributed.client", "asyncio", "tornado")
"""Logs on standard error of a lost connection, which `entro` tells of itself, in one line."""


@dataclass(frozen=True)
class Executor:
    """Who does the work.

    Attributes:
        jobs: how many processes at once; None for as many as there are cores for this process.
        cluster: the address of a Dask scheduler, whose workers do it; None for this machine.
        shared: folders that workers of a cluster must see as this process does.
    """

    jobs: int | None = None
    cluster: str | None = None
    shared: tuple[Path, ...] = ()

    def map(self, work: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Do every part of some work.

        A part whose worker dies is done again by another, so that it must come to the same when it was done before.

        Args:
            work: a function of a module: what does one part, in whichever process.
            tasks: the parts; they and their results can be pickled.

        Returns:
            The results, in the order of the parts.

        Raises:
            EntroError: when the cluster cannot be reached, or a part ended every process it was given to.
        """
        count = min(self.jobs or cores(), len(tasks))
        if self.cluster is None and count < 2:
            return map(work, tasks)
        with lost_connections_as_errors():
            if self.cluster is not None:
                return iter(_on_cluster(work, tasks, self.cluster, self.shared))
            return iter(_in_processes(work, tasks, count))


def cores() -> int:
    """How many cores there are for this process."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_processes(work: Callable[[Task], Result], tasks: Sequence[Task], count: int) -> list[Result]:
    done: dict[int, Result] = {}
    for life in range(_MAX_ATTEMPTS):
        left = {place: task for place, task in enumerate(tasks) if place not in done}
        if left:  # the likely cause of a death is want of memory: fewer at once from then on
            done |= _done_in_pool(work, left, max(count >> life, 1))
    if len(done) < len(tasks):
        raise EntroError(
            f"{len(tasks) - len(done)} of {len(tasks)} parts ended their process {_MAX_ATTEMPTS} times",
            where="entro",
            remedy="it is likely that memory was short: --jobs 1 takes one at a time; the others are done",
        )
    return [done[place] for place in range(len(tasks))]


def _done_in_pool(work: Callable[[Task], Result], tasks: Mapping[int, Task], count: int) -> dict[int, Result]:
    """What some processes make of some parts; without those that were lost when a process died."""
    # Spawned, not forked: a fork has the locks, and none of the threads, of DuckDB and of fsspec.
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_end_when_interrupted)
    futures = {}
    try:
        with suppress(BrokenProcessPool):
            for place, task in tasks.items():
                futures[place] = pool.submit(work, task)
        return {
            place: future.result()
            for place, future in futures.items()
            if not isinstance(future.exception(), BrokenProcessPool)
        }
    finally:
        pool.shutdown(cancel_futures=True)


def _end_when_interrupted() -> None:
    """Let an interrupt end a process without a word: the one that started it tells of it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class _ClusterTask(Generic[Task, Result]):
    """Work as it is sent to a worker, which must have the same `entro`, be in the same zone and see the same folders.

    Attributes:
        work: what does one part.
        witnesses: files in those folders, there for as long as the work goes on.
        version: of `entro`.
        zone: the machine's, in which logs are whose stamps name none.
    """

    work: Callable[[Task], Result]
    witnesses: tuple[str, ...]
    version: str
    zone: str

    def __call__(self, task: Task) -> Result:
        here = f"the worker on {socket.gethostname()}"
        if self.version != __version__:
            raise EntroError(f"has entro {__version__}", where=here, expected=f"{self.version}, as where it was asked")
        if self.zone != (zone := str(zone_of(None))):
            raise EntroError(f"is in zone {zone}", where=here, remedy=f"start the worker with TZ={self.zone}")
        for witness in self.witnesses:
            if not Path(witness).exists():
                raise EntroError(
                    f"does not see what is in {printable(str(Path(witness).parent))}",
                    where=here,
                    expected="a history on a file system that all workers share",
                )
        return self.work(task)


def _on_cluster(
    work: Callable[[Task], Result], tasks: Sequence[Task], address: str, shared: Sequence[Path]
) -> list[Result]:
    with ExitStack() as context:
        client = _client(address)
        context.callback(client.close)
        witnesses = tuple(context.enter_context(_shared_folder_probe(folder)) for folder in dict.fromkeys(shared))
        sent = _ClusterTask(work, witnesses, __version__, str(zone_of(None)))
        futures = client.map(sent, tasks, pure=False, key="entro")
        try:
            results: list[Result] = client.gather(futures)
        except EntroError:
            raise
        except Exception as error:  # what is said of lost schedulers and workers is of many kinds
            raise EntroError(
                f"the work was given up: {one_line(str(error))}",
                where=f"--cluster {printable(address)}",
                remedy="run it again: what is done stays done",
            ) from error
        return results


def _client(address: str) -> Any:
    """A connection to a cluster that has a worker.

    Raises:
        EntroError: when there is none.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise EntroError(
            "needs what is not installed", where="--cluster", remedy="pip install 'entro-cli[cluster]'"
        ) from error
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    client: Any = None
    connect: Any = Client  # carries no types
    try:
        client = connect(address, timeout=_CLUSTER_TIMEOUT_S, set_as_default=False)
        client.wait_for_workers(1, timeout=_CLUSTER_TIMEOUT_S)
    except (OSError, ValueError) as error:
        what = "cannot be reached" if client is None else "has no worker"
        if client is not None:
            client.close()
        raise EntroError(
            f"the scheduler {what}: {one_line(str(error))}",
            where=f"--cluster {printable(address)}",
            expected="a Dask scheduler's address, such as tcp://host:8786",
        ) from error
    return client


@contextmanager
def _shared_folder_probe(folder: Path) -> Iterator[str]:
    """A file that tells whoever sees it that they see a folder; its path."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(prefix=".entro-", dir=folder) as file:
            yield file.name
    except OSError as error:
        raise unwritable(folder, error) from error
