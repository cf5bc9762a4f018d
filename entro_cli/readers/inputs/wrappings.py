"""Wrappings of lines by container runtimes, journals and launchers, and the writers of the lines.

The runtime's timestamp is put before a line without a full date, since it names the year and the zone that the line
lacks. Otherwise it is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

Identity = tuple[tuple[str, str], ...]
"""The names of who wrote a line, such as (("pod", "vllm-1"), ("container", "vllm")); empty if it names nobody."""

Unwrapped = tuple[bytes, bytes, Identity] | None
"""The timestamp (RFC 3339, or empty), the line inside, and who wrote it; None for a line not wrapped in that way."""

PART = b"\0part\0"
"""Mark of a line that continues in the next one; a text log has no NULs."""

_LEAST_SHARE = 0.8
"""Share of the first lines that must be wrapped in the same way."""

_DATED = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NAMES_TIME = re.compile(rb'"(?:@?time\w*|ts|date\w*|asctime|t)"\s*:', re.IGNORECASE)
_TABULAR = re.compile(rb"\s*\{|[^ ]*[,\t;|][^ ]*$")

_COLOUR = rb"(?:\x1b\[[\d;]*m)*"
_STAMP = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})? ?(?:Z|UTC|[+-]\d\d:?\d\d)"
_STAMPED = rb"(?:(?P<stamp>%s) )?" % _STAMP
# A pod of a deployment or of a stateful set: other names could be any word.
_POD = rb"[a-z][a-z0-9.-]{0,240}-(?:[a-z0-9]{5}|\d{1,4})"
_PATTERNS = {
    "Kubernetes (CRI)": rb"(?P<stamp>%s) (?:stdout|stderr) (?:F|(?P<part>P)) ?(?P<text>.*)" % _STAMP,
    # Runtimes print nine digits. Only JSON and Envoy's lines, which a timestamp would break, have to be unwrapped.
    "timestamps": rb"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (?P<text>\{.*\}|\[\d{4}-\d\d-\d\dT.*)",
    "kubectl": _STAMPED
    + rb"%s\[pod/(?P<pod>[\w.-]{1,253})/(?P<container>[\w.-]{1,63})\]%s ?(?P<text>.*)" % (_COLOUR, _COLOUR),
    "journald": rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,6})?|(?:[A-Z][a-z]{2} )?(?P<stamp>%s|\d{10}\.\d{6})"
    rb") (?P<host>[^ ]{1,255}) (?P<unit>[^ \[:]{1,100})\[\d{1,10}\]: (?P<text>.*)" % _STAMP,
    "syslog": rb"<\d{1,3}>1 (?P<stamp>%s) (?P<host>[^ ]{1,255}) (?P<unit>[^ ]{1,48}) [^ ]{1,128} [^ ]{1,32}"
    rb" (?:-|\[[^\]]*\])(?: \xef\xbb\xbf| )?(?P<text>.*)" % _STAMP,
    "docker compose": _STAMPED
    + rb"%s(?P<service>[a-zA-Z0-9][a-zA-Z0-9_.@-]{0,100})%s +\| ?%s ?(?P<text>.*)" % (_COLOUR, _COLOUR, _COLOUR),
    "Ray": _STAMPED
    + rb"%s\((?P<replica>\w*Replica[\w:.-]*|\w+(?= pid=\d+, ip=)) pid=(?P<pid>\d+)(?:, ip=(?P<ip>[\d.]+))?\)%s"
    rb" (?P<text>.*)" % (_COLOUR, _COLOUR),
    "stern": rb"(?:%s(?P<namespace>[a-z0-9][a-z0-9-]{0,62})%s )?%s(?P<pod>%s)%s"
    rb" %s(?P<container>[a-z0-9][a-z0-9-]{0,62})%s (?P<text>.*)"
    % (_COLOUR, _COLOUR, _COLOUR, _POD, _COLOUR, _COLOUR, _COLOUR),
    "kubetail": rb"%s\[(?P<pod>%s)(?: (?P<container>[a-z0-9-]{1,63}))?\]%s (?P<text>.*)" % (_COLOUR, _POD, _COLOUR),
    "Loki": rb"(?P<stamp>%s) \{(?P<labels>[^{}]{0,1000})\} (?P<text>.*)" % _STAMP,
    "CloudWatch": rb"(?P<stamp>%s) (?P<stream>[\w.-]{1,200}(?:/[\w.\[\]$-]{1,200})+) (?P<text>.*)" % _STAMP,
    "torchrun": _STAMPED + rb"\[(?:rank|default)(?P<task>\d{1,5})\]: ?(?P<text>.*)",
    "MPI": _STAMPED + rb"\[\d+,(?P<task>\d+)\]<std\w+>: ?(?P<text>.*)",
    "slurm": rb" {0,5}(?P<task>\d{1,5}): (?P<text>.*)",
}
"""By wrapping, the pattern of a line; groups other than these three are names of who wrote it."""
_DOUBTFUL = {"CloudWatch", "docker compose", "kubetail", "slurm", "stern"}
"""Wrappings that other text may look like."""

_FLUENTD = re.compile(rb"(?P<stamp>%s)[ \t](?P<tag>[^ \t{]{1,300}?):?[ \t](?P<json>\{.*\})\s*" % _STAMP, re.DOTALL)
_FLUENT_BIT = re.compile(
    rb"(?:\[\d+\] )?(?P<tag>[^ \t{]{1,300}): \[\[?(?P<stamp>\d{9,10}\.\d+)(?:, \{[^{}]*\}\])?, (?P<json>\{.*\})\]",
    re.DOTALL,
)
_TABLE_ROW = re.compile(rb" \| *[-+\d.,]+ *$")


@lru_cache(maxsize=16)  # a log that grows is opened again and again
def wrapping_of(head: bytes) -> str:
    """Return the name of the wrapping of a log's lines, from its first bytes; empty if there is none."""
    lines = [line for line in head.splitlines()[:200] if line.strip()]
    lines = lines[:-1] or lines  # the last one may be cut
    for name, unwrap_line in WRAPPINGS.items():
        found = [unwrapped for unwrapped in map(unwrap_line, lines) if unwrapped is not None]
        if lines and len(found) >= _LEAST_SHARE * len(lines) and not _is_other_text(name, found):
            return name
    return ""


