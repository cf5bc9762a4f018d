"""Rows of tables that could not be read: their lines, their text, and the share that is too large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from entro_cli.core.console import printable
from entro_cli.core.files import sql_string
from entro_cli.readers.inputs.log_file import EmptyLogError, NoLogError
from entro_cli.readers.problems import SHOWN_BAD_ROWS, masked, printable_row
from entro_cli.readers.tables.first_lines import first_line, head_text
from entro_cli.readers.tables.relations.table import Table
from entro_cli.timeseries.observations import BadRow, ReadOptions
from entro_engine import EntroError

NOT_A_ROW = "not a row of the table"
"""Reason given for a row that has no cells at all."""


def other_header_sql(table: Table, used: Sequence[int]) -> str:
    """Return SQL of whether a row is another header, with other names in some columns than in the first of them."""
    first, *others = (
        f"trim(coalesce(c{column}, ''), ' \"') = {sql_string(table.columns[column].strip())}" for column in used
    )
    return f"{first} AND NOT ({' AND '.join(others) or 'true'})" if table.is_text and not table.is_json else "false"


def second_header(table: Table) -> EntroError:
    """Return the error for a table with such a row."""
    return EntroError(
        "has a second header, whose columns are others than those of the first",
        where=table.log.label,
        expected="rows of one table",
        remedy="split the file there",
    )


def bad_rows(
    table: Table,
    used: Sequence[int],
    wrong: Mapping[int, str],
    rest: str = "",
) -> tuple[BadRow, ...]:
    """Return the first few rows that could not be read, with their line numbers, in the order of the file.

    DuckDB does not know the line numbers of rows in text files. They are found by the cells of the rows, in one pass.

    Args:
        table: the table, of which all rows were fetched.
        used: indexes of the columns that were read.
        wrong: by number of a row, what was wrong with it; the number counts the rows that were fetched, from 0.
        rest: as it was when these were fetched.
    """
    first = sorted(wrong)[:SHOWN_BAD_ROWS]
    rejected_count, rejected_rows = table.rejected_count, table.rejected_rows
    found: list[BadRow] = []
    if first:
        select = ["coalesce(line, 0) AS line", *(f"coalesce(c{column}, '') AS u{column}" for column in used)]
        numbers = ", ".join(str(row + 1) for row in first)
        fetched = table.fetch(", ".join(select), f"{rest} QUALIFY row_number() OVER () IN ({numbers})")
        table.rejected_count, table.rejected_rows = rejected_count, rejected_rows  # this fetch counted them again
        cells = [[str(fetched[f"u{column}"][row]) for column in used] for row in range(len(first))]
        lines = fetched["line"].tolist()
        found = _with_lines(table, used, [wrong[row] for row in first], cells, lines)
    return tuple(sorted([*found, *rejected_rows], key=lambda row: row.line)[:SHOWN_BAD_ROWS])


def _with_lines(
    table: Table, used: Sequence[int], reasons: Sequence[str], cells: list[list[str]], known: Sequence[int]
) -> list[BadRow]:
    if not table.is_text:
        rows = zip(known, reasons, cells, strict=True)
        return [BadRow(line, reason, printable_row(", ".join(row))) for line, reason, row in rows]
    if not table.is_json:
        cells = [[cell.replace("\r", " ") for cell in row] for row in cells]  # as `text_rows` reads them
    found: list[BadRow] = []
    lines = table.text_rows()  # each search goes on behind the row found before
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
    """Return the error for a table that has a header and no rows, or none so far."""
    names = ", ".join(printable(name) for name in table.columns[:20])
    has_others = not table.is_json and any(text.strip() for _, _, text in table.text_rows())
    return (NoLogError if has_others else EmptyLogError)(
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
        beginning = "" if not table.is_text else f"; the file begins with: {begins}"
        raise EntroError(
            f"{skipped} of {good + skipped} rows cannot be read ({first}){beginning}",
            where=label,
            expected=expected,
            remedy=remedy,
        )
