"""The reader of a declared format: its lines become a table, which the reader of loads or of requests reads."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from entro_cli.core.console import printable
from entro_cli.core.files import connect_duckdb, quoted_name, sql_string
from entro_cli.readers.declared.access_logs import access_format, confidence_in
from entro_cli.readers.declared.counters import COUNT, Sample, last_count, with_count_as_stage, with_rates
from entro_cli.readers.declared.groups import Groups, LineKind, column_of, groups_of
from entro_cli.readers.declared.pairs import Event, requests_of_events
from entro_cli.readers.inputs.log_file import EmptyLogError, LogFile
from entro_cli.readers.problems import Tally
from entro_cli.readers.reader import Reading, StaleStateError
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.tables.first_lines import SAMPLE_ROWS, head_text, split_lines
from entro_cli.readers.tables.matched_lines import MatchedLines, group_names, match_lines
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import Declaration, Observations, ReadOptions
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

if TYPE_CHECKING:
    import duckdb

_GIVES_LOADS = "the loads that its groups name"
_GIVES_COUNT = "the growth of its count, as a rate (scraper)"
_GIVES_REQUESTS = "requests as a rate (scraper), waiting requests as a queue (llm)"


class DeclaredState(msgspec.Struct):
    """The state of a declared format behind some lines.

    Attributes:
        requests: the state of the reader of their requests.
        events: the events of requests that go on.
        count: the last count.
    """

    requests: bytes = b""
    events: list[Event] = []
    count: Sample | None = None


class DeclaredReader:
    """Reads a format that the user declared.

    Args:
        declaration: the format, checked.
    """

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        self._groups = groups_of(declaration)
        self.name = declaration.name
        self.description = declaration.description or "declared in entro.toml"
        self._unmatched = Problem(ProblemKind.LINES_UNMATCHED, detail=(printable(self.name),))
        gives_loads = _GIVES_LOADS if self.reads_in_parts else _GIVES_COUNT
        self.gives = gives_loads if self._groups.kind is LineKind.LOADS else _GIVES_REQUESTS

    @property
    def reads_in_parts(self) -> bool:
        """True if lines mean the same without the lines before them, as samples of loads do."""
        return self._groups.kind is LineKind.LOADS and COUNT not in self._groups.others

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is of this format: 1 if most of its first lines match the pattern.

        A log of which only some lines match may be of another format that is surer.
        """
        matched, lines = self._matched(log)
        share = matched / max(lines, 1)
        return 1.0 if share > 0.5 else share and 0.4 + share

    def reason(self, log: LogFile) -> str:
        """Return how many of the first lines match the pattern."""
        matched, lines = self._matched(log)
        return f"{matched:,} of the first {lines:,} lines match its pattern"

    def _matched(self, log: LogFile) -> tuple[int, int]:
        """Return how many of the first lines match the pattern, and their number."""
        lines = _first_lines(log)
        query = "SELECT count(*) FROM (SELECT unnest($1::VARCHAR[]) AS text) WHERE regexp_matches(text, $2)"
        with connect_duckdb() as connection:
            (matched,) = connection.execute(query, [lines, self._declaration.pattern]).fetchall()[0]
        return int(matched), len(lines)

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read the lines that match the pattern.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if no line matches, or if the rows cannot be read.
        """
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read the lines that follow others, which may be in the log before."""
        if log.begin and not (state or self.reads_in_parts):
            raise StaleStateError("nothing is known of its first lines", where=log.label)
        time = options.time_column or ""  # an option for other logs, unless it names a group or the unit of one
        options = replace(options, time_column=time if time.partition(":")[0] in self._columns() else None)
        before = msgspec.msgpack.decode(state, type=DeclaredState) if state else DeclaredState()
        try:  # DuckDB counts lines in one thread, so their numbers are only looked up if some row is bad
            reading, lines = self._read(log, before, replace(options, strict=False), numbered=False)
            is_good = reading is None or not reading.observations.rows_skipped
        except EntroError:  # its message may name a line
            is_good = False
        if not is_good:
            reading, lines = self._read(log, before, options, numbered=True)
        if reading is None and not state:
            raise self._no_match(log, lines)
        reading = reading or Reading(Observations(log.label, self.name, (), 0), state if log.begin else b"")
        tally = Tally(reading.observations.problems)
        tally.count(self._unmatched.kind, lines.lines - lines.matched, *self._unmatched.detail)
        found = replace(reading.observations, format=self.name, problems=tally.problems)
        return replace(reading, observations=found)

    def _read(
        self, log: LogFile, before: DeclaredState, options: ReadOptions, numbered: bool
    ) -> tuple[Reading | None, MatchedLines]:
        """Return what the lines that match give, None if none does, and the lines."""
        columns, where = self._columns(), _where(self._groups, self._declaration)
        with connect_duckdb() as connection:
            lines = match_lines(connection, log, self._declaration.pattern, columns, where, numbered)
            if not lines.matched:
                return None, lines
            return self._read_table(connection, lines.table, before, options, numbered), lines

    def _read_table(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: LogFile,
        before: DeclaredState,
        options: ReadOptions,
        numbered: bool,
    ) -> Reading:
        if self._groups.kind is LineKind.EVENT:
            return self._read_events(connection, table, before, options, numbered)
        if self._groups.kind is LineKind.REQUEST:
            reading = EventsReader().resume(table, options, before.requests)
            return replace(reading, state=msgspec.msgpack.encode(DeclaredState(reading.state)))
        if self.reads_in_parts:
            return Reading(TableReader().read(table, options), b"")
        counts = TableReader().read(table, with_count_as_stage(options))
        if before.count and table.begin and counts.series and counts.series[0].first_ns < before.count[0]:
            raise StaleStateError("its clock was set back", where=table.label)
        state = DeclaredState(count=last_count(counts) or before.count)
        return Reading(with_rates(counts, before.count), msgspec.msgpack.encode(state))

    def _read_events(
        self,
        connection: duckdb.DuckDBPyConnection,
        events: LogFile,
        before: DeclaredState,
        options: ReadOptions,
        numbered: bool,
    ) -> Reading:
        going_on = before.events if events.begin else ()  # a request ends in the log in which it began
        table, earlier, left = requests_of_events(connection, events, self._declaration, numbered, going_on)
        reading = EventsReader().resume(table, options, before.requests, of_events=True)
        tally, found = Tally(), reading.observations
        tally.count(ProblemKind.REQUESTS_FROM_BEFORE, earlier)
        if not self._declaration.arrival:  # a log with the arrivals says more than one with the starts
            tally.note(ProblemKind.ONLY_IN_FLIGHT)
            found = replace(found, series=tuple(replace(one, is_fallback=True) for one in found.series))
        found = replace(found, problems=(*tally.problems, *found.problems))
        return replace(reading, observations=found, state=msgspec.msgpack.encode(DeclaredState(reading.state, left)))

    def _columns(self) -> dict[str, str]:
        """Return SQL of the columns of the table by name."""
        cells = {name: self._moment_sql(name) for name in self._groups.moments}
        cells |= {name: f"g.{quoted_name(name)}" for name in self._groups.others}
        return {column_of(name, self._groups, self._declaration.unit): sql for name, sql in cells.items()}

    def _moment_sql(self, group: str) -> str:
        """Return SQL of a time: ISO 8601 if it is of the declared format, else the text itself."""
        text, form = f"g.{quoted_name(group)}", self._declaration.time_format
        if not form:  # with a point for the comma of Python's logging, ISO 8601 is read several times as fast
            return f"CASE WHEN {text}[20] = ',' THEN {text}[:19] || '.' || {text}[21:] ELSE {text} END"
        time = f"try_strptime({text}, {sql_string(form)})"
        # A time with a zone is converted to UTC, and one without stays on its own clock.
        zone = f"CASE WHEN typeof({time}) = 'TIMESTAMP WITH TIME ZONE' THEN 'Z' ELSE '' END"
        return f"coalesce(CAST(CAST({time} AS TIMESTAMP_NS) AS VARCHAR) || {zone}, {text})"

    def _no_match(self, log: LogFile, lines: MatchedLines) -> EntroError:
        return EmptyLogError(
            f"none of {lines.lines:,} lines matches the pattern of {self.name}",
            where=log.label,
            expected="lines of that format",
            remedy=f"mend formats.{self.name}.pattern in entro.toml, or name another format with --input-format",
        )


