"""The `vllm` format: the server log of vLLM, V0 and V1, with its stats lines and the access lines between them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import numpy as np

from entro_cli.core.clock import NS
from entro_cli.readers.access_log import find_requests, has_access_lines
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.quantities import QUEUE_STAGE, RATE_STAGE, with_owner
from entro_cli.readers.text_lines import LineReader
from entro_cli.readers.vllm.engines import EngineStats
from entro_cli.readers.vllm.lines import VllmLines, VllmState, holds_stats
from entro_cli.timeseries.observations import Measure, ReadOptions, Series, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import Kind
from entro_engine.entropy import FloatArray

_QUANTITIES = (
    ("waiting", Kind.QUEUE, QUEUE_STAGE),
    ("running", Kind.GENERIC, ""),
    ("prompt_throughput", Kind.GENERIC, ""),
    ("generation_throughput", Kind.GENERIC, ""),
)
_SERVER = re.compile(
    rb"\((?:APIServer|ApiServer_|EngineCore)\w* pid=\d+\)|vLLM API server|LLM engine \(v|\[loggers\.py:\d+\]"
)
_STAMPED = re.compile(rb"(?:INFO|WARNING|ERROR|DEBUG) \d\d-\d\d \d\d:\d\d:\d\d \[?[\w./]+:\d+\]")
_PART = 10
"""More than one sample in so many with the time of another is no accident."""


class VllmReader(LineReader[VllmLines]):
    """Reads the logs of vLLM servers."""

    name = "vllm"
    description = "the server log of vLLM: its stats lines, and the access lines between them"
    gives = "waiting requests as a queue (llm), access lines as a rate (scraper); running and throughputs by name"
    good_lines = "stats lines of vLLM"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is vLLM's, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        if holds_stats(log.head):
            return 0.95
        if _SERVER.search(log.head) or _STAMPED.search(log.head):
            return 0.8
        # Access lines alone may be of any server behind uvicorn, so another format may be surer.
        bare = has_access_lines(log.head) and len(find_requests(log.head)) > 0
        return 0.3 if bare and log.head.lstrip().startswith(b"INFO: ") else 0.0

    def find(self, log: LogFile, options: ReadOptions, state: bytes) -> VllmLines:
        """Find the lines of a log that matter, behind those that left a state."""
        before = msgspec.msgpack.decode(state, type=VllmState) if state else VllmState()
        return VllmLines(before, is_first=not state).find(log)

    def quantities(self, found: VllmLines, log: LogFile, options: ReadOptions, tally: Tally) -> Sequence[Series]:
        """Return levels and requests; see `LineReader`."""
        stats = found.stats(found.date(log, options, tally))
        if found.is_first and not (found.good or stats.ends):
            raise _without_stats(log)
        quantities = _quantities(stats, found.before.access_logged, tally)
        _count_problems(stats, found.before.requests, tally)
        return quantities

    def signals(self, found: VllmLines, options: ReadOptions) -> Sequence[Series]:
        """Return KV cache usage, preemptions and restarts; see `LineReader`."""
        return with_owner(found.signals(), options, [name for name, *_ in _QUANTITIES], QUEUE_STAGE)


def _without_stats(log: LogFile) -> EmptyLogError:
    several = b"api_server_count more than 1" in log.head or b"(ApiServer_1 pid=" in log.head
    return EmptyLogError(
        "no stats line of vLLM" + (", which prints none with several API servers" if several else ""),
        where=log.label,
        expected="lines with Avg prompt throughput, Running and Waiting (or Pending)",
        remedy="run the server with --api-server-count 1, or use its metrics: --prometheus"
        if several
        else "run the server without --disable-log-stats; an idle server prints none",
    )


def _quantities(stats: EngineStats, access_logged: bool, tally: Tally) -> list[Series]:
    times, rows = _average_repeated(np.array(stats.times, np.int64), np.array(stats.values).reshape(-1, 4), tally)
    quantities = []
    for (name, kind, stage), values in zip(_QUANTITIES, rows.T, strict=True):
        present = ~np.isnan(values)
        quantities.append(Series(stage, kind, times[present], values[present], column=name))
    if access_logged and len(stats.ends):
        tally.note(ProblemKind.ACCESS_LINES)
        begins, ends = np.array([stats.begins, stats.ends], np.int64)
        rates: FloatArray = np.array(stats.counts) / ((ends - begins) / NS)
        quantities.append(
            Series(RATE_STAGE, Kind.RATE, ends, rates, None, "requests", Measure.SPANS, begins, is_fallback=True)
        )
    return quantities


def _average_repeated(times: TimeArray, rows: FloatArray, tally: Tally) -> tuple[TimeArray, FloatArray]:
    """Return samples sorted by time, those at one time averaged; the order of the rows changes no bit of a mean."""
    at, inverse, counts = np.unique(times, return_inverse=True, return_counts=True)
    if len(at) == len(times):
        order = np.argsort(times)
        return times[order], rows[order]
    order = np.lexsort([*rows.T[::-1], inverse])
    means = np.add.reduceat(rows[order], np.cumsum(counts) - counts) / counts[:, None]
    tally.count(ProblemKind.AVERAGED, counts[counts > 1].sum())
    differing = np.any((rows != means[inverse])[:, :2], axis=1)  # throughputs may be NaN
    if _PART * np.count_nonzero(differing) > len(times):
        tally.note(ProblemKind.SERVERS_MIXED, "have the time of an earlier line, with other numbers")
    return at, means


def _count_problems(stats: EngineStats, left: int, tally: Tally) -> None:
    """Count what the user should know of how the log was read."""
    tally.count(ProblemKind.SERVER_IDLE, stats.idle)
    if stats.stalled_ns:
        tally.note(ProblemKind.SERVER_STALLED, f"{stats.stalled_ns / NS:,.0f}")
    if stats.api_servers > 1:
        tally.note(ProblemKind.API_SERVERS, str(stats.api_servers))
    tally.count(ProblemKind.REQUESTS_AFTER_LAST, max(left, 0))
    if stats.state.tick:
        tally.note(ProblemKind.ENGINE_MISSING)
