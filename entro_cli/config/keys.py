"""The keys of entro.toml, the rule for the value of each, and their defaults (docs/configuration.md)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from entro_cli.analysis.error_budget import DEFAULT_TARGET
from entro_cli.config import validators
from entro_cli.config.validators import Rule
from entro_engine.budget import GAMMA
from entro_engine.controller import ALPHA, BETA
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S
from entro_engine.log_plant import DEFAULT_CONTROL

KeyPath = tuple[str, ...]
"""The names of the nested tables and of the key, outermost first."""

ANY = "*"
"""Matches the name of any stage or format in a key."""

NAMED_TABLES = {"stages": "a stage", "formats": "a format"}
"""Tables whose keys are tables with names that the user chooses, and what each of those describes."""


class ConfigKey(Struct, frozen=True):
    """A key of the configuration of one pipeline.

    Attributes:
        name: the key with the tables it is in, separated by dots; `*` for the name of a stage or format.
        rule: validates and converts its value.
        default: the value in force if nothing sets the key; None if there is no default.
        secret: whether only a part of its value may be shown.
    """

    name: str
    rule: Rule
    default: Any = None
    secret: bool = False

    @property
    def path(self) -> KeyPath:
        """The key, split at its dots."""
        return tuple(self.name.split("."))

    @property
    def variable(self) -> str | None:
        """The environment variable that sets the key; None for lists and for keys with a `*`."""
        is_single = self.rule.is_single and ANY not in self.path
        return f"ENTRO_{self.name.replace('.', '_').upper()}" if is_single else None


KEYS = (
    ConfigKey("history", validators.PATH_OR_URL),
    ConfigKey("reports", validators.PATH),
    ConfigKey("base_url", validators.BASE_URL),
    ConfigKey("browser", validators.PATH),
    ConfigKey("zone", validators.ZONE),
    ConfigKey("step", validators.STEP_LENGTH),
    ConfigKey("gamma", validators.POSITIVE, GAMMA),
    ConfigKey("alpha", validators.FRACTION, ALPHA),
    ConfigKey("beta", validators.POSITIVE, BETA),
    ConfigKey("headroom", validators.FRACTION, DEFAULT_CONTROL.headroom),
    ConfigKey("gain", validators.FRACTION, DEFAULT_CONTROL.smoothing),
    ConfigKey("guard", validators.SHARE_OR_ZERO),  # its default depends on the command
    ConfigKey("objective", validators.SHARE, DEFAULT_TARGET),
    ConfigKey("capacity", validators.POSITIVE),
    ConfigKey("wait", validators.WAIT, DEFAULT_ACCEPTED_WAIT_S),
    ConfigKey("full_loads", validators.FULL_LOADS, "learned"),
    ConfigKey("retention", validators.DURATION),
    ConfigKey("silence", validators.SILENCE),
    ConfigKey("exclude", validators.WINDOWS, ()),
    ConfigKey("fail_on", validators.TEXTS, ()),
    ConfigKey("logs", validators.PATTERNS, ()),
    ConfigKey("time", validators.TEXT),
    ConfigKey("start", validators.MOMENT),
    ConfigKey("year", validators.YEAR),
    ConfigKey("input_format", validators.TEXT),
    ConfigKey("by", validators.TEXTS, ()),
    ConfigKey("aggregate", validators.AGGREGATE),
    ConfigKey("decimal", validators.DECIMAL),
    ConfigKey("offset", validators.SHIFTS, ()),
    ConfigKey("strict", validators.BOOLEAN, False),
    ConfigKey("redact", validators.BOOLEAN, False),
    ConfigKey("stages.*.column", validators.TEXT),
    ConfigKey("stages.*.kind", validators.KIND),
    ConfigKey("stages.*.full", validators.POSITIVE),
    ConfigKey("stages.*.feeds", validators.NAMES),
    ConfigKey("formats.*.pattern", validators.TEXT),
    ConfigKey("formats.*.time_format", validators.TEXT),
    ConfigKey("formats.*.unit", validators.TIME_UNIT),
    ConfigKey("formats.*.description", validators.TEXT),
    ConfigKey("formats.*.arrival", validators.TEXTS),
    ConfigKey("formats.*.start", validators.TEXTS),
    ConfigKey("formats.*.end", validators.TEXTS),
    # Without a default: what is not set here is as in `alerts.email`.
    ConfigKey("report.email.to", validators.ADDRESSES),
    ConfigKey("report.email.from", validators.ADDRESS),
    ConfigKey("report.email.host", validators.WORD),
    ConfigKey("report.email.port", validators.PORT),
    ConfigKey("report.email.security", validators.SECURITY),
    ConfigKey("report.email.user", validators.TEXT),
    ConfigKey("report.email.password_env", validators.WORD),
    ConfigKey("report.email.password_file", validators.PATH),
    ConfigKey("report.email.when", validators.WHEN, "problems"),
    ConfigKey("alerts.command", validators.COMMAND, (), secret=True),
    ConfigKey("alerts.at_least", validators.DURATION_OR_NONE, 0.0),
    ConfigKey("alerts.email.to", validators.ADDRESSES, ()),
    ConfigKey("alerts.email.from", validators.ADDRESS, "entro@localhost"),
    ConfigKey("alerts.email.host", validators.WORD, "localhost"),
    ConfigKey("alerts.email.port", validators.PORT),  # its default depends on `security`: see load.py
    ConfigKey("alerts.email.security", validators.SECURITY, "none"),
    ConfigKey("alerts.email.user", validators.TEXT),
    ConfigKey("alerts.email.password_env", validators.WORD),
    ConfigKey("alerts.email.password_file", validators.PATH),
    # Anyone who knows the URL of a webhook can post to it, so the URL is a secret itself.
    ConfigKey("alerts.webhook.url", validators.WEB_ADDRESS, secret=True),
    ConfigKey("alerts.webhook.url_env", validators.WORD),
    ConfigKey("alerts.webhook.url_file", validators.PATH),
    ConfigKey("alerts.apprise", validators.SERVICES, (), secret=True),
    ConfigKey("alerts.apprise_env", validators.WORD),
    ConfigKey("alerts.apprise_file", validators.PATH),
)

KEYS_BY_NAME = {key.name: key for key in KEYS}

SINGLE_KEYS = tuple(key for key in KEYS if ANY not in key.path)
"""The keys that a pipeline has once, not once per stage or format."""

ALIASES = {
    "budget": "gamma",
    "gates": "fail_on",
    "interval": "step",
    "maintenance": "exclude",
    "slo": "objective",
    "target": "objective",
    "timezone": "zone",
    "tz": "zone",
}
"""Other names of keys, for suggestions only: users know these words from the options, the reports or other tools."""


def find_key(path: KeyPath) -> ConfigKey | None:
    """Return the key at a path; None if the path is unknown or names a table."""
    return KEYS_BY_NAME.get(".".join(_pattern_of(path)))


def is_table(path: KeyPath) -> bool:
    """Report whether the configuration may have a table at a path."""
    return bool(_child_parts(path))


def child_names(path: KeyPath) -> tuple[str, ...]:
    """Return the keys and tables that a table may have; none for `stages` and `formats`, which may have any."""
    return tuple(name for name in dict.fromkeys(_child_parts(path)) if name != ANY)


def _child_parts(path: KeyPath) -> list[str]:
    pattern = _pattern_of(path)
    depth = len(pattern)
    return [key.path[depth] for key in KEYS if key.path[:depth] == pattern and len(key.path) > depth]


def _pattern_of(path: KeyPath) -> KeyPath:
    """Return a path with `*` in place of the name of a stage or format."""
    return (*path[:1], ANY, *path[2:]) if len(path) > 1 and path[0] in NAMED_TABLES else path
