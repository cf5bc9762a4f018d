"""Execution of independent tasks in this process, in a pool of processes or on a Dask cluster."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from entro_cli.core.clock import zone_of
from entro_cli.core.connections import lost_connections_as_errors, one_line
from entro_cli.core.console import Work, printable, working
from entro_cli.core.files import temporary_folder, unwritable
from entro_engine import EntroError, __version__

if TYPE_CHECKING:
    from concurrent.futures import Future

Task = TypeVar("Task")
Result = TypeVar("Result")

_MAX_ATTEMPTS = 3
"""Attempts for a task whose process dies. A Dask scheduler gives up after as many by default."""

_CLUSTER_TIMEOUT_S = 30.0
"""Timeout for the scheduler's answer, and then for its first worker, s."""

_NOISY_LOGGERS = ("distributed", "distributed.client", "asyncio", "tornado")
"""Loggers that print a lost connection to standard error. `entro` reports it itself, in one line."""


def in_thread(work: Callable[[], Result]) -> Future[Result]:
    """Do work in a thread that does not keep the process from ending if it hangs."""
    from concurrent.futures import Future

    result = Future[Result]()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return result


class Executor(Struct, frozen=True):
    """The place where tasks run.

    Attributes:
        jobs: number of processes; None for one per core of this process.
        cluster: address of a Dask scheduler whose workers run the tasks; None for this machine.
        shared: folders that all workers of a cluster must share with this process.
    """

    jobs: int | None = None
    cluster: str | None = None
    shared: tuple[Path, ...] = ()

    def map(
        self, work: Callable[[Task], Result], tasks: Sequence[Task], unit: str = "part", keeps: bool = False
    ) -> Iterator[Result]:
        """Apply a function to every task.

        A task whose worker dies runs again in another, so repeating a task must not change its result.

        Args:
            work: a function of a module, so that it can be pickled.
            tasks: its arguments. They and the results must be picklable.
            unit: a task, as a noun in the singular, for the progress.
            keeps: whether a task stores its result, so that one that is done need not be done again.

        Returns:
            The results, in the order of the tasks.

        Raises:
            EntroError: if the cluster cannot be reached, or every process that ran some task died.
        """
        count = min(self.jobs or cores(), len(tasks))
        if self.cluster is None and count < 2:
            return _one_by_one(work, tasks, unit, keeps)
        with lost_connections_as_errors(), _counted(len(tasks), unit, keeps, "at least ") as progress:
            if self.cluster is not None:
                return iter(_on_cluster(work, tasks, self.cluster, self.shared, progress))
            return iter(_in_processes(work, tasks, count, progress))


@contextmanager
def _counted(total: int, unit: str, keeps: bool, known: str = "") -> Iterator[Work]:
    """Report tasks as work; an interrupt then says how many of those that keep their results are done."""
    with working("", total, unit) as progress:
        try:
            yield progress
        except KeyboardInterrupt as end:
            if keeps and total > 1:
                end.add_note(f"{known}{progress.done:.0f} of {total} {unit}s are done; run it again to go on")
            raise


def _one_by_one(work: Callable[[Task], Result], tasks: Sequence[Task], unit: str, keeps: bool) -> Iterator[Result]:
    with _counted(len(tasks), unit, keeps) as progress:
        for task in tasks:
            result = work(task)
            progress.done += 1
            yield result


