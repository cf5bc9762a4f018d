"""The `sglang` format: the server log of SGLang, with the batch lines of its schedulers and its access lines."""

from __future__ import annotations

import re
from array import array

import msgspec
import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.partial_timestamps import ClockState, LineTimestamps
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, choose_stages
from entro_cli.readers.reader import Reading
from entro_cli.readers.sglang.lines import REQUESTS, SglangLines, find_lines, holds_batches
from entro_cli.timeseries.observations import Measure, Observations, ReadOptions, Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind

_SERVER = re.compile(rb"server_args=ServerArgs\(|\] The server is fired up and ready to roll!|sglang\.srt\.")


class RanksState(msgspec.Struct):
    """The ranks of a server behind some lines.

    Attributes:
        live: by rank, the waiting and running requests of its last line.
        open: likewise of the last timestamp, while lines of other ranks may still have it.
        open_at: that timestamp, nanoseconds.
        stamp: the timestamp of the last sample, nanoseconds.
        of_stamp: the number of samples with that timestamp before the last.
    """

    live: dict[int, tuple[float, float]] = {}
    open: dict[int, tuple[float, float]] = {}
    open_at: int = -1
    stamp: int = -1
    of_stamp: int = 0


class SglangState(msgspec.Struct):
    """The state of a server behind some lines of its log.

    Attributes:
        clock: its clock.
        copies: as in `SglangLines`.
        ranks: its ranks.
        last_requests: the timestamp of the last request, nanoseconds, and the number of requests that have it.
        access_logged: whether it logs requests.
        is_prefill, is_decode: as in `SglangLines`.
    """

    clock: ClockState = msgspec.field(default_factory=ClockState)
    copies: dict[int, bytes] = {}
    ranks: RanksState = msgspec.field(default_factory=RanksState)
    last_requests: tuple[int, int] = (-1, 0)
    access_logged: bool = False
    is_prefill: bool = False
    is_decode: bool = False


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
        """Read the log of an SGLang server; see `resume`."""
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read lines of the log of an SGLang server; see `ResumableReader`."""
        before = msgspec.msgpack.decode(state, type=SglangState) if state else SglangState()
        known = SglangLines(LineTimestamps(before.clock), access_logged=before.access_logged, copies=before.copies)
        known.is_prefill, known.is_decode = before.is_prefill, before.is_decode
        lines = find_lines(log, known)
        good = lines.measured
        bad = lines.bad.check(log, good, options, "Prefill batch and Decode batch lines with #queue-req")
        if not (good or REQUESTS in lines.keys or state):
            raise EmptyLogError(
                "no batch line of SGLang",
                where=log.label,
                expected="lines with Prefill batch or Decode batch and #queue-req",
                remedy="run the server with --log-level info; an idle server prints none",
            )
        tally = Tally()
        lines.writers.check(log, good, options, tally, is_first=not state)
        times, clock = lines.stamps.utc(log, options, tally)
        tally.count(ProblemKind.REQUESTS_UNSTAMPED, lines.unstamped)
        batches = _Batches(lines, times, before.ranks)
        if batches.state.open:
            tally.note(ProblemKind.RANK_MISSING)
        _count_nodes(lines, tally)
        counted, last = _requests(lines, times, before)
        quantities = [*_levels(batches, lines.is_decode and not lines.is_prefill), *counted]
        observations = Observations(
            path=log.label,
            format=self.name,
            series=choose_stages(quantities, options),
            rows_read=good + sum(lines.requests),
            rows_skipped=lines.bad.count,
            bad_rows=bad,
            zone=clock.words,
            problems=tally.problems,
            columns=tuple(part.column for part in quantities if len(part.times)),
        )
        after = SglangState(
            clock, lines.copies, batches.state, last, lines.access_logged, lines.is_prefill, lines.is_decode
        )
        return Reading(observations, msgspec.msgpack.encode(after))


class _Batches:
    """The batch lines over time: the last line of each rank holds until its next one, and all ranks are summed.

    Attributes:
        times: of the samples, nanoseconds; those of one timestamp are a nanosecond apart, in their order.
        waiting, running: of all ranks.
        of_ranks: by rank, the timestamps of its lines, nanoseconds.
        state: the ranks behind the lines.
    """

    def __init__(self, lines: SglangLines, times: TimeArray, before: RanksState) -> None:
        self.times, self.waiting, self.running = array("q"), array("d"), array("d")
        self.of_ranks: dict[int, array[int]] = {}
        self.state = before
        for key, time, waiting, running in zip(lines.keys, times.tolist(), lines.waiting, lines.running, strict=True):
            if key == REQUESTS:
                continue
            if key < 0 or key in before.open or time != before.open_at:
                self._close()
            if key >= 0:
                before.open[key], before.open_at = (waiting, running), time
            else:
                before.live = {}
        if before.live.keys() <= before.open.keys():
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
    parts = []
    for name, kind, stage, column in (
        ("waiting", Kind.QUEUE, QUEUE_STAGE, batches.waiting),
        ("running", Kind.GENERIC, "", batches.running),
    ):
        values = np.array(column)[firsts]
        present = ~np.isnan(values)
        parts.append(
            Series(
                stage,
                kind,
                times[present],
                values[present],
                column=name,
                is_fallback=is_fallback,
                known_interval_ns=batches.interval_ns(),
            )
        )
    return parts


def _count_nodes(lines: SglangLines, tally: Tally) -> None:
    """Count what the user should know of a server whose prefill and decode are disaggregated."""
    if lines.is_decode and not lines.is_prefill:
        tally.note(ProblemKind.DECODE_NODE)
    tally.count(ProblemKind.DECODE_LEFT_OUT, lines.left_out)
    if lines.before_queue:
        tally.note(ProblemKind.BEFORE_QUEUE, str(lines.before_queue))


def _requests(lines: SglangLines, times: TimeArray, before: SglangState) -> tuple[list[Series], tuple[int, int]]:
    """Return the requests as events, with events of no requests where the lines begin and end.

    Requests of one timestamp are a nanosecond apart, so that a log cut in two loses none of them.

    Returns:
        The requests, the time of the last of them, and how many have that time.
    """
    keys, counts = np.array(lines.keys), np.array(lines.requests, dtype=np.int64)
    last, of_last = before.last_requests
    runs = np.flatnonzero(keys == REQUESTS)
    stamps, lengths = np.append(last, times[runs]), np.append(of_last, counts[runs])
    at = (np.repeat(stamps, lengths) + 1 + _places(stamps, lengths))[of_last:]
    if len(runs):
        alike = np.flatnonzero(stamps != stamps[-1])[-1:] + 1
        last, of_last = int(stamps[-1]), int(lengths[int(alike[0]) if len(alike) else 0 :].sum())
    if not lines.access_logged or not len(times):
        return [], (last, of_last)
    moments, numbers = np.unique(at, return_counts=True)
    first = times.min() if before.clock.utc is None else min(before.clock.utc, times.min())
    edges = np.array([first, times.max()])
    bare = np.unique(edges[~np.isin(edges, moments)])
    order = np.argsort(np.concatenate([moments, bare]))
    quantity = Series(
        RATE_STAGE,
        Kind.RATE,
        np.concatenate([moments, bare])[order],
        np.concatenate([numbers, np.zeros(len(bare))])[order],
        column="requests",
        measure=Measure.EVENTS,
        is_fallback=True,
    )
    return [quantity], (last, of_last)


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
