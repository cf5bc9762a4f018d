"""Lines of the access logs of web servers, proxies and LLM servers, as patterns, and what an access log lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from entro_cli.readers.requests.names import unit_of
from entro_cli.readers.requests.sample import WITH_UNIT

_ANSI = r"(?:\x1b\[[0-9;]*m)*"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_CLF_TIME = r"\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d"
_LABEL = re.compile(rf'(?:^|[ ,;"])([A-Za-z_]\w*)[=:]"?(?:[0-9]+(?:\.[0-9]+)?|{WITH_UNIT})(?=[ ,;"]|$)')
_NUMBER = re.compile(r'(?:^|[ "])([0-9]+(?:\.[0-9]+)?)(?=[ "]|$)')
_ALIASES = {"rt": "request_time", "urt": "upstream_response_time"}
_DURATIONS = ("request_time", "duration", "latency", "elapsed", "response_time", "upstream_response_time")


@dataclass(frozen=True)
class LineFormat:
    """A format of lines that each report one request.

    Attributes:
        name: the program that writes them.
        pattern: a regular expression; its groups are columns of a table of requests.
        columns: columns that are made of the group `rest`, by name, each with a pattern of its own.
    """

    name: str
    pattern: str
    columns: dict[str, str] = field(default_factory=dict)


ACCESS_LOG = LineFormat(
    "access log of nginx or Apache",
    rf'^[^\["]*\[(?P<time>{_CLF_TIME} [+-]\d{{4}})\] (?P<request>{_QUOTED}) (?P<status>\d{{3}}) (?:\d+|-)'
    rf"(?: {_QUOTED} (?P<user_agent>{_QUOTED}))?(?P<rest>.*)$",
)
"""The Common Log Format or the combined one, and what the administrator added."""

_FIXED = (
    LineFormat(
        "Envoy",
        rf"^\[(?P<arrival_time>\d{{4}}-\d\d-\d\dT[0-9:.]+Z)\] (?P<request>{_QUOTED}) (?P<status>\d{{1,3}}) \S+ "
        rf"(?:\S+ \S+ {_QUOTED} )?\d+ \d+ (?P<duration_ms>\d+) ",  # Istio has three columns more
    ),
    LineFormat(
        "HAProxy",
        rf"(?:^|[ \t])\S+:\d+ \[(?P<arrival_time>{_CLF_TIME}\.\d{{3}})\] \S+ \S+/\S+ (?:-?\d+/){{4}}"
        rf"\+?(?P<duration_ms>\d+) (?P<status>-1|\d{{3}}) \+?\d+ .*?(?P<request>{_QUOTED})",
    ),
    LineFormat(
        "AWS ALB",
        rf"^(?:https?|h2|grpcs|wss?) (?P<end_time>\S+Z) \S+ \S+ \S+ \S+ \S+ \S+ (?P<status>\d{{3}}) \S+ \S+ \S+ "
        rf"(?P<request>{_QUOTED}) (?P<user_agent>{_QUOTED}) \S+ \S+ \S+ {_QUOTED} {_QUOTED} {_QUOTED} \S+ "
        r"(?P<arrival_time>\S+Z)",
    ),
    LineFormat(
        "Gin (Ollama)",
        rf"\[GIN(?:-debug)?\] (?P<time>\d{{4}}/\d\d/\d\d - \d\d:\d\d:\d\d) \|{_ANSI} *(?P<status>\d{{3}}) *{_ANSI}\| "
        rf"*(?P<duration>{WITH_UNIT}) *\|[^|]*\|{_ANSI} *[A-Z]+ *{_ANSI} *(?P<request>{_QUOTED})",
    ),
    LineFormat(
        "TGI",
        rf"^{_ANSI}(?P<time>\d{{4}}-\d\d-\d\dT[0-9:.]+Z)\b.*total_time{_ANSI}={_ANSI}\"(?P<total_time>{WITH_UNIT})\"",
    ),
)
_TAILS = (  # what follows the user agent in logs with a fixed format
    ("Traefik", "duration_ms", r'^ \d+ "[^"]*" "[^"]*" (\d+)ms$'),
    ("nginx of Kubernetes", "request_time", r"^ \d+ (\d+\.\d{3}) \["),
)
_ONE_TIME = r'(?:^|[ "])(\d+\.\d{3})(?:[ "]|$)'
"""The form of $request_time, which nginx writes in seconds with three digits."""


def line_format(lines: Sequence[str]) -> tuple[LineFormat, float] | None:
    """Return the format that most of some lines have, and their share; None if no line has one.

    Args:
        lines: first lines of a log.
    """
    shares = {known.name: _share(known.pattern, lines) for known in (*_FIXED, ACCESS_LOG)}
    best = max((*_FIXED, ACCESS_LOG), key=lambda known: shares[known.name])
    return (best, shares[best.name]) if shares[best.name] else None


def with_timing(known: LineFormat, lines: Sequence[str]) -> LineFormat:
    """Return the format of an access log with the column of its durations.

    Args:
        known: its format.
        lines: first lines of the log.

    Raises:
        ValueError: if it has no durations, or if nothing says which number is one, in words.
    """
    if known is not ACCESS_LOG:
        return known
    rests = [found["rest"] for line in lines if (found := re.search(known.pattern, line))]
    for _, column, pattern in _TAILS:
        if _share(pattern, rests) > 0.5:
            return LineFormat(known.name, known.pattern, {column: pattern})
    labels = {_ALIASES.get(label, label): label for rest in rests for label in _LABEL.findall(rest)}
    for column in (name for duration in _DURATIONS for name in labels if _is_duration(name, duration)):
        return LineFormat(
            known.name, known.pattern, {column: rf'(?:^|[ ,;"]){re.escape(labels[column])}[=:]"?([0-9.]+[a-zµ]*)'}
        )
    numbers = max(len(_NUMBER.findall(rest)) for rest in rests)
    if numbers == 1 and _share(_ONE_TIME, rests) > 0.5:
        return LineFormat(known.name, known.pattern, {"request_time": _ONE_TIME})
    if numbers > 1:
        raise ValueError("in which several numbers may be the time of a request")
    raise ValueError("in which one number has no name and no unit" if numbers else "without timing")


def _is_duration(column: str, duration: str) -> bool:
    unit = unit_of(column)
    return column == duration or bool(unit and column == f"{duration}_{unit}")


def _share(pattern: str, texts: Sequence[str]) -> float:
    return sum(1 for text in texts if re.search(pattern, text)) / len(texts) if texts else 0.0
