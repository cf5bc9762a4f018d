"""Lines that a container runtime or a journal wrapped, made the lines that were written: Docker, Kubernetes, journald.

A line stays a line, so that bad lines keep their numbers. The runtime's own stamp is dropped where the line has a full
date of its own; else it is put before it, since it says the year and the zone that the line leaves out.
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
"""So many of the first lines have to be wrapped the same way."""

Unwrapped = tuple[bytes, bytes] | None
"""The stamp (RFC 3339, or nothing) and the line inside; None where a line is not wrapped that way."""


def unwrap(source: Path, head: bytes, target: Path) -> str:
    """Write what a log holds inside its wrapping.

    Args:
        source: the plain file.
        head: its first bytes.
        target: where to.

    Returns:
        What it was wrapped by, in words; empty where it is not, and nothing was written.

    Raises:
        OSError: when it cannot be read or written.
    """
    found = wrapping_of(head)
    if not found:
        return ""
    inner = _WRAPPINGS[found]
    with source.open("rb") as file, target.open("wb") as out:
        out.writelines(_lines(file, inner))
    return found


def wrapping_of(head: bytes) -> str:
    """What the lines of a log are wrapped by, from its first bytes; empty where by nothing that is known."""
    lines = [line for line in head.splitlines()[:200] if line.strip()]
    lines = lines[:-1] or lines  # the last one may be cut
    for name, inner in _WRAPPINGS.items():
        if lines and sum(inner(line) is not None for line in lines) >= _LEAST_SHARE * len(lines):
            return name
    return ""


def _lines(wrapped: Iterator[bytes], inner: Callable[[bytes], Unwrapped]) -> Iterator[bytes]:
    """The lines inside; parts of one line are joined, and empty lines stand for the rest of them."""
    open_part, empty = b"", 0
    for raw in wrapped:
        line = raw.rstrip(b"\r\n")
        end = raw[len(line) :]
        told = inner(line)
        if told is None:
            yield raw if end else b""  # one that has no end yet may still become wrapped
            continue
        stamp, text = told
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


def _with_stamp(stamp: bytes, line: bytes) -> bytes:
    if not stamp or _DATED.search(line[:80]) or _TABULAR.match(line) or not line.strip():
        return line
    return stamp + b" " + line


def _docker(line: bytes) -> Unwrapped:
    """Docker's json-file: a log, a stream, a time; a line that goes on in the next has no line feed at its end."""
    if not line.startswith(b'{"log":'):
        return None
    told = _json_object(line) or {}
    text = told.get("log")
    if not isinstance(text, str) or "time" not in told:
        return None
    return str(told["time"]).encode(), (b"" if text.endswith("\n") else _PART) + _one_line(text)


def _cri(line: bytes) -> Unwrapped:
    """`2024-12-09T13:31:59.800215693Z stderr F ...`; P instead of F where the line goes on in the next."""
    match = _CRI.fullmatch(line)
    return None if match is None else (match[1], (_PART if match[2] == b"P" else b"") + match[3])


def _journal_json(line: bytes) -> Unwrapped:
    """`journalctl -o json`: the message as text, or as a list of bytes where it is none."""
    if b'"MESSAGE"' not in line or b'"__REALTIME_TIMESTAMP"' not in line:
        return None
    told = _json_object(line)
    if told is None:
        return None
    message, micros = told.get("MESSAGE"), str(told.get("__REALTIME_TIMESTAMP", ""))
    if isinstance(message, list) and all(isinstance(one, int) and 0 <= one < 256 for one in message):
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
    """`Jun 14 15:16:01 host unit[123]: ...`, or with a full stamp, as `journalctl -o short-iso`."""
    match = _SHORT.fullmatch(line)
    return None if match is None else (_with_colon(match[1] or b""), match[2])


def _compose(line: bytes) -> Unwrapped:
    """What docker compose prints: the container's name, a bar, the line."""
    match = _COMPOSE.fullmatch(line)
    return None if match is None else (b"", match[1])


def _with_colon(stamp: bytes) -> bytes:
    """An offset as RFC 3339 has it: +02:00."""
    return re.sub(rb"([+-]\d\d)(\d\d)$", rb"\1:\2", stamp)


def _one_line(text: str) -> bytes:
    return text.rstrip("\r\n").replace("\n", " ").encode("utf-8", "surrogateescape")


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


_WRAPPINGS: dict[str, Callable[[bytes], Unwrapped]] = {
    "Docker": _docker,
    "Kubernetes (CRI)": _cri,
    "journald (JSON)": _journal_json,
    "journald": _journal_short,
    "docker compose": _compose,
}
