"""Tables as relations of cells in DuckDB."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.console import printable
from entro_cli.core.files import duckdb_os_error, sql_string
from entro_cli.core.formatting import count
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.tables.timestamp_sql import TimestampSql, timestamp_sql
from entro_cli.readers.timestamps import TimestampFormat
from entro_cli.timeseries.observations import BadRow, NotStreamableError
from entro_cli.timeseries.problems import Problem
from entro_engine import EntroError

if TYPE_CHECKING:
    import duckdb  # takes a tenth of a short command, and text logs do without

MAX_LINE = 1 << 24
"""Longest line that DuckDB reads, bytes. Its default is 2 MB."""

MAX_LINE_BYTES = MAX_LINE - 64
"""Longest line that is read, bytes: a little less than the limit that DuckDB gets."""

_BLOCK_BYTES = 1 << 20

BUFFER = 2 * MAX_LINE
"""Bytes of text that DuckDB reads at once; by default it takes eight times as much, twice."""

# Each thread holds two buffers. DuckDB keeps those that were read, too, up to its limit: a growing part of the file.
_LIMIT_BUFFERS = f"""
  SET VARIABLE held = {BUFFER} * (2 * current_setting('threads') + 3);
  SET GLOBAL memory_limit = getvariable('held') || 'B'"""

BLOCK_ROWS = 1 << 16
"""Rows that are in memory at once: as many steps as the figures are counted from."""

DROP_REJECTS = "DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans"
_GROUPED = {".": ",", ",": "."}


@dataclass
class Table(ABC):
    """A table that DuckDB can read, in the order of the file.

    Its relation has the columns c0, c1, ... (VARCHAR), `broken` (BOOLEAN, not a row at all) and `line` (BIGINT, NULL
    if unknown).

    Attributes:
        log: the log that holds it.
        columns: names of the columns, as the file has them.
        sample: cells of the first rows, as text.
        path: the plain file, or its mended copy.
        delimiter: delimiter of a CSV; empty for other tables.
        problems: warnings about what had to be mended.
        rejected_count: number of rows without the header's number of cells; set by `fetch`.
        rejected_rows: the first few of those; set by `fetch`.
        connection: the connection that reads it; set by `open_table`.
        is_text: whether the file is text.
        is_json: whether that text is JSON lines.
    """

    log: LogFile
    columns: list[str]
    sample: list[list[str]]
    path: Path
    delimiter: str = ""
    problems: list[Problem] = field(default_factory=list)
    rejected_count: int = 0
    rejected_rows: list[BadRow] = field(default_factory=list)
    connection: duckdb.DuckDBPyConnection = field(init=False, repr=False)

    is_text: ClassVar[bool] = True
    is_json: ClassVar[bool] = False

    @abstractmethod
    def rows_sql(self) -> str:
        """Return SQL of the relation without further layers."""

    def fetch(self, select: str, rest: str = "", layers: Sequence[str] = ()) -> dict[str, Any]:
        """Return the columns of `SELECT {select} FROM the rows {rest}` as NumPy arrays, masked where NULL.

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
            return self._fetched(select, rest, layers)
        except duckdb.Error as error:
            raise unreadable(self.log, error) from error

    def blocks(self, select: str, rest: str = "", layers: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Yield what `fetch` returns block by block, so that memory does not limit the number of rows.

        Raises:
            NotStreamableError: if it must be fetched whole, which may show only after some blocks: to mend a CSV or to
                report what is wrong with the file, or because pyarrow is not installed.
        """
        import duckdb

        if not find_spec("pyarrow") or self._must_be_mended():
            raise NotStreamableError
        self._keep_lines()
        self.connection.execute(DROP_REJECTS)
        if self.is_text:
            self.connection.execute(_LIMIT_BUFFERS)
        try:
            with self.connection.sql(self._query(select, rest, layers)).to_arrow_reader(BLOCK_ROWS) as reader:
                for batch in reader:
                    columns = zip(batch.schema.names, batch.columns, strict=True)
                    yield {name: _array(column) for name, column in columns}
        except (duckdb.Error, OSError) as error:  # Arrow has only OSError for what goes wrong in DuckDB
            raise NotStreamableError from error
        finally:
            self.connection.execute("RESET GLOBAL memory_limit")
        if not self._note_rejects():
            raise NotStreamableError

    def relation_sql(self, layers: Sequence[str]) -> str:
        """Return SQL of the relation with more columns, as `fetch` describes them."""
        return reduce(lambda relation, layer: f"(SELECT *, {layer} FROM {relation})", layers, self.rows_sql())

    def number_sql(self, column: int) -> str:
        """Return SQL of a cell as a plain number, a DOUBLE; NULL if it is none.

        The second cast removes quotes, which are part of the cell where the file is read with quotes as text.
        """
        cell = f"c{column}"
        return rf"coalesce(TRY_CAST({cell} AS DOUBLE), TRY_CAST(trim({cell}, ' \"' || chr(9)) AS DOUBLE))"

    def text_sql(self, column: int) -> str:
        """Return SQL of a cell as text for a branch that few rows take."""
        return f"c{column}"

    def timestamp_sql(self, column: int, form: TimestampFormat, name: str) -> TimestampSql:
        """Return SQL of a cell as a timestamp; `name` begins the names of its layers."""
        return timestamp_sql(f"c{column}", form, name)

    def has_decimal(self, column: int, mark: str) -> bool:
        """Return whether a mark is the decimal one in a number in the first rows of a column."""
        pattern = re.compile(decimal_pattern(mark))
        return any(pattern.match(row[column]) for row in self.sample)

    def text_rows(self) -> Iterator[tuple[int, list[str], str]]:
        """Yield the rows of a text as Python reads them: the number of the line, by line feeds, the cells, the text.

        They serve to find the line of a row that DuckDB read.
        """
        return iter(())

    def late_columns(self) -> list[str]:
        """Return the columns that the first rows lack, and that some rows all over the file have."""
        return []

    def _query(self, select: str, rest: str, layers: Sequence[str]) -> str:
        return f"SELECT {select} FROM {self.relation_sql(layers)} {rest}"

    def _fetched(self, select: str, rest: str, layers: Sequence[str]) -> dict[str, Any]:
        return run_query(self.connection, self._query(select, rest, layers))

    def _keep_lines(self) -> None:
        """Read a copy of text of which DuckDB would leave out lines without counting them."""
        if self.is_text and self.path == self.log.path:
            self.path = _countable_lines(self.path, self.log.spool, self.is_json)

    def _must_be_mended(self) -> bool:
        """Return whether DuckDB can read only a mended copy of the file."""
        return False

    def _note_rejects(self) -> bool:
        """Set the rejected rows after a query, and return whether they are all that is wrong."""
        return True


def _array(column: Any) -> NDArray[Any]:
    """Return an Arrow array without NULL as a NumPy array. Arrow's own ways import pandas or its functions for it."""
    if str(column.type) != "bool":
        return np.from_dlpack(column)
    bits = np.unpackbits(np.frombuffer(column.buffers()[1], np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].view(np.bool_)


def run_query(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """Return the columns of a query's result."""
    try:
        return connection.execute(sql).fetchnumpy()
    except RuntimeError as error:  # DuckDB turns Ctrl-C into this
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


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


def lines_sql(path: Path) -> str:
    """Return SQL of the lines of a text file, in the column `text`, NULL for empty ones.

    Each line is read as a CSV row of one cell, with a control character as the delimiter. A lone carriage return ends a
    line here, too, and lines that are not UTF-8 are left out.
    """
    return (
        f"read_csv({sql_string(str(path))}, columns = {{'text': 'VARCHAR'}}, delim = '\x1f', quote = '', escape = '', "
        f"header = false, auto_detect = false, strict_mode = false, null_padding = true, max_line_size = {MAX_LINE}, "
        f"buffer_size = {BUFFER}, "
        f"ignore_errors = true)"
    )


def decimal_pattern(mark: str) -> str:
    """Return the pattern of numbers in which a mark can only be the decimal one, such as 0,867 and 12,5 and 1.234,5."""
    other = _GROUPED[mark]
    ungrouped = rf"0*\{mark}\d|\d+\{mark}(?:\d{{1,2}}|\d{{4,}})(?:\D|$)|\d{{4,}}\{mark}\d"
    return rf"^[+-]?(?:{ungrouped}|[\d\{other}]*\{other}\d{{3}}\{mark}\d)"


def _countable_lines(path: Path, spool: Path, is_json: bool) -> Path:
    """Return a file in which no line vanishes: the same one, or a copy with as many lines.

    DuckDB would leave out lines that are too long, or not text, uncounted.

    Args:
        path: the plain file.
        spool: the copy to write.
        is_json: whether it has JSON lines, which are read as cells of one column.

    Raises:
        OSError: if it cannot be read, or the disk is full.
    """
    if not _loses_lines(path, is_json):
        return path
    copy = spool.with_suffix(".counted")
    with path.open("rb") as file, copy.open("wb") as out:
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                size = len(line)
                while not line.endswith(b"\n") and (line := file.readline(_BLOCK_BYTES)):
                    size += len(line)
                # It is counted as a row without the cells of the others, and shown.
                line = f"this line has {count(size).replace(',', ' ')} bytes\n".encode()
            out.write(_as_text(line) if is_json else line)
    return copy


def _loses_lines(path: Path, is_json: bool) -> bool:
    with path.open("rb") as file:
        while content := file.read(_BLOCK_BYTES) + file.readline(MAX_LINE_BYTES + 1):
            if len(content) > MAX_LINE_BYTES or (is_json and _as_text(content) != content):
                return True
    return False


def _as_text(content: bytes) -> bytes:
    """Return content as UTF-8 without the character that would end a cell."""
    if not content.isascii():
        content = content.decode("utf-8", "replace").encode()
    return content.replace(b"\x1f", b" ")
