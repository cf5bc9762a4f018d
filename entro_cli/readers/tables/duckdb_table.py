"""Tables in DuckDB: CSV, TSV, JSON lines and Parquet as one relation of text cells, with the rows that do not fit."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from entro_cli.core.console import printable
from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile
from entro_cli.readers.problems import SHOWN_BAD_ROWS, printable_row
from entro_cli.timeseries.observations import BadRow
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

DELIMITERS = ",\t;|"
SAMPLE_ROWS = 200
"""How many rows are looked at to tell what the columns are."""

_MAX_LINE = 1 << 24


@dataclass
class Table:
    """A table that DuckDB can read: cells as text, in the order of the file.

    Attributes:
        log: where it is from.
        shape: `csv`, `json lines` or `parquet`.
        columns: their names, as the file has them.
        sample: the cells of the first rows, as text.
        path: the plain file, or the mended copy of it.
        delimiter: of a CSV; empty otherwise.
        quote: what quotes the cells of a CSV; empty where its quotes are text like any other.
        before: lines before the header of a CSV.
        problems: what had to be mended to read it.
        rejected: how many rows did not have the header's number of cells; known once it was fetched.
        rejects: the first few of them.
    """

    log: LogFile
    shape: str
    columns: list[str]
    sample: list[list[str]]
    path: Path
    delimiter: str = ""
    quote: str = '"'
    before: int = 0
    problems: list[Problem] = field(default_factory=list)
    rejected: int = 0
    rejects: list[BadRow] = field(default_factory=list)

    def fetch(self, connection: duckdb.DuckDBPyConnection, select: str, rest: str = "") -> dict[str, Any]:
        """The columns of `SELECT {select} FROM the rows {rest}`, as NumPy arrays (masked where NULL).

        The relation has c0, c1, ... (VARCHAR), `broken` (not a row at all) and `line` (BIGINT, where it is known).

        Raises:
            EntroError: when the file cannot be read as a table.
        """
        try:
            if self.shape == "csv":
                return _fetch_csv(connection, self, select, rest)
            relation = _parquet_sql(self) if self.shape == "parquet" else _json_sql(self)
            return _query(connection, f"SELECT {select} FROM {relation} {rest}")
        except duckdb.Error as error:
            raise _unreadable(self.log, error) from error


def connect(scratch: Path) -> duckdb.DuckDBPyConnection:
    """A DuckDB of our own: in memory, spilling into `scratch`, in UTC, without a word or a look at the network."""
    connection = duckdb.connect(
        config={
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def open_table(connection: duckdb.DuckDBPyConnection, log: LogFile) -> Table:
    """The table in a log.

    Args:
        connection: where it is opened.
        log: the plain file.

    Raises:
        EntroError: when it cannot be read as a table at all.
    """
    if log.is_parquet:
        return _parquet(connection, log)
    text = head_text(log)
    return _json_lines(log, text) if looks_like_json(text) else csv_table(log)


def _query(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """The columns of a query's result; Ctrl-C interrupts it as it does everything else."""
    try:
        return connection.execute(sql).fetchnumpy()
    except RuntimeError as error:
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


def head_text(log: LogFile) -> str:
    """The head of a log as text, up to the last whole line; all of it where that is all there is."""
    head = log.head.removeprefix(b"\xef\xbb\xbf")
    whole = head if len(log.head) < HEAD_BYTES else head[: head.rfind(b"\n") + 1] or head
    try:
        return whole.decode()
    except UnicodeDecodeError:
        return whole.decode("latin-1")


def looks_like_json(text: str) -> bool:
    """Whether the first line that is not blank is a JSON object."""
    return bool(_json_object(text.lstrip().partition("\n")[0]))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _parquet(connection: duckdb.DuckDBPyConnection, log: LogFile) -> Table:
    source = f"read_parquet({_quoted(str(log.path))}, hive_partitioning = false)"
    try:
        names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
        rows = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {source} LIMIT {SAMPLE_ROWS}").fetchall()
    except duckdb.Error as error:
        raise _unreadable(log, error) from error
    sample = [["" if cell is None else cell for cell in row] for row in rows]
    return Table(log, "parquet", names, sample, log.path)


def _parquet_sql(table: Table) -> str:
    cells = ", ".join(f"CAST({_identifier(name)} AS VARCHAR) AS c{index}" for index, name in enumerate(table.columns))
    source = f"read_parquet({_quoted(str(table.path))}, file_row_number = true, hive_partitioning = false)"
    return f"(SELECT {cells}, false AS broken, file_row_number + 1 AS line FROM {source})"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _unreadable(log: LogFile, error: duckdb.Error) -> EntroError:
    reason = printable(str(error).partition("\n")[0]).replace(str(log.path), log.label)
    return EntroError(f"the file is damaged or cut short: {reason}", where=log.label, remedy="copy it again")


