"""Alerts: whom to tell of incidents, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entro_cli.config.layers import DEFAULT, Layer
from entro_engine import EntroError


@dataclass(frozen=True)
class Email:
    """Where alerts are mailed.

    Attributes:
        to: the addresses, at least one.
        sender: the address they are from.
        host: the mail server.
        port: its port.
        security: `none`, `starttls` or `tls`.
        user: whom to log in as; None to send without logging in.
        password_env: the variable that holds the password.
        password_file: the file that holds it.
    """

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    security: str
    user: str | None = None
    password_env: str | None = None
    password_file: Path | None = None


@dataclass(frozen=True)
class Webhook:
    """Where alerts are posted to: one of an address, the variable and the file that holds it."""

    url: str | None = None
    url_env: str | None = None
    url_file: Path | None = None


@dataclass(frozen=True)
class Alerts:
    """Whom to tell of incidents.

    Attributes:
        command: what is run, word by word; empty for nothing.
        at_least_s: incidents shorter than this are not told, s.
        email: None where nothing is mailed.
        webhook: None where nothing is posted.
    """

    command: tuple[str, ...] = ()
    at_least_s: float = 0.0
    email: Email | None = None
    webhook: Webhook | None = None


def alerts_of(resolved: Layer) -> Alerts:
    """The alerts of a pipeline.

    Args:
        resolved: the value in force of every key.

    Raises:
        EntroError: when something was said of the mail, but not to whom it goes.
    """
    values = {".".join(path[1:]): given.value for path, given in resolved.items() if path[0] == "alerts"}
    return Alerts(values["command"], values["at_least"], _email(resolved), _webhook(values))


def _email(resolved: Layer) -> Email | None:
    """Where alerts are mailed.

    Raises:
        EntroError: when something was said of the mail, but not to whom it goes.
    """
    parts = {path[-1]: given for path, given in resolved.items() if path[:2] == ("alerts", "email")}
    values = {name: given.value for name, given in parts.items()}
    said = next((given.origin for name, given in parts.items() if name != "to" and given.origin != DEFAULT), "")
    if said and parts["to"].origin == DEFAULT:
        raise EntroError("alerts.email has no to", where=said, expected='to = ["someone@example.org"]')
    if not values["to"]:
        return None
    return Email(sender=values.pop("from"), **values)


def _webhook(values: Mapping[str, Any]) -> Webhook | None:
    ways = {name: values[f"webhook.{name}"] for name in ("url", "url_env", "url_file")}
    return Webhook(**ways) if any(ways.values()) else None
