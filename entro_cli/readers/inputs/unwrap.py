"""Lines without the wrapping that a container runtime or journal put around them: Docker, Kubernetes, journald.

A line stays a line, so that bad lines keep their numbers. The runtime's timestamp is put before a line without a full
date, since it names the year and the zone that the line lacks. Otherwise it is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

_CRI = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (?:stdout|stderr) ([FP]) ?(.*)", re.DOTALL
)
_COMPOSE = re.compile(rb"[a-zA-Z][a-zA-Z0-9_.-]{0,100}[-_]\d{1,3} +\| ?(.*)", re.DOTALL)
_SHORT = re.compile(
    rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)))"
    rb" [^ \n]{1,255} [^ \[\n:]{1,100}\[\d{1,10}\]: (.*)",
    re.DOTALL,
)
_DATED = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_TABULAR = re.compile(rb"\s*\{|[^ ]*[,\t;|][^ ]*$")
_LEAST_SHARE = 0.8
"""Share of the first lines that must be wrapped in the same way."""

Unwrapped = tuple[bytes, bytes] | None
"""The timestamp (RFC 3339, or empty) and the line inside; None for a line that is not wrapped in that way."""


def unwrap(source: Path, head: bytes, target: Path) -> str:
    """Write the lines of a log without their wrapping.

    Args:
        source: the plain file.
        head: its first bytes.
        target: the file to write.

    Returns:
        Name of the wrapping; empty if there is none and nothing was written.

    Raises:
        OSError: if it cannot be read or written.
    """
    wrapping = wrapping_of(head)
    if not wrapping:
        return ""
    with source.open("rb") as file, target.open("wb") as out:
        out.writelines(_lines(file, _WRAPPINGS[wrapping]))
    return wrapping


def wrapping_of(head: bytes) -> str:
    """Return the name of the wrapping of a log's lines, from its first bytes; empty if there is none."""
    lines = [line for line in head.splitlines()[:200] if line.strip()]
    lines = lines[:-1] or lines  # the last one may be cut
    for name, unwrap_line in _WRAPPINGS.items():
        if lines and sum(unwrap_line(line) is not None for line in lines) >= _LEAST_SHARE * len(lines):
            return name
    return ""


def _lines(wrapped: Iterator[bytes], unwrap_line: Callable[[bytes], Unwrapped]) -> Iterator[bytes]:
    """Yield the lines inside. Parts of one line are joined, and as many empty lines follow as were joined to it."""
    open_part, empty = b"", 0
    for raw in wrapped:
        line = raw.rstrip(b"\r\n")
        end = raw[len(line) :]
        unwrapped = unwrap_line(line)
        if unwrapped is None:
            yield raw if end else b""  # an unfinished line may still become a wrapped one
            continue
        stamp, text = unwrapped
        if text.startswith(_PART):
            open_part += text.removeprefix(_PART)
            empty += 1
            continue
        whole, open_part = open_part + text, b""
        yield _with_stamp(stamp, whole) + end
        yield b"\n" * empty
        empty = 0
    if open_part:
        yield open_part


_PART = b"\0part\0"
"""Mark of a line that continues in the next one; a text log has no NULs."""


def _with_stamp(stamp: bytes, line: bytes) -> bytes:
    # A timestamp before a row of CSV or JSON would break the row.
    if not stamp or _DATED.search(line[:80]) or _TABULAR.match(line) or not line.strip():
        return line
    return stamp + b" " + line


def _docker(line: bytes) -> Unwrapped:
    """Unwrap a line of Docker's json-file driver. A line that continues in the next has no line feed at its end."""
    if not line.startswith(b'{"log":'):
        return None
    entry = _json_object(line) or {}
    text = entry.get("log")
    if not isinstance(text, str) or "time" not in entry:
        return None
    return str(entry["time"]).encode(), (b"" if text.endswith("\n") else _PART) + _one_line(text)


def _cri(line: bytes) -> Unwrapped:
    """Unwrap `2024-12-09T13:31:59.800215693Z stderr F ...`, with P instead of F if the line continues in the next."""
    match = _CRI.fullmatch(line)
    return None if match is None else (match[1], (_PART if match[2] == b"P" else b"") + match[3])


def _journal_json(line: bytes) -> Unwrapped:
    """Unwrap `journalctl -o json`: the message is text, or a list of bytes if it is not valid text."""
    if b'"MESSAGE"' not in line or b'"__REALTIME_TIMESTAMP"' not in line:
        return None
    entry = _json_object(line)
    if entry is None:
        return None
    message, micros = entry.get("MESSAGE"), str(entry.get("__REALTIME_TIMESTAMP", ""))
    if isinstance(message, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in message):
        text = bytes(message).replace(b"\n", b" ")
    elif isinstance(message, str):
        text = _one_line(message)
    else:
        return None
    if not (micros.isdigit() and len(micros) < 18):
        return b"", text
    when = datetime.fromtimestamp(int(micros) // 1_000_000, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{int(micros) % 1_000_000:06}Z".encode(), text


def _journal_short(line: bytes) -> Unwrapped:
    """Unwrap `Jun 14 15:16:01 host unit[123]: ...`, or the full timestamp of `journalctl -o short-iso`."""
    match = _SHORT.fullmatch(line)
    return None if match is None else (_with_colon(match[1] or b""), match[2])


def _compose(line: bytes) -> Unwrapped:
    """Unwrap the output of docker compose: the container's name, a bar, the line."""
    match = _COMPOSE.fullmatch(line)
    return None if match is None else (b"", match[1])


def _with_colon(stamp: bytes) -> bytes:
    """Return a timestamp with its offset as in RFC 3339: +02:00."""
    return re.sub(rb"([+-]\d\d)(\d\d)$", rb"\1:\2", stamp)


def _one_line(text: str) -> bytes:
    return text.rstrip("\r\n").replace("\n", " ").encode("utf-8", "surrogateescape")


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


_WRAPPINGS: dict[str, Callable[[bytes], Unwrapped]] = {
    "Docker": _docker,
    "Kubernetes (CRI)": _cri,
    "journald (JSON)": _journal_json,
    "journald": _journal_short,
    "docker compose": _compose,
}
