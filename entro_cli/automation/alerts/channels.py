"""Channels: the ways to tell somebody that a configuration has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from entro_cli.automation.alerts.channel import Channel
from entro_cli.automation.alerts.command import Command
from entro_cli.automation.alerts.email import Email
from entro_cli.automation.alerts.webhook import Webhook


@dataclass(frozen=True)
class Channels:
    """The ways there are; None where there is none of a kind."""

    command: Command | None = None
    email: Email | None = None
    webhook: Webhook | None = None

    def __iter__(self) -> Iterator[Channel]:
        ways: tuple[Channel | None, ...] = (self.command, self.email, self.webhook)
        return iter([way for way in ways if way is not None])
