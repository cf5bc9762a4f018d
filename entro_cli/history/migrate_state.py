"""Migration of the state of a history from version 1, which the releases up to 0.7.0 wrote."""

from __future__ import annotations

import re
from typing import Any

from entro_cli.timeseries.problems import ProblemKind

_COUNTS = {
    "rows out of order: sorted": ProblemKind.OUT_OF_ORDER,
    "rows repeated exactly: counted once": ProblemKind.REPEATED,
    "rows with other values at the same time: averaged": ProblemKind.AVERAGED,
    "times in an hour the clock showed twice were told apart by their order": ProblemKind.HOUR_TWICE_BY_ORDER,
    "times in an hour the clock showed twice were taken as the first showing": ProblemKind.HOUR_TWICE_AS_FIRST,
    "times in an hour the clock skipped were moved past it": ProblemKind.HOUR_SKIPPED,
    "times the clock stepped back within a run: those lines count at the next one": ProblemKind.CLOCK_BACK_IN_RUN,
}
"""The words that follow the count of a warning in version 1."""
_OF_THE_END = re.compile(r"last whole stats line|where the log ends|without closing stats|lack an? |until the log ends")
"""Parts of warnings that are void once a log has grown, which version 2 does not store."""


def migrate_state(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a decoded state of version 1 as version 2.

    Version 1 kept text of a log to put before the lines that continue it; a checkpoint of version 2 has it as `text`.

    Raises:
        KeyError, TypeError: if it is damaged.
    """
    return raw | {"version": 2, "logs": [_migrate_log(log) for log in raw.get("logs", [])]}


def _migrate_log(log: dict[str, Any]) -> dict[str, Any]:
    left = {"after": _checkpoint(log, "carried", "carried_ends"), "checkpoint": _checkpoint(log, "carry", "ends")}
    sentences = [sentence for sentence in log.get("problems", []) if not _OF_THE_END.search(sentence)]
    return log | left | {"problems": [_migrate_problem(sentence) for sentence in sentences]}


def _checkpoint(log: dict[str, Any], text: str, ends: str) -> dict[str, Any] | None:
    if not log.get(text):
        return None
    return {"format": log["format"], "text": log[text], "ends": log.get(ends, {})}


def _migrate_problem(sentence: str) -> tuple[str, int, tuple[str, ...]]:
    """Return a stored sentence as a warning; one that is not counted keeps its words."""
    count, _, words = sentence.partition(" ")
    kind = _COUNTS.get(words if count != "1" else words.replace("row ", "rows ", 1))
    return (kind.name, int(count), ()) if kind and count.isdecimal() else (ProblemKind.QUOTED.name, 0, (sentence,))
