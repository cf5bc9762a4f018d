"""Settings: everything that is in force for one pipeline, and where each value is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entro_cli.config.layers import DEFAULT, Layer
from entro_cli.core.clock import zone_of
from entro_cli.timeseries.maintenance import Maintenance, parse_maintenance
from entro_cli.timeseries.observations import StageSpec
from entro_engine import EntroError, Kind
from entro_engine.budget import psi_budget
from entro_engine.entropy import PUBLISHED_CAPACITY, REFERENCE_FULL_LOAD


@dataclass(frozen=True)
class Settings:
    """What is in force for one pipeline.

    Attributes:
        pipeline: its name.
        history: where its steps are kept: a folder, absolute, or a URL without a slash at its end.
        reports: where its pages are written; None where nobody said.
        zone: of stamps that name none, and of what is shown; None for the machine's.
        step: the length of a step as the user wrote it; None for that of the slowest source.
        gamma: the share of the critical entropy that is the budget.
        alpha: control authority.
        beta: steepness of the control law, 1/nat.
        objective: the share of observed steps that should be within the budget, 0..1.
        capacity: what the stage that serves the queue serves, req/s; None where nobody said.
        wait_s: the longest accepted wait, s.
        stages: the stages that were described; a column that is empty is recognised by name.
        time: the column that holds the time; None to recognise it.
        start: when offsets count from; None where nobody said.
        year: of stamps that name none; None where nobody said.
        input_format: the format of the logs; None to recognise it.
        offset: how far the clocks of logs are moved, each FILE=+3s.
        strict: make the first bad row an error.
        redact: mask the text of bad rows that are shown.
        logs: what is read when no log is named.
        retention_s: how long steps are kept, s; None for ever.
        silence_s: how long there may be no data before an alert, s; None for no such alert.
        exclude: maintenance windows, as they were written: they are left out of what is judged.
        fail_on: the gates of a scheduled run.
        alerts: whom to tell.
        origins: where the value of each key is from: `default`, a file, a variable or an option.
    """

    pipeline: str
    history: Path | str
    reports: Path | None
    zone: str | None
    step: str | None
    gamma: float
    alpha: float
    beta: float
    objective: float
    capacity: float | None
    wait_s: float
    stages: tuple[StageSpec, ...]
    time: str | None
    start: str | None
    year: int | None
    input_format: str | None
    offset: tuple[str, ...]
    strict: bool
    redact: bool
    logs: tuple[str, ...]
    retention_s: float | None
    silence_s: float | None
    exclude: tuple[str, ...]
    fail_on: tuple[str, ...]
    alerts: AlertSettings
    origins: Mapping[str, str]

    def budget(self, stages: int) -> float:
        """The budget of as many stages, gamma * N * Psi_c, in nats."""
        return psi_budget(stages, self.gamma)

    def maintenance(self) -> Maintenance:
        """What is left out of what is judged, in the zone of what is shown."""
        return parse_maintenance(self.exclude, zone_of(self.zone), "exclude")

    def full_of(self, name: str, kind: Kind) -> float | None:
        """The load at which a stage is full, in the unit of its kind.

        Its own full load counts where it was described as of this kind, or of none. Else it follows from the capacity,
        where that is known: capacity * 3.0 / 1.2 for a rate, capacity * wait for a queue. An accepted wait alone says
        nothing of a load.

        Args:
            name: of the stage.
            kind: what its load measures.

        Returns:
            The full load; None where the kind's own stands.
        """
        spec = next((spec for spec in self.stages if spec.name == name), None)
        if spec is not None and spec.full is not None and spec.kind in {None, kind}:
            return spec.full
        if self.capacity is None or kind is Kind.GENERIC:
            return None
        if kind is Kind.QUEUE:
            return self.capacity * self.wait_s
        return self.capacity * REFERENCE_FULL_LOAD[Kind.RATE] / PUBLISHED_CAPACITY


def build_settings(pipeline: str, resolved: Layer) -> Settings:
    """The settings of a pipeline.

    Args:
        pipeline: its name.
        resolved: the value in force of every key.

    Raises:
        EntroError: when values do not go together.
    """
    plain = {path[0]: given.value for path, given in resolved.items() if len(path) == 1}
    return Settings(
        pipeline=pipeline,
        wait_s=plain.pop("wait"),
        retention_s=plain.pop("retention"),
        silence_s=plain.pop("silence"),
        stages=_stages(resolved),
        alerts=build_alerts(resolved),
        origins={".".join(path): given.origin for path, given in resolved.items()},
        **plain,
    )


def _stages(resolved: Layer) -> tuple[StageSpec, ...]:
    """The stages that were described, in the order in which they were first."""
    described: dict[str, dict[str, Any]] = {}
    for path, given in resolved.items():
        if path[0] == "stages":
            described.setdefault(path[1], {})[path[2]] = given.value
    return tuple(StageSpec(name, **parts) for name, parts in described.items())


@dataclass(frozen=True)
class EmailSettings:
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
class WebhookSettings:
    """Where alerts are posted to: one of an address, the variable and the file that holds it."""

    url: str | None = None
    url_env: str | None = None
    url_file: Path | None = None


@dataclass(frozen=True)
class AlertSettings:
    """Whom to tell of incidents.

    Attributes:
        command: what is run, word by word; empty for nothing.
        at_least_s: incidents shorter than this are not told, s.
        email: None where nothing is mailed.
        webhook: None where nothing is posted.
    """

    command: tuple[str, ...] = ()
    at_least_s: float = 0.0
    email: EmailSettings | None = None
    webhook: WebhookSettings | None = None


def build_alerts(resolved: Layer) -> AlertSettings:
    """The alerts of a pipeline.

    Args:
        resolved: the value in force of every key.

    Raises:
        EntroError: when something was said of the mail, but not to whom it goes.
    """
    values = {".".join(path[1:]): given.value for path, given in resolved.items() if path[0] == "alerts"}
    return AlertSettings(values["command"], values["at_least"], _email(resolved), _webhook(values))


def _email(resolved: Layer) -> EmailSettings | None:
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
    return EmailSettings(sender=values.pop("from"), **values)


def _webhook(values: Mapping[str, Any]) -> WebhookSettings | None:
    ways = {name: values[f"webhook.{name}"] for name in ("url", "url_env", "url_file")}
    return WebhookSettings(**ways) if any(ways.values()) else None
