"""JSON lines as a relation of cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from msgspec.structs import replace

from entro_cli.core.files import sql_string
from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.readers.tables.first_lines import (
    SAMPLE_ROWS,
    head_text,
    json_cells,
    json_fields,
    json_object,
    split_lines,
)
from entro_cli.readers.tables.relations.table import Table, lines_sql

_LOOKS, _LOOK_BYTES = 64, 4096
"""Places of a file, and bytes from there on, in which keys are looked for."""


@dataclass
class JsonTable(Table):
    """JSON lines.

    Attributes:
        pointers: JSON pointers of the columns.
    """

    pointers: list[str] = field(default_factory=list)

    is_json: ClassVar[bool] = True

    def rows_sql(self) -> str:
        """Return SQL of the relation without further layers.

        DuckDB's reader of JSON stops at a malformed line, or makes it NULL without a reason.
        """
        pointers = map(sql_string, self.pointers)
        cells = "".join(f"json_extract_string(row, {pointer}) AS c{index}, " for index, pointer in enumerate(pointers))
        # To trim a line takes as long as to parse it, and few lines need it.
        has_text = "(starts_with(text, '{') OR trim(text) <> '')"
        rows = f"SELECT CASE WHEN json_valid(text) THEN text END AS row FROM {lines_sql(self.path)} WHERE {has_text}"
        broken = "coalesce(json_type(row), '') <> 'OBJECT' AS broken"
        return f"(SELECT {cells}{broken}, CAST(NULL AS BIGINT) AS line FROM ({rows}))"

    def text_rows(self) -> Iterator[tuple[int, list[str], str]]:
        """Yield the rows as Python reads them: the number of the line, by line feeds, the cells, the text."""
        with self.path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield number, json_cells(line, self.columns) if json_object(line) else [], line

    def late_columns(self) -> list[str]:
        """Return the keys that the first lines lack, and that some lines all over the file have."""
        size = self.path.stat().st_size
        names: dict[str, None] = {}
        with self.path.open("rb") as file:
            for place in range(0, size, max(size // _LOOKS, _LOOK_BYTES)):
                file.seek(place)
                for line in file.readlines(_LOOK_BYTES)[1:]:  # the first one may be cut
                    names |= dict.fromkeys(json_fields(json_object(line.decode(errors="replace"))))
        return [name for name in names if name not in self.columns]


def json_table(log: LogFile) -> JsonTable:
    """Return the table in JSON lines."""
    lines = split_lines(head_text(log))[:SAMPLE_ROWS]
    pointers: dict[str, str] = {}
    # A part of a log has the columns of the whole log: a key that appears only later is read in no part.
    first_lines = split_lines(head_text(replace(log, head=log.whole_head)))[:SAMPLE_ROWS] if log.whole_head else lines
    for line in first_lines:
        for name, (pointer, _) in json_fields(json_object(line)).items():
            pointers.setdefault(name, pointer)
    sample_lines = [*first_lines, *lines] if log.whole_head else lines
    sample = [json_cells(line, list(pointers)) for line in sample_lines if json_object(line)]
    return JsonTable(log, list(pointers), sample, log.path, pointers=list(pointers.values()))
