"""Dataclasses as JSON documents: times in ISO 8601 with offset, infinities as text, NaN as null."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

_AT_ONCE = 4096
"""So many entries of a long list are made text of at once."""


def to_builtins(value: Any) -> Any:
    """A value as JSON can hold it: dataclasses as objects, tuples as lists, an infinity as text, NaN as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_builtins(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_builtins(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_builtins(part) for part in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def as_json(document: object) -> str:
    """A document as indented JSON text, without a newline at its end; other letters than ASCII are escaped."""
    return json.dumps(to_builtins(document), indent=2, allow_nan=False)  # ASCII: whole through any pipe


def json_parts(document: Mapping[str, Any]) -> Iterator[str]:
    """The text that `as_json` gives of an object, in parts.

    A sequence in it that makes its entries when they are looked at need not be in memory for it, nor its text.
    """
    before = "{"
    for key, value in document.items():
        yield f"{before}\n  {json.dumps(key)}: "
        if isinstance(value, Sequence) and not isinstance(value, str):
            yield from _list_parts(value)
        else:
            yield _indented(as_json(value))
        before = ","
    yield "\n}" if document else "{}"


def _list_parts(values: Sequence[Any]) -> Iterator[str]:
    """The text of a list within an object, some entries at a time."""
    before = "["
    for begin in range(0, len(values), _AT_ONCE):
        yield before + _indented(as_json(values[begin : begin + _AT_ONCE])[1:-2])  # without its brackets
        before = ","
    yield "\n  ]" if len(values) else "[]"


def _indented(text: str) -> str:
    """JSON as it stands within an object; within its strings a line end is written as an escape."""
    return text.replace("\n", "\n  ")
