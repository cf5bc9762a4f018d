"""The `sglang` format: the server log of SGLang, with the batch lines of its schedulers and its access lines."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, with_owner
from entro_cli.readers.server_lines import EVENT
from entro_cli.readers.sglang.lines import REQUESTS, SglangLines, SglangState, holds_batches
from entro_cli.readers.text_lines import LineReader
from entro_cli.timeseries.observations import Measure, ReadOptions, Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind

_SERVER = re.compile(rb"server_args=ServerArgs\(|\] The server is fired up and ready to roll!|sglang\.srt\.")


class SglangReader(LineReader[SglangLines]):
    """Reads the logs of SGLang servers."""

    name = "sglang"
    description = "the server log of SGLang: its Prefill batch and Decode batch lines, and access lines"
    gives = "queued requests as a queue (llm), access lines as a rate (scraper); running by name"
    good_lines = "Prefill batch and Decode batch lines with #queue-req"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is SGLang's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        if holds_batches(log.head):
            return 0.95
        return 0.8 if _SERVER.search(log.head) else 0.0

    def find(self, log: LogFile, options: ReadOptions, state: bytes) -> SglangLines:
        """Find the lines of a log that matter, behind those that left a state."""
        before = msgspec.msgpack.decode(state, type=SglangState) if state else SglangState()
        return SglangLines(before, is_first=not state).find(log)

    def quantities(self, found: SglangLines, log: LogFile, options: ReadOptions, tally: Tally) -> Sequence[Series]:
        """Return levels and requests; see `LineReader`."""
        if found.is_first and not found.rows:
            raise EmptyLogError(
                "no batch line of SGLang",
                where=log.label,
                expected="lines with Prefill batch or Decode batch and #queue-req",
                remedy="run the server with --log-level info; an idle server prints none",
            )
        earlier = found.before.clock.utc
        times = found.date(log, options, tally)
        tally.count(ProblemKind.REQUESTS_UNSTAMPED, found.unstamped)
        batches = _Batches(found, times)
        if batches.state.open:
            tally.note(ProblemKind.RANK_MISSING)
        _count_nodes(found, tally)
        is_decode_only = found.before.is_decode and not found.before.is_prefill
        requests = _requests(found, times, earlier)
        if requests:
            tally.note(ProblemKind.ACCESS_LINES)
        return [*_levels(batches, is_decode_only), *requests]

    def signals(self, found: SglangLines, options: ReadOptions) -> Sequence[Series]:
        """Return KV cache usage, retractions and restarts; see `LineReader`."""
        return with_owner(found.signals(), options, ("waiting", "running"), QUEUE_STAGE)


class _Batches:
    """The batch lines over time: the last line of each rank holds until its next one, and all ranks are summed.

    Attributes:
        times: of the samples, nanoseconds; those of one timestamp are a nanosecond apart, in their order.
        waiting, running: of all ranks.
        of_ranks: by rank, the timestamps of its lines, nanoseconds.
        state: the ranks behind the lines.
    """

    def __init__(self, lines: SglangLines, times: TimeArray) -> None:
        self.times, self.waiting, self.running = array("q"), array("d"), array("d")
        self.of_ranks: dict[int, array[int]] = {}
        self.state = state = lines.before.ranks
        waiting, running = lines.values[::2], lines.values[1::2]
        for key, time, *numbers in zip(lines.keys, times.tolist(), waiting, running, strict=True):
            if key in (REQUESTS, EVENT):
                continue
            if key < 0 or key in state.open or time != state.open_at:
                self._close()
            if key >= 0:
                state.open[key], state.open_at = (numbers[0], numbers[1]), time
            else:
                state.live = {}
        if state.live.keys() <= state.open.keys():
            self._close()

    def _close(self) -> None:
        """Make a sample of the lines of one timestamp, one line per rank."""
        state = self.state
        if not state.open:
            return
        state.live |= state.open
        state.of_stamp = state.of_stamp + 1 if state.open_at == state.stamp else 0
        state.stamp = state.open_at
        for rank in state.open:
            self.of_ranks.setdefault(rank, array("q")).append(state.stamp)
        self.times.append(state.stamp + state.of_stamp)
        self.waiting.append(sum(waiting for waiting, _ in state.live.values()))
        self.running.append(sum(running for _, running in state.live.values()))
        state.open = {}

    def interval_ns(self) -> float | None:
        """Return the usual time between two lines of one rank, nanoseconds; None for a single rank.

        The lines of several ranks, one after the other, are no shorter interval of the server.
        """
        if len(self.of_ranks) < 2:
            return None
        between = (np.diff(np.unique(np.array(stamps, np.int64))) for stamps in self.of_ranks.values())
        usual = [float(np.median(part)) for part in between if len(part)]
        return float(np.median(usual)) if usual else None


def _levels(batches: _Batches, is_fallback: bool) -> list[Series]:
    times, firsts = np.unique(np.array(batches.times, dtype=np.int64), return_index=True)
    interval = batches.interval_ns()

    def level(stage: str, kind: Kind, name: str, column: array[float]) -> Series:
        values = np.array(column)[firsts]
        known = ~np.isnan(values)
        return Series(
            stage, kind, times[known], values[known], None, name, is_fallback=is_fallback, known_interval_ns=interval
        )

    return [
        level(QUEUE_STAGE, Kind.QUEUE, "waiting", batches.waiting),
        level("", Kind.GENERIC, "running", batches.running),
    ]


def _count_nodes(lines: SglangLines, tally: Tally) -> None:
    """Count what the user should know of a server whose prefill and decode are disaggregated."""
    if lines.before.is_decode and not lines.before.is_prefill:
        tally.note(ProblemKind.DECODE_NODE)
    tally.count(ProblemKind.DECODE_LEFT_OUT, lines.left_out)
    if lines.before_queue:
        tally.note(ProblemKind.BEFORE_QUEUE, str(lines.before_queue))


def _requests(lines: SglangLines, times: TimeArray, earlier: int | None) -> list[Series]:
    """Return the requests as events, with events of no requests where the lines begin and end.

    Requests of one timestamp are a nanosecond apart, so that a log cut in two loses none of them.

    Args:
        lines: the lines, whose state gets the last request.
        times: when they were printed, nanoseconds, shape (lines,).
        earlier: the time of the last line before them, nanoseconds.
    """
    runs = np.flatnonzero(np.array(lines.keys) == REQUESTS)
    last, of_last = lines.before.last_requests
    stamps = np.append(last, times[runs])
    lengths = np.append(of_last, np.array(lines.values)[::2][runs].astype(np.int64))
    at = (np.repeat(stamps, lengths) + 1 + _places(stamps, lengths))[of_last:]
    if len(runs):
        alike = np.flatnonzero(stamps != stamps[-1])[-1:] + 1
        lines.before.last_requests = int(stamps[-1]), int(lengths[int(alike[0]) if len(alike) else 0 :].sum())
    if not lines.before.access_logged or not len(times):
        return []
    edges = np.array([times.min() if earlier is None else min(earlier, times.min()), times.max()])
    moments, places = np.unique(np.concatenate([at, edges]), return_inverse=True)
    numbers = np.bincount(places[: len(at)], minlength=len(moments)).astype(np.float64)
    return [Series(RATE_STAGE, Kind.RATE, moments, numbers, None, "requests", Measure.EVENTS, is_fallback=True)]


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
