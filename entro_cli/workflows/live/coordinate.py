"""Coordinate a running pipeline: read its sources every second, and give clients their share of the cap."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from entro_cli.analysis.calibration import learn_capacity
from entro_cli.config import Settings
from entro_cli.core import formatting
from entro_cli.core.clock import NS
from entro_cli.core.console import Terminal, printable
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.parallel import in_thread
from entro_cli.core.secrets import SecretFile
from entro_cli.history.paths import pipeline_paths
from entro_cli.history.state import load_state
from entro_cli.live.clients import ClientRegistry
from entro_cli.live.coordinator import LIVE_CONTROL, Coordinator, Server
from entro_cli.live.documents import cap_document
from entro_cli.live.observe import Observation, newest_observation, no_queue
from entro_cli.live.state_file import hold_lock, load_coordinator_state, save_coordinator_state
from entro_cli.readers.options import LoadOptions
from entro_cli.timeseries.steps import Steps
from entro_cli.workflows.live.sources import STEP_NS, LiveSource, ending_signals
from entro_cli.workflows.load_logs import load_logs
from entro_engine import EntroError

if TYPE_CHECKING:
    from entro_cli.live.http_server import CoordinatorServer

_LONGEST_READING_S = 0.5
_LONG_READING_S = 10.0
_SHORTEST_LEASE_S = 3.0


class CoordinateOptions(Struct, frozen=True):
    """Options of `entro coordinate`.

    Attributes:
        listen: HOST:PORT to listen at.
        token_file: a file with the token of clients; None for that of the environment.
        cap_file: the file that gets the cap; None for none.
        lease_s: the time that a cap holds for a client, s.
        dry_run: print what would be done, and neither listen nor write.
        capacity: what the server can serve, req/s; None for that of the settings.
    """

    listen: str
    token_file: Path | None
    cap_file: Path | None
    lease_s: float
    dry_run: bool
    capacity: float | None = None

    def address(self) -> tuple[str, int]:
        """Return the host and the port to listen at.

        Raises:
            EntroError: if it is no address.
        """
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise EntroError(
                f"{printable(self.listen)!r} is not an address",
                where="--listen",
                expected="HOST:PORT, such as 127.0.0.1:8517",
            )
        return host.strip("[]"), int(port)

    def check(self, logs: Sequence[str]) -> None:
        """Refuse what would do harm.

        Raises:
            EntroError: if a lease ends before a client can renew it, or the cap file is a log, a folder or a pipe.
        """
        if self.lease_s < _SHORTEST_LEASE_S:
            raise EntroError(
                f"{formatting.duration(self.lease_s)} is too short",
                where="--lease",
                expected=f"at least {formatting.duration(_SHORTEST_LEASE_S)}: clients renew once a second",
            )
        if self.cap_file is not None:
            refuse_to_overwrite(self.cap_file, logs)
            if self.cap_file.exists() and not self.cap_file.is_file():  # a pipe that nobody reads would hold everything
                raise EntroError(
                    "is not a regular file", where=printable(str(self.cap_file)), remedy="name another one"
                )

    def token(self, environ: Mapping[str, str]) -> str | None:
        """Return the token that clients must give; None for none.

        Raises:
            EntroError: if its file cannot be read, or others can read it.
        """
        if self.token_file is not None:
            return SecretFile(self.token_file).reveal(environ)
        return environ.get("ENTRO_TOKEN", "").strip() or None


def is_loopback(host: str) -> bool:
    """Return whether only programs on this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def capacity_of(text: str | None, names: Sequence[str] | None, options: LoadOptions) -> float | None:
    """Return the capacity that --capacity gives, req/s; None without the option.

    Args:
        text: a number, or `auto` for what the logs show as they are now.
        names: the logs.
        options: how they are read.

    Raises:
        EntroError: if it is neither, or the logs show none.
    """
    if text is None:
        return None
    if text == "auto":
        if not names:
            raise EntroError("there is no log to work it out from", where="--capacity auto", remedy="name one")
        found = learn_capacity(load_logs(names, options).steps)
        if found is None:
            raise EntroError(
                "the logs do not show what the server can serve",
                where="--capacity auto",
                expected="logs of some minutes with the server at work",
                remedy="give --capacity REQ_PER_S, or leave it out to learn it while running",
            )
        return found.value
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise EntroError(f"{printable(text)!r} is no rate", where="--capacity", expected="req/s above 0, or auto")
    return value


