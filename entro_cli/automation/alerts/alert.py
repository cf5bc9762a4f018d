"""Alert: one thing a person on call should know."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from entro_cli.core.console import printable
from entro_cli.core.formatting import shortened
from entro_cli.core.json_document import as_json, to_builtins
from entro_engine import EntroError

SCHEMA = "entro/alert/1"
"""What the JSON document of an alert calls itself."""

_LONGEST_NAME = 200
_LONGEST_SUBJECT = 150
_LONGEST_LINE = 1000
_MOST_LINES = 60

AlertKind = Literal["incident", "silence", "gate", "digest"]


@dataclass(frozen=True)
class Alert:
    """One thing a person on call should know.

    Much of it comes from logs. It is made safe here, once: whatever it is made of, no text holds a control character
    or any other unprintable one (`text` has line feeds), the subject is one line, and all of it has a bounded size.

    Attributes:
        key: what it is about; an alert is told once for each key and channel.
        pipeline: the pipeline's name.
        subject: one line of at most 150 characters.
        text: a few lines to act on.
        kind: why it is told.
        start: when what it tells of began; None where that is not known.
    """

    key: str
    pipeline: str
    subject: str
    text: str
    kind: AlertKind
    start: datetime | None = None

    def __post_init__(self) -> None:
        lines = [shortened(printable(line), _LONGEST_LINE) for line in self.text.split("\n")[:_MOST_LINES]]
        safe = {
            "key": _bounded_key(printable(self.key)),
            "pipeline": shortened(printable(self.pipeline), _LONGEST_NAME),
            "subject": shortened(printable(self.subject), _LONGEST_SUBJECT),
            "text": "\n".join(lines).strip("\n"),
        }
        for name, value in safe.items():
            object.__setattr__(self, name, value)  # frozen from here on


def document(alert: Alert) -> str:
    """An alert as one JSON document, `entro/alert/1`."""
    return as_json({"schema": SCHEMA, **to_builtins(alert)})


def instant(when: datetime) -> str:
    """A moment as keys name it, in UTC, whatever zone it is told in: 2026-04-09T14:21:00Z."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local(when: datetime) -> str:
    """A moment as people read it, in its own zone: 2026-04-09 16:21 CEST."""
    return f"{when:%Y-%m-%d %H:%M %Z}".rstrip()


def _bounded_key(key: str) -> str:
    """A key that is too long ends in its digest, so that two long ones stay two."""
    if len(key) <= _LONGEST_NAME:
        return key
    return f"{key[:_LONGEST_NAME]} {hashlib.sha256(key.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class DeliveryContext:
    """What is around a message that is sent.

    Attributes:
        now: the time it is, with a zone.
        environ: the environment.
        sleep: waits so many seconds.
    """

    now: datetime
    environ: Mapping[str, str] = field(repr=False)  # secrets are in it
    sleep: Callable[[float], None]


class Channel(Protocol):
    """A way to tell somebody."""

    @property
    def name(self) -> str:
        """What it is called in messages and in the ledger."""

    def send(self, alert: Alert, around: DeliveryContext) -> None:
        """Tell of an alert.

        Raises:
            PartlyToldError: when some were told and others could not be.
            EntroError: when nobody was told.
        """


class PartlyDeliveredError(EntroError):
    """Somebody was told, and somebody else could not be: not worth telling the first again."""
