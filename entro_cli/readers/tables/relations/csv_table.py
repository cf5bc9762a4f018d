"""CSV as a relation of cells, and the rows that DuckDB rejects."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from entro_cli.core.files import sql_string
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.problems import SHOWN_BAD_ROWS, printable_row
from entro_cli.readers.tables.column_names import is_number
from entro_cli.readers.tables.first_lines import (
    SAMPLE_ROWS,
    first_rows,
    head_text,
    looks_like_json,
    sniff_csv,
    split_lines,
)
from entro_cli.readers.tables.relations.table import BUFFER, DROP_REJECTS, MAX_LINE, Table, run_query
from entro_cli.readers.timestamps import timestamp_format
from entro_cli.timeseries.observations import BadRow
from entro_cli.timeseries.problems import Problem, ProblemKind
from entro_engine import EntroError


@dataclass
class CsvTable(Table):
    """A CSV with a header.

    Attributes:
        quote: quote character; empty if quotes are read as text.
        header_offset: lines before the header.
    """

    quote: str = '"'
    header_offset: int = 0

    def rows_sql(self) -> str:
        """Return SQL of the relation without further layers."""
        names = [f"c{index}" for index in range(len(self.columns))]
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
        cells = ", ".join(names if self.quote else (f"trim({name}, ' \"') AS {name}" for name in names))
        return (
            f"(SELECT {cells}, false AS broken, CAST(NULL AS BIGINT) AS line "
            f"FROM read_csv({sql_string(str(self.path))}, columns = {{{columns}}}, "
            f"delim = {sql_string(self.delimiter)}, quote = {sql_string(self.quote)}, "
            f"escape = {sql_string(self.quote)}, header = true, skip = {self.header_offset}, auto_detect = false, "
            f"strict_mode = true, max_line_size = {MAX_LINE}, buffer_size = {BUFFER}, store_rejects = true))"
        )

    def text_rows(self) -> Iterator[tuple[int, list[str], str]]:
        """Yield the rows below the header as Python reads them: the line's number, by line feeds, the cells, the text.

        A carriage return inside a row is a space here.
        """
        with self.path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            # Python's csv raises an error at a carriage return inside a row, where DuckDB ends the row without one.
            lines = (re.sub(r"\r(?=[^\n])", " ", line) for line in file)
            reader, line_number = self._csv_reader(lines), 1
            for rows, cells in enumerate(reader):
                inner = [cell.rstrip("\r") if self.quote else cell.rstrip("\r").strip(' "') for cell in cells]
                if rows > self.header_offset:
                    yield line_number, inner, self.delimiter.join(cells)
                line_number = reader.line_num + 1

    def _fetched(self, select: str, rest: str, layers: Sequence[str]) -> dict[str, Any]:
        """Return columns.

        First quotes are read as quotes, then as text. If neither works, both are tried on a mended copy of the file.
        """
        for mend in (False, True) if not self._must_be_mended() else (True,):
            if mend:
                self._mend()
            for quote in ('"', ""):
                self.quote = quote
                rows = self._try_query(self._query(select, rest, layers))
                if rows is not None:
                    return rows
        raise EntroError("cannot be read as a table", where=self.log.label, expected="rows with equally many cells")

    def _try_query(self, query: str) -> dict[str, Any] | None:
        """Return the columns of a query and set the rejected rows.

        Returns:
            None if a quote swallows rows, or if the file must be mended first.
        """
        import duckdb

        self.connection.execute(DROP_REJECTS)
        try:
            rows = run_query(self.connection, query)
        except duckdb.InvalidInputException:
            return None
        return rows if self._note_rejects() else None

    def _note_rejects(self) -> bool:
        """Set the rejected rows after a query.

        Returns:
            False if a quote swallows rows, or if the file must be mended first.
        """
        connection = self.connection
        found = connection.execute(
            "SELECT DISTINCT min(error_type::VARCHAR) FROM reject_errors GROUP BY line_byte_position"
        )
        kinds = {row[0] for row in found.fetchall()}
        if "INVALID ENCODING" in kinds or (self.quote and kinds & {"UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM"}):
            return False
        # A row with several cells too many has as many errors, all with the row's position.
        rejects = "FROM (SELECT DISTINCT line_byte_position AS position, csv_line FROM reject_errors)"
        (self.rejected_count,) = connection.execute(f"SELECT count(*) {rejects}").fetchall()[0]
        first = connection.execute(f"SELECT position, csv_line {rejects} ORDER BY position LIMIT {SHOWN_BAD_ROWS}")
        self.rejected_rows = [self._rejected_row(*row) for row in first.fetchall()]
        return True

    def _must_be_mended(self) -> bool:
        """Return whether lines end with CR alone, or only some of the first with CRLF.

        DuckDB then skips too many before the header. Lines are counted by line feeds.
        """
        head = self.log.head
        if b"\n" not in head:
            return b"\r" in head and self.path != self.log.spool
        return self.header_offset > 0 and 0 < head.count(b"\r\n") < head.count(b"\n") and self.path == self.log.path

    def _mend(self) -> None:
        """Let the table read a copy of its file in UTF-8, with line feeds as line ends and no carriage returns."""
        raw = self.path.read_bytes()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
            self.problems.append(Problem(ProblemKind.LATIN_1))  # any bytes are Latin-1, so this cannot fail
        text = text.replace("\r\n", "\n")
        if "\n" not in text:
            text = text.replace("\r", "\n")  # classic Mac OS ended lines with them
        elif "\r" in text:
            text = text.replace("\r", " ")
            self.problems.append(Problem(ProblemKind.CARRIAGE_RETURNS))
        self.path = self.log.spool
        self.path.write_text(text, encoding="utf-8", newline="")

    def _rejected_row(self, position: int, text: str | None) -> BadRow:
        """Return a row that DuckDB rejected, with the number of its line, counted by line feeds.

        DuckDB's own line numbers do not count line feeds in quoted cells. Its text of a row begins with the blank lines
        before it.
        """
        line = (text or "").lstrip("\r\n")
        blank = (text or "")[: len(text or "") - len(line)].count("\n")
        with self.path.open("rb") as file:
            before = file.read(max(position - 1, 0)).count(b"\n")
        cells: list[str] = next(self._csv_reader([line]), [])
        return BadRow(
            before + blank + 1,
            f"{len(cells)} cell{'s' * (len(cells) != 1)} instead of {len(self.columns)}",
            printable_row(line),
        )

    def _csv_reader(self, lines: Iterable[str]) -> Any:
        """Return a CSV reader of rows of the table."""
        csv.field_size_limit(sys.maxsize)  # an error at cells of more than 128 KiB is Python's default
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE)


def csv_table(log: LogFile) -> CsvTable:
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
    return CsvTable(log, columns, sample, log.path, delimiter, header_offset=header_offset)


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
