"""Lines without what a container runtime, a journal or a launcher put around them, split by who wrote them.

The runtime's timestamp is put before a line without a full date, since it names the year and the zone that the line
lacks. Otherwise it is dropped.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from entro_engine import EntroError

_CRI = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (?:stdout|stderr) ([FP]) ?(.*)", re.DOTALL
)
_COMPOSE = re.compile(rb"(?:\x1b\[[\d;]*m)*([a-zA-Z0-9][a-zA-Z0-9_.-]{0,100}) +\| ?(?:\x1b\[0?m)? ?(.*)", re.DOTALL)
_SHORT = re.compile(
    rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)))"
    rb" ([^ \n]{1,255}) ([^ \[\n:]{1,100})\[\d{1,10}\]: (.*)",
    re.DOTALL,
)
_KUBECTL = re.compile(rb"\[pod/([\w.-]{1,253})/([\w.-]{1,63})\] ?(.*)", re.DOTALL)
# A pod of a deployment or of a stateful set: other names could be any two words.
_STERN = re.compile(rb"([a-z][a-z0-9.-]{0,240}-(?:[a-z0-9]{5}|\d{1,4})) ([a-z0-9][a-z0-9-]{0,62}) (.*)", re.DOTALL)
_FLUENTD = re.compile(
    rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})? ?(?:Z|[+-]\d\d:?\d\d))[ \t]([^ \t{]{1,300}?):?[ \t](\{.*\})\s*",
    re.DOTALL,
)
_RANK = re.compile(rb" {0,5}(\d{1,5}): (.*)", re.DOTALL)
_RAY = re.compile(
    rb"(?:\x1b\[\d*m)?\((\w*(?:Serve)?Replica[\w:.-]*) pid=(\d+)(?:, ip=([\d.]+))?\)(?:\x1b\[0m)? (.*)", re.DOTALL
)
_DATED = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NAMES_TIME = re.compile(rb'"(?:@?time\w*|ts|date\w*|asctime|t)"\s*:', re.IGNORECASE)
_TABULAR = re.compile(rb"\s*\{|[^ ]*[,\t;|][^ ]*$")
_LEAST_SHARE = 0.8
"""Share of the first lines that must be wrapped in the same way."""

_MOST_STREAMS = 1000
_MOST_BUFFERED_BYTES = 1 << 24

Identity = tuple[tuple[str, str], ...]
"""The names of who wrote a line, such as (("pod", "vllm-1"), ("container", "vllm")); empty if it names nobody."""

Unwrapped = tuple[bytes, bytes, Identity] | None
"""The timestamp (RFC 3339, or empty), the line inside, and who wrote it; None for a line not wrapped in that way."""


@dataclass
class Stream:
    """The lines of one writer in a log.

    Attributes:
        identity: who wrote them.
        path: the file with them.
        numbers: of each line, its number in the log, from 1; empty for a log with one stream.
    """

    identity: Identity
    path: Path
    numbers: array[int] = field(default_factory=lambda: array("q"))


def split_streams(source: Path, head: bytes, target: Path, only: Identity | None = None) -> list[Stream]:
    """Write the lines of a log without their wrapping, one file per writer.

    Args:
        source: the plain file.
        head: its first bytes.
        target: the beginning of the names of the files to write.
        only: the only writer whose lines are of interest.

    Returns:
        The streams in the order of their first lines; empty if the lines are not wrapped, and nothing was written.

    Raises:
        EntroError: if there are too many writers.
        OSError: if it cannot be read or written.
    """
    wrapping = wrapping_of(head)
    if not wrapping:
        return []
    streams = _Streams(target)
    with source.open("rb") as file:
        for number, (identity, content) in _lines(file, _WRAPPINGS[wrapping]):
            if only is None or identity == only[: len(identity)]:
                streams.add(identity, content, number)
    return [inner for stream in streams.close() for inner in _split_further(stream, len(head), only)]


def _split_further(stream: Stream, head_bytes: int, only: Identity | None) -> list[Stream]:
    """Return a stream, or the streams in it if its lines are wrapped once more, as those of compose in a journal."""
    with stream.path.open("rb") as file:
        head = file.read(head_bytes)
    rest = None if only is None else only[len(stream.identity) :]
    parts = split_streams(stream.path, head, stream.path.with_suffix(stream.path.suffix + ".in"), rest)
    return [
        Stream(stream.identity + part.identity, part.path, array("q", [stream.numbers[at - 1] for at in part.numbers]))
        for part in parts
    ] or ([stream] if only in {None, stream.identity} else [])


class _Streams:
    """Streams that are being written. Their lines are buffered, since there may be more of them than open files."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._streams: dict[Identity, Stream] = {}
        self._buffers: dict[Identity, list[bytes]] = {}
        self._buffered = 0

    def add(self, identity: Identity, content: bytes, number: int) -> None:
        """Add a line.

        Raises:
            EntroError: if there are too many streams.
        """
        if identity not in self._streams:
            if len(self._streams) >= _MOST_STREAMS:
                raise EntroError(f"more than {_MOST_STREAMS} writers in one log", remedy="split it by pod or service")
            path = self._target.with_name(f"{self._target.name}.{len(self._streams)}")
            self._streams[identity], self._buffers[identity] = Stream(identity, path), []
        self._buffers[identity].append(content)
        self._streams[identity].numbers.extend([number] * content.count(b"\n") or [number])
        self._buffered += len(content)
        if self._buffered > _MOST_BUFFERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        for identity, lines in self._buffers.items():
            if lines:
                with self._streams[identity].path.open("ab") as file:
                    file.writelines(lines)
                lines.clear()
        self._buffered = 0

    def close(self) -> list[Stream]:
        """Write what is buffered, and return the streams."""
        self._flush()
        return [*self._streams.values()]