def _is_other_text(name: str, found: list[tuple[bytes, bytes, Identity]]) -> bool:
    """Return whether what looks like ranks, pods or services is another at most lines, or the column of a table."""
    if name not in _DOUBTFUL:
        return False
    rows = sum(_TABLE_ROW.search(text) is not None for _, text, _ in found)
    return 2 * max(rows, len({identity for _, _, identity in found})) > max(len(found), 2)


def with_stamp(stamp: bytes, line: bytes) -> bytes:
    """Return a line behind the timestamp of the runtime, if it has none itself."""
    if stamp and line.startswith(b'{"') and not _NAMES_TIME.search(line):
        return b'{"time": "' + stamp + b'", ' + line[1:]
    # A timestamp before a row of CSV or JSON would break the row.
    if not stamp or _DATED.search(line[:80]) or _TABULAR.match(line) or not line.strip():
        return line
    return stamp + b" " + line


def _by_pattern(pattern: bytes) -> Callable[[bytes], Unwrapped]:
    """Return the function that unwraps lines of a pattern with the groups `text`, `stamp`, `part` and names."""
    compiled = re.compile(pattern, re.DOTALL)
    groups = compiled.groupindex
    names = [name for name in groups if name not in {"text", "stamp", "part"}]
    values, stamp, part = [groups[name] for name in names], groups.get("stamp"), groups.get("part")
    text = groups["text"]
    identities: dict[object, Identity] = {}  # a log has few writers and many lines

    def unwrap_line(line: bytes) -> Unwrapped:
        match = compiled.fullmatch(line)
        if match is None:
            return None
        writer = match.group(*values) if values else None
        identity = identities.get(writer)
        if identity is None:
            given = ((name, match[name]) for name in names if match[name])
            identity = identities[writer] = tuple((name, value.decode("utf-8", "replace")) for name, value in given)
        inside = PART + match[text] if part and match[part] else match[text]
        return _rfc3339(match[stamp] or b"") if stamp else b"", inside, identity

    return unwrap_line


def _docker(line: bytes) -> Unwrapped:
    """Unwrap a line of Docker's json-file driver. A line that continues in the next has no line feed at its end."""
    if not line.startswith(b'{"log":'):
        return None
    entry = _json_object(line) or {}
    text = entry.get("log")
    if not isinstance(text, str) or "time" not in entry:
        return None
    part = b"" if text.endswith("\n") or "kubernetes" in entry else PART
    return _rfc3339(str(entry["time"]).encode()), part + _one_line(text), _json_identity(entry)


def _collected(line: bytes) -> Unwrapped:
    """Unwrap a JSON object with a line of text and who wrote it, as collectors and stores of logs write.

    Objects with numbers or fields of a request are entries of a program that names its own pod: they stay as they are.
    """
    if not line.startswith(b"{") or not _WRITER.search(line):
        return None
    entry = _json_object(line) or {}
    identity = _json_identity(entry)
    text = next((entry[key] for key in _TEXTS if isinstance(entry.get(key), str)), None)
    numbers = {key for key, value in entry.items() if type(value) in {int, float}}
    if not identity or text is None or numbers - _NUMBERS or entry.keys() & REQUEST_KEYS:
        return None
    stamp = next((str(entry[key]) for key in ("@timestamp", "time", "timestamp", "date") if key in entry), "")
    return _rfc3339(stamp.encode()), _one_line(str(text)), identity


