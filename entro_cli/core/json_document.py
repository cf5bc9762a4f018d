"""Structs as JSON documents, with times in ISO 8601 with an offset, infinities as text and NaN as null."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from entro_cli.core.urls import masked

_BATCH_ENTRIES = 4096
"""Entries of a long list that are encoded together."""


def to_builtins(value: Any) -> Any:
    """Return a value as JSON types: structs as objects, tuples as lists, infinities as text, NaN as null.

    URLs in texts lose their secrets.
    """
    if value is None or isinstance(value, float | int | str):  # most values of a long document
        return _plain_scalar(value)
    if isinstance(value, msgspec.Struct):
        return {name: to_builtins(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {_well_formed(str(key)): to_builtins(part) for key, part in value.items()}
    return [to_builtins(part) for part in value] if isinstance(value, Sequence) else _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return value.isoformat()
    return masked(_well_formed(str(value))) if isinstance(value, str | Path) else value


def _well_formed(text: str) -> str:
    """Return a text in which bytes that are not UTF-8, as in names of files, are escapes, as on a terminal."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def as_json(document: object) -> str:
    """Return a document as indented JSON text, in ASCII, without a newline at its end."""
    # ASCII survives any locale. With an indent `dumps` takes several times as long.
    return msgspec.json.format(json.dumps(to_builtins(document), allow_nan=False))


def sealed(document: Mapping[str, Any]) -> bytes:
    """Return a document of JSON types as text with a hash of its content, for a file that only entro writes."""
    return json.dumps({**document, "hash": _hash_of(document)}, indent=1).encode() + b"\n"


def unsealed(content: bytes) -> dict[str, Any]:
    """Return the document in the text that `sealed` made.

    Raises:
        ValueError: if it is no JSON object, or was changed. A text of an earlier release has no hash.
    """
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError("not an object")
    found = document.pop("hash", None)
    if found not in {None, _hash_of(document)}:
        raise ValueError("its content has changed since it was written")
    return document


def _hash_of(document: Mapping[str, Any]) -> str:
    from hashlib import blake2b  # it loads OpenSSL, which most commands do not need

    return blake2b(json.dumps(document, sort_keys=True).encode(), digest_size=16).hexdigest()


def json_parts(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of `as_json` for an object in parts.

    A lazy sequence in the object, such as `Incidents`, need not be in memory as a whole, and neither must its text.
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
    """Yield the text of a list within an object, some entries at a time."""
    before = "["
    for begin in range(0, len(values), _BATCH_ENTRIES):
        yield before + _indented(
            as_json(values[begin : begin + _BATCH_ENTRIES])[1:-2]
        )  # without the brackets of this part
        before = ","
    yield "\n  ]" if len(values) else "[]"


def _indented(text: str) -> str:
    """Indent JSON by one level. Strings are safe, because a line end within one is written as an escape."""
    return text.replace("\n", "\n  ")
