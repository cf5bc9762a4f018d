"""Alerts, and the protocol of the channels that deliver them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import force_setattr

from entro_cli.core.console import printable
from entro_cli.core.formatting import shortened
from entro_cli.core.json_document import as_json, to_builtins
from entro_engine import EntroError

SCHEMA = "entro/alert/1"
"""The `schema` of an alert's JSON document."""

# Chosen bounds. Names come from logs and can have any length, and an environment variable or a mail header cannot.
_MAX_NAME = 200
_MAX_SUBJECT = 150
_MAX_LINE = 1000
_MAX_LINES = 60

AlertKind = Literal["incident", "silence", "gate", "digest", "report"]


class Alert(Struct, frozen=True):
    """Something that a person on call should know.

    Much of an alert comes from logs, so it is made safe here, once for all channels. No text holds a control character
    or another unprintable one (`text` has line feeds), the subject is one line, and every text has a bounded size.

    Attributes:
        key: the identity of the alert: it is delivered once per key and channel.
        pipeline: the pipeline's name.
        subject: one line of at most 150 characters.
        text: a few lines to act on.
        kind: the kind of event.
        start: when the event began; None if that is not known.
        report: the path or the web address of the report, maybe of an incident in it; empty without one.
    """

    key: str
    pipeline: str
    subject: str
    text: str
    kind: AlertKind
    start: datetime | None = None
    report: str = ""

    def __post_init__(self) -> None:
        lines = [shortened(printable(line), _MAX_LINE) for line in self.text.split("\n")[:_MAX_LINES]]
        safe = {
            "key": _bounded_key(printable(self.key)),
            "pipeline": shortened(printable(self.pipeline), _MAX_NAME),
            "subject": shortened(printable(self.subject), _MAX_SUBJECT),
            "text": "\n".join(lines).strip("\n"),
            "report": shortened(printable(self.report), _MAX_LINE),
        }
        for name, value in safe.items():
            force_setattr(self, name, value)  # the struct is frozen, so plain assignment is refused


def alert_document(alert: Alert) -> str:
    """Return an alert as a JSON document of the schema `entro/alert/1`."""
    return as_json({"schema": SCHEMA, **to_builtins(alert)})


def utc_timestamp(when: datetime) -> str:
    """Format a time for a key, in UTC: 2026-04-09T14:21:00Z.

    A key must not depend on the time zone of the report, or a change of zone would deliver old alerts again.
    """
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def local_time(when: datetime) -> str:
    """Format a time for people, in its own zone: 2026-04-09 16:21 CEST."""
    return f"{when:%Y-%m-%d %H:%M %Z}".rstrip()


def _bounded_key(key: str) -> str:
    """Cut a long key and append its hash, so that two long keys stay distinct."""
    if len(key) <= _MAX_NAME:
        return key
    return f"{key[:_MAX_NAME]} {hashlib.sha256(key.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class DeliveryContext:
    """The clock and the environment of a delivery.

    Attributes:
        now: the current time, with a zone.
        environ: the environment; kept out of the repr, as it can hold secrets.
        sleep: waits a number of seconds.
    """

    now: datetime
    environ: Mapping[str, str] = field(repr=False)
    sleep: Callable[[float], None]


class Channel(Protocol):
    """A route by which alerts reach people."""

    @property
    def name(self) -> str:
        """The channel's name in messages and in the ledger."""

    def send(self, alert: Alert, context: DeliveryContext) -> None:
        """Send an alert.

        Raises:
            PartlyDeliveredError: if some recipients received it and others did not.
            EntroError: if nobody received it.
        """


class PartlyDeliveredError(EntroError):
    """Some recipients received the alert and others did not.

    It counts as delivered: sending again would repeat it to those who have it.
    """
