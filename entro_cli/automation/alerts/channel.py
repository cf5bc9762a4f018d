"""Channel: a way to tell somebody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from entro_cli.automation.alerts.alert import Alert
from entro_engine import EntroError


@dataclass(frozen=True)
class Surroundings:
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

    def send(self, alert: Alert, around: Surroundings) -> None:
        """Tell of an alert.

        Raises:
            PartlyToldError: when some were told and others could not be.
            EntroError: when nobody was told.
        """


class PartlyToldError(EntroError):
    """Somebody was told, and somebody else could not be: not worth telling the first again."""
