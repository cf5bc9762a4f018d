"""The keys of entro.toml: what their values must be, and their defaults (docs/configuration.md tells of each)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from entro_cli.config import rules
from entro_cli.config.rules import Rule
from entro_cli.target import DEFAULT_TARGET
from entro_engine.budget import GAMMA
from entro_engine.controller import ALPHA, BETA
from entro_engine.entropy import DEFAULT_ACCEPTED_WAIT_S

Path = tuple[str, ...]
"""Where a value stands in a table, from the outside in."""

ANY = "*"
"""Stands for the name of a stage."""


@dataclass(frozen=True)
class Key:
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
    def path(self) -> Path:
        """The key, part by part."""
        return tuple(self.name.split("."))

    @property
    def variable(self) -> str | None:
        """The variable of the environment that sets it; None for a list and for what belongs to a stage."""
        is_single = self.rule.is_single and ANY not in self.path
        return f"ENTRO_{self.name.replace('.', '_').upper()}" if is_single else None


KEYS = (
    Key("history", rules.PLACE),
    Key("reports", rules.PATH),
    Key("zone", rules.ZONE),
    Key("step", rules.LENGTH),
    Key("gamma", rules.POSITIVE, GAMMA),
    Key("alpha", rules.FRACTION, ALPHA),
    Key("beta", rules.POSITIVE, BETA),
    Key("objective", rules.SHARE, DEFAULT_TARGET),
    Key("capacity", rules.POSITIVE),
    Key("wait", rules.WAIT, DEFAULT_ACCEPTED_WAIT_S),
    Key("retention", rules.DURATION),
    Key("silence", rules.DURATION),
    Key("exclude", rules.WINDOWS, ()),
    Key("fail_on", rules.TEXTS, ()),
    Key("logs", rules.PATTERNS, ()),
    Key("time", rules.TEXT),
    Key("start", rules.MOMENT),
    Key("year", rules.YEAR),
    Key("input_format", rules.TEXT),
    Key("offset", rules.SHIFTS, ()),
    Key("strict", rules.SWITCH, False),
    Key("redact", rules.SWITCH, False),
    Key("stages.*.column", rules.TEXT),
    Key("stages.*.kind", rules.KIND),
    Key("stages.*.full", rules.POSITIVE),
    Key("alerts.command", rules.COMMAND, ()),
    Key("alerts.at_least", rules.DURATION_OR_NONE, 0.0),
    Key("alerts.email.to", rules.ADDRESSES, ()),
    Key("alerts.email.from", rules.ADDRESS, "entro@localhost"),
    Key("alerts.email.host", rules.WORD, "localhost"),
    Key("alerts.email.port", rules.PORT),
    Key("alerts.email.security", rules.SECURITY, "none"),
    Key("alerts.email.user", rules.TEXT),
    Key("alerts.email.password_env", rules.WORD),
    Key("alerts.email.password_file", rules.PATH),
    Key("alerts.webhook.url", rules.WEB_ADDRESS, secret=True),
    Key("alerts.webhook.url_env", rules.WORD),
    Key("alerts.webhook.url_file", rules.PATH),
)

NAMED = {key.name: key for key in KEYS}
SINGLE = tuple(key for key in KEYS if ANY not in key.path)
"""The keys that are there once for a pipeline."""


def key_of(path: Path) -> Key | None:
    """The key at a place; None where there is none of that name, or a table."""
    return NAMED.get(".".join(_general(path)))


def is_table(path: Path) -> bool:
    """Whether there may be a table at a place."""
    return bool(_inside(path))


def names_in(path: Path) -> tuple[str, ...]:
    """The keys and tables that the table at a place may have; none where any name may stand."""
    return tuple(name for name in dict.fromkeys(_inside(path)) if name != ANY)


def _inside(path: Path) -> list[str]:
    place = _general(path)
    return [key.path[len(place)] for key in KEYS if key.path[: len(place)] == place and len(key.path) > len(place)]


def _general(path: Path) -> Path:
    """A place, whichever stage it belongs to."""
    return (*path[:1], ANY, *path[2:]) if path[:1] == ("stages",) and len(path) > 1 else path
