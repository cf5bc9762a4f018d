"""Meaning of the names of columns: a time, a rate, a queue, or unknown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from entro_engine import Kind

TIME_NAMES = frozenset({"time", "timestamp", "ts", "date", "datetime", "t"})
"""Names of time columns, without units."""

_TIME_UNITS = frozenset({"ms", "s", "sec", "seconds", "us", "ns", "utc", "gmt", "unix", "epoch"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_RATES = _words("rate rps qps rpm reqps")
_COUNTED = _words(
    "request requests req reqs page pages url urls query queries call calls job jobs task tasks item items message "
    "messages fetch fetches crawled arrivals"
)
_QUEUES = _words("queue queued waiting pending backlog")
_AVERAGES = _words("avg mean average current value")
_NO_LOAD = _words(  # qualifiers: a limit, an aim, a share, a failure, a length of time or a property
    "max maximum min minimum peak limit limits target threshold quota budget capacity cap ceiling desired expected "
    "planned allowed configured nominal forecast predicted available free remaining utilization utilisation util usage "
    "ratio share percent pct percentage fraction efficiency p50 p90 p95 p99 percentile quantile stddev delay latency "
    "duration age time retry retries timeout timeouts error errors fail failed fails failure failures reject rejected "
    "rejection drop dropped drops abort aborted cancel cancelled canceled cancellation throttled throttle "
    "change delta growth id name type status state version url unit units normalized normalised relative scaled log "
    "log2 log10 ln sqrt yesterday week previous prev baseline k thousand thousands million millions "
    "diff difference derivative integral cum cumsum cumulative minutely hourly daily weekly monthly usd eur cost "
    "processed completed finished served dequeued dequeue acked ack alarm enabled"
)
_NO_RATE = _words(  # rates of something other than requests over time
    "hit cache success sample sampling frame bit accept acceptance heart learning miss loss win tax token tokens byte "
    "bytes burn cpu gpu memory refresh poll polling conversion churn eviction preemption "
    "completion fill refill data transfer exchange interest bandwidth packet io write alloc allocation gc tick clock "
    "baud restart crash click bounce discount dropout availability 2xx 3xx 4xx 5xx captcha block ban abandon skip "
    "duplicate dup fault heartbeat refund login spawn departure finish deliver redeliver dns sql mysql redis"
)
_NO_QUEUE = _words(  # columns about a queue that do not count requests
    "throughput consumers workers oldest memory token tokens per m kb mb gb tb kib mib gib fill slots occupancy "
    "saturation pressure headroom lag ttl std variance score cost price weight is has empty "
    "100 1000 10000 1000000 x100 x1000 1e3 1e6 100s 1000s 000 000s kilo hundreds "
    "dead dlq letter paused overflow enqueued "
    "ts at timestamp stamp since hours hour h minutes minute mins days seconds sec s ms us ns bytes full position not"
)
_ZONES = _words("utc gmt cet cest mez mesz est edt cst cdt mst mdt pst pdt bst ist jst msk")
_ZONE_IN_NAME = re.compile(r"(?:^|[\s(\[])(?:[+-]\d\d?(?::?\d\d)?|[A-Z][a-z]+/[A-Z]\w+)")  # Time (Europe/Berlin)
_ZONE_COLUMNS = frozenset({"tz", "timezone", "time zone", "utc offset", "gmt offset", "tz offset", "tzinfo"})
_SOURCES = _words(
    "instance pod container host hostname node engine replica model queue worker server rank shard partition"
)
TOTALS = "total", "all", "sum", "aggregated", "overall", "_all", "*", "grand total", "gesamt", "summe", "cluster"
"""Names of a source that may be the sum of the others."""

_COUNTERS = _words("total sum created bucket")
_PERIODS = _words("count minute minutes min mins minutely hour hours hourly daily cpm opm 1m 5m 1h")
_GERMAN = {
    **{"zeit": "time", "zeitpunkt": "time", "uhrzeit": "time", "zeitstempel": "timestamp", "datum": "date"},
    **{"warteschlange": "queue", "wartend": "waiting", "wartende": "waiting", "anfragen": "requests"},
    **{"seiten": "pages", "aufgaben": "tasks", "mittelwert": "mean", "pro": "per", "je": "per"},
    **{"sekunde": "second", "stunde": "hour", "tag": "day"},
}
_NEUTRAL = _words("per s sec min minute h llm scraper server utc")
"""Words that German names have, too. A name with any other word stays as it is: it may be a qualifier."""

SECONDS_PER = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
"""Seconds of each unit of time that a rate may be per."""

PER_UNIT = "|".join(sorted(SECONDS_PER, key=len, reverse=True))
"""Pattern of the units of time that a rate may be per."""

_WITH_UNIT = re.compile(
    r"\s*[+-]?\d{1,3}(?:[.,'\u2019\s]?\d{3})*(?:[.,]\d+)?\s*[A-Za-z]{0,3}\s*(?:%|(?:[A-Za-z]{0,12}/)?[A-Za-z]{1,12})?\s*"
)
_RATE_UNIT = re.compile(rf"\s*[\d.,]*\d\s*[A-Za-z ]{{0,12}}(?:(?:/|\bper )\s*(?:{PER_UNIT})|rps|qps|reqps)\s*")
_LABEL = re.compile(r'([\w.]+)\s*[=:]\s*("(?:[^"\\]|\\.)*"|[^",}]*)')  # pod="a" of Prometheus, host:a of Datadog
_METRIC = re.compile(r'\{(?:.*,\s*)?__name__\s*=\s*"([^"]*)"')
_SLASH = re.compile(rf"\s*/\s*(?=\d*\s*(?:{PER_UNIT})(?![a-z]))", re.IGNORECASE)
_NUMBERED_UNIT = re.compile(rf"(\d+)\s*({PER_UNIT})(?![a-z])")
_PROMQL = re.compile(  # a counter's rate or increase, at most in one aggregation: sum by (job) (rate(metric[1m]))
    r"(?:\w+(?:\s*(?:by|without)\s*\([^()]*\))?\s*\(\s*)?(rate|irate|increase)\s*\(\s*([\w:]+)\s*(?:\[([^\]]*)\])?[\s)]*"
    r"(?:(?:by|without)\s*\([^()]*\))?"
)


class Meaning(Struct, frozen=True):
    """Meaning of a column's name: the kind of load, and the divisor that converts its values to loads per second."""

    kind: Kind
    divisor: float = 1.0


