"""Lines of a text log that match a pattern, as a Parquet file with one row per line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from entro_cli.core.files import connect_duckdb, quoted_name, sql_string
from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile
from entro_cli.readers.tables.relations.parquet_table import LINE_COLUMN
from entro_cli.readers.tables.relations.table import MAX_LINE, lines_sql, run_query, unreadable
from entro_cli.readers.text_lines import blocks

if TYPE_CHECKING:
    import duckdb

_SEARCHED_CHARACTERS = 1 << 16
"""Characters of a line in which the pattern is searched, so that no line takes long whatever the pattern."""


class MatchedLines(Struct, frozen=True):
    """The lines of a log that match a pattern.

    Attributes:
        table: them as a log in Parquet, with one row per line, in the order of the log.
        matched: their number.
        lines: number of all lines of the log.
    """

    table: LogFile
    matched: int
    lines: int


def match_lines(
    connection: duckdb.DuckDBPyConnection,
    log: LogFile,
    pattern: str,
    columns: Mapping[str, str],
    where: str,
    numbered: bool = False,
) -> MatchedLines:
    """Search a pattern in each line of a log.

    DuckDB runs the pattern with RE2, whose time is linear in the length of a line, whatever the pattern.

    Args:
        connection: the connection that reads the log.
        log: a text log.
        pattern: a regular expression that `check_pattern` accepts.
        columns: by name of a column, SQL of its cells; `g."time"` is the text of the group `time`, NULL if the line
            does not match.
        where: SQL of whether a line counts as one that matches.
        numbered: whether the rows know the numbers of their lines. Without them the log is read in parallel.

    Raises:
        EntroError: if the log cannot be read.
    """
    path, lines = _readable_lines(log)
    cells = [f"{sql} AS {quoted_name(name)}" for name, sql in columns.items()]
    cells += [f"line AS {quoted_name(LINE_COLUMN)}"] if numbered else []
    query = f"SELECT {', '.join(cells)} FROM ({_groups_sql(path, pattern, numbered)}) WHERE {where}"
    target = log.spool.with_suffix(".matched")
    matched = write_parquet(connection, log, query, target)
    return MatchedLines(parquet_log(log, target), matched, lines)


def _groups_sql(path: Path, pattern: str, numbered: bool) -> str:
    """Return SQL of the groups of each line as a struct `g`, and of its number as `line`."""
    number, line = (", row_number() OVER () AS line", ", line") if numbered else ("", "")
    # The control character keeps `$` from matching where a long line is cut.
    cut = f"left(text, {_SEARCHED_CHARACTERS}) || chr(31)"
    searched = f"CASE WHEN strlen(text) > {_SEARCHED_CHARACTERS} THEN {cut} ELSE text END"
    # Most lines of a log do not match, and RE2 finds that out in a quarter of the time it takes to find the groups.
    regex, names = sql_string(pattern), ", ".join(map(sql_string, group_names(pattern)))
    groups = f"CASE WHEN regexp_matches(text, {regex}) THEN regexp_extract(text, {regex}, [{names}]) END"
    # DuckDB would copy the expression into the filter, and search each line twice, if no unnest were between them.
    return f"SELECT unnest([{groups}]) AS g{line} FROM (SELECT {searched} AS text{number} FROM {lines_sql(path)})"


def group_names(pattern: str) -> list[str]:
    """Return a name for each group of a pattern, in order; `_1` and the like for groups without one.

    Raises:
        ValueError: if it is not a regular expression.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from error
    named = {index: name for name, index in compiled.groupindex.items()}
    return [named.get(index, f"_{index}") for index in range(1, compiled.groups + 1)]


def check_pattern(pattern: str) -> None:
    """Check that DuckDB can run a pattern.

    Raises:
        ValueError: if it cannot, as with a lookahead or a back reference.
    """
    groups = group_names(pattern)
    if not groups:
        raise ValueError("it has no groups")
    import duckdb

    with connect_duckdb() as connection:
        try:
            connection.execute("SELECT regexp_matches('', ?)", [pattern])
            connection.execute(f"SELECT regexp_extract('', {sql_string(pattern)}, {groups})")
        except duckdb.Error as error:
            raise ValueError(str(error).partition("\n")[0].partition(": ")[2]) from error


def write_parquet(connection: duckdb.DuckDBPyConnection, log: LogFile, query: str, target: Path) -> int:
    """Write the result of a query to a Parquet file, and return the number of its rows.

    Raises:
        EntroError: if the log that the query reads cannot be read.
    """
    import duckdb

    try:
        done = run_query(connection, f"COPY ({query}) TO {sql_string(str(target))} (FORMAT parquet, COMPRESSION lz4)")
    except duckdb.Error as error:
        raise unreadable(log, error) from error
    return int(done["Count"][0])


def parquet_log(log: LogFile, path: Path) -> LogFile:
    """Return a Parquet file that was made from a log as a log with the same name."""
    with path.open("rb") as file:
        return replace(log, path=path, head=file.read(HEAD_BYTES), spool=path.with_suffix(".mended"))


def _readable_lines(log: LogFile) -> tuple[Path, int]:
    """Return a file with the lines of a log as DuckDB can read them, and their number: the log itself or a copy."""
    lines, is_readable, ends = 0, True, True
    for block in blocks(log):
        lines += block.content.count(b"\n")
        ends = block.content.endswith(b"\n")
        is_readable = is_readable and _is_readable(block.content)
    if is_readable:
        return log.path, lines + (not ends)
    with log.spool.open("w", encoding="utf-8", newline="") as file:
        for block in blocks(log):
            file.write(_mended(block.content))
    return log.spool, lines + (not ends)


def _is_readable(content: bytes) -> bool:
    # In DuckDB's reader of CSVs a carriage return ends a line, even before a line feed, and \x1f ends a cell.
    if b"\r" in content or b"\x1f" in content or len(content) > MAX_LINE:
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _mended(content: bytes) -> str:
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", " ").replace("\x1f", " ")
    return "\n".join(line[: 2 * _SEARCHED_CHARACTERS] for line in text.split("\n"))
