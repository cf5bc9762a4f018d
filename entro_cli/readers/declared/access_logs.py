"""Formats of the lines of web servers, proxies and LLM servers, one per request, as declarations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise

from msgspec.structs import replace

from entro_cli.core.clock import NS
from entro_cli.readers.requests.names import LENGTH_NS, Role, is_of_request, paths_of, unit_of
from entro_cli.readers.requests.sample import WITH_UNIT, RequestSample
from entro_cli.timeseries.observations import Declaration

_ANSI = r"(?:\x1b\[[0-9;]*m)*"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_CLF_TIME = r"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d"
_LABEL = re.compile(rf'(?:^|[ ,;"])([A-Za-z_]\w*)[=:]"?(?:[0-9]+(?:\.[0-9]+)?|{WITH_UNIT})(?=[ ,;"]|$)')
_LENGTH = re.compile(rf'(?:^|[ "]){WITH_UNIT}(?=[ "]|$)')
_NUMBER = re.compile(r'(?:^|[ "])([0-9]+(?:\.[0-9]+)?)(?=[ "]|$)')
_SIZE = re.compile(r"^ (?:\d+|-)(?= |$)")
_ALIASES = {"rt": "request_time", "urt": "upstream_response_time", "D": "duration_us"}
_DURATIONS = ("request_time", "duration", "latency", "elapsed", "response_time", "time_taken", "upstream_response_time")


_CLIENT = rf" {_QUOTED} {_QUOTED}"
"""The referrer and the user agent, in the combined format."""
_ACCESS_LOG = Declaration(
    "nginx or Apache",
    rf'^[^\["]*\[(?P<time>{_CLF_TIME} [+-]\d{{4}})\] (?P<request>{_QUOTED}) (?P<status>\d{{3}}) (?:\d+|-)'
    rf"(?P<user_agent>{_CLIENT})?",
)
"""The Common Log Format or the combined one. What the administrator added follows it."""
_ISO = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_STAMPED = Declaration(
    "any logger",
    rf'^[^{{"]*?(?:^|[ \[\t])(?P<time>{_ISO}|\d{{10}}\.\d{{3}})\]?[ \t,]'
    rf'.*?(?P<request>{_QUOTED}|[A-Z]{{3,7}} /[^ "]*)(?: -> |[ ,:]+)(?P<status>[1-5]\d\d)\b'
    rf"(?:(?: \d+| -)?(?P<user_agent>{_CLIENT}))?",
)
"""A stamp, a request, a status, and behind them a length, as other log formats of nginx, Ray Serve and uvicorn have."""

_FIXED = (
    Declaration(
        "Envoy",
        rf"^\[(?P<arrival_time>\d{{4}}-\d\d-\d\dT[0-9:.]+Z)\] (?P<request>{_QUOTED}) (?P<status>\d{{1,3}}) \S+ "
        rf"(?:\S+ \S+ {_QUOTED} )?\d+ \d+ (?P<duration_ms>\d+) ",  # Istio has three columns more
    ),
    Declaration(
        "HAProxy",
        rf"(?:^|[ \t])\S+:\d+ \[(?P<arrival_time>{_CLF_TIME}\.\d{{3}})\] \S+ \S+/\S+ (?:-?\d+/){{4}}"
        rf"\+?(?P<duration_ms>\d+) (?P<status>-1|\d{{3}}) \+?\d+ .*?(?P<request>{_QUOTED})",
    ),
    Declaration(
        "AWS ALB",
        rf"^(?:https?|h2|grpcs|wss?) (?P<end_time>\S+Z) \S+ \S+ \S+ \S+ \S+ \S+ (?P<status>\d{{3}}) \S+ \S+ \S+ "
        rf"(?P<request>{_QUOTED}) (?P<user_agent>{_QUOTED}) \S+ \S+ \S+ {_QUOTED} {_QUOTED} {_QUOTED} \S+ "
        r"(?P<arrival_time>\S+Z)",
    ),
    Declaration(
        "AWS ELB",
        rf"^(?P<arrival_time>\d{{4}}-\S+Z) \S+ \S+:\d+ \S+ \S+ (?P<service_time_s>[0-9.]+) \S+ (?P<status>\d{{3}}) \S+ "
        rf"\d+ \d+ (?P<request>{_QUOTED}) (?P<user_agent>{_QUOTED}) ",
    ),
    Declaration(
        "Gin (Ollama)",
        rf"\[GIN(?:-debug)?\] (?P<time>\d{{4}}/\d\d/\d\d - \d\d:\d\d:\d\d) \|{_ANSI} *(?P<status>\d{{3}}) *{_ANSI}\| "
        rf"*(?P<duration>{WITH_UNIT}) *\|[^|]*\|{_ANSI} *(?P<request>[A-Z]+ *{_ANSI} *{_QUOTED})",
    ),
    Declaration(
        "TGI",
        rf"^{_ANSI}(?P<time>\d{{4}}-\d\d-\d\dT[0-9:.]+Z)\b.*total_time{_ANSI}={_ANSI}\"(?P<total_time>{WITH_UNIT})\"",
    ),
)
_TAILS = (  # in logs of a fixed format: of Traefik, and of nginx in Kubernetes
    r' \d+ "[^"]*" "[^"]*" (?P<duration_ms>\d+)ms$',
    r" \d+ (?P<request_time>\d+\.\d{3}) \[",
)
_SECONDS_AND_US = r"(?: |^)(?:0/\d{1,6}|(\d+)/\1\d{6})(?: |$)"
"""Apache's %T/%D: a length in whole seconds, and the same one in microseconds."""
_WITH_UNIT = rf'[ "](?P<duration>{WITH_UNIT})(?:[ "]|$)'
_ONLY_LENGTH = r'(?: ?$|[;"]|,(?:[^ ]| [^0-9])| [^:])'
"""Text that follows a length, but not the first of several, as nginx writes for an upstream that failed: 0.1, 5."""
_ONE_TIME = r'[ "](?P<request_time>\d+\.\d{3})(?:"|$| [^a-zµ])'
"""The form of $request_time, which nginx writes in seconds with three digits."""


