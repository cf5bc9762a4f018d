"""SQL of Parquet files. Those that could take all memory are refused, or their long texts are cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from entro_cli.core.files import quoted_name, sql_string
from entro_cli.readers.inputs.decompress import MOST_RATIO, UNPACKED_BYTES, too_well_packed

if TYPE_CHECKING:
    import duckdb

_LONGEST_TEXT = 1 << 12
"""Chosen: times, numbers and names are far shorter. A dictionary stores a text once for any number of rows."""


def parquet_rows(path: Path, names: Sequence[str], types: Sequence[str]) -> str:
    """Return SQL of the rows of a Parquet file and `file_row_number`.

    A text that is too long is cut and gets a mark, so that it is no number, no time, and no other text.

    Args:
        path: the file.
        names: the names of its columns.
        types: DuckDB's types of them.
    """
    too_long = {
        "VARCHAR": "WHEN strlen({0}) > {1} THEN left({0}, {1}) || '…'",
        "BLOB": "WHEN octet_length({0}) > {1} THEN encode('…')",
    }
    cut = [
        f"CASE {too_long[kind].format(column, _LONGEST_TEXT)} ELSE {column} END AS {column}"
        for column, kind in zip(map(quoted_name, names), types, strict=True)
        if kind in too_long
    ]
    source = parquet_source(path, "file_row_number = true")
    return f"(SELECT * REPLACE ({', '.join(cut)}) FROM {source})" if cut else source


def parquet_source(path: Path, *options: str) -> str:
    """Return SQL that reads a Parquet file, as it is."""
    # Without the option, a folder called `key=value` on the path would become a column.
    return f"read_parquet({', '.join([sql_string(str(path)), 'hive_partitioning = false', *options])})"


def refuse_too_well_packed(connection: duckdb.DuckDBPyConnection, path: Path, label: str) -> None:
    """Raise an error if the pages of a file unpack to far more than its size.

    Raises:
        EntroError: if they do.
        duckdb.Error: if it cannot be read.
    """
    query = f"SELECT sum(total_uncompressed_size) FROM parquet_metadata({sql_string(str(path))})"
    ((unpacked,),) = connection.execute(query).fetchall()
    if (unpacked or 0) > max(UNPACKED_BYTES, MOST_RATIO * path.stat().st_size):
        raise too_well_packed(label, "write it without compression")
