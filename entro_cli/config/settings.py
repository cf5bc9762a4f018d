"""The settings in force for one pipeline, and the origin of each value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from entro_cli.config.layers import DEFAULT, Layer
from entro_cli.core.clock import zone_of
from entro_cli.core.console import printable
from entro_cli.core.secrets import Secret, secret_of
from entro_cli.timeseries.maintenance import Maintenance, parse_maintenance
from entro_cli.timeseries.observations import Declaration, StageSpec
from entro_engine import EntroError, Kind
from entro_engine.budget import psi_budget
from entro_engine.entropy import full_loads_from
from entro_engine.log_plant import DEFAULT_CONTROL, ControlParameters

Described = TypeVar("Described")


class Settings(Struct, frozen=True):
    """The settings in force for one pipeline.

    Attributes:
        pipeline: the name.
        history: the stored history: an absolute folder, or a URL without a slash at its end.
        reports: the folder of the reports; None if not set.
        base_url: the web address of that folder, without a slash at its end; None if not set.
        browser: the browser that prints a PDF; None for one on the PATH.
        zone: the time zone of timestamps without one, and of output; None for the machine's.
        step: the length of a step as the user wrote it; None for the interval of the slowest source.
        gamma: the share of the critical entropy that is the budget.
        alpha: control authority.
        beta: steepness of the control law, 1/nat.
        headroom: the share by which the cap may exceed what the server is seen to serve.
        gain: the share of a new served rate that enters its estimate, per step.
        guard: where the controller begins to correct, from 0, where Stress begins, to 1, where Critical does; None for
            the default of the command.
        objective: the share of observed steps that should be within the budget, 0..1.
        capacity: the rate at which the stage that serves the queue works, req/s; None if not set.
        wait_s: the longest accepted wait, s.
        full_loads: `learned` from the log where they are not set, or `published`.
        stages: the described stages; an empty column is recognised by its name.
        formats: the declared formats.
        time: the column that holds the time; None to recognise it.
        start: the time that offsets count from; None if not set.
        year: the year of timestamps without one; None if not set.
        input_format: the format of the logs; None to recognise it.
        by: the columns of tables that name the source of a row; empty to recognise them.
        aggregate: how sources of one time are combined: `sum`, `mean` or `max`; None for that of the kind.
        decimal: the decimal mark of tables, `point` or `comma`; None to recognise it.
        offset: shifts of the clocks of logs, each FILE=+3s.
        strict: make the first bad row an error.
        redact: mask the text of bad rows in the output.
        logs: the logs that are read if a command names none.
        retention_s: the age at which stored days are pruned, s; None to keep them for ever.
        silence: the longest time without data before an alert, s; `usual` for three times the usual gap between runs;
            None for no such alert.
        exclude: maintenance windows as the user wrote them; steps in them are not judged.
        fail_on: the gates of a scheduled run.
        report_email: the mail of scheduled reports; None to send none.
        alerts: the channels for alerts.
        origins: the origin of each key's value: `default`, a file, a variable or an option.
    """

    pipeline: str
    history: Path | str
    reports: Path | None
    base_url: str | None
    browser: Path | None
    zone: str | None
    step: str | None
    gamma: float
    alpha: float
    beta: float
    headroom: float
    gain: float
    guard: float | None
    objective: float
    capacity: float | None
    wait_s: float
    full_loads: str
    stages: tuple[StageSpec, ...]
    formats: tuple[Declaration, ...]
    time: str | None
    start: str | None
    year: int | None
    input_format: str | None
    by: tuple[str, ...]
    aggregate: str | None
    decimal: str | None
    offset: tuple[str, ...]
    strict: bool
    redact: bool
    logs: tuple[str, ...]
    retention_s: float | None
    silence: float | str | None
    exclude: tuple[str, ...]
    fail_on: tuple[str, ...]
    report_email: ReportEmailSettings | None
    alerts: AlertSettings
    origins: Mapping[str, str]

    @property
    def budget(self) -> float:
        """The budget of the coupled load, that of two stages whatever their number: 2 gamma Psi_c, in nats."""
        return psi_budget(2, self.gamma)

    @property
    def control(self) -> ControlParameters:
        """The parameters of the controller that reports simulate."""
        guard = DEFAULT_CONTROL.guard if self.guard is None else self.guard
        return ControlParameters(self.alpha, self.beta, self.headroom, self.gain, guard)

    def maintenance(self) -> Maintenance:
        """Return the maintenance windows, in the time zone of the output."""
        return parse_maintenance(self.exclude, zone_of(self.zone), "exclude")

    def full_of(self, name: str, kind: Kind) -> float | None:
        """Return the load at which a stage is full, in the unit of its kind.

        A full load in the configuration applies if the stage is described as of this kind, or of none. Otherwise it
        follows from the capacity: capacity * 3.0 / 1.2 for a rate (the ratio of the published model), and
        capacity * wait for a queue (Little's law). An accepted wait without a capacity sets no full load.

        Args:
            name: the stage.
            kind: the kind of its load.

        Returns:
            The full load; None if the default of the kind applies.
        """
        spec = next((spec for spec in self.stages if spec.name == name), None)
        if spec is not None and spec.full is not None and spec.kind in {None, kind}:
            return spec.full
        return None if self.capacity is None else full_loads_from(self.capacity, self.wait_s).get(kind)


def build_settings(pipeline: str, resolved: Layer) -> Settings:
    """Build the settings of a pipeline.

    Args:
        pipeline: the name.
        resolved: the value in force of every key.

    Raises:
        EntroError: when values contradict each other.
    """
    _check_headroom(resolved)
    plain = {path[0]: option.value for path, option in resolved.items() if len(path) == 1}
    return Settings(
        pipeline=pipeline,
        wait_s=plain.pop("wait"),
        retention_s=plain.pop("retention"),
        stages=_described("stages", resolved, StageSpec),
        formats=_formats(resolved),
        report_email=_report_email(resolved),
        alerts=build_alerts(resolved),
        origins={".".join(path): option.origin for path, option in resolved.items()},
        **plain,
    )


def _check_headroom(resolved: Layer) -> None:
    """Refuse a headroom that no correction can take back. The default one stays allowed beside a small alpha.

    Raises:
        EntroError: when it was set, and is not below alpha.
    """
    (headroom, origin), alpha = resolved["headroom",], resolved["alpha",].value
    if origin != DEFAULT and headroom >= alpha:
        raise EntroError(
            f"is {headroom:g}, but alpha is {alpha:g}: no correction could hold back more than the headroom adds",
            where=f"{origin}: headroom",
            expected="a number below alpha",
            remedy="set a lower headroom, or a higher alpha",
        )


def _described(table: str, resolved: Layer, kind: Callable[..., Described]) -> tuple[Described, ...]:
    """Return the described stages or formats, in the order in which they are first mentioned."""
    described: dict[str, dict[str, Any]] = {}
    for path, option in resolved.items():
        if path[0] == table:
            described.setdefault(path[1], {})[path[2]] = option.value
    return tuple(kind(name, **parts) for name, parts in described.items())


def _formats(resolved: Layer) -> tuple[Declaration, ...]:
    """Return the declared formats.

    Raises:
        EntroError: when one cannot be used.
    """
    formats = _described("formats", resolved, Declaration)
    for declaration in formats:
        from entro_cli.readers.declared.groups import check_declaration  # it runs the pattern: most users have none

        origin = next(option.origin for path, option in resolved.items() if path[:2] == ("formats", declaration.name))
        check_declaration(declaration, f"{origin}: formats.{printable(declaration.name)}")
    return formats


class EmailSettings(Struct, frozen=True):
    """A mail server and the recipients of what is sent through it.

    Attributes:
        to: the recipients, at least one.
        sender: the sender's address.
        host: the mail server.
        port: its port.
        security: `none`, `starttls` or `tls`.
        user: the user to log in as; None to send without a login.
        password: the user's password.
    """

    to: tuple[str, ...]
    sender: str
    host: str
    port: int
    security: str
    user: str | None = None
    password: Secret | None = None


class ReportEmailSettings(Struct, frozen=True):
    """The mail of scheduled reports.

    Attributes:
        email: the mail server and the recipients.
        when: `problems` for periods whose health is not good, or `always`.
    """

    email: EmailSettings
    when: str


class AlertSettings(Struct, frozen=True):
    """The channels for alerts, and the shortest incident that is reported.

    Attributes:
        command: the command to run, as a list of arguments; empty for none.
        at_least_s: incidents shorter than this are not reported, s.
        email: the mail settings; None to send no mail.
        webhook: the URL of the webhook; None to post nothing.
        apprise: the Apprise URLs of services, one a line; None without any.
    """

    command: tuple[str, ...] = ()
    at_least_s: float = 0.0
    email: EmailSettings | None = None
    webhook: Secret | None = None
    apprise: Secret | None = None


def build_alerts(resolved: Layer) -> AlertSettings:
    """Build the alert settings of a pipeline.

    Args:
        resolved: the value in force of every key.

    Raises:
        EntroError: when mail is configured without a recipient.
    """
    values = {".".join(path[1:]): option.value for path, option in resolved.items() if path[0] == "alerts"}
    return AlertSettings(
        values["command"],
        values["at_least"],
        _email(resolved),
        secret_of(values["webhook.url_env"], values["webhook.url_file"], values["webhook.url"]),
        secret_of(values["apprise_env"], values["apprise_file"], "\n".join(values["apprise"] or ()) or None),
    )


def _email(resolved: Layer) -> EmailSettings | None:
    """Build the mail settings.

    Raises:
        EntroError: when mail is configured without a recipient.
    """
    options = {path[-1]: option for path, option in resolved.items() if path[:2] == ("alerts", "email")}
    values = {name: option.value for name, option in options.items()}
    set_by = next((option.origin for name, option in options.items() if name != "to" and option.origin != DEFAULT), "")
    # An explicit `to = []` is allowed: a pipeline switches off the mail of the others with it.
    if set_by and options["to"].origin == DEFAULT:
        raise EntroError("alerts.email.to is missing", where=set_by, expected='to = ["someone@example.org"]')
    if not values["to"]:
        return None
    return _email_settings(values)


def _report_email(resolved: Layer) -> ReportEmailSettings | None:
    """Build the mail settings of reports: those of alerts, with what reports set.

    Raises:
        EntroError: when mail is configured without a recipient.
    """
    own, alerts = (
        {path[-1]: option for path, option in resolved.items() if path[:2] == (table, "email")}
        for table in ("report", "alerts")
    )
    set_by = next((option.origin for option in own.values() if option.origin != DEFAULT), "")
    if not set_by:
        return None
    if own["to"].origin == alerts["to"].origin == DEFAULT:
        raise EntroError("report.email.to is missing", where=set_by, expected='to = ["someone@example.org"]')
    values = {name: option.value for name, option in own.items() if option.value is not None}
    inherited = {name: option.value for name, option in alerts.items()}
    if "host" in values:  # another server: the login of the first one is not for it
        inherited |= {"port": 25, "security": "none", "user": None}
    if values.keys() & {"host", "password_env", "password_file"}:
        inherited |= {"password_env": None, "password_file": None}
    merged = inherited | values
    when = merged.pop("when")
    return ReportEmailSettings(_email_settings(merged), when) if merged["to"] else None


def _email_settings(values: dict[str, Any]) -> EmailSettings:
    password = secret_of(values.pop("password_env"), values.pop("password_file"))
    return EmailSettings(sender=values.pop("from"), password=password, **values)