def wrapping_of(head: bytes) -> str:
    """Return the name of the wrapping of a log's lines, from its first bytes; empty if there is none."""
    lines = [line for line in head.splitlines()[:200] if line.strip()]
    lines = lines[:-1] or lines  # the last one may be cut
    for name, unwrap_line in _WRAPPINGS.items():
        found = [unwrapped for unwrapped in map(unwrap_line, lines) if unwrapped is not None]
        if lines and len(found) >= _LEAST_SHARE * len(lines) and not _is_other_text(name, found):
            return name
    return ""


def _is_other_text(name: str, found: list[tuple[bytes, bytes, Identity]]) -> bool:
    """Return whether what looks like ranks, pods or services is another at most lines, or the column of a table."""
    if name not in _DOUBTFUL:
        return False
    rows = sum(b" | " in text for _, text, _ in found)
    return 2 * max(rows, len({identity for _, _, identity in found})) > max(len(found), 2)


def _lines(
    wrapped: Iterator[bytes], unwrap_line: Callable[[bytes], Unwrapped]
) -> Iterator[tuple[int, tuple[Identity, bytes]]]:
    """Yield the number of each line, its writer and the line inside.

    Parts of one line are joined, and as many empty lines follow as were joined to it, so that a log with one writer
    keeps the numbers of its lines.
    """
    open_parts: dict[Identity, tuple[bytes, int]] = {}
    for number, raw in enumerate(wrapped, 1):
        line = raw.rstrip(b"\r\n")
        end = raw[len(line) :]
        unwrapped = unwrap_line(line)
        if unwrapped is None:
            if end:  # an unfinished line may still become a wrapped one
                yield number, ((), raw)
            continue
        stamp, text, identity = unwrapped
        before, empty = open_parts.pop(identity, (b"", 0))
        if text.startswith(_PART):
            open_parts[identity] = before + text.removeprefix(_PART), empty + 1
            continue
        yield number, (identity, _with_stamp(stamp, before + text) + end + b"\n" * empty)
    for identity, (text, _) in open_parts.items():
        yield number, (identity, text)


_PART = b"\0part\0"
"""Mark of a line that continues in the next one; a text log has no NULs."""


def _with_stamp(stamp: bytes, line: bytes) -> bytes:
    if stamp and line.startswith(b'{"') and not _NAMES_TIME.search(line):
        return b'{"time": "' + stamp + b'", ' + line[1:]
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
    part = b"" if text.endswith("\n") or "kubernetes" in entry else _PART
    return str(entry["time"]).encode(), part + _one_line(text), _json_identity(entry)


def _cri(line: bytes) -> Unwrapped:
    """Unwrap `2024-12-09T13:31:59.800215693Z stderr F ...`, with P instead of F if the line continues in the next."""
    match = _CRI.fullmatch(line)
    return None if match is None else (match[1], (_PART if match[2] == b"P" else b"") + match[3], ())


def _collected(line: bytes) -> Unwrapped:
    """Unwrap a JSON object with a message and who wrote it, as fluentd, fluent-bit, vector and stern write."""
    if not line.startswith(b"{") or not any(key in line for key in _WRITERS):
        return None
    entry = _json_object(line) or {}
    identity = _json_identity(entry)
    text = entry.get("log", entry.get("message"))
    # An object with other fields may be a row of a table, or a log entry of a program that names its own pod.
    if not identity or not isinstance(text, str) or entry.keys() - _COLLECTED_KEYS:
        return None
    stamp = next(
        (entry[key] for key in ("@timestamp", "time", "timestamp", "date") if isinstance(entry.get(key), str)), ""
    )
    return str(stamp).encode(), _one_line(text), identity


