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
)


def unreadable_request_log(text: str) -> tuple[str, str] | None:
    """Return the kind of log and what to do about it; None if it is none of these.

    Args:
        text: the first lines of a log that no reader recognises.
    """
    return next(((kind, remedy) for pattern, kind, remedy in _KNOWN if re.search(pattern, text, re.MULTILINE)), None)
