"""Tables in DuckDB: CSV, TSV, JSON lines and Parquet as one relation of cells, and the rows it rejects."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from entro_cli.core.console import printable
from entro_cli.core.files import connect_duckdb, duckdb_os_error, quoted_name, sql_string
from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile
from entro_cli.readers.inputs.long_lines import MAX_LINE, countable_lines
from entro_cli.readers.inputs.parquet_file import parquet_rows, parquet_source, refuse_too_well_packed
from entro_cli.readers.problems import SHOWN_BAD_ROWS, printable_row
from entro_cli.readers.tables.column_names import is_number
from entro_cli.readers.tables.first_lines import (
    first_rows,
    json_cells,
    json_fields,
    json_object,
    looks_like_json,
    sniff_csv,
    split_lines,
)
from entro_cli.readers.tables.timestamp_sql import WHOLE_NUMBERS, TimestampSql, timestamp_sql, typed_timestamp_sql
from entro_cli.readers.timestamps import TimestampFormat, timestamp_format
from entro_cli.timeseries.observations import BadRow, NotStreamableError
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError

if TYPE_CHECKING:
    import duckdb  # takes a tenth of a short command, and text logs do without

SAMPLE_ROWS = 200
"""Number of first rows from which the columns are recognised."""

_LOOKS, _LOOK_BYTES = 64, 4096
"""Places of a file, and bytes from there on, in which keys of JSON lines are looked for."""

_BUFFER = 2 * MAX_LINE
"""Bytes of text that DuckDB reads at once; by default it takes eight times as much, twice."""

# Each thread holds two buffers. DuckDB keeps those that were read, too, up to its limit: a growing part of the file.
_LIMIT_BUFFERS = f"""
  SET VARIABLE held = {_BUFFER} * (2 * current_setting('threads') + 3);
  SET GLOBAL memory_limit = getvariable('held') || 'B'"""

_ROW_NUMBER = "file_row_number + 1"

LINE_COLUMN = "entro.line"
"""Last column of a Parquet file that was made from the lines of a text log: the numbers of the lines."""

BLOCK_ROWS = 1 << 16
"""Rows that are in memory at once: as many steps as the figures are counted from."""

_DROP_REJECTS = "DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans"
_GROUPED = {".": ",", ",": "."}
_DOUBLE_DIGITS = 15


@dataclass
class Table:
    """A table that DuckDB can read, in the order of the file.

    Attributes:
        log: the log that holds it.
        shape: `csv`, `json lines` or `parquet`.
        columns: names of the columns, as the file has them.
        sample: cells of the first rows, as text.
        path: the plain file, or its mended copy.
        delimiter: delimiter of a CSV; empty for other shapes.
        quote: quote character of a CSV; empty if quotes are read as text.
        header_offset: lines before the header of a CSV.
        pointers: JSON pointers of the columns of JSON lines.
        line_sql: SQL of the number of a row's line in Parquet.
        types: DuckDB's types of the columns of Parquet; empty if all cells are text.
        problems: warnings about what had to be mended.
        rejected_count: number of rows without the header's number of cells; set by `fetch`.
        rejected_rows: the first few of those; set by `fetch`.
        connection: the connection that reads it; set by `open_table`.
    """

    log: LogFile
    shape: str
    columns: list[str]
    sample: list[list[str]]
    path: Path
    delimiter: str = ""
    quote: str = '"'
    header_offset: int = 0
    pointers: list[str] = field(default_factory=list)
    line_sql: str = _ROW_NUMBER
    types: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rejected_count: int = 0
    rejected_rows: list[BadRow] = field(default_factory=list)
    connection: duckdb.DuckDBPyConnection = field(init=False, repr=False)

    def fetch(self, select: str, rest: str = "", layers: Sequence[str] = ()) -> dict[str, Any]:
        """Return the columns of `SELECT {select} FROM the rows {rest}` as NumPy arrays, masked where NULL.

        The relation has the columns c0, c1, ... (VARCHAR), `broken` (BOOLEAN, not a row at all) and `line` (BIGINT,
        NULL if unknown). That of Parquet has n0, n1, ..., too: the cells in their types.

        Args:
            select: SQL of the columns.
            rest: the end of the query.
            layers: SQL of more columns of the relation, each layer with those of the layers before it.

        Raises:
            EntroError: if the file cannot be read as a table.
        """
        import duckdb

        try:
            self._keep_lines()
            if self.shape == "csv":
                return _fetch_csv(self, select, rest, layers)
            return run_query(self.connection, f"SELECT {select} FROM {self.relation_sql(layers)} {rest}")
        except duckdb.Error as error:
            raise unreadable(self.log, error) from error

    def blocks(self, select: str, rest: str = "", layers: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Yield what `fetch` returns block by block, so that memory does not limit the number of rows.

        Raises:
            NotStreamableError: if it must be fetched whole, which may show only after some blocks: to mend a CSV or to
                report what is wrong with the file, or because pyarrow is not installed.
        """
        import duckdb

        if not find_spec("pyarrow") or (self.shape == "csv" and _must_be_mended(self)):
            raise NotStreamableError
        self._keep_lines()
        self.connection.execute(_DROP_REJECTS)
        if self.shape != "parquet":
            self.connection.execute(_LIMIT_BUFFERS)
        try:
            with self.connection.sql(f"SELECT {select} FROM {self.relation_sql(layers)} {rest}").to_arrow_reader(
                BLOCK_ROWS
            ) as reader:
                for batch in reader:
                    columns = zip(batch.schema.names, batch.columns, strict=True)
                    yield {name: _array(column) for name, column in columns}
        except (duckdb.Error, OSError) as error:  # Arrow has only OSError for what goes wrong in DuckDB
            raise NotStreamableError from error
        finally:
            self.connection.execute("RESET GLOBAL memory_limit")
        if self.shape == "csv" and not _note_rejects(self):
            raise NotStreamableError

    def _keep_lines(self) -> None:
        """Read a copy of text of which DuckDB would leave out lines without counting them."""
        if self.shape != "parquet" and self.path == self.log.path:
            self.path = countable_lines(self.path, self.log.spool, self.shape != "csv")

    def relation_sql(self, layers: Sequence[str]) -> str:
        """Return SQL of the relation that `fetch` describes."""
        of_shape = {"csv": _csv_sql, "parquet": _parquet_sql, "json lines": _json_sql}[self.shape]
        return reduce(lambda relation, layer: f"(SELECT *, {layer} FROM {relation})", layers, of_shape(self))

    def number_sql(self, column: int) -> str:
        """Return SQL of a cell as a plain number, a DOUBLE; NULL if it is none.

        The second cast of text removes quotes, which are part of the cell where the file is read with quotes as text.
        """
        if self._is_number(column):
            return f"CAST(n{column} AS DOUBLE)"
        cell = f"c{column}"
        return rf"coalesce(TRY_CAST({cell} AS DOUBLE), TRY_CAST(trim({cell}, ' \"' || chr(9)) AS DOUBLE))"

    def text_sql(self, column: int) -> str:
        """Return SQL of a cell as text for a branch that few rows take: the others are not cast then."""
        return f"CAST(n{column} AS VARCHAR)" if self.types else f"c{column}"

    def _is_number(self, column: int) -> bool:
        """Return whether a column has a type of numbers that are read as they are.

        A REAL is read as text: its shortest digits are those that the writer meant. A DECIMAL with as many digits as a
        DOUBLE holds becomes the DOUBLE that its text is.
        """
        kind = self.types[column] if self.types else ""
        digits = int(found[1]) if (found := re.match(r"DECIMAL\((\d+),", kind)) else _DOUBLE_DIGITS + 1
        return kind in WHOLE_NUMBERS or kind == "DOUBLE" or digits <= _DOUBLE_DIGITS

    def timestamp_sql(self, column: int, form: TimestampFormat, name: str) -> TimestampSql:
        """Return SQL of a cell as a timestamp; `name` begins the names of its layers."""
        typed = typed_timestamp_sql(f"n{column}", self.types[column], form) if self.types else None
        return typed or timestamp_sql(f"c{column}", form, name)


