"""Tables of a log as relations in DuckDB, whatever their format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entro_cli.core.files import connect_duckdb
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.tables.first_lines import head_text, looks_like_json
from entro_cli.readers.tables.relations.csv_table import csv_table
from entro_cli.readers.tables.relations.json_table import json_table
from entro_cli.readers.tables.relations.parquet_table import parquet_table
from entro_cli.readers.tables.relations.table import Table

if TYPE_CHECKING:
    import duckdb


def open_table(connection: duckdb.DuckDBPyConnection, log: LogFile) -> Table:
    """Return the table in a log.

    Args:
        connection: the connection that reads it.
        log: the plain file.

    Raises:
        EntroError: if it cannot be read as a table at all.
    """
    table = parquet_table(connection, log) if log.is_parquet else _text_table(log)
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
        return parquet_table(connection, log)


def _text_table(log: LogFile) -> Table:
    return json_table(log) if looks_like_json(head_text(log)) else csv_table(log)
