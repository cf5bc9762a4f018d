"""Events of requests, one per line, that become a table with one row per request."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.tables.duckdb_table import LINE_COLUMN, quoted_name, run_query, sql_string
from entro_cli.readers.tables.matched_lines import parquet_log, write_parquet
from entro_cli.timeseries.observations import Declaration
from entro_cli.timeseries.problems import Problem, ProblemKind


def requests_of_events(
    connection: duckdb.DuckDBPyConnection, events: LogFile, declaration: Declaration, numbered: bool
) -> tuple[LogFile, list[Problem]]:
    """Return the requests of some events, and warnings.

    An arrival begins a request; so does a start, if no event is an arrival. What follows it with the same id belongs to
    it, until the next one: its first start, and its last end. Events before the first arrival of an id belong to a
    request whose arrival is not in the log.

    Args:
        connection: the connection that made the events.
        events: Parquet with the columns `time`, `id` and `event`, in the order of the log.
        declaration: the format of the log.
        numbered: whether the events know the numbers of their lines.

    Raises:
        EntroError: if the events cannot be read.
    """
    begins = declaration.arrival or declaration.start
    roles = {"arrival": begins, "start": declaration.arrival and declaration.start, "end": declaration.end}
    times = [_time_sql(role, words) for role, words in roles.items() if words]
    source = f"read_parquet({sql_string(str(events.path))}, file_row_number = true)"
    attempt = (
        f"SELECT *, count(*) FILTER (WHERE {_is_one_of(begins)}) OVER (PARTITION BY id ORDER BY file_row_number) "
        f"AS attempt FROM {source}"
    )
    number = quoted_name(LINE_COLUMN)
    line = [f"min({number}) AS {number}"] if numbered else []
    run_query(
        connection,
        f"CREATE OR REPLACE TEMP TABLE requests AS SELECT {', '.join(times)}, min(file_row_number) AS position, "
        f"{', '.join([*line, 'attempt'])} FROM ({attempt}) GROUP BY id, attempt",
    )
    target = events.path.with_suffix(".requests")
    write_parquet(
        connection,
        events,
        "SELECT * EXCLUDE (attempt, position) FROM requests WHERE attempt > 0 ORDER BY position",
        target,
    )
    (before,) = run_query(connection, "SELECT count(*) AS n FROM requests WHERE attempt = 0")["n"]
    problems = [Problem(ProblemKind.REQUESTS_FROM_BEFORE, int(before))] if before else []
    return parquet_log(events, target), problems


def _time_sql(role: str, words: Sequence[str]) -> str:
    """Return SQL of a time of a request, in a column of that name: of its last end, of the first of anything else."""
    pick = "arg_max" if role == "end" else "arg_min"
    return f"{pick}(time, file_row_number) FILTER (WHERE {_is_one_of(words)}) AS {quoted_name(role)}"


def _is_one_of(words: Sequence[str]) -> str:
    return f"event IN ({', '.join(map(sql_string, words))})"