def _array(column: Any) -> NDArray[Any]:
    """Return an Arrow array without NULL as a NumPy array. Arrow's own ways import pandas or its functions for it."""
    if str(column.type) != "bool":
        return np.from_dlpack(column)
    bits = np.unpackbits(np.frombuffer(column.buffers()[1], np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].view(np.bool_)


def open_table(connection: duckdb.DuckDBPyConnection, log: LogFile) -> Table:
    """Return the table in a log.

    Args:
        connection: the connection that reads it.
        log: the plain file.

    Raises:
        EntroError: if it cannot be read as a table at all.
    """
    table = _parquet(connection, log) if log.is_parquet else _text_table(log)
    table.connection = connection
    return table


def first_rows_of(log: LogFile) -> Table:
    """Return the table in a log for its columns and its sample; the other rows cannot be fetched.

    Raises:
        EntroError: if it cannot be read as a table at all.
    """
    if not log.is_parquet:
        return _text_table(log)
    with connect_duckdb() as connection:
        return _parquet(connection, log)


def _text_table(log: LogFile) -> Table:
    text = head_text(log)
    return _json_lines(log, text) if looks_like_json(text) else csv_table(log)


def run_query(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """Return the columns of a query's result."""
    try:
        return connection.execute(sql).fetchnumpy()
    except RuntimeError as error:  # DuckDB turns Ctrl-C into this
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


def head_text(log: LogFile) -> str:
    """Return the head of a log as text: whole lines, unless the head is all of the log or a part of one line."""
    head = log.head.removeprefix(b"\xef\xbb\xbf")
    whole = head if len(log.head) < HEAD_BYTES else head[: head.rfind(b"\n") + 1] or head
    try:
        return whole.decode()
    except UnicodeDecodeError:
        return whole.decode("latin-1")


def _parquet(connection: duckdb.DuckDBPyConnection, log: LogFile) -> Table:
    import duckdb

    try:
        refuse_too_well_packed(connection, log.path, log.label)
        described = connection.execute(f"DESCRIBE SELECT * FROM {parquet_source(log.path)}").fetchall()
        names, types = [row[0] for row in described], [row[1] for row in described]
        cells = ", ".join(f"{quoted_name(name)}::VARCHAR" for name in names)
        source = parquet_rows(log.path, names, types)
        # Not LIMIT, for which DuckDB copies rows before it cuts their texts.
        rows = connection.execute(f"SELECT {cells} FROM {source} WHERE file_row_number < {SAMPLE_ROWS}").fetchall()
    except duckdb.Error as error:
        raise unreadable(log, error) from error
    has_lines = names[-1:] == [LINE_COLUMN]
    used = len(names) - has_lines
    line_sql = quoted_name(LINE_COLUMN) if has_lines else _ROW_NUMBER
    sample = [["" if cell is None else cell for cell in row[:used]] for row in rows]
    return Table(log, "parquet", names[:used], sample, log.path, line_sql=line_sql, types=types[:used])


def _parquet_sql(table: Table) -> str:
    names = [*enumerate(map(quoted_name, table.columns))]
    cells = ", ".join(f"CAST({name} AS VARCHAR) AS c{index}, {name} AS n{index}" for index, name in names)
    source = parquet_rows(table.path, table.columns, table.types)
    return f"(SELECT {cells}, false AS broken, {table.line_sql} AS line FROM {source})"


def unreadable(log: LogFile, error: duckdb.Error) -> EntroError:
    """Return the error for a log that DuckDB cannot read, or of which it cannot write a copy."""
    full = duckdb_os_error(str(error))
    if full is not None:
        return EntroError(
            f"a copy of it cannot be written: {full.strerror}",
            where=log.label,
            remedy=f"free space in {printable(str(log.spool.parent.parent))}, or name another folder with TMPDIR",
        )
    reason = printable(str(error).partition("\n")[0]).replace(str(log.path), log.label)
    return EntroError(f"the file is damaged or cut short: {reason}", where=log.label, remedy="copy it again")


def _json_lines(log: LogFile, text: str) -> Table:
    lines = split_lines(text)[:SAMPLE_ROWS]
    pointers: dict[str, str] = {}
    # A part of a log has the columns of the whole log: a key that appears only later is read in no part.
    first_lines = split_lines(head_text(replace(log, head=log.whole_head)))[:SAMPLE_ROWS] if log.whole_head else lines
    for line in first_lines:
        for name, (pointer, _) in json_fields(json_object(line)).items():
            pointers.setdefault(name, pointer)
    sample_lines = [*first_lines, *lines] if log.whole_head else lines
    sample = [json_cells(line, list(pointers)) for line in sample_lines if json_object(line)]
    return Table(log, "json lines", list(pointers), sample, log.path, pointers=list(pointers.values()))


def late_columns(table: Table) -> list[str]:
    """Return the keys of JSON lines that the first lines lack, and that some lines all over the file have."""
    if table.shape != "json lines":
        return []
    size = table.path.stat().st_size
    names: dict[str, None] = {}
    with table.path.open("rb") as file:
        for place in range(0, size, max(size // _LOOKS, _LOOK_BYTES)):
            file.seek(place)
            for line in file.readlines(_LOOK_BYTES)[1:]:  # the first one may be cut
                names |= dict.fromkeys(json_fields(json_object(line.decode(errors="replace"))))
    return [name for name in names if name not in table.columns]


def _json_sql(table: Table) -> str:
    """Return SQL of the rows of JSON lines, with the cells of each column by JSON pointer.

    DuckDB's reader of JSON stops at a malformed line, or makes it NULL without a reason.
    """
    pointers = map(sql_string, table.pointers)
    cells = "".join(f"json_extract_string(row, {pointer}) AS c{index}, " for index, pointer in enumerate(pointers))
    lines = lines_sql(table.path)
    # To trim a line takes as long as to parse it, and few lines need it.
    has_text = "(starts_with(text, '{') OR trim(text) <> '')"
    rows = f"SELECT CASE WHEN json_valid(text) THEN text END AS row FROM {lines} WHERE {has_text}"
    broken = "coalesce(json_type(row), '') <> 'OBJECT' AS broken"
    return f"(SELECT {cells}{broken}, CAST(NULL AS BIGINT) AS line FROM ({rows}))"


def lines_sql(path: Path) -> str:
    """Return SQL of the lines of a text file, in the column `text`, NULL for empty ones.

    Each line is read as a CSV row of one cell, with a control character as the delimiter. A lone carriage return ends a
    line here, too, and lines that are not UTF-8 are left out.
    """
    return (
        f"read_csv({sql_string(str(path))}, columns = {{'text': 'VARCHAR'}}, delim = '\x1f', quote = '', escape = '', "
        f"header = false, auto_detect = false, strict_mode = false, null_padding = true, max_line_size = {MAX_LINE}, "
        f"buffer_size = {_BUFFER}, "
        f"ignore_errors = true)"
    )


class CsvHeaders:
    """The part of a reader of tables that knows the headers of CSVs."""

    def header_of(self, log: LogFile) -> bytes:
        """Return the header of a CSV, with a second line of it, of units; nothing for other tables."""
        text = head_text(log)
        if log.is_parquet or looks_like_json(text):
            return b""
        delimiter, header_offset, _ = sniff_csv(text)
        cells = next(iter(first_rows(split_lines(text)[header_offset + 1 :][:1], delimiter, 1)), [""])
        has_units = any(cells) and not any(cell.strip() and _is_value(cell) for cell in cells)
        return b"".join(log.head.splitlines(keepends=True)[: header_offset + 1 + has_units])

    def accepts_header(self, log: LogFile, header: bytes) -> bool:
        """Return whether a log without a header continues another: whether its first line is a row of such a table.

        Args:
            log: the plain file.
            header: the header of the other log.
        """
        text = head_text(log)
        delimiter, _, names = sniff_csv(header.decode("utf-8", "replace"))
        if log.is_parquet or looks_like_json(text) or len(names) < 2:
            return False
        cells = next(iter(first_rows(split_lines(text.lstrip("\r\n"))[:1], delimiter, 1)), [])
        return len(cells) == len(names) and all(map(_is_value, cells))


def _is_value(cell: str) -> bool:
    return is_number(cell) or timestamp_format([cell], None) is not None


def csv_table(log: LogFile) -> Table:
    """Return the table in a CSV."""
    text = head_text(log)
    delimiter, header_offset, names = sniff_csv(text)
    _, *rows = first_rows(split_lines(text)[header_offset:], delimiter, SAMPLE_ROWS + 1) or [[]]
    if log.whole_head and rows:  # dates and numbers of a part of a log are read as those of the whole
        first_lines = split_lines(head_text(replace(log, head=log.whole_head)))[header_offset + 1 :]
        first = first_rows(first_lines, delimiter, SAMPLE_ROWS)
        rows = [*first, *rows] if log.begin else [*rows, *first]
    sample = [row for row in rows if len(row) == len(names)]
    columns = [name.strip(" \t\r\n") for name in names]
    return Table(log, "csv", columns, sample, log.path, delimiter, header_offset=header_offset)


def decimal_pattern(mark: str) -> str:
    """Return the pattern of numbers in which a mark can only be the decimal one, such as 0,867 and 12,5 and 1.234,5."""
    other = _GROUPED[mark]
    ungrouped = rf"0*\{mark}\d|\d+\{mark}(?:\d{{1,2}}|\d{{4,}})(?:\D|$)|\d{{4,}}\{mark}\d"
    return rf"^[+-]?(?:{ungrouped}|[\d\{other}]*\{other}\d{{3}}\{mark}\d)"


def has_decimal(table: Table, column: int, mark: str) -> bool:
    """Return whether a mark is the decimal one in a number in the first rows of a column."""
    pattern = re.compile(decimal_pattern(mark))
    return any(pattern.match(row[column]) for row in table.sample)


def _fetch_csv(table: Table, select: str, rest: str, layers: Sequence[str]) -> dict[str, Any]:
    """Return columns of a CSV.

    First quotes are read as quotes, then as text. If neither works, both are tried on a mended copy of the file.
    """
    for mend in (False, True) if not _must_be_mended(table) else (True,):
        if mend:
            _mend(table)
        for quote in ('"', ""):
            table.quote = quote
            rows = _try_csv(table, f"SELECT {select} FROM {table.relation_sql(layers)} {rest}")
            if rows is not None:
                return rows
    raise EntroError("cannot be read as a table", where=table.log.label, expected="rows with equally many cells")


def _must_be_mended(table: Table) -> bool:
    """Return whether lines end with CR alone, or only some of the first with CRLF.

    DuckDB then skips too many before the header. Lines are counted by line feeds.
    """
    head = table.log.head
    if b"\n" not in head:
        return b"\r" in head and table.path != table.log.spool
    return table.header_offset > 0 and 0 < head.count(b"\r\n") < head.count(b"\n") and table.path == table.log.path


def _try_csv(table: Table, query: str) -> dict[str, Any] | None:
    """Return the columns of a query on a CSV and set the table's rejected rows.

    Returns:
        None if a quote swallows rows, or if the file must be mended first.
    """
    import duckdb

    table.connection.execute(_DROP_REJECTS)
    try:
        rows = run_query(table.connection, query)
    except duckdb.InvalidInputException:
        return None
    return rows if _note_rejects(table) else None


def _note_rejects(table: Table) -> bool:
    """Set the table's rejected rows after a query.

    Returns:
        False if a quote swallows rows, or if the file must be mended first.
    """
    connection = table.connection
    found = connection.execute(
        "SELECT DISTINCT min(error_type::VARCHAR) FROM reject_errors GROUP BY line_byte_position"
    )
    kinds = {row[0] for row in found.fetchall()}
    if "INVALID ENCODING" in kinds or (table.quote and kinds & {"UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM"}):
        return False
    # A row with several cells too many has as many errors, all with the row's position.
    rejects = "FROM (SELECT DISTINCT line_byte_position AS position, csv_line FROM reject_errors)"
    (table.rejected_count,) = connection.execute(f"SELECT count(*) {rejects}").fetchall()[0]
    first = connection.execute(f"SELECT position, csv_line {rejects} ORDER BY position LIMIT {SHOWN_BAD_ROWS}")
    table.rejected_rows = [_rejected_row(table, *row) for row in first.fetchall()]
    return True


def _csv_sql(table: Table) -> str:
    names = [f"c{index}" for index in range(len(table.columns))]
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    cells = ", ".join(names if table.quote else (f"trim({name}, ' \"') AS {name}" for name in names))
    return (
        f"(SELECT {cells}, false AS broken, CAST(NULL AS BIGINT) AS line FROM read_csv({sql_string(str(table.path))}, "
        f"columns = {{{columns}}}, delim = {sql_string(table.delimiter)}, quote = {sql_string(table.quote)}, "
        f"escape = {sql_string(table.quote)}, header = true, skip = {table.header_offset}, auto_detect = false, "
        f"strict_mode = true, max_line_size = {MAX_LINE}, buffer_size = {_BUFFER}, store_rejects = true))"
    )


def _rejected_row(table: Table, position: int, text: str | None) -> BadRow:
    """Return a row that DuckDB rejected, with the number of its line, counted by line feeds.

    DuckDB's own line numbers do not count line feeds in quoted cells. Its text of a row begins with the blank lines
    before it.
    """
    line = (text or "").lstrip("\r\n")
    blank = (text or "")[: len(text or "") - len(line)].count("\n")
    with table.path.open("rb") as file:
        before = file.read(max(position - 1, 0)).count(b"\n")
    cells: list[str] = next(_csv_reader(table, [line]), [])
    return BadRow(
        before + blank + 1,
        f"{len(cells)} cell{'s' * (len(cells) != 1)} instead of {len(table.columns)}",
        printable_row(line),
    )


def _csv_reader(table: Table, lines: Iterable[str]) -> Any:
    """Return a CSV reader of rows of the table."""
    csv.field_size_limit(sys.maxsize)  # an error at cells of more than 128 KiB is Python's default
    return csv.reader(lines, delimiter=table.delimiter, quoting=csv.QUOTE_MINIMAL if table.quote else csv.QUOTE_NONE)


def _mend(table: Table) -> None:
    """Let the table read a copy of its file in UTF-8, with line feeds as line ends and no carriage returns."""
    raw = table.path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
        table.problems.append(Problem(ProblemKind.LATIN_1))  # any bytes are Latin-1, so this cannot fail
    text = text.replace("\r\n", "\n")
    if "\n" not in text:
        text = text.replace("\r", "\n")  # classic Mac OS ended lines with them
    elif "\r" in text:
        text = text.replace("\r", " ")
        table.problems.append(Problem(ProblemKind.CARRIAGE_RETURNS))
    table.path = table.log.spool
    table.path.write_text(text, encoding="utf-8", newline="")


def text_rows(table: Table) -> Iterator[tuple[int, list[str], str]]:
    """Yield the rows of a text table as Python reads them: the number of the line, by line feeds, the cells, the text.

    They serve to find the line of a row that DuckDB read. A carriage return inside a row of a CSV is a space here.

    Args:
        table: a CSV or JSON lines.
    """
    with table.path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        if table.shape == "json lines":
            for number, line in enumerate(file, 1):
                yield number, json_cells(line, table.columns) if json_object(line) else [], line
            return
        # Python's csv raises an error at a carriage return inside a row, where DuckDB ends the row without one.
        lines = (re.sub(r"\r(?=[^\n])", " ", line) for line in file)
        reader, line_number = _csv_reader(table, lines), 1
        for cells in reader:
            inner = [cell.rstrip("\r") if table.quote else cell.rstrip("\r").strip(' "') for cell in cells]
            yield line_number, inner, table.delimiter.join(cells)
            line_number = reader.line_num + 1


def first_line(text: str) -> str:
    """Return the first line that is not blank, as messages show it."""
    return printable_row(next((line for line in io.StringIO(text) if line.strip()), ""))
