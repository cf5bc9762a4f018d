"""Parquet as a relation of cells: as text, and in their types."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from entro_cli.core.files import quoted_name
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.inputs.parquet_file import parquet_rows, parquet_source, refuse_too_well_packed
from entro_cli.readers.tables.first_lines import SAMPLE_ROWS
from entro_cli.readers.tables.relations.table import Table, unreadable
from entro_cli.readers.tables.timestamp_sql import WHOLE_NUMBERS, TimestampSql, typed_timestamp_sql
from entro_cli.readers.timestamps import TimestampFormat

if TYPE_CHECKING:
    import duckdb

LINE_COLUMN = "entro.line"
"""Last column of a Parquet file that was made from the lines of a text log: the numbers of the lines."""

_DOUBLE_DIGITS = 15


@dataclass
class ParquetTable(Table):
    """A Parquet file. Its relation has n0, n1, ..., too: the cells in their types.

    Attributes:
        types: DuckDB's types of the columns.
        line_sql: SQL of the number of a row's line.
    """

    types: list[str] = field(default_factory=list)
    line_sql: str = "file_row_number + 1"

    is_text: ClassVar[bool] = False

    def number_sql(self, column: int) -> str:
        """Return SQL of a cell as a plain number, a DOUBLE; NULL if it is none.

        A REAL is read as text: its shortest digits are those that the writer meant. A DECIMAL with as many digits as a
        DOUBLE holds becomes the DOUBLE that its text is.
        """
        kind = self.types[column]
        digits = int(found[1]) if (found := re.match(r"DECIMAL\((\d+),", kind)) else _DOUBLE_DIGITS + 1
        if kind in WHOLE_NUMBERS or kind == "DOUBLE" or digits <= _DOUBLE_DIGITS:
            return f"CAST(n{column} AS DOUBLE)"
        return super().number_sql(column)

    def text_sql(self, column: int) -> str:
        """Return SQL of a cell as text for a branch that few rows take: the others are not cast then."""
        return f"CAST(n{column} AS VARCHAR)"

    def timestamp_sql(self, column: int, form: TimestampFormat, name: str) -> TimestampSql:
        """Return SQL of a cell as a timestamp; `name` begins the names of its layers."""
        typed = typed_timestamp_sql(f"n{column}", self.types[column], form)
        return typed or super().timestamp_sql(column, form, name)

    def rows_sql(self) -> str:
        """Return SQL of the relation without further layers."""
        names = [*enumerate(map(quoted_name, self.columns))]
        cells = ", ".join(f"CAST({name} AS VARCHAR) AS c{index}, {name} AS n{index}" for index, name in names)
        source = parquet_rows(self.path, self.columns, self.types)
        return f"(SELECT {cells}, false AS broken, {self.line_sql} AS line FROM {source})"


def parquet_table(connection: duckdb.DuckDBPyConnection, log: LogFile) -> ParquetTable:
    """Return the table in a Parquet file.

    Raises:
        EntroError: if it is damaged, or unpacks to far too much.
    """
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
    sample = [["" if cell is None else cell for cell in row[:used]] for row in rows]
    table = ParquetTable(log, names[:used], sample, log.path, types=types[:used])
    if has_lines:
        table.line_sql = quoted_name(LINE_COLUMN)
    return table