def coordinate_source(source: LiveSource, settings: Settings, options: CoordinateOptions, terminal: Terminal) -> int:
    """Coordinate until a signal ends it; return the exit status.

    Args:
        source: the sources of the pipeline.
        settings: its settings.
        options: how to coordinate.
        terminal: gets the lines of a dry run, and messages.

    Raises:
        EntroError: if the endpoint cannot be opened, or the sources have no queue to protect.
    """
    clients = ClientRegistry(options.lease_s)
    coordinator = Coordinator(server_of(settings, options), clients, time_ns() // STEP_NS)
    paths = pipeline_paths(settings.history, settings.pipeline)
    state_file = None if paths.url or options.dry_run else paths.metadata_dir / "coordinator.json"
    stored = None
    if state_file:
        hold_lock(state_file)
        try:
            stored = load_coordinator_state(state_file, time_ns())
        except EntroError as error:
            terminal.warn(str(error))
    if stored:
        coordinator.restore(stored, monotonic())
    endpoint = None if options.dry_run else _endpoint(coordinator, settings.pipeline, options)
    return asyncio.run(_Loop(coordinator, source, options, terminal, state_file).run(endpoint))


def _endpoint(coordinator: Coordinator, pipeline: str, options: CoordinateOptions) -> CoordinatorServer:
    """Return the endpoint, which does not listen yet.

    Raises:
        EntroError: if the token cannot be read, or aiohttp is not installed.
    """
    try:
        from entro_cli.live.http_server import CoordinatorServer
    except ModuleNotFoundError as error:
        raise EntroError(
            "needs a package that is not installed", where="entro coordinate", remedy="pip install 'entro-cli[live]'"
        ) from error
    return CoordinatorServer(coordinator, pipeline, options.token(os.environ), monotonic, time_ns)


def server_of(settings: Settings, options: CoordinateOptions) -> Server:
    """Return the server to protect, with its capacity as given, else as the history learned it.

    Raises:
        EntroError: if the history cannot be read.
    """
    capacity = options.capacity or settings.capacity
    paths = pipeline_paths(settings.history, settings.pipeline)
    if capacity is None and not paths.url:
        learned = load_state(paths).learned_capacity()
        capacity = learned.value if learned else None
    control = settings.control if settings.guard is not None else settings.control._replace(guard=LIVE_CONTROL.guard)
    return Server(capacity, settings.wait_s, settings.budget, control)


def _shown_server(server: Server) -> str:
    """Return the server and the parameters of the controller in one line."""
    capacity = "to be learned" if server.capacity is None else f"{server.capacity:g} req/s"
    control = server.control
    return (
        f"capacity {capacity}, accepted wait {server.wait_s:.3g} s, headroom {control.headroom:g}, "
        f"gain {control.smoothing:g}, guard {control.guard:g}"
    )


class _Loop:
    """The coordination from second to second."""

    def __init__(
        self,
        coordinator: Coordinator,
        source: LiveSource,
        options: CoordinateOptions,
        terminal: Terminal,
        state_file: Path | None,
    ) -> None:
        self.coordinator, self.source, self.options = coordinator, source, options
        self.terminal, self.state_file = terminal, state_file
        self._reading: asyncio.Future[Steps | None] | None = None
        self._reading_since = 0.0  # s of the monotonic clock
        self._failures: list[EntroError] = []  # of this step
        self._reading_failures: list[EntroError] = []  # of the last reading that ended
        self._warned: set[str] = set()
        self._has_named_misfit = False

    async def run(self, endpoint: CoordinatorServer | None) -> int:
        """Run until a signal; return the exit status."""
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        for number, code in ((signal.SIGINT, 130), *((number, 0) for number in ending_signals())):
            asyncio.get_running_loop().add_signal_handler(number, _resolve, status, code)
        await self._tick()  # before anybody asks for the cap
        if endpoint is not None:
            address = await endpoint.start(*self.options.address())
            self.terminal.note(f"entro: coordinating at {address}")
        self.terminal.detail(_shown_server(self.coordinator.server))
        ticking = asyncio.create_task(self._tick_for_ever())
        try:
            waited: set[asyncio.Future[Any]] = {status, ticking}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if ticking.done():
                ticking.result()  # raises its error
            return status.result()
        finally:
            ticking.cancel()
            if endpoint is not None:
                await endpoint.stop()
            self._try(self._save)
            self._warn()

    async def _tick_for_ever(self) -> None:
        while True:
            rest_ns = STEP_NS - time_ns() % STEP_NS
            await asyncio.sleep(rest_ns / NS)
            await self._tick()

    async def _tick(self) -> None:
        """Advance to the present step; a reading that takes long is used in a later one."""
        if self._reading is None:
            self._reading, self._reading_since = (
                asyncio.wrap_future(in_thread(partial(self.source.read, time_ns()))),
                monotonic(),
            )
        await asyncio.wait({self._reading}, timeout=_LONGEST_READING_S)
        seen = self._newest()
        self._failures = [*self._reading_failures, *self._long_reading()]
        step = time_ns() // STEP_NS
        self.coordinator.tick(step, seen, monotonic(), self.source.is_failing)
        if self.coordinator.is_blind and not self._failures:
            self._failures.append(EntroError("no new sample: only the probe rate is allowed", where="the queue"))
        self._name_misfit()
        self._try(self._write)
        self._try(self._save)  # in every step: after a kill the counters must not be lower than what was scraped
        self._warn()

    def _long_reading(self) -> list[EntroError]:
        if self._reading is None or monotonic() - self._reading_since <= _LONG_READING_S:
            return []
        return [EntroError("takes long: the cap follows from older samples", where="reading")]

    def _newest(self) -> Observation | None:
        """Return the newest sample, if the reading has ended and it is newer than the last one.

        Raises:
            EntroError: if there is no queue, and no source that could still bring one.
        """
        if self._reading is None or not self._reading.done():
            return None
        reading, self._reading = self._reading, None
        self._reading_failures = self.source.failures()
        counts_all = self.source.counts_all or not len(self.coordinator.clients)
        try:
            steps = reading.result()
            if self.source.has_no_queue:
                raise no_queue()
            now = time_ns() // STEP_NS
            after = self.coordinator.observed_until
            return None if steps is None else newest_observation(steps, after, now, counts_all)
        except EntroError as error:  # such as a second queue in a new log
            if self.coordinator.observation is None and not self._reading_failures:
                raise
            self._reading_failures.append(error)
        except Exception as error:
            self._reading_failures.append(EntroError(f"unexpected error: {printable(repr(error))}", where="reading"))
        return None

    def _write(self) -> None:
        """Write what others read in every step: the line of a dry run, or the cap."""
        if self.options.dry_run:
            self.terminal.text(f"{_line(self.coordinator)}\n")
        elif self.options.cap_file is not None:
            document = cap_document(self.coordinator, time_ns())
            write_whole(self.options.cap_file, json.dumps(document) + "\n", is_durable=False)

    def _save(self) -> None:
        if self.state_file is not None:
            save_coordinator_state(self.state_file, self.coordinator.state(time_ns()))

    def _name_misfit(self) -> None:
        """Warn once if the server serves far less or more than the capacity that was given."""
        if (served := self.coordinator.misfit) is not None and not self._has_named_misfit:
            self._has_named_misfit = True
            given = formatting.quantity(self.coordinator.server.capacity or 0.0)
            self.terminal.warn(f"the server serves about {formatting.quantity(served)} req/s, not {given} as given")

    def _try(self, task: Callable[[], None]) -> None:
        """Do a task; if it fails, go on: the disk may have room again."""
        try:
            task()
        except EntroError as error:
            self._failures.append(error)

    def _warn(self) -> None:
        """Print each new failure once, and again if it comes back after it was gone."""
        texts = {str(failure) for failure in self._failures}
        for text in sorted(texts - self._warned):
            self.terminal.warn(f"{_clock()} {text}")
        for text in sorted(self._warned - texts):
            self.terminal.note(f"entro: {_clock()} no more: {text}")
        self._warned = texts


def _resolve(future: asyncio.Future[int], result: int) -> None:
    if not future.done():
        future.set_result(result)


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")


def _line(coordinator: Coordinator) -> str:
    """Return what a dry run prints of a step."""
    time = _clock()
    assumed = "" if coordinator.server.capacity or coordinator.observed_steps else " (assumed)"
    seen = coordinator.observation
    if seen is None:
        return f"{time} no sample yet, would allow {coordinator.cap_per_s:.3g} req/s"
    age = coordinator.age_s(time_ns()) or 0.0
    return (
        f"{time} {coordinator.regime.label}, {seen.queue:.3g} waiting {age:.1f} s ago, "
        f"load {coordinator.coupled_load:.2f} of {coordinator.server.budget:.2f}, "
        f"serves {coordinator.served_per_s:.3g} req/s{assumed}: would allow {coordinator.cap_per_s:.3g} req/s"
    )