def _first_lines(log: LogFile) -> list[str]:
    return [] if log.is_parquet else [line for line in split_lines(head_text(log)) if line.strip()]


def _where(groups: Groups, declaration: Declaration) -> str:
    """Return SQL of whether a line gives a row."""
    has_time = " OR ".join(f"g.{quoted_name(name)} <> ''" for name in groups.moments)
    if groups.kind is not LineKind.EVENT:
        return has_time
    words = ", ".join(map(sql_string, (*declaration.arrival, *declaration.start, *declaration.end)))
    return f"({has_time}) AND g.id <> '' AND g.event IN ({words})"


class ShippedReader(DeclaredReader):
    """Reads a format that comes with entro."""

    def _matched(self, log: LogFile) -> tuple[int, int]:
        # These patterns are known to be fast, and Python tries them before DuckDB would have started.
        lines = _first_lines(log)
        return sum(1 for line in lines if re.search(self._declaration.pattern, line)), len(lines)


class AccessLogState(msgspec.Struct):
    """The state of an access log behind some lines: their format, and the state of its reader."""

    format: Declaration
    lines: bytes


class _AccessLines(DeclaredReader):
    """Reads access lines of one format: all groups are columns of a table of requests, the first one is the stamp."""

    name = "requests"

    def __init__(self, declaration: Declaration) -> None:
        self._declaration = declaration
        stamp, *others = group_names(declaration.pattern)
        self._groups = Groups(LineKind.REQUEST, (stamp,), tuple(others))
        self._unmatched = Problem(ProblemKind.NO_REQUEST)

    def _no_match(self, log: LogFile, lines: MatchedLines) -> EntroError:
        return EmptyLogError("has no line about a request so far", where=log.label, expected="access lines")


