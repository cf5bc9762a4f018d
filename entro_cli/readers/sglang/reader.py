"""The `sglang` format: the server log of SGLang: what its schedulers say of each batch, and its access lines."""

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

NAME = "sglang"
DESCRIPTION = "the server log of SGLang: its Prefill batch and Decode batch lines, and access lines"
GIVES = "queued requests as a queue (llm), access lines as a rate (scraper); running by name"
IN_PARTS = False

_SERVER = re.compile(rb"server_args=ServerArgs\(|\] The server is fired up and ready to roll!|sglang\.srt\.")


def recognise(log: LogFile) -> float:
    """How sure it is that a log is SGLang's, 0..1, from its content."""
    if log.is_parquet:
        return 0.0
    if holds_batches(log.head):
        return 0.95
    return 0.8 if _SERVER.search(log.head) else 0.0


def read(log: LogFile, options: ReadOptions) -> Observations:
    """The observations in an SGLang server log.

    Args:
        log: the plain file.
        options: what the user said.

    Raises:
        EntroError: when it has no batch line, or most of those it has cannot be read.
    """
    lines = find_lines(log)
    good = lines.measured
    bad = lines.bad.check(log, good, options, "Prefill batch and Decode batch lines with #queue-req")
    if not good and REQUESTS not in lines.keys:
        raise EmptyLogError(
            "there is no batch line of SGLang in it",
            where=log.label,
            expected="lines with Prefill batch or Decode batch and #queue-req",
            remedy="the server must log at the level info; an idle one prints none",
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
        format=NAME,
        series=choose_stages(quantities, options),
        rows_read=good + sum(lines.requests),
        rows_skipped=lines.bad.count,
        bad_rows=bad,
        zone=zone,
        problems=tally.problems,
        columns=tuple(part.name for part in quantities if len(part.times)),
    )


def checkpoint(log: LogFile) -> bytes:
    """The lines of a log that, put before the log that goes on where it ends, make that read as if both were one.

    Args:
        log: the plain file.
    """
    lines = find_lines(log, only_whole=True)
    batches = _Batches(lines, lines.stamps.rough())
    standing = sorted({*batches.standing(), *_of_last_stamps(lines), *lines.stamps.last_hour_back()})
    left = [index for index in standing if index >= batches.open_from and lines.keys[index] >= 0]
    texts = dict(zip(standing, lines_at(log, [lines.offsets[index] for index in standing]), strict=True))
    before = [text for index in standing if index not in left for text in _repeated(lines, index, texts[index])]
    if lines.access_logged and standing:
        before.insert(0, _stamp_of(lines_at(log, [lines.offsets[standing[0]]])[0]) + HEALTH_LINE.rstrip())
    return checkpoint_text(before, [texts[index] for index in left], lines.unfinished)


def _of_last_stamps(lines: SglangLines) -> list[int]:
    """The batch lines of the last stamp that any has, and so the requests: the next ones may be of it too."""
    rough, keys = lines.stamps.rough(), np.array(lines.keys)
    found: list[int] = []
    for alike in (np.flatnonzero(keys >= 0), np.flatnonzero(keys == REQUESTS)):
        found += alike[rough[alike] == rough[alike[-1]]].tolist() if len(alike) else []
    return found


def _repeated(lines: SglangLines, index: int, text: bytes) -> list[bytes]:
    """A batch line as it is, the access lines of one stamp as many as they were, without what is not needed of them."""
    if lines.keys[index] != REQUESTS:
        return [text]
    return [_stamp_of(text) + REQUEST_LINE.rstrip()] * lines.requests[index]


def _stamp_of(text: bytes) -> bytes:
    """What stands before the message of a line."""
    return re.split(rb"INFO: |\(?(?:Decode|Prefill) batch|server_args=", text, maxsplit=1)[0][:100]


class _Batches:
    """The batch lines over time: the last of each rank holds until its next, and all ranks are summed.

    Attributes:
        times: of the samples, nanoseconds; those of one stamp are a nanosecond apart, in their order.
        waiting, running: of all ranks.
        open_from: the first line of the last sample where ranks of it may be missing.
        is_open: whether one is.
    """

    def __init__(self, lines: SglangLines, times: TimeArray) -> None:
        self.lines, self.at = lines, times
        self.times, self.waiting, self.running = array("q"), array("d"), array("d")
        self.live: dict[int, int] = {}
        self.is_open, self.open_from, self.started = False, len(lines.keys), -1
        self._stamp, self._of_stamp = -1, 0
        self._run()

    def standing(self) -> list[int]:
        """The lines that tell how things stand: the last of each rank, or the start behind which there is none."""
        return [
            index
            for index in (*self.live.values(), *range(self.open_from, len(self.lines.keys)), self.started)
            if index >= 0
        ]

    def _run(self) -> None:
        together: dict[int, int] = {}
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
            elif key == CARRIED:
                del self.times[:], self.waiting[:], self.running[:]
        self.is_open = bool(together) and not self.live.keys() <= together.keys()
        if self.is_open:
            self.open_from = next(iter(together.values()))
        else:
            self._close(together)

    def _close(self, together: dict[int, int]) -> None:
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
        there = ~np.isnan(values)
        parts.append(Quantity(name, kind, times[there], values[there], stage))
    return parts


def _requests(lines: SglangLines, times: TimeArray) -> list[Quantity]:
    """Each request at a time of its own, those of one stamp a nanosecond apart; none where the log begins and ends."""
    if not lines.access_logged:
        return []
    keys, counts = np.array(lines.keys), np.array(lines.requests, dtype=np.int64)
    runs = np.flatnonzero(keys == REQUESTS)
    of_run = np.repeat(np.arange(len(runs)), counts[runs])
    at = times[runs][of_run] + 1 + _places(times[runs], counts[runs])
    begin = int(np.flatnonzero(keys == CARRIED)[-1]) if CARRIED in keys else 0
    when, many = np.unique(at[runs[of_run] >= begin], return_counts=True)
    edges = np.array([times[begin:].min(), times[begin:].max()])
    bare = np.unique(edges[~np.isin(edges, when)])
    order = np.argsort(np.concatenate([when, bare]))
    return [
        Quantity(
            "requests",
            Kind.RATE,
            np.concatenate([when, bare])[order],
            np.concatenate([many, np.zeros(len(bare))])[order],
            RATE_STAGE,
            Measure.EVENTS,
            is_fallback=True,
        )
    ]


def _places(stamps: TimeArray, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the requests of its stamp each one is, from 0.

    Args:
        stamps: of runs of requests; those of one stamp may be several runs, one after the other, shape (runs,).
        counts: how many each run has, shape (runs,).
    """
    starts = np.flatnonzero(np.diff(stamps, prepend=-1))
    many = np.add.reduceat(counts, starts) if len(starts) else counts
    places: NDArray[np.int64] = np.arange(counts.sum()) - np.repeat(np.cumsum(many) - many, many)
    return places
