"""Settings from keyword arguments of Python, over the environment and the configuration file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from entro_cli.config.layers import OptionValue
from entro_cli.config.load import load_config
from entro_cli.config.settings import Settings
from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError

_ALIASES = {"tz": "zone", "wait_s": "wait"}
_NAMES = {key: name for name, key in _ALIASES.items()}

READING_KEYS = frozenset(
    {
        *("zone", "step", "time", "start", "year", "input_format", "by", "aggregate", "decimal", "offset"),
        *("strict", "redact"),
    }
)
"""The keys that concern the reading of logs."""

ANALYSIS_KEYS = frozenset(
    {
        *("gamma", "alpha", "beta", "headroom", "gain", "guard", "objective", "capacity", "wait", "full_loads"),
        *("exclude", "base_url", "browser"),
    }
)
"""The keys that concern an analysis and its report."""


class KeywordSettings(Struct, frozen=True):
    """The settings of a pipeline with those that the caller gives.

    Attributes:
        file: the configuration file; None to look for one.
        pipeline: the pipeline's name.
        given: the given values, by key.
    """

    file: Path | None
    pipeline: str
    given: Mapping[str, object]

    def with_keys(self, keys: Mapping[str, object], allowed: frozenset[str]) -> KeywordSettings:
        """Return the settings with more of them given.

        Args:
            keys: values by key, or by `tz` and `wait_s`.
            allowed: the keys that have an effect where they are given.

        Raises:
            EntroError: if another key is given, or one twice.
        """
        given: dict[str, object] = {}
        for name, value in keys.items():
            key = _ALIASES.get(name, name)
            if key not in allowed:
                raise _unusable(name, key, allowed)
            if key in given:
                raise EntroError(f"is given twice, as {_NAMES[key]} too", where=key)
            given[key] = value
        return replace(self, given={**self.given, **given})

    def settings(self) -> tuple[Settings, tuple[str, ...]]:
        """Return the settings, and warnings about variables of the environment that set nothing.

        Raises:
            EntroError: if a value is invalid.
        """
        config = load_config(self.file, os.environ, Path.cwd())
        options = {
            key: OptionValue(_as_in_toml(value), f"{_NAMES.get(key, key)}=") for key, value in self.given.items()
        }
        return config.settings(self.pipeline, options), config.warnings


def _unusable(name: str, key: str, allowed: frozenset[str]) -> EntroError:
    if key in READING_KEYS:
        return EntroError("concerns the reading of logs", where=name, remedy=f"use read(..., {name}=...)")
    known = sorted(_NAMES.get(each, each) for each in allowed)
    return EntroError(
        f"unknown key {name!r}",
        where="keyword arguments",
        expected=", ".join(known),
        remedy=did_you_mean(name, known),
    )


def _as_in_toml(value: object) -> object:
    """Return a value as it would stand in entro.toml: a path as text, a tuple as a list, NumPy's numbers as floats."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value