def confidence_in(lines: Sequence[str]) -> float:
    """Return the confidence that first lines of a log are those of an access log, 0..1."""
    if found := _best_format(lines):
        return 1.0 if found[1] > 0.5 else 0.5
    general = _general_format(lines)  # a server may write more than such lines
    return 0.0 if general is None else 0.9 if _share(general.pattern, lines) > 0.5 else 0.3


def access_format(lines: Sequence[str]) -> Declaration | None:
    """Return the format of first lines of an access log; None if they are none.

    Raises:
        ValueError: if they do not say how long a request took, in words.
    """
    found = _best_format(lines)
    if found is None:
        return _general_format(lines)
    return _with_timing(_ACCESS_LOG, lines) if found[0] is _ACCESS_LOG else found[0]


def _best_format(lines: Sequence[str]) -> tuple[Declaration, float] | None:
    """Return the format that most of some lines have, and their share; None if no line has one."""
    share, best = max(
        ((_share(known.pattern, lines), known) for known in (*_FIXED, _ACCESS_LOG)), key=lambda pair: pair[0]
    )
    return (best, share) if share else None


def _general_format(lines: Sequence[str]) -> Declaration | None:
    """Return the format of lines that have a stamp, a request, a status and a length in some form; None if they do not.

    Args:
        lines: first lines of a log.
    """
    try:
        return _with_timing(_STAMPED, lines)
    except ValueError:
        forms = (_labelled(lines, *form) for form in (("\t", ":", r"[^\t\]]*"), (" ", "=", r"[^ \]]*")))
        return next(filter(None, forms), None)