def _fluentd(line: bytes) -> Unwrapped:
    """Unwrap what fluentd prints or writes to files: the time, a tag, and a JSON object with the line."""
    match = _FLUENTD.fullmatch(line)
    entry = _json_object(match[3]) if match else None
    text = None if entry is None else entry.get("log", entry.get("message"))
    if match is None or entry is None or not isinstance(text, str):
        return None
    stamp = _with_colon(match[1].replace(b" ", b"T", 1).replace(b" ", b""))
    return stamp, _one_line(text), _json_identity(entry) or (("tag", _name(match[2])),)


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
    names = (("host", entry.get("_HOSTNAME")), ("unit", entry.get("_SYSTEMD_UNIT", entry.get("SYSLOG_IDENTIFIER"))))
    identity = tuple((key, value) for key, value in names if isinstance(value, str))
    if not (micros.isdigit() and len(micros) < 18):
        return b"", text, identity
    when = datetime.fromtimestamp(int(micros) // 1_000_000, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{int(micros) % 1_000_000:06}Z".encode(), text, identity


def _journal_short(line: bytes) -> Unwrapped:
    """Unwrap `Jun 14 15:16:01 host unit[123]: ...`, or the full timestamp of `journalctl -o short-iso`."""
    match = _SHORT.fullmatch(line)
    if match is None:
        return None
    return _with_colon(match[1] or b""), match[4], (("host", _name(match[2])), ("unit", _name(match[3])))


def _compose(line: bytes) -> Unwrapped:
    """Unwrap the output of docker compose: the container's name, a bar, the line."""
    match = _COMPOSE.fullmatch(line)
    return None if match is None else (b"", match[2], (("service", _name(match[1])),))


def _kubectl(line: bytes) -> Unwrapped:
    """Unwrap `kubectl logs --prefix`: pod and container in brackets, the line."""
    match = _KUBECTL.fullmatch(line)
    return None if match is None else (b"", match[3], (("pod", _name(match[1])), ("container", _name(match[2]))))


def _stern(line: bytes) -> Unwrapped:
    """Unwrap the output of stern: pod, container, the line."""
    match = _STERN.fullmatch(line)
    return None if match is None else (b"", match[3], (("pod", _name(match[1])), ("container", _name(match[2]))))


def _ray(line: bytes) -> Unwrapped:
    """Unwrap what the driver of Ray prints of a replica: its deployment and process in parentheses, the line."""
    match = _RAY.fullmatch(line)
    if match is None:
        return None
    address = (("ip", _name(match[3])),) if match[3] else ()
    return b"", match[4], (("replica", _name(match[1])), ("pid", _name(match[2])), *address)


def _rank(line: bytes) -> Unwrapped:
    """Unwrap `srun --label`: the number of the task, a colon, the line."""
    match = _RANK.fullmatch(line)
    return None if match is None else (b"", match[2], (("task", _name(match[1])),))


def _json_identity(entry: dict[str, object]) -> Identity:
    """Return who wrote the line in a JSON object: its pod and container, or what else Docker and collectors name."""
    parts = [entry, *(value for key in ("kubernetes", "attrs") if isinstance(value := entry.get(key), dict))]
    found = {
        name: part[key] for part in parts for key, name in _IDENTITY_KEYS.items() if isinstance(part.get(key), str)
    }
    attrs = entry.get("attrs")
    if not found and isinstance(attrs, dict):
        found = {str(key): value for key, value in attrs.items() if isinstance(value, str)}
    return tuple((name, str(value)) for name, value in found.items())


def _name(name: bytes) -> str:
    return name.decode("utf-8", "replace")


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


_IDENTITY_KEYS = {
    "namespace_name": "namespace",
    "namespace": "namespace",
    "pod_name": "pod",
    "podName": "pod",
    "container_name": "container",
    "containerName": "container",
}
"""By key of a JSON object, the name of that part of an identity. Hosts and hashes of an image say nothing more."""
_WRITERS = (b'"pod_name"', b'"podName"', b'"container_name"', b'"containerName"')
_COLLECTED_KEYS = {
    "log",
    "message",
    "stream",
    "time",
    "@timestamp",
    "timestamp",
    "date",
    "_p",
    "kubernetes",
    "docker",
    "tag",
} | {
    *_IDENTITY_KEYS,
    *(
        "container_id",
        "source",
        "nodeName",
        "host",
        "level",
        "labels",
        "logtag",
        "file",
        "source_type",
        "partial_message",
    ),
}
_WRAPPINGS: dict[str, Callable[[bytes], Unwrapped]] = {
    "Docker": _docker,
    "Kubernetes (CRI)": _cri,
    "kubectl": _kubectl,
    "a collector of logs": _collected,
    "fluentd": _fluentd,
    "journald (JSON)": _journal_json,
    "journald": _journal_short,
    "docker compose": _compose,
    "Ray": _ray,
    "stern": _stern,
    "slurm": _rank,
}
_DOUBTFUL = {"stern", "slurm", "docker compose"}
"""Wrappings that other text may look like."""
