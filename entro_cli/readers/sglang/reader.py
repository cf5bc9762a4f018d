"""The `sglang` format: the server log of SGLang, with the batch lines of its schedulers and its access lines."""

from __future__ import annotations

import re
from array import array

import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.access_log import HEALTH_LINE, REQUEST_LINE
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, Quantity, choose_stages
from entro_cli.readers.server_lines import CARRIED, START
from entro_cli.readers.sglang.lines import REQUESTS, SglangLines, find_lines, holds_batches
from entro_cli.readers.text_lines import checkpoint_text, lines_at
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind

_SERVER = re.compile(rb"server_args=ServerArgs\(|\] The server is fired up and ready to roll!|sglang\.srt\.")


class SglangReader:
    """Reads the logs of SGLang servers."""

    name = "sglang"
    description = "the server log of SGLang: its Prefill batch and Decode batch lines, and access lines"
    gives = "queued requests as a queue (llm), access lines as a rate (scraper); running by name"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is SGLang's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        if holds_batches(log.head):
            return 0.95
        return 0.8 if _SERVER.search(log.head) else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read the log of an SGLang server.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if it has no batch line, or most of those it has cannot be read.
        """
        lines = find_lines(log)
        good = lines.measured
        bad = lines.bad.check(log, good, options, "Prefill batch and Decode batch lines with #queue-req")
        if not good and REQUESTS not in lines.keys:
            raise EmptyLogError(
                "no batch line of SGLang",
                where=log.label,
                expected="lines with Prefill batch or Decode batch and #queue-req",
                remedy="run the server with --log-level info; an idle server prints none",
            )
        tally = Tally()
        times, zone = lines.stamps.utc(log, options, tally)
        tally.count(ProblemKind.REQUESTS_UNSTAMPED, lines.unstamped)
        batches = _Batches(lines, times)
        if batches.is_open:
            tally.note(ProblemKind.RANK_MISSING)
        quantities = [*_levels(batches), *_requests(lines, times)]
        return Observations(
            path=log.label,
            format=self.name,
            series=choose_stages(quantities, options),
            rows_read=good + sum(lines.requests),
            rows_skipped=lines.bad.count,
            bad_rows=bad,
            zone=zone,
            problems=tally.problems,
            columns=tuple(part.name for part in quantities if len(part.times)),
        )

    def checkpoint(self, log: LogFile) -> bytes:
        """Return the lines to put before the log that continues this one, so that both are read like one file.

        Args:
            log: the plain file.

        Returns:
            The lines that restore the state of the ranks; after the mark the open sample, and a last line without its
            end.
        """
        lines = find_lines(log, only_whole=True)
        batches = _Batches(lines, lines.stamps.rough())
        context = sorted({*batches.context_lines(), *_of_last_timestamps(lines), *lines.stamps.last_hour_back()})
        open_lines = [index for index in context if index >= batches.open_from and lines.keys[index] >= 0]
        texts = dict(zip(context, lines_at(log, [lines.offsets[index] for index in context]), strict=True))
        before = [
            text for index in context if index not in open_lines for text in _repeated(lines, index, texts[index])
        ]
        if lines.access_logged and context:
            before.insert(0, _prefix_of(lines_at(log, [lines.offsets[context[0]]])[0]) + HEALTH_LINE.rstrip())
        return checkpoint_text(before, [texts[index] for index in open_lines], lines.unfinished)


def _of_last_timestamps(lines: SglangLines) -> list[int]:
    """Return the batch lines, and the requests, of the last timestamp of either: the next line may share it.

    Lines of one timestamp get times a nanosecond apart, so the next log has to know how many there were.
    """
    rough, keys = lines.stamps.rough(), np.array(lines.keys)
    found: list[int] = []
    for alike in (np.flatnonzero(keys >= 0), np.flatnonzero(keys == REQUESTS)):
        found += alike[rough[alike] == rough[alike[-1]]].tolist() if len(alike) else []
    return found


def _repeated(lines: SglangLines, index: int, text: bytes) -> list[bytes]:
    """Return a batch line as it is, or the access lines of a run, shortened, as many as there were."""
    if lines.keys[index] != REQUESTS:
        return [text]
    return [_prefix_of(text) + REQUEST_LINE.rstrip()] * lines.requests[index]


def _prefix_of(text: bytes) -> bytes:
    """Return the text before the message of a line, with its timestamp."""
    return re.split(rb"INFO: |\(?(?:Decode|Prefill) batch|server_args=", text, maxsplit=1)[0][:100]


class _Batches:
    """The batch lines over time: the last line of each rank holds until its next one, and all ranks are summed.

    Attributes:
        times: of the samples, nanoseconds; those of one timestamp are a nanosecond apart, in their order.
        waiting, running: of all ranks.
        open_from: the first line of the last sample if lines of other ranks may still come.
        is_open: whether they may.
        live: by rank, its last line.
        started: the last start that no batch line has followed; -1 if there is none.
    """

    def __init__(self, lines: SglangLines, times: TimeArray) -> None:
        self.lines, self.at = lines, times
        self.times, self.waiting, self.running = array("q"), array("d"), array("d")
        self.live: dict[int, int] = {}
        self.is_open, self.open_from, self.started = False, len(lines.keys), -1
        self._stamp, self._of_stamp = -1, 0  # the last timestamp, and the number of its samples before the last
        self._run()

    def context_lines(self) -> list[int]:
        """Return the lines that restore the state: the last of each rank, or the start if none has followed it."""
        return [
            index
            for index in (*self.live.values(), *range(self.open_from, len(self.lines.keys)), self.started)
            if index >= 0
        ]

    def _run(self) -> None:
        together: dict[int, int] = {}  # by rank, its line in the sample that is being collected
        for index, key in enumerate(self.lines.keys):
            if key == REQUESTS:
                continue
            first = next(iter(together.values()), index)
            if key < 0 or key in together or self.at[index] != self.at[first]:
                self._close(together)
                together = {}
            if key >= 0:
                together[key] = index
            elif key == START:
                self.live, self.started = {}, index
            elif key == CARRIED:  # the earlier log has given these samples
                del self.times[:], self.waiting[:], self.running[:]
        self.is_open = bool(together) and not self.live.keys() <= together.keys()
        if self.is_open:
            self.open_from = next(iter(together.values()))
        else:
            self._close(together)

    def _close(self, together: dict[int, int]) -> None:
        """Make a sample of the lines of one timestamp, one line per rank."""
        if not together:
            return
        self.live |= together
        self.started = -1
        stamp = int(self.at[next(iter(together.values()))])
        self._of_stamp = self._of_stamp + 1 if stamp == self._stamp else 0
        self._stamp = stamp
        self.times.append(stamp + self._of_stamp)
        self.waiting.append(sum(self.lines.waiting[index] for index in self.live.values()))
        self.running.append(sum(self.lines.running[index] for index in self.live.values()))


def _levels(batches: _Batches) -> list[Quantity]:
    times, firsts = np.unique(np.array(batches.times, dtype=np.int64), return_index=True)
    parts = []
    for name, kind, stage, column in (
        ("waiting", Kind.QUEUE, QUEUE_STAGE, batches.waiting),
        ("running", Kind.GENERIC, "", batches.running),
    ):
        values = np.array(column)[firsts]
        present = ~np.isnan(values)
        parts.append(Quantity(name, kind, times[present], values[present], stage))
    return parts


def _requests(lines: SglangLines, times: TimeArray) -> list[Quantity]:
    """Return the requests as events, with events of no requests where the log begins and ends.

    Requests of one timestamp are a nanosecond apart, so that a log cut in two loses none of them.
    """
    if not lines.access_logged:
        return []
    keys, counts = np.array(lines.keys), np.array(lines.requests, dtype=np.int64)
    runs = np.flatnonzero(keys == REQUESTS)
    of_run = np.repeat(np.arange(len(runs)), counts[runs])
    at = times[runs][of_run] + 1 + _places(times[runs], counts[runs])
    begin = int(np.flatnonzero(keys == CARRIED)[-1]) if CARRIED in keys else 0
    moments, numbers = np.unique(at[runs[of_run] >= begin], return_counts=True)
    edges = np.array([times[begin:].min(), times[begin:].max()])
    bare = np.unique(edges[~np.isin(edges, moments)])
    order = np.argsort(np.concatenate([moments, bare]))
    return [
        Quantity(
            "requests",
            Kind.RATE,
            np.concatenate([moments, bare])[order],
            np.concatenate([numbers, np.zeros(len(bare))])[order],
            RATE_STAGE,
            Measure.EVENTS,
            is_fallback=True,
        )
    ]


def _places(stamps: TimeArray, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of each request its place among those of its timestamp, from 0.

    Args:
        stamps: of runs of requests; several runs, one after the other, may have one timestamp; shape (runs,).
        counts: the length of each run, shape (runs,).
    """
    starts = np.flatnonzero(np.diff(stamps, prepend=-1))
    totals = np.add.reduceat(counts, starts) if len(starts) else counts
    places: NDArray[np.int64] = np.arange(counts.sum()) - np.repeat(np.cumsum(totals) - totals, totals)
    return places
