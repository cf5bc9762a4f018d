"""The keys of entro.toml: what their values must be, and their defaults (docs/configuration.md tells of each)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from entro_cli.analysis.error_budget import DEFAULT_TARGET
from entro_cli.config import validators
from entro_cli.config.validators import Rule
from entro_engine.budget import GAMMA
from entro_engine.controller import ALPHA, BETA
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S

KeyPath = tuple[str, ...]
"""Where a value stands in a table, from the outside in."""

ANY = "*"
"""Stands for the name of a stage."""


@dataclass(frozen=True)
class ConfigKey:
    """A key, with a dot where a table is inside another.

    Attributes:
        name: the key, `*` for the name of a stage.
        rule: what its value must be.
        default: what stands when nobody says otherwise; None where that means nothing of the kind.
        secret: whether only a part of its value may be shown.
    """

    name: str
    rule: Rule
    default: Any = None
    secret: bool = False

    @property
    def path(self) -> KeyPath:
        """The key, part by part."""
        return tuple(self.name.split("."))

    @property
    def variable(self) -> str | None:
        """The variable of the environment that sets it; None for a list and for what belongs to a stage."""
        is_single = self.rule.is_single and ANY not in self.path
        return f"ENTRO_{self.name.replace('.', '_').upper()}" if is_single else None


KEYS = (
    ConfigKey("history", validators.PATH_OR_URL),
    ConfigKey("reports", validators.PATH),
    ConfigKey("zone", validators.ZONE),
    ConfigKey("step", validators.STEP_LENGTH),
    ConfigKey("gamma", validators.POSITIVE, GAMMA),
    ConfigKey("alpha", validators.FRACTION, ALPHA),
    ConfigKey("beta", validators.POSITIVE, BETA),
    ConfigKey("objective", validators.SHARE, DEFAULT_TARGET),
    ConfigKey("capacity", validators.POSITIVE),
    ConfigKey("wait", validators.WAIT, DEFAULT_ACCEPTED_WAIT_S),
    ConfigKey("retention", validators.DURATION),
    ConfigKey("silence", validators.DURATION),
    ConfigKey("exclude", validators.WINDOWS, ()),
    ConfigKey("fail_on", validators.TEXTS, ()),
    ConfigKey("logs", validators.PATTERNS, ()),
    ConfigKey("time", validators.TEXT),
    ConfigKey("start", validators.MOMENT),
    ConfigKey("year", validators.YEAR),
    ConfigKey("input_format", validators.TEXT),
    ConfigKey("offset", validators.SHIFTS, ()),
    ConfigKey("strict", validators.BOOLEAN, False),
    ConfigKey("redact", validators.BOOLEAN, False),
    ConfigKey("stages.*.column", validators.TEXT),
    ConfigKey("stages.*.kind", validators.KIND),
    ConfigKey("stages.*.full", validators.POSITIVE),
    ConfigKey("alerts.command", validators.COMMAND, ()),
    ConfigKey("alerts.at_least", validators.DURATION_OR_NONE, 0.0),
    ConfigKey("alerts.email.to", validators.ADDRESSES, ()),
    ConfigKey("alerts.email.from", validators.ADDRESS, "entro@localhost"),
    ConfigKey("alerts.email.host", validators.WORD, "localhost"),
    ConfigKey("alerts.email.port", validators.PORT),
    ConfigKey("alerts.email.security", validators.SECURITY, "none"),
    ConfigKey("alerts.email.user", validators.TEXT),
    ConfigKey("alerts.email.password_env", validators.WORD),
    ConfigKey("alerts.email.password_file", validators.PATH),
    ConfigKey("alerts.webhook.url", validators.WEB_ADDRESS, secret=True),
    ConfigKey("alerts.webhook.url_env", validators.WORD),
    ConfigKey("alerts.webhook.url_file", validators.PATH),
)

KEYS_BY_NAME = {key.name: key for key in KEYS}
SINGLE_KEYS = tuple(key for key in KEYS if ANY not in key.path)
"""The keys that are there once for a pipeline."""


def find_key(path: KeyPath) -> ConfigKey | None:
    """The key at a place; None where there is none of that name, or a table."""
    return KEYS_BY_NAME.get(".".join(_pattern_of(path)))


def is_table(path: KeyPath) -> bool:
    """Whether there may be a table at a place."""
    return bool(_child_parts(path))


def child_names(path: KeyPath) -> tuple[str, ...]:
    """The keys and tables that the table at a place may have; none where any name may stand."""
    return tuple(name for name in dict.fromkeys(_child_parts(path)) if name != ANY)


def _child_parts(path: KeyPath) -> list[str]:
    place = _pattern_of(path)
    return [key.path[len(place)] for key in KEYS if key.path[: len(place)] == place and len(key.path) > len(place)]


def _pattern_of(path: KeyPath) -> KeyPath:
    """A place, whichever stage it belongs to."""
    return (*path[:1], ANY, *path[2:]) if path[:1] == ("stages",) and len(path) > 1 else path