def cores() -> int:
    """Return the number of cores available to this process."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_processes(work: Callable[[Task], Result], tasks: Sequence[Task], count: int, progress: Work) -> list[Result]:
    done: dict[int, Result] = {}
    for attempt in range(_MAX_ATTEMPTS):
        left = {index: task for index, task in enumerate(tasks) if index not in done}
        if left:  # a process most likely died of a lack of memory, so each attempt has half as many processes
            done |= _run_pool(work, left, max(count >> attempt, 1), progress)
    if failed := len(tasks) - len(done):
        raise EntroError(
            f"{failed} of {len(tasks)} tasks failed: their processes died {_MAX_ATTEMPTS} times",
            where="entro",
            remedy="memory was probably short: --jobs 1 runs one task at a time; the other tasks are done",
        )
    return [done[index] for index in range(len(tasks))]


def _run_pool(
    work: Callable[[Task], Result], tasks: Mapping[int, Task], count: int, progress: Work
) -> dict[int, Result]:
    """Run tasks in a pool. Return the results by index, without those of tasks that were lost with a dying process."""
    from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
    from multiprocessing import get_context

    # Spawn the processes: a fork copies the locks of DuckDB's and fsspec's threads without the threads.
    # A process that is killed leaves temporary files behind, in a folder that this one removes.
    folder = temporary_folder()
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_prepare_worker, initargs=(folder.name,))
    futures = {}

    def count_done(future: Future[Result]) -> None:
        progress.done += not future.cancelled() and future.exception() is None

    try:
        with suppress(BrokenProcessPool):  # a process may die while tasks are still being submitted
            for index, task in tasks.items():
                futures[index] = pool.submit(work, task)
                futures[index].add_done_callback(count_done)
        return {
            index: future.result()
            for index, future in futures.items()
            if not isinstance(future.exception(), BrokenProcessPool)
        }
    finally:
        pool.shutdown(cancel_futures=True)
        folder.cleanup()


def _prepare_worker(folder: str) -> None:
    """Let an interrupt end a worker silently: the parent process reports it. Put its temporary files into a folder."""
    gc.set_threshold(100_000)  # as in `entro_cli.app.main`
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    tempfile.tempdir = folder


class _ClusterTask(Struct, Generic[Task, Result], frozen=True):
    """A function as it is sent to a worker of a cluster, with the checks that the worker fits.

    A worker must run the same version of `entro`, be in the same time zone and see the same folders.

    Attributes:
        work: the function.
        probes: paths of files in the shared folders that exist while the work is under way.
        version: version of `entro`.
        zone: the machine's zone, which applies to log times that name none.
    """

    work: Callable[[Task], Result]
    probes: tuple[str, ...]
    version: str
    zone: str

    def __call__(self, task: Task) -> Result:
        worker = f"the worker on {socket.gethostname()}"
        if self.version != __version__:
            raise EntroError(f"runs entro {__version__}", where=worker, expected=f"{self.version}, as on the client")
        if self.zone != (zone := str(zone_of(None))):
            raise EntroError(f"is in zone {zone}", where=worker, remedy=f"start the worker with TZ={self.zone}")
        for probe in self.probes:
            if not Path(probe).exists():
                raise EntroError(
                    f"does not see the files in {printable(str(Path(probe).parent))}",
                    where=worker,
                    expected="a history on a file system that all workers share",
                )
        return self.work(task)


def _on_cluster(
    work: Callable[[Task], Result], tasks: Sequence[Task], address: str, shared: Sequence[Path], progress: Work
) -> list[Result]:
    with ExitStack() as context:
        client = _client(address)
        context.callback(client.close)
        probes = tuple(context.enter_context(_shared_folder_probe(folder)) for folder in dict.fromkeys(shared))
        task = _ClusterTask(work, probes, __version__, str(zone_of(None)))
        futures = client.map(task, tasks, pure=False, key="entro")  # not pure: equal tasks must not share one result

        def count_done(future: Any) -> None:
            progress.done += future.status == "finished"

        for future in futures:
            future.add_done_callback(count_done)
        try:
            results: list[Result] = client.gather(futures)
        except EntroError:
            raise
        except Exception as error:  # lost schedulers and workers raise errors of many classes
            raise EntroError(
                f"the work stopped: {one_line(str(error))}",
                where=f"--cluster {printable(address)}",
                remedy="run the command again: finished tasks stay done",
            ) from error
        return results


def _client(address: str) -> Any:
    """Connect to a cluster that has a worker.

    Raises:
        EntroError: if the cluster cannot be reached, or has no worker.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise EntroError(
            "needs a package that is not installed", where="--cluster", remedy="pip install 'entro-cli[cluster]'"
        ) from error
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # above every level: nothing is logged
    client: Any = None
    connect: Any = Client  # distributed has no type hints
    try:
        client = connect(address, timeout=_CLUSTER_TIMEOUT_S, set_as_default=False)
        client.wait_for_workers(1, timeout=_CLUSTER_TIMEOUT_S)
    except (OSError, ValueError) as error:
        problem = "cannot be reached" if client is None else "has no worker"
        if client is not None:
            client.close()
        raise EntroError(
            f"the scheduler {problem}: {one_line(str(error))}",
            where=f"--cluster {printable(address)}",
            expected="a Dask scheduler's address, such as tcp://host:8786",
        ) from error
    return client


@contextmanager
def _shared_folder_probe(folder: Path) -> Iterator[str]:
    """Create a file for as long as the context lasts, and yield its path. A worker that sees it shares the folder.

    Without it, a worker could store into a local folder that happens to have the same name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(prefix=".entro-", dir=folder) as file:
            yield file.name
    except OSError as error:
        raise unwritable(folder, error) from error