def _json_lines(log: LogFile, text: str) -> Table:
    lines = lines_of(text)[:SAMPLE_ROWS]
    names: dict[str, None] = {}
    of_all = lines_of(head_text(replace(log, head=log.begins)))[:SAMPLE_ROWS] if log.begins else lines
    for line in of_all:
        names.update(dict.fromkeys(_json_object(line)))
    sample = [_json_cells(line, list(names)) for line in lines if _json_object(line)]
    return Table(log, "json lines", list(names), sample, log.path)


def _json_sql(table: Table) -> str:
    """Cells by JSON pointer from lines; the lines' delimiter is a character that JSON text cannot hold."""
    lines = (
        f"read_csv({_quoted(str(table.path))}, columns = {{'line': 'VARCHAR'}}, delim = '\x1f', quote = '', "
        f"escape = '', header = false, auto_detect = false, strict_mode = false, null_padding = true, "
        f"max_line_size = {_MAX_LINE}, ignore_errors = true)"
    )
    pointers = [_quoted("/" + name.replace("~", "~0").replace("/", "~1")) for name in table.columns]
    cells = "".join(f"json_extract_string(row, {pointer}) AS c{index}, " for index, pointer in enumerate(pointers))
    rows = f"SELECT CASE WHEN json_valid(line) THEN line END AS row FROM {lines} WHERE trim(line) <> ''"
    broken = "coalesce(json_type(row), '') <> 'OBJECT' AS broken"
    return f"(SELECT {cells}{broken}, CAST(NULL AS BIGINT) AS line FROM ({rows}))"


def lines_of(text: str) -> list[str]:
    """The lines of a text; only line feeds and carriage returns end one, not all that Unicode has."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def sniff_delimiter(text: str) -> tuple[str, int, list[str]]:
    """The delimiter of a CSV, how many lines stand before its header, and the header's cells.

    Args:
        text: the head of the file.

    Returns:
        The delimiter under which the header and the first rows agree best; a header of one cell when none fits.
    """
    lines = lines_of(text)
    before = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    best = max(DELIMITERS, key=lambda delimiter: _agreement(records(lines[before:], delimiter, 50)))
    return best, before, next(iter(records(lines[before:], best, 1)), [])


def records(lines: list[str], delimiter: str, most: int) -> list[list[str]]:
    """The cells of the first rows that are not blank; a quoted cell may go over several lines."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    return list(islice(filter(None, reader), most))


def _agreement(rows: list[list[str]]) -> tuple[float, int]:
    """How many rows have as many cells as the first, as a share, and that number; nothing for a single cell."""
    counts = [len(cells) for cells in rows]
    if not counts or counts[0] < 2:
        return 0.0, 0
    return Counter(counts)[counts[0]] / len(counts), counts[0]


def csv_table(log: LogFile) -> Table:
    """The table in a CSV."""
    text = head_text(log)
    delimiter, before, names = sniff_delimiter(text)
    _, *rows = records(lines_of(text)[before:], delimiter, SAMPLE_ROWS + 1) or [[]]
    sample = [row for row in rows if len(row) == len(names)]
    return Table(log, "csv", [name.strip(" \t\r\n") for name in names], sample, log.path, delimiter, before=before)


def _fetch_csv(connection: duckdb.DuckDBPyConnection, table: Table, select: str, rest: str) -> dict[str, Any]:
    """The rows of a CSV, quotes read as quotes, else as text; if that does not do, from a mended copy of the file."""
    for mend in (False, True) if not _ends_differ(table) else (True,):
        if mend:
            _mend(table)
        for quote in ('"', ""):
            table.quote = quote
            rows = _try_csv(connection, table, select, rest)
            if rows is not None:
                return rows
    raise EntroError("cannot be read as a table", where=table.log.label, expected="rows of one number of cells")


def _ends_differ(table: Table) -> bool:
    """Whether some of the first lines end as on Windows: DuckDB then takes too many for those before the header."""
    head = table.log.head
    return table.before > 0 and 0 < head.count(b"\r\n") < head.count(b"\n") and table.path == table.log.path


