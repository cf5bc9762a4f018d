"""Rows that could not be read: where they stand, what they hold, and how many are too many."""

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
"""What is wrong with a row that has no cells at all."""


def unread_sql(used: Sequence[int]) -> str:
    """What `bad_rows` must have of a row, as SQL for `Table.fetch`.

    Args:
        used: the columns that were read, by their index.
    """
    return ", ".join(["coalesce(line, 0) AS line", *(f"coalesce(c{column}, '') AS u{column}" for column in used)])


def bad_rows(table: Table, used: Sequence[int], got: dict[str, Any], reasons: Sequence[str]) -> list[BadRow]:
    """Rows that could not be read with the lines they stand on, found by their cells, in the order of the file.

    Args:
        table: the table.
        used: the columns that were read.
        got: a few rows, in the order of the file, as `unread_sql` fetches them.
        reasons: what was wrong with each of them.
    """
    cells = [[str(got[f"u{column}"][row]) for column in used] for row in range(len(reasons))]
    if table.shape == "parquet":
        places = zip(got["line"].tolist(), reasons, cells, strict=True)
        return [BadRow(int(line), reason, printable_row(", ".join(own))) for line, reason, own in places]
    if table.shape == "csv":
        cells = [[cell.replace("\r", " ") for cell in own] for own in cells]
    found: list[BadRow] = []
    lines = text_rows(table)
    for reason, own in zip(reasons, cells, strict=True):
        line, text = next(
            ((line, text) for line, there, text in lines if _is_row(reason, own, there, text, used)),
            (0, ", ".join(own)),
        )
        found.append(BadRow(line, reason, printable_row(text)))
    return found


def _is_row(reason: str, own: Sequence[str], cells: Sequence[str], text: str, used: Sequence[int]) -> bool:
    """Whether a row of the file is this one: the same cells in the columns used, or as little of a row."""
    if reason == NOT_A_ROW:
        return not cells and bool(text.strip())
    return len(cells) > max(used) and [cells[index] for index in used] == list(own)


def no_rows(table: Table) -> EntroError:
    """What is said of a table that has a header and nothing under it."""
    names = ", ".join(printable(name) for name in table.columns[:20])
    return EmptyLogError(
        "has a header but no rows that fit it",
        where=table.log.label,
        expected=f"rows of {len(table.columns)} cells ({names})",
    )


def check_share(
    table: Table, good: int, skipped: int, bad: Sequence[BadRow], options: ReadOptions, *, expected: str, remedy: str
) -> None:
    """Refuse a table with no good row, with more bad rows than good ones, or with any bad row under --strict.

    Args:
        table: the table.
        good: how many rows were read.
        skipped: how many could not be.
        bad: the first few of those.
        options: what the user said.
        expected: what the table should be.
        remedy: what may be wrong with more bad rows than good ones.

    Raises:
        EntroError: when it is one of these.
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
        looks = "" if table.shape == "parquet" else f"; the file begins with: {begins}"
        raise EntroError(
            f"{skipped} of {good + skipped} rows cannot be read ({first}){looks}",
            where=label,
            expected=expected,
            remedy=remedy,
        )
