"""First lines of a log as text: whether they are JSON lines or a CSV, and the header and the cells in them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from itertools import islice
from typing import Any

from entro_cli.readers.inputs.log_file import HEAD_BYTES, LogFile
from entro_cli.readers.problems import printable_row

SAMPLE_ROWS = 200
"""Number of first rows from which the columns are recognised."""

DELIMITERS = ",\t;|"

_EXCEL_LINE = re.compile(r'"?sep=([^"\w\s]|\t)"?\s*', re.IGNORECASE)
"""The line before a header that names the delimiter, for Excel."""

_MOST_TITLE = 8
"""Lines at the beginning of a file in which titles are looked for."""


def head_text(log: LogFile) -> str:
    """Return the head of a log as text: whole lines, unless the head is all of the log or a part of one line."""
    head = log.head.removeprefix(b"\xef\xbb\xbf")
    whole = head if len(log.head) < HEAD_BYTES else head[: head.rfind(b"\n") + 1] or head
    try:
        return whole.decode()
    except UnicodeDecodeError:
        return whole.decode("latin-1")


def first_line(text: str) -> str:
    """Return the first line that is not blank, as messages show it."""
    return printable_row(next((line for line in io.StringIO(text) if line.strip()), ""))


def looks_like_json(text: str) -> bool:
    """Return whether the first line that is not blank is a JSON object."""
    return bool(json_object(text.lstrip().partition("\n")[0]))


def split_lines(text: str) -> list[str]:
    """Return the lines of a text.

    Only line feeds and carriage returns end one. `str.splitlines` would split at form feeds and Unicode's separators.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def sniff_csv(text: str) -> tuple[str, int, list[str]]:
    """Return the delimiter of a CSV, the number of lines before its header, and the header's cells.

    Args:
        text: the head of the file.

    Returns:
        The delimiter with which most of the first rows have as many cells as the header. The header has one cell if
        there is no such delimiter.
    """
    lines = split_lines(text)
    header_offset = next((index for index in range(len(lines)) if _may_be_header(lines, index)), 0)
    named = next((found[1] for line in lines[:header_offset] if (found := _EXCEL_LINE.fullmatch(line))), "")
    best = named or max(DELIMITERS, key=lambda each: _agreement(first_rows(lines[header_offset:], each, 50)))
    return best, header_offset, next(iter(first_rows(lines[header_offset:], best, 1)), [])


def _may_be_header(lines: list[str], index: int) -> bool:
    """Return whether a line is no comment, no line for Excel, and no title with an empty line below it."""
    line = lines[index]
    is_title = index < _MOST_TITLE and not set(line) & set(DELIMITERS) and not "".join(lines[index + 1 : index + 2])
    return bool(line.strip()) and not line.startswith("#") and not _EXCEL_LINE.fullmatch(line) and not is_title


def first_rows(lines: list[str], delimiter: str, limit: int) -> list[list[str]]:
    """Return the cells of the first rows that are not blank; a quoted cell may span several lines."""
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    return list(islice(filter(None, reader), limit))


def _agreement(rows: list[list[str]]) -> tuple[float, int]:
    """Return the share of rows with as many cells as the first row, and that number; zeros if it has one cell."""
    counts = [len(cells) for cells in rows]
    if not counts or counts[0] < 2:
        return 0.0, 0
    return Counter(counts)[counts[0]] / len(counts), counts[0]


def json_object(line: str) -> dict[str, Any]:
    """Return the JSON object in a line; an empty one for other lines."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def json_fields(row: dict[str, Any], pointer: str = "", prefix: str = "", depth: int = 3) -> dict[str, tuple[str, Any]]:
    """Return the JSON pointer and the value of each field by name; `req.url` is the field `url` of the object `req`."""
    fields: dict[str, tuple[str, Any]] = {}
    for key, value in row.items():
        place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        if isinstance(value, dict) and depth:
            inner = json_fields(value, place, f"{prefix}{key}.", depth - 1)
        else:
            inner = {prefix + key: (place, value)}
        fields |= {name: field for name, field in inner.items() if name not in fields}
    return fields


def json_cells(line: str, columns: list[str]) -> list[str]:
    """Return the cells of a line of JSON, empty where it has no such field."""
    fields = json_fields(json_object(line))
    values = (fields[name][1] if name in fields else None for name in columns)
    return ["" if value is None else _json_text(value) for value in values]


def _json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