def _labelled(lines: Sequence[str], separator: str, sign: str, value: str) -> Declaration | None:
    """Return the format of requests in labelled fields, such as LTSV and logfmt; None if lines are none."""
    label = rf"(?:^|{separator}){{}}{sign}"
    found = Counter(name for line in lines for name in re.findall(label.format(r"([A-Za-z_]\w*)"), line))
    names = [name for name, number in found.items() if 2 * number > len(lines) and is_of_request(name)]
    quoted = {name for name in names if 2 * _share(label.format(name) + '"', lines) > found[name] / len(lines)}
    cells = {name: rf'"(?P<{name}>[^"]*)"' if name in quoted else rf"\[?(?P<{name}>{value})" for name in names}
    pattern = ".*?".join(label.format(name) + cell for name, cell in cells.items())
    rows = [match.groups() for line in lines if names and (match := re.search(pattern, line))]
    sample = RequestSample(names, rows)
    has_length = sample.by_role[Role.DURATION] or sample.by_role[Role.SERVICE]
    if not has_length or not sample.stamps or (sample.status is None and not paths_of(names)):
        return None
    return Declaration("labelled fields", pattern)


def _with_timing(base: Declaration, lines: Sequence[str]) -> Declaration:
    """Return the format of an access log with the column of its durations.

    Args:
        base: the format of what is before them.
        lines: its first lines.

    Raises:
        ValueError: if it has no durations, or if nothing says which number is one, in words.
    """
    matches = filter(None, (re.search(base.pattern, line) for line in lines))
    rests = [found.string[found.end() :] for found in matches]
    if base is _STAMPED:
        rests = [_SIZE.sub("", rest) for rest in rests]
    for pattern in _TAILS:
        if _share(f"^{pattern}", rests) > 0.5:
            return _with_length(base, pattern, is_arrival="duration_ms" in pattern)
    labels = {_ALIASES.get(label, label): label for rest in rests for label in _LABEL.findall(rest)}
    for column in (name for duration in _DURATIONS for name in labels if _is_duration(name, duration)):
        tail = rf'.*?[ ,;"]{labels[column]}[=:]"?(?P<{column}>[0-9.]+[a-zµ]*){_ONLY_LENGTH}'
        return _with_length(base, tail, unit_of(column) in ("us", "ms") and _stamps_arrivals(base, tail, column, lines))
    if _share(_SECONDS_AND_US, rests) > 0.9:
        return _with_length(base, r".*? \d+/(?P<duration_us>\d+)(?: |$)", is_arrival=True)
    if max(len(_LENGTH.findall(rest)) for rest in rests) == 1 and _share(_WITH_UNIT, rests) > 0.5:
        return _with_length(base, f".*?{_WITH_UNIT}")
    numbers = max(len(_NUMBER.findall(rest)) for rest in rests)
    if numbers == 1 and _share(_ONE_TIME, rests) > 0.5:
        return _with_length(base, f".*?{_ONE_TIME}")
    if numbers > 1:
        raise ValueError("in which several numbers may be the time of a request")
    raise ValueError("in which one number has no name and no unit" if numbers else "without timing")


def _with_length(base: Declaration, rest: str, is_arrival: bool = False) -> Declaration:
    """Return a format with a pattern of the length, behind a stamp of the arrival or of the end."""
    stamped = base.pattern.replace("(?P<time>", "(?P<arrival_time>") if is_arrival else base.pattern
    return replace(base, pattern=f"{stamped}(?:{rest})?")


def _stamps_arrivals(base: Declaration, tail: str, column: str, lines: Sequence[str]) -> bool:
    """Return whether the stamps of lines are those of arrivals, as in Apache, or of ends, as in gunicorn.

    Lines are written when requests end, so the ends are in order. If all lines are, the name says what is more likely.
    """
    matches = filter(None, (re.search(base.pattern + tail, line) for line in lines))
    stamps, ends = [], []
    for match in matches:
        with suppress(ValueError):
            stamps.append(datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z").timestamp())
            ends.append(stamps[-1] + float(match[column]) * LENGTH_NS[unit_of(column)] / NS)
    back, back_as_arrivals = (sum(later < one - 1 for one, later in pairwise(times)) for times in (stamps, ends))
    return (
        back_as_arrivals < back
        if back != back_as_arrivals
        else unit_of(column) == "us" and not column.startswith("request_time")
    )


def _is_duration(column: str, duration: str) -> bool:
    unit = unit_of(column)
    return column == duration or bool(unit and column == f"{duration}_{unit}")


def _share(pattern: str, texts: Sequence[str]) -> float:
    return sum(1 for text in texts if re.search(pattern, text)) / len(texts) if texts else 0.0