def _try_csv(connection: duckdb.DuckDBPyConnection, table: Table, select: str, rest: str) -> dict[str, Any] | None:
    """The rows, and the table's rejects set; None when a quote swallows rows or the file must be mended first."""
    connection.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
    try:
        rows = _query(connection, f"SELECT {select} FROM {_csv_sql(table)} {rest}")
    except duckdb.InvalidInputException:
        return None
    found = connection.execute(
        "SELECT DISTINCT min(error_type::VARCHAR) FROM reject_errors GROUP BY line_byte_position"
    )
    kinds = {row[0] for row in found.fetchall()}
    if "INVALID ENCODING" in kinds or (table.quote and kinds & {"UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM"}):
        return None
    rejects = "FROM (SELECT DISTINCT line_byte_position AS position, csv_line FROM reject_errors)"
    (table.rejected,) = connection.execute(f"SELECT count(*) {rejects}").fetchall()[0]
    first = connection.execute(f"SELECT position, csv_line {rejects} ORDER BY position LIMIT {SHOWN_BAD_ROWS}")
    table.rejects = [_reject(table, *row) for row in first.fetchall()]
    return rows


def _csv_sql(table: Table) -> str:
    names = [f"c{index}" for index in range(len(table.columns))]
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    cells = ", ".join(names if table.quote else (f"trim({name}, ' \"') AS {name}" for name in names))
    return (
        f"(SELECT {cells}, false AS broken, CAST(NULL AS BIGINT) AS line FROM read_csv({_quoted(str(table.path))}, "
        f"columns = {{{columns}}}, delim = {_quoted(table.delimiter)}, quote = {_quoted(table.quote)}, "
        f"escape = {_quoted(table.quote)}, header = true, skip = {table.before}, auto_detect = false, "
        f"strict_mode = true, max_line_size = {_MAX_LINE}, store_rejects = true))"
    )


def _reject(table: Table, position: int, text: str | None) -> BadRow:
    """A row that DuckDB refused, with its line by line feeds; it may come with the blank lines before it."""
    line = (text or "").lstrip("\r\n")
    blank = (text or "")[: len(text or "") - len(line)].count("\n")
    with table.path.open("rb") as file:
        before = file.read(max(position - 1, 0)).count(b"\n")
    cells: list[str] = next(_cells(table, [line]), [])
    return BadRow(
        before + blank + 1,
        f"{len(cells)} cell{'s' * (len(cells) != 1)} instead of {len(table.columns)}",
        printable_row(line),
    )


def _cells(table: Table, lines: Iterable[str]) -> Any:
    """A CSV reader for rows of the table."""
    csv.field_size_limit(sys.maxsize)
    return csv.reader(lines, delimiter=table.delimiter, quoting=csv.QUOTE_MINIMAL if table.quote else csv.QUOTE_NONE)


def _mend(table: Table) -> None:
    """A copy of the file in UTF-8 whose lines end with line feeds alone, other carriage returns as spaces."""
    raw = table.path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        table.problems.append(Problem(ProblemKind.LATIN_1))
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        text = text.replace("\r", " " if "\n" in text else "\n")
        table.problems.append(Problem(ProblemKind.CARRIAGE_RETURNS))
    table.path = table.log.spool
    table.path.write_text(text, encoding="utf-8", newline="")


def text_rows(table: Table) -> Iterator[tuple[int, list[str], str]]:
    """The rows of a text table as Python sees them, to find a row again: line by line feeds, cells, text.

    A carriage return inside a row of a CSV is a space here.

    Args:
        table: a CSV or JSON lines.
    """
    with table.path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        if table.shape == "json lines":
            for number, line in enumerate(file, 1):
                yield number, _json_cells(line, table.columns) if _json_object(line) else [], line
            return
        # Python's csv raises an error at a carriage return inside a row, where DuckDB ends the row without one.
        lines = (re.sub(r"\r(?=[^\n])", " ", line) for line in file)
        reader, line_number = _cells(table, lines), 1
        for cells in reader:
            inner = [cell.rstrip("\r") if table.quote else cell.rstrip("\r").strip(' "') for cell in cells]
            yield line_number, inner, table.delimiter.join(cells)
            line_number = reader.line_num + 1


def _json_object(line: str) -> dict[str, Any]:
    """A line's JSON object; empty when it is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _json_cells(line: str, columns: list[str]) -> list[str]:
    row = _json_object(line)
    return ["" if row.get(name) is None else _json_text(row[name]) for name in columns]


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def first_line(text: str) -> str:
    """The first line that is not blank, as it can be shown."""
    return printable_row(next((line for line in io.StringIO(text) if line.strip()), ""))
