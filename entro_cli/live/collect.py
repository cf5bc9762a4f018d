"""Sources that are no logs, as growing files: pages of metrics, answers of a Prometheus server, standard input."""

from __future__ import annotations

import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cache, partial
from pathlib import Path
from threading import Event, Thread
from time import monotonic, time_ns

from entro_cli.core.clock import NS, moment
from entro_cli.core.connections import lost_connections_as_errors
from entro_cli.readers.inputs.log_file import STDIN, label_of
from entro_cli.readers.prometheus.client import MetricsPage
from entro_cli.readers.prometheus.exposition import SAMPLE
from entro_cli.readers.prometheus.reader import is_wanted_metric
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError

_LARGEST_FILE_BYTES = 1 << 20
"""A file that is larger is moved aside, and a new one is begun."""

_ROTATED_AFTER_S = 60.0
"""A file is not moved aside before this time, so that whoever follows it has read the last one."""

TIMEOUT_S = 5.0

_LINE = re.compile(r"^(# TYPE )?([a-zA-Z_:][\w:]*).*$", re.MULTILINE)
"""A sample, or the type of a metric, with the name of the metric. Others are not needed, and may hold times."""


class Collector(ABC):
    """A thread that appends to a file, once per interval, what a server gives.

    Args:
        path: the file. One older part is kept beside it, if it is rotated.
        interval_s: the time between two readings, s.
        label: the name of the source, safe to show.

    Attributes:
        failure: the error of the last reading; None if it succeeded.
        is_rotated: whether the file is moved aside when it is large.
    """

    is_rotated = True

    def __init__(self, path: Path, interval_s: float, label: str) -> None:
        self.path, self.interval_s, self.label = path, interval_s, label
        self.failure: EntroError | None = None
        self._stopped = Event()
        self._begun_s, self._tick_ns = monotonic(), 0
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        with lost_connections_as_errors():  # the thread inherits that
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread, without waiting for a server that does not answer."""
        self._stopped.set()

    @property
    def has_ended(self) -> bool:
        """True if nothing is read or written any more."""
        return self._stopped.is_set() and not self._thread.is_alive()

    def _run(self) -> None:
        self.collect_whole()
        while not self._stopped.is_set():
            self._collect_at_tick(self.interval_s)

    def _collect_at_tick(self, interval_s: float) -> None:
        """Read at the next multiple of an interval: at even times, the usual interval is no longer than that."""
        interval_ns = max(round(interval_s * NS), 1)
        tick_ns = max(-(-time_ns() // interval_ns) * interval_ns, self._tick_ns + interval_ns)
        wait_s = min(max((tick_ns - time_ns()) / NS, 0.0), interval_s)  # the clock may be set back
        if not self._stopped.wait(wait_s):
            self._tick_ns = tick_ns
            self.collect(tick_ns)

    def collect_whole(self) -> None:
        """Read so often that there are loads: once, unless a subclass needs more."""
        self.collect()

    def collect(self, at_ns: int | None = None) -> None:
        """Read once, and append what is new.

        Args:
            at_ns: the time of the reading, nanoseconds since the epoch; None for the current time.
        """
        try:
            text = self._read(time_ns() if at_ns is None else at_ns)
            is_new = not self.path.exists()
            is_old = monotonic() - self._begun_s >= _ROTATED_AFTER_S
            if self.is_rotated and not is_new and is_old and self.path.stat().st_size > _LARGEST_FILE_BYTES:
                self.path.replace(f"{self.path}.1")
                is_new, self._begun_s = True, monotonic()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._header() * is_new + text)
            self.failure = None
        except EntroError as error:
            self.failure = error
        except OSError as error:
            self.failure = EntroError(f"cannot be written: {error.strerror or error}", where=str(self.path))
        except Exception as error:  # a thread that ends looks like a server that is idle
            # The text of the error is not shown: it may have a part of an answer, or an address with a password.
            self.failure = EntroError(f"cannot be read: unexpected error {type(error).__name__}", where=self.label)

    def _header(self) -> str:
        return ""

    @abstractmethod
    def _read(self, at_ns: int) -> str:
        """Return whole lines.

        Args:
            at_ns: the time of the reading, nanoseconds since the epoch.

        Raises:
            EntroError: if the server gives none.
        """


class MetricsCollector(Collector):
    """A collector of a page of metrics, of which it keeps the lines that the reader wants.

    Args:
        url: the address of the page.
        folder: the folder for the file.
        interval_s: the time between two readings, s.
        options: how the page is read.
        environ: the environment, which has the credentials.
    """

    def __init__(
        self, url: str, folder: Path, interval_s: float, options: ReadOptions, environ: Mapping[str, str]
    ) -> None:
        self._page = MetricsPage(url, environ, timeout_s=TIMEOUT_S, pauses_s=())
        super().__init__(folder / "metrics.txt", interval_s, self._page.label)
        self._is_wanted = cache(partial(is_wanted_metric, options))

    def collect_whole(self) -> None:
        """Read twice, a second apart: a counter shows no rate by itself. Read once if that fails."""
        interval_s = min(self.interval_s, 1.0)
        self._collect_at_tick(interval_s)
        if self.failure is None:
            self._collect_at_tick(interval_s)

    def _read(self, at_ns: int) -> str:
        now = moment(at_ns, UTC).isoformat()  # before the request: a slow answer must not look fresh
        lines = self._wanted_lines(self._page.fetch())
        if not lines:
            raise EntroError(
                "has no metric of a known server",
                where=self.label,
                expected="a metric with a known name, or --stage",
                remedy="add --stage NAME=METRIC:KIND, for example --stage llm=my_queue_size:queue",
            )
        return f"# {now}\n{''.join(lines)}"

    def _wanted_lines(self, page: str) -> list[str]:
        """Return the lines that the reader wants: each series once, and without a time of its own.

        One bad line would make all pages of the file unreadable.
        """
        lines: dict[str | bytes, str] = {}
        for line in _LINE.finditer(page):
            if not self._is_wanted(line[2]):
                continue
            if line[1]:
                lines[line[0]] = f"{line[0]}\n"
            elif sample := SAMPLE.fullmatch(line[0].encode("utf-8", "replace")):
                lines[sample[1].removesuffix(b"{}")] = f"{sample[1].decode()} {sample[2].decode()}\n"
        return [*lines.values()]


class PrometheusCollector(Collector):
    """A collector of the answers of a Prometheus server, as rows of a CSV.

    Args:
        query: returns what the server recorded from one time to another, ns since the epoch.
        folder: the folder for the file.
        interval_s: the time between two points, s.
        begin_ns: the time of the first point, ns since the epoch.
        label: the name of the server, safe to show.
    """

    def __init__(
        self, query: Callable[[int, int], Observations], folder: Path, interval_s: float, begin_ns: int, label: str
    ) -> None:
        super().__init__(folder / "prometheus.csv", interval_s, label)
        self._query, self._begin_ns = query, begin_ns

    def _header(self) -> str:
        return "time,scraper_rate,llm_queue\n"

    def _read(self, at_ns: int) -> str:
        found = self._query(self._begin_ns, at_ns)
        rows: dict[int, dict[str, float]] = {}
        for series in found.series:
            for time, value in zip(series.times.tolist(), series.values.tolist(), strict=True):
                rows.setdefault(time, {})[series.kind] = value
        self._begin_ns = max(rows, default=self._begin_ns - 1) + 1
        return "".join(
            f"{moment(time, UTC).isoformat()},{row.get('rate', '')},{row.get('queue', '')}\n"
            for time, row in sorted(rows.items())
        )


class StreamCollector(Collector):
    """A collector of the lines of standard input.

    Args:
        folder: the folder for the file.
    """

    is_rotated = False  # the next file of a table would have no header

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "standard-input.log", 0.0, label_of(STDIN))
        self._line = b""  # the last one, which has no end yet

    def collect_whole(self) -> None:
        """Read up to the end, or to an error."""
        while not self._stopped.is_set():
            self.collect()
            if self.failure:
                self.stop()

    def _read(self, at_ns: int) -> str:
        if sys.stdin is None:
            raise EntroError("standard input is closed", where=STDIN, remedy="name a file, or pipe the log in")
        content = os.read(sys.stdin.fileno(), 1 << 20)
        if not content:
            self.stop()
        lines, feed, rest = (self._line + content).rpartition(b"\n")
        self._line = rest if content else b""
        return (lines + feed + (b"" if content else rest)).decode("utf-8", "replace")
