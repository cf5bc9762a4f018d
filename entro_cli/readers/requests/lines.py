"""The `requests` format: lines of web servers, proxies and LLM servers, one per request."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.reader import Reading
from entro_cli.readers.requests.line_formats import LineFormat, line_format, with_timing
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.duckdb_table import connect, head_text, quoted_name, split_lines, sql_string
from entro_cli.readers.tables.matched_lines import group_names, match_lines
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError

_SAMPLE_LINES = 200
"""Number of first lines from which the format is recognised."""


class AccessLogReader:
    """Reads access logs in text."""

    name = "requests"
    description = "access log of nginx, Apache, Envoy, Traefik, HAProxy or AWS ALB, or the log of Ollama or TGI"
    gives = "requests as a rate (scraper), requests in the system as a queue (llm)"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that lines of a log are those of an access log, 0..1, from its content."""
        found = None if log.is_parquet else line_format(_first_lines(log))
        return (1.0 if found[1] > 0.5 else 0.5) if found else 0.0

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read an access log. Its other lines are left out and counted.

        The numbers of lines are only looked up if some row is bad, because DuckDB counts lines in one thread.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if it does not say how long a request took, or if most of its lines cannot be read.
        """
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read the lines that follow others; the state is the format that they had."""
        known = _format_of(log, state)
        found = _read(log, known, replace(options, strict=False), numbered=False)
        if found.rows_skipped:
            found = _read(log, known, options, numbered=True)
        elif not found.rows_read and not state:
            raise EmptyLogError("has no line about a request so far", where=log.label, expected="access lines")
        return Reading(replace(found, format=self.name), msgspec.json.encode(known))


def _format_of(log: LogFile, state: bytes) -> LineFormat:
    """Return the format of a log by its first lines, or else that of the lines before them.

    Raises:
        EntroError: if it is not an access log, or one that does not say how long a request took.
    """
    lines = _first_lines(log)
    found = line_format(lines)
    if found is None and state:
        return msgspec.json.decode(state, type=LineFormat)
    if found is None:
        raise EntroError("has no access line", where=log.label, expected="the log of a web server or a proxy")
    try:
        return with_timing(found[0], lines)
    except ValueError as error:
        if state:
            return msgspec.json.decode(state, type=LineFormat)
        raise EntroError(
            f"this looks like an nginx or Apache access log {error}",
            where=log.label,
            expected="how long each request took",
            remedy="add $request_time to nginx's log_format, as rt=$request_time (of Apache: duration_us=%D)",
        ) from error


def _first_lines(log: LogFile) -> list[str]:
    head = head_text(replace(log, head=log.whole_head or log.head))
    return [line for line in split_lines(head) if line.strip()][:_SAMPLE_LINES]


def _read(log: LogFile, known: LineFormat, options: ReadOptions, numbered: bool) -> Observations:
    groups = group_names(known.pattern)
    columns = {"user_agent" if name == "rest" else name: f"g.{quoted_name(name)}" for name in groups}
    columns |= {name: f"regexp_extract(g.rest, {sql_string(pattern)}, 1)" for name, pattern in known.columns.items()}
    with connect(log.spool.parent) as connection:
        lines = match_lines(connection, log, known.pattern, columns, f"g.{quoted_name(groups[0])} <> ''", numbered)
    if not lines.matched:
        return Observations(log.label, "", (), 0)
    found = EventsReader().read(lines.table, options)
    tally = Tally(found.problems)
    tally.count(ProblemKind.NO_REQUEST, lines.lines - lines.matched)
    return replace(found, problems=tally.problems)
