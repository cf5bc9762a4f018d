"""Events of requests, one per line, that become a table with one row per request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entro_cli.core.files import quoted_name, sql_string
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.tables.matched_lines import parquet_log, write_parquet
from entro_cli.readers.tables.relations.parquet_table import LINE_COLUMN
from entro_cli.readers.tables.relations.table import run_query
from entro_cli.timeseries.observations import Declaration

if TYPE_CHECKING:
    import duckdb

Event = tuple[str, str, str]
"""The time, the id and the text of an event."""


def requests_of_events(
    connection: duckdb.DuckDBPyConnection,
    events: LogFile,
    declaration: Declaration,
    numbered: bool,
    before: Sequence[Event] = (),
) -> tuple[LogFile, int, list[Event]]:
    """Return the requests of some events.

    An arrival begins a request; so does a start, if no event is an arrival. What follows it with the same id belongs to
    it, until the next one: its first start, and its last end. Events before the first arrival of an id belong to a
    request whose arrival is not in the log.

    Args:
        connection: the connection that made the events.
        events: Parquet with the columns `time`, `id` and `event`, in the order of the log.
        declaration: the format of the log.
        numbered: whether the events know the numbers of their lines.
        before: the events of requests that were going on before.

    Returns:
        The requests as a table, the number of those whose arrival is not in the log, and the events of those that go on
        where it ends.

    Raises:
        EntroError: if the events cannot be read.
    """
    begins = declaration.arrival or declaration.start
    roles = {"arrival": begins, "start": declaration.arrival and declaration.start, "end": declaration.end}
    times = {role: _time_sql(role, words) for role, words in roles.items() if words}
    number = quoted_name(LINE_COLUMN)
    line = [f"min({number}) AS {number}"] if numbered else []
    connection.execute("CREATE OR REPLACE TEMP TABLE before (time VARCHAR, id VARCHAR, event VARCHAR, position BIGINT)")
    if before:
        rows = [(*event, place - len(before)) for place, event in enumerate(before)]
        connection.executemany("INSERT INTO before VALUES (?, ?, ?, ?)", rows)
    source = (
        f"SELECT * RENAME (file_row_number AS position) FROM read_parquet({sql_string(str(events.path))}, "
        "file_row_number = true) UNION ALL BY NAME FROM before"
    )
    run_query(
        connection,
        f"CREATE OR REPLACE TEMP TABLE events AS SELECT *, count(*) FILTER (WHERE {_is_one_of(begins)}) "
        f"OVER (PARTITION BY id ORDER BY position) AS attempt FROM ({source})",
    )
    run_query(
        connection,
        f"CREATE OR REPLACE TEMP TABLE requests AS SELECT {', '.join(times.values())}, min(position) AS position, "
        f"{', '.join([*line, 'id', 'attempt'])} FROM events GROUP BY id, attempt",
    )
    target = events.path.with_suffix(".requests")
    cells = "SELECT * EXCLUDE (id, attempt, position) FROM requests WHERE attempt > 0 ORDER BY position"
    write_parquet(connection, events, cells, target)
    (left_out,) = run_query(connection, "SELECT count(*) AS n FROM requests WHERE attempt = 0")["n"]
    open_requests = f"FROM requests WHERE attempt > 0 AND {quoted_name([*times][-1])} IS NULL"
    going_on = connection.execute(
        f"SELECT time, id, event FROM events SEMI JOIN ({open_requests}) USING (id, attempt) ORDER BY position"
    )
    return parquet_log(events, target), int(left_out), going_on.fetchall()


def _time_sql(role: str, words: Sequence[str]) -> str:
    """Return SQL of a time of a request, in a column of that name: of its last end, of the first of anything else."""
    pick = "arg_max" if role == "end" else "arg_min"
    return f"{pick}(time, position) FILTER (WHERE {_is_one_of(words)}) AS {quoted_name(role)}"


def _is_one_of(words: Sequence[str]) -> str:
    return f"event IN ({', '.join(map(sql_string, words))})"
