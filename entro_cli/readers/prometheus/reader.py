"""The `prometheus` format: saved responses of a Prometheus server to range queries."""

from __future__ import annotations

import json
from dataclasses import dataclass

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import SHOWN_BAD_ROWS, masked, printable_row
from entro_cli.readers.prometheus.response import PrometheusSeries, join_series, parse_response, response_text
from entro_cli.readers.prometheus.stages import SavedSeries, observe
from entro_cli.readers.tables.duckdb_table import head_text
from entro_cli.timeseries.observations import BadRow, Observations, ReadOptions
from entro_cli.timeseries.problems import Problem
from entro_engine import EntroError


class PrometheusReader:
    """Reads saved responses of a Prometheus server."""

    name = "prometheus"
    description = "a saved response of a Prometheus server to query_range"
    gives = "the metrics queried: gauges as they are, counters as rates, known metrics as their stages"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log holds responses of a Prometheus server, 0..1, from its content."""
        if log.is_parquet:
            return 0.0
        text = "".join(head_text(log)[:4096].split())
        if not text.startswith("{"):
            return 0.0
        success = '"status":"success"' in text and '"data":{' in text and '"resultType":' in text
        failure = '"status":"error"' in text and '"errorType":' in text
        return 1.0 if success or failure else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read saved responses: one document, or one per line.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if it is not a response to a range query, the server reports an error, no series matched, or
                nothing says what the values of an expression measure.
        """
        saved = _saved(log, options)
        series = join_series([part for response in saved.responses for part in response], log.label)
        if not series:
            raise EntroError(
                "the response is empty: no series matched",
                where=log.label,
                expected="series with samples",
                remedy="check the metric's name and labels, and the time of the query",
            )
        found = SavedSeries(tuple(series), saved.warnings, saved.skipped, saved.bad)
        return observe(found, self.name, log, options)

    def checkpoint(self, log: LogFile) -> bytes:
        """Return the lines to put before the log that continues this one, so that both are read like one file.

        Args:
            log: the plain file.

        Returns:
            The last sample of every series, as a response of one line, and a last line without its end.
        """
        data = log.path.read_bytes()
        whole, unfinished = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :]
        lines = [line for line in whole.decode("utf-8-sig", "replace").split("\n") if _is_document(line)]
        try:
            series = [part for line in lines for part in parse_response(line, log.label).series]
            last = [part.last() for part in join_series(series, log.label) if len(part.times)]
        except EntroError:  # `read` reports it
            last = []
        return (response_text(last).encode() + b"\n" if last else b"") + unfinished


@dataclass(frozen=True)
class _Saved:
    """The responses in a file.

    Attributes:
        responses: the series of each.
        warnings: of the servers, each once.
        skipped: the number of lines that are not responses.
        bad: the first few of them.
    """

    responses: tuple[tuple[PrometheusSeries, ...], ...]
    warnings: tuple[Problem, ...]
    skipped: int = 0
    bad: tuple[BadRow, ...] = ()


def _saved(log: LogFile, options: ReadOptions) -> _Saved:
    text = log.path.read_bytes().decode("utf-8-sig", "replace")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) < 2 or not _is_document(lines[0][1]):
        response = parse_response(text, log.label)
        return _Saved((response.series,), response.warnings)
    responses: list[tuple[PrometheusSeries, ...]] = []
    warnings: list[Problem] = []
    bad: list[BadRow] = []
    for number, line in lines:
        if _is_document(line):
            response = parse_response(line, f"{log.label}, line {number}")
            responses.append(response.series)
            warnings += response.warnings
        else:
            shown = masked(printable_row(line)) if options.redact else printable_row(line)
            bad.append(BadRow(number, "not JSON, or cut short", shown))
    if bad and options.strict:
        raise EntroError(
            str(bad[0]),
            where=log.label,
            expected="good rows only, with --strict",
        )
    return _Saved(tuple(responses), tuple(dict.fromkeys(warnings)), len(bad), tuple(bad[:SHOWN_BAD_ROWS]))


def _is_document(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