def tokens(name: str) -> list[str]:
    """Return the words of a column's name in lower case: `scraperRate`, `scraper-rate` and `Scraper Rate` are equal."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("%", " percent ")
    words = [word for word in re.split(r"\W+|_", spaced.lower()) if word]
    is_german = words and _GERMAN.keys() | _NEUTRAL >= {*words}
    return [_GERMAN.get(word, word) for word in words] if is_german else words


def without_labels(name: str) -> str:
    """Return a name without the labels of a metric, which say what is measured where: `waiting{pod="a"}`."""
    name = re.sub(r"\s+by\s+\{[^{}]*\}.*", "", name)  # of Datadog: waiting{*} by {host} host:a
    inside = _METRIC.search(name)
    return inside[1] if inside else re.sub(r"\{[^{}]*\}", "", name)


def meaning(name: str) -> Meaning | None:
    """Return the meaning of a column's name; None if it is unknown, or if a word in it says that it is not a load."""
    known, is_qualified = _known(name)
    return None if is_qualified else known


def in_unit(known: Meaning, unit: str) -> Meaning | None:
    """Return a column's meaning given the unit that stands beside it, `requests/min`; None if no load is in it, `K`."""
    divisor, words = _without_unit(tokens(_SLASH.sub(" per ", f"load {unit}")))
    if known.kind is Kind.GENERIC:
        return known
    is_rate = known.kind is Kind.RATE
    if (divisor and not is_rate) or (_NO_LOAD | (_NO_RATE if is_rate else _NO_QUEUE)) & {*words}:
        return None
    return Meaning(known.kind, 60.0 if "rpm" in words else divisor or known.divisor)


def rate_divisor(name: str) -> float | None:
    """Return the divisor by the unit in the name of a rate of anything: `hits/min`; None if it names no unit."""
    known, words = _term(without_labels(name)) or (None, tokens(_SLASH.sub(" per ", without_labels(name))))
    return known.divisor if known is not None and known.kind is Kind.RATE else _without_unit(words)[0]


def counts(name: str) -> bool:
    """Return whether a name is that of a count, maybe per time, rather than of a rate: `requests`, `pages_1m`."""
    return bool((_COUNTED | _COUNTERS | _PERIODS) & {*tokens(name)})


def qualified_kind(name: str) -> Kind | None:
    """Return the kind of load that a name has the word of, if another word says that it is none: `retry_rate`."""
    known, is_qualified = _known(name)
    return known.kind if known is not None and is_qualified else None


def _known(name: str) -> tuple[Meaning | None, bool]:
    """Return the load that a name has the word of, if any, and whether another word says that it is none."""
    known, words = _term(without_labels(name)) or (None, [])
    is_rate = known is not None and known.kind is Kind.RATE
    return known, bool((_NO_LOAD | (_NO_RATE if is_rate else _NO_QUEUE)) & set(words))


def _term(name: str) -> tuple[Meaning, list[str]] | None:
    """Return the load that a name has the word of, and the other words that may qualify it; None without one."""
    query = _PROMQL.fullmatch(name.strip())
    if query is not None:
        return _query_term(*query.groups())
    words = tokens(_SLASH.sub(" per ", name))
    divisor, base = _without_unit(words)
    while len(base) > 1 and base[-1] in _AVERAGES:
        base = base[:-1]
    if base and base[-1] in _RATES:
        return Meaning(Kind.RATE, 60.0 if base[-1] == "rpm" else divisor or 1.0), base
    if base and divisor is not None:
        return (Meaning(Kind.RATE, divisor), base) if _counts_events(base) else None
    is_queue = _QUEUES & set(words) or (base[-1:] in (["visible"], ["ready"]) and _COUNTED & set(words))
    if is_queue and divisor is None:
        return Meaning(Kind.QUEUE), [*words, "percent"] if words[-1] in _COUNTERS | {"wait"} else words
    return None