def _fluentd(line: bytes) -> Unwrapped:
    """Unwrap what fluentd or fluent-bit print or write to files: the time, a tag, and a JSON object with the line."""
    match = _FLUENTD.fullmatch(line) or _FLUENT_BIT.fullmatch(line)
    # fluent-bit prints to the terminal what it calls msgpack: JSON with arrows.
    entry = _json_object(match["json"]) or _json_object(match["json"].replace(b'"=>', b'":')) if match else None
    text = None if entry is None else entry.get("log", entry.get("message"))
    if match is None or entry is None or not isinstance(text, str):
        return None
    identity = _json_identity(entry) or (("tag", match["tag"].decode("utf-8", "replace")),)
    return _rfc3339(match["stamp"]), _one_line(text), identity


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
    unit = entry.get("_SYSTEMD_UNIT", entry.get("SYSLOG_IDENTIFIER"))
    names = {"host": entry.get("_HOSTNAME"), "unit": unit, "container": entry.get("CONTAINER_NAME")}
    identity = tuple((key, value) for key, value in names.items() if isinstance(value, str))
    if not (micros.isdigit() and 15 <= len(micros) < 18):
        return b"", text, identity
    return _rfc3339(f"{micros[:-6]}.{micros[-6:]}".encode()), text, identity


def _json_identity(entry: dict[str, object]) -> Identity:
    """Return who wrote the line in a JSON object: pod and container, host, or what else Docker and collectors name."""
    found: dict[str, str] = {}
    for path, value in _texts_in(entry, ()):
        name = _IDENTITY_KEYS.get(".".join(path[-2:]), _IDENTITY_KEYS.get(path[-1]))
        if name is not None:
            found.setdefault(name, value)
    attrs = entry.get("attrs")
    if not found and isinstance(attrs, dict):
        found = {str(key): value for key, value in attrs.items() if isinstance(value, str)}
    # The host of a pod says nothing more, and a pod that moves to another host is the same.
    return tuple((name, value) for name, value in found.items() if name != "host" or "pod" not in found)


def _texts_in(value: dict[str, object], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the texts in a JSON object and in the objects in it, with the keys that lead to them."""
    for key, part in value.items():
        if isinstance(part, str):
            yield (*path, key), part
        elif isinstance(part, dict) and len(path) < 3:
            yield from _texts_in(part, (*path, key))


def _rfc3339(stamp: bytes) -> bytes:
    """Return a timestamp, or seconds since the epoch, as RFC 3339 has it: with a T, and an offset such as +02:00."""
    if not stamp or (stamp[10:11] == b"T" and stamp.endswith(b"Z")):  # most lines
        return stamp
    if re.fullmatch(rb"\d{9,10}(\.\d{1,9})?", stamp):
        seconds, _, fraction = stamp.partition(b".")
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%S}.".encode() + (fraction or b"0") + b"Z"
    whole = stamp.replace(b" ", b"T", 1).replace(b" ", b"").replace(b"UTC", b"Z")
    return re.sub(rb"([+-]\d\d)(\d\d)$", rb"\1:\2", whole)


def _one_line(text: str) -> bytes:
    return text.rstrip("\r\n").replace("\n", " ").encode("utf-8", "surrogateescape")


def _json_object(line: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


_IDENTITY_KEYS = {
    **dict.fromkeys(("namespace_name", "namespace", "kubernetes.namespace"), "namespace"),
    **dict.fromkeys(("pod_name", "podName", "pod", "pod.name", "kubernetes.pod"), "pod"),
    **dict.fromkeys(("container_name", "containerName", "_container_name", "container", "container.name"), "container"),
    **dict.fromkeys(("host", "hostname", "host.name"), "host"),
    **dict.fromkeys(("logStreamName", "logstreamname", "@logStream", "logstream"), "stream"),
}
"""By key of a JSON object, or by the last two of keys in keys, the name of that part of an identity."""
_WRITER = re.compile(rb'"(?:_?container(?:_n|N)ame|pod(?:_n|N)ame|pod|host|hostname|kubernetes|@logStream)"')
_TEXTS = "log", "message", "short_message", "textPayload", "line", "@message"
_NUMBERS = {"date", "time", "timestamp", "@timestamp", "level", "severity", "priority", "pid", "offset", "version"}
REQUEST_KEYS = {"status", "status_code", "method", "path", "url", "uri", "duration", "latency", "request_time"}
WRAPPINGS: dict[str, Callable[[bytes], Unwrapped]] = {
    "Docker": _docker,
    "a collector of logs": _collected,
    "fluentd": _fluentd,
    "journald (JSON)": _journal_json,
    **{name: _by_pattern(pattern) for name, pattern in _PATTERNS.items()},
}
"""By the name of a wrapping, the function that unwraps a line."""
