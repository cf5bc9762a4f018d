"""The `benchmark` format: results of load generators for LLM servers, each one JSON document."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from msgspec.structs import replace

from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.first_lines import head_text
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError

Rows = Iterable[dict[str, Any]]


def _of_vllm(result: dict[str, Any]) -> Rows:
    """Yield requests from lists with one value per request: start, time to the first token, times between tokens."""
    for start, first, between in zip(result["start_times"], result["ttfts"], result["itls"], strict=True):
        yield {"arrival_s": start, "wait_s": first, "service_s": sum(between)}


def _of_guidellm(result: dict[str, Any]) -> Rows:
    return chain.from_iterable(
        rows or () for benchmark in result["benchmarks"] for rows in benchmark["requests"].values()
    )


def _of_genai_perf(result: dict[str, Any]) -> Rows:
    for request in chain.from_iterable(experiment["requests"] for experiment in result["experiments"]):
        responses = request["response_timestamps"]
        yield {"arrival_ns": request["timestamp"], "finish_ns": max(responses) if responses else None}


_PROGRAMS: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], Rows]]] = {
    "vllm bench": (("request_throughput", "num_prompts"), _of_vllm),
    "GuideLLM": (("benchmarks", "requests"), _of_guidellm),
    "GenAI-Perf": (("experiments", "requests"), _of_genai_perf),
}
"""By program, keys that the first part of its document has, and the rows of its requests."""


class BenchmarkReader:
    """Reads the results of load generators."""

    name = "benchmark"
    description = "the result of vllm bench, GuideLLM or GenAI-Perf, with its requests"
    gives = "requests as a rate (scraper), waiting requests or those in the system as a queue (llm)"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is the result of a load generator, 0..1, from its content."""
        return 0.95 if _program_of(log) else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read the requests of a result.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if the document is damaged, or has no requests.
        """
        program = _program_of(log) or next(iter(_PROGRAMS))
        try:
            with log.path.open(encoding="utf-8-sig") as file:
                rows = "".join(f"{json.dumps(row)}\n" for row in _PROGRAMS[program][1](json.load(file)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise EntroError(
                f"this looks like the result of {program}, without its requests",
                where=log.label,
                expected="a whole JSON document with each request",
                remedy="save it again with all details (vllm bench: --save-detailed)",
            ) from error
        log.spool.write_text(rows, encoding="utf-8")
        head = rows[:HEAD_BYTES].encode()
        return replace(EventsReader().read(replace(log, path=log.spool, head=head), options), format=self.name)


def _program_of(log: LogFile) -> str | None:
    text = head_text(log) if log.head.removeprefix(BOM_UTF8).lstrip().startswith(b"{") else ""
    return next((name for name, (keys, _) in _PROGRAMS.items() if all(f'"{key}":' in text for key in keys)), None)