class AccessLogReader:
    """Reads access logs in text."""

    name = "requests"
    description = "access log of nginx, Apache, Envoy, Traefik, HAProxy or AWS ALB, or the log of Ollama or TGI"
    gives = "requests as a rate (scraper), requests in the system as a queue (llm)"

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that lines of a log are those of an access log, 0..1, from its content."""
        return confidence_in(_first_lines(log)[:SAMPLE_ROWS])

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read an access log. Its other lines are left out and counted.

        Args:
            log: the plain file.
            options: how it is read.

        Raises:
            EntroError: if it does not say how long a request took, or if most of its lines cannot be read.
        """
        return self.resume(log, options, b"").observations

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read the lines that follow others, which may be in the log before."""
        before = msgspec.msgpack.decode(state, type=AccessLogState) if state else None
        known = self._format_of(log, before)
        reading = _AccessLines(known).resume(log, options, before.lines if before else b"")
        return replace(reading, state=msgspec.msgpack.encode(AccessLogState(known, reading.state)))

    def _format_of(self, log: LogFile, before: AccessLogState | None) -> Declaration:
        """Return the format of a log by its first lines, or else that of the lines before them.

        Raises:
            EntroError: if it is not an access log, or one that does not say how long a request took.
        """
        try:
            found = access_format(_first_lines(replace(log, head=log.whole_head or log.head))[:SAMPLE_ROWS])
        except ValueError as error:
            if before is None:
                raise EntroError(
                    f"this looks like an nginx or Apache access log {error}",
                    where=log.label,
                    expected="how long each request took",
                    remedy="add $request_time to nginx's log_format, as rt=$request_time (of Apache: duration_us=%D)",
                ) from error
            found = None
        if found is not None:
            return found
        if before is None:
            raise EntroError("has no access line", where=log.label, expected="the log of a web server or a proxy")
        return before.format


@cache
def shipped_readers() -> tuple[ShippedReader, ...]:
    """Return the readers of the formats that come with entro."""
    content = Path(__file__).with_name("shipped.toml").read_text(encoding="utf-8")
    return tuple(ShippedReader(Declaration(name, **parts)) for name, parts in tomllib.loads(content)["formats"].items())
