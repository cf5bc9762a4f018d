"""Request logs that cannot be read: which program wrote one, and what it lacks."""

from __future__ import annotations

import re

_TIMESTAMPS = "have its lines stamped: kubectl logs --timestamps, docker logs -t, or a log collector"
_KNOWN = (
    (r"\bslot +launch_slot_\w*: id +\d+ \|", "a log of llama.cpp without timestamps", _TIMESTAMPS),
    (r"\bLiteLLM\b.*:(?:INFO|DEBUG|WARNING|ERROR):", "a log of LiteLLM without dates", "set JSON_LOGS=1 for LiteLLM"),
    (
        r'^INFO: +\S+:\d+ - "[A-Z]+ /\S* HTTP/',
        "access lines of uvicorn without timestamps",
        f"{_TIMESTAMPS}; a server of vLLM or SGLang logs what is needed besides them",
    ),
    (
        r"^INFO +\w*Crawler:\w+: ",
        "a log of Crawlee without timestamps",
        f"{_TIMESTAMPS}; then describe them in [formats.NAME] of entro.toml",
    ),
    (
        r"^metric_name,timestamp,metric_value,",
        "the CSV of k6, with rows that have other cells than its header",
        "write it again with k6 run --out csv=FILE",
    ),
    (r"<testResults\b", "results of JMeter in XML", "write CSV: -Jjmeter.save.saveservice.output_format=csv"),
    (r"\thttp\.log\.access", "the console format of Caddy", "write JSON: format json in Caddy's directive log"),
    (
        r"^\{.*\\x[0-9A-Fa-f]{2}",
        "JSON of nginx with \\x22 and the like, which no JSON has",
        "add escape=json to nginx's log_format",
    ),
    (
        r"\bfetcher\.Fetcher -+ ?-activeThreads=",
        "the log of the fetcher of Nutch 1, which counts no pages",
        "read a proxy's log of its requests instead",
    ),
)


def unreadable_request_log(text: str) -> tuple[str, str] | None:
    """Return the kind of log and what to do about it; None if it is none of these.

    Args:
        text: the first lines of a log that no reader recognises.
    """
    return next(((kind, remedy) for pattern, kind, remedy in _KNOWN if re.search(pattern, text, re.MULTILINE)), None)
