"""Rows of tables that could not be read: their lines, their text, and the share that is too large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from entro_cli.core.console import printable
from entro_cli.readers.inputs.log_file import EmptyLogError
from entro_cli.readers.problems import masked, printable_row
from entro_cli.readers.tables.duckdb_table import Table, first_line, head_text, text_rows
from entro_cli.timeseries.observations import BadRow, ReadOptions
from entro_engine import EntroError

NOT_A_ROW = "not a row of the table"
"""Reason given for a row that has no cells at all."""


def bad_row_sql(used: Sequence[int]) -> str:
    """Return SQL for `Table.fetch` of the columns that `bad_rows` needs.

    Args:
        used: indexes of the columns that were read.
    """
    return ", ".join(["coalesce(line, 0) AS line", *(f"coalesce(c{column}, '') AS u{column}" for column in used)])


def bad_rows(table: Table, used: Sequence[int], fetched: dict[str, Any], reasons: Sequence[str]) -> list[BadRow]:
    """Return rows that could not be read, with their line numbers, in the order of the file.

    DuckDB does not know the line numbers of rows in text files. They are found by the cells of the rows, in one pass.

    Args:
        table: the table.
        used: indexes of the columns that were read.
        fetched: a few rows, in the order of the file, as `bad_row_sql` selects them.
        reasons: what was wrong with each of them.
    """
    cells = [[str(fetched[f"u{column}"][row]) for column in used] for row in range(len(reasons))]
    if table.shape == "parquet":
        numbered = zip(fetched["line"].tolist(), reasons, cells, strict=True)
        return [BadRow(int(line), reason, printable_row(", ".join(row))) for line, reason, row in numbered]
    if table.shape == "csv":
        cells = [[cell.replace("\r", " ") for cell in row] for row in cells]  # as `text_rows` reads them
    found: list[BadRow] = []
    lines = text_rows(table)  # an iterator: each search goes on behind the row found before
    for reason, row in zip(reasons, cells, strict=True):
        line, text = next(
            ((line, text) for line, candidate, text in lines if _is_same_row(reason, row, candidate, text, used)),
            (0, ", ".join(row)),
        )
        found.append(BadRow(line, reason, printable_row(text)))
    return found


def _is_same_row(reason: str, row: Sequence[str], cells: Sequence[str], text: str, used: Sequence[int]) -> bool:
    """Return whether a row of the file has a bad row's cells in the columns used, or like it is not a row at all."""
    if reason == NOT_A_ROW:
        return not cells and bool(text.strip())
    return len(cells) > max(used) and [cells[index] for index in used] == list(row)


def no_rows(table: Table) -> EntroError:
    """Return the error for a table that has a header and no rows."""
    names = ", ".join(printable(name) for name in table.columns[:20])
    return EmptyLogError(
        "has a header but no rows that fit it",
        where=table.log.label,
        expected=f"rows of {len(table.columns)} cells ({names})",
    )


def check_bad_rows(
    table: Table, good: int, skipped: int, bad: Sequence[BadRow], options: ReadOptions, *, expected: str, remedy: str
) -> None:
    """Raise an error if a table has no good row, more bad rows than good ones, or any bad row with --strict.

    Args:
        table: the table.
        good: number of rows that were read.
        skipped: number of rows that could not be read.
        bad: the first few of those.
        options: how the table is read.
        expected: content that the table should have, for the message.
        remedy: likely cause of more bad rows than good ones, for the message.

    Raises:
        EntroError: in these cases.
    """
    label = table.log.label
    first = str(bad[0]) if bad else ""
    if not good and not skipped:
        raise no_rows(table)
    if skipped and options.strict:
        raise EntroError(first, where=label, expected="good rows only, with --strict")
    if skipped > good:
        begins = first_line(head_text(table.log))
        begins = masked(begins) if options.redact else begins
        beginning = "" if table.shape == "parquet" else f"; the file begins with: {begins}"
        raise EntroError(
            f"{skipped} of {good + skipped} rows cannot be read ({first}){beginning}",
            where=label,
            expected=expected,
            remedy=remedy,
        )
