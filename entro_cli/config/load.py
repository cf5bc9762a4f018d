"""The configuration: defaults, a file, the environment and options, the later over the earlier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from entro_cli.config.keys import KEYS_BY_NAME, SINGLE_KEYS
from entro_cli.config.layers import (
    DEFAULT,
    FILE_VARIABLE,
    Layer,
    OptionValue,
    merge_layer,
    mistyped_variables,
    stages_layer,
    variables_layer,
)
from entro_cli.config.provenance import ConfigEntry, list_entries
from entro_cli.config.settings import Settings, build_settings
from entro_cli.config.toml_file import PIPELINES, TomlFile, find_file, read_file
from entro_cli.config.validators import KeyPosition
from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError

_PORT, _SECURITY = ("alerts", "email", "port"), ("alerts", "email", "security")
_STANDARD_PORTS = {"none": 25, "starttls": 587, "tls": 465}


@dataclass(frozen=True)
class Config:
    """What a file and the environment say, for any pipeline.

    Attributes:
        file: the file that was read; None without one.
        pipelines: those it names, in its order.
        warnings: what was out of the ordinary, in sentences.
    """

    file: Path | None
    pipelines: tuple[str, ...]
    warnings: tuple[str, ...]
    _toml: TomlFile | None
    _variables: Layer
    _folder: Path

    def settings(self, pipeline: str = DEFAULT, given: Mapping[str, OptionValue] | None = None) -> Settings:
        """Everything that is in force for a pipeline.

        Args:
            pipeline: its name. Where the file names pipelines it must be one of them, or `default`, for which the keys
                for every pipeline stand alone.
            given: what options said, by key; None as a value says nothing. Under `stages` there are StageSpecs, each
                over what was said of the stage of its name.

        Raises:
            EntroError: when there is no such pipeline, or a value that an option gave cannot be.
        """
        return build_settings(pipeline, self._resolve(pipeline, given or {}))

    def entries(self, pipeline: str = DEFAULT) -> tuple[ConfigEntry, ...]:
        """Every value in force for a pipeline, as it can be shown.

        Raises:
            EntroError: when there is no such pipeline.
        """
        return tuple(list_entries(self._resolve(pipeline, {})))

    def _resolve(self, pipeline: str, given: Mapping[str, OptionValue]) -> Layer:
        """The value in force of every key."""
        resolved = {key.path: OptionValue(key.default, DEFAULT) for key in SINGLE_KEYS}
        resolved["history",] = OptionValue(default_path("history"), DEFAULT)
        for layer in (*self._of_file(pipeline), self._variables, self._of_options(given)):
            merge_layer(resolved, layer)
        if resolved[_PORT].value is None:
            resolved[_PORT] = OptionValue(_STANDARD_PORTS[resolved[_SECURITY].value], DEFAULT)
        return resolved

    def _of_file(self, pipeline: str) -> tuple[Layer, ...]:
        if self._toml is None:
            return ()
        own = self._toml.pipelines.get(pipeline)
        if own is None and self.pipelines and pipeline != DEFAULT:
            raise EntroError(
                f"{self._toml.shown} names no pipeline {printable(pipeline)!r}",
                where="--pipeline",
                expected=f"one of {', '.join(self.pipelines)}",
                remedy=did_you_mean(pipeline, self.pipelines),
            )
        shown = self._toml.shown
        return (
            {path: OptionValue(value, shown) for path, value in self._toml.shared.items()},
            {path: OptionValue(value, f"{shown} [{PIPELINES}.{pipeline}]") for path, value in (own or {}).items()},
        )

    def _of_options(self, given: Mapping[str, OptionValue]) -> Layer:
        layer: Layer = {}
        for name, (value, origin) in given.items():
            if name == "stages":
                layer |= stages_layer(value or (), origin)
            elif value is not None:
                at = KeyPosition(origin, self._folder)
                plain = str(value) if isinstance(value, Path) else value
                layer[KEYS_BY_NAME[name].path] = OptionValue(KEYS_BY_NAME[name].rule.apply(plain, at), origin)
        return layer


def default_path(name: str) -> Path:
    """Where something of the user's is kept when nobody said where: a folder of their data folder."""
    return user_data_path("entro", appauthor=False) / name


def load_config(file: Path | None, environ: Mapping[str, str], folder: Path) -> Config:
    """The configuration: what --config names, else ENTRO_CONFIG, else the nearest entro.toml; and ENTRO_* variables.

    Args:
        file: what --config names.
        environ: the environment.
        folder: the working directory.

    Raises:
        EntroError: when the file cannot be read, or it or a variable holds what cannot be.
    """
    path = find_file(file, environ.get(FILE_VARIABLE, ""), folder)
    toml = read_file(path, folder) if path else None
    return Config(
        file=path,
        pipelines=tuple(toml.pipelines) if toml else (),
        warnings=tuple(mistyped_variables(environ, _variables_named(toml) if toml else ())),
        _toml=toml,
        _variables=variables_layer(environ, folder),
        _folder=folder,
    )


def _variables_named(toml: TomlFile) -> set[str]:
    """The variables that a file says hold a secret."""
    layers = (toml.shared, *toml.pipelines.values())
    return {value for layer in layers for path, value in layer.items() if path[-1].endswith("_env")}