def _counts_events(words: list[str]) -> bool:
    """Return whether words end with things that are counted: `requests`, `messages sent`, `request count`."""
    return bool(_COUNTED & set(words[-2:] if words[-1] in {"sent", "count"} else words[-1:]))


def _query_term(function: str, metric: str, window: str | None) -> tuple[Meaning, list[str]] | None:
    """Return the same for a counter's rate per second, or its increase in a window."""
    words = tokens(metric)
    if words[-1] == "count":  # of a histogram or summary: http_request_duration_seconds_count
        words = [word for word in words if word not in {"duration", "latency", "time"}]
    if not _COUNTED & set(words) or words[-1] not in {"total", "count"} | _COUNTED:
        return None
    seconds = sum(int(number) * SECONDS_PER[unit] for number, unit in _NUMBERED_UNIT.findall(window or ""))
    if function != "increase":
        return Meaning(Kind.RATE), words
    return (Meaning(Kind.RATE, float(seconds)), words) if seconds else None


def _without_unit(words: list[str]) -> tuple[float | None, list[str]]:
    """Return the divisor for a name's ending `per <unit>`, and the words before it; None and all words without one."""
    if "per" not in words[1:]:
        return None, words
    place = len(words) - 1 - words[::-1].index("per")
    ending = " ".join(words[place + 1 :])
    numbered = _NUMBERED_UNIT.fullmatch(ending if ending[:1].isdigit() else f"1 {ending}")
    if numbered is None or not int(numbered[1]):
        return None, words
    base = words[: place - 1] if words[place - 1 : place] == ["1"] and place > 1 else words[:place]  # "rate (1/s)"
    return float(int(numbered[1]) * SECONDS_PER[numbered[2]]), base


def names_source(name: str) -> bool:
    """Return whether a column names what a row is of: `instance`, `pod_name`, `engine`."""
    parts = [tokens(part) for part in name.split(".")]  # a field of JSON: kubernetes.pod.name
    words = next((words for part in reversed(parts) if (words := [w for w in part if w not in {"id", "name"}])), [])
    return len(words) == 1 and words[0] in _SOURCES


def differ_by_source(names: Sequence[str]) -> bool:
    """Return whether names are of one metric and differ only in labels that name a source."""
    labels = [dict(_LABEL.findall(name[name.find("{") + 1 :])) for name in names]
    keys = {key for each in labels for key in each if len({other.get(key) for other in labels}) > 1}
    are_sources = bool(keys) and all(names_source(key) and all(key in each for each in labels) for key in keys)
    return are_sources and len(set(map(without_labels, names))) == 1


def may_be_load(name: str) -> bool:
    """Return whether no word in a name says that it is no load, such as a share or a length of time."""
    return not (_NO_LOAD | _NO_QUEUE) & {*tokens(name)}


def is_number(cell: str) -> bool:
    """Return whether a cell is a number or empty."""
    try:
        float(cell.strip(' "\t\r') or 0)
    except ValueError:
        return False
    return True


def has_number(cell: str) -> bool:
    """Return whether a cell is a number, maybe with a unit, or empty."""
    return is_number(cell) or _WITH_UNIT.fullmatch(cell) is not None


def has_rate_unit(cell: str) -> bool:
    """Return whether a cell is a number per time, such as 1.63 req/s."""
    return _RATE_UNIT.fullmatch(cell) is not None


def names_time(name: str) -> bool:
    """Return whether a column has the name of a time column, with or without a unit."""
    words = tokens(name)
    while len(words) > 1 and words[-1] in _TIME_UNITS:
        words.pop()
    return len(words) == 1 and words[0] in TIME_NAMES


def names_utc(name: str) -> bool:
    """Return whether a column has the name of times in UTC: `time_utc`, `Time (GMT)`, but not `Time (UTC+1)`."""
    return bool({"utc", "gmt"} & {*tokens(name)}) and not re.search(r"[+-]\s*\d", name)


def names_zone(name: str, is_time: bool) -> bool:
    """Return whether a column names a zone: `timezone`, or that of the times `Time (CET)`, but not UTC."""
    words = tokens(name)
    if not is_time:
        return " ".join(words) in _ZONE_COLUMNS
    return not names_utc(name) and bool(_ZONES & {*words} or _ZONE_IN_NAME.search(name))


def offset_unit_ns(name: str) -> int:
    """Return the unit of a column of offsets, nanoseconds: milliseconds if its name has `ms`, else seconds."""
    return 1_000_000 if "ms" in tokens(name) else 1_000_000_000
