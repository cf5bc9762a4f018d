"""The configuration: defaults, a file, the environment and options, each over the ones before it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from platformdirs import user_data_path

from entro_cli.config.keys import KEYS_BY_NAME, SINGLE_KEYS
from entro_cli.config.layers import (
    DEFAULT,
    Layer,
    OptionValue,
    merge_layer,
    mistyped_variables,
    stages_layer,
    variables_layer,
)
from entro_cli.config.provenance import ConfigEntry, list_entries
from entro_cli.config.settings import Settings, build_settings
from entro_cli.config.toml_file import PIPELINES, TomlFile, read_file
from entro_cli.config.trust import FILE_VARIABLE, find_file
from entro_cli.config.validators import KeyPosition
from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean, one_of
from entro_engine import EntroError

_STANDARD_PORTS = {"none": 25, "starttls": 587, "tls": 465}
"""The ports that mail servers use for each kind of security (RFC 5321, 6409, 8314)."""


class Config(Struct, frozen=True):
    """The file and the environment, validated, for any pipeline.

    Attributes:
        file: the file that was read; None without one.
        pipelines: the pipelines that the file names, in its order.
        warnings: variables that set nothing and look mistyped, in sentences.
    """

    file: Path | None
    pipelines: tuple[str, ...]
    warnings: tuple[str, ...]
    _toml: TomlFile | None
    _variables: Layer
    _folder: Path

    def settings(self, pipeline: str = DEFAULT, options: Mapping[str, OptionValue] | None = None) -> Settings:
        """Return the settings in force for a pipeline.

        Args:
            pipeline: the name. If the file names pipelines, it must be one of them, or `default`, which has only the
                keys at the top of the file.
            options: the values of command-line options, by key; None as a value sets nothing. The value of `stages`
                is a tuple of StageSpec, each merged into the stage of its name.

        Raises:
            EntroError: when the pipeline is unknown, or an option has an invalid value.
        """
        return build_settings(pipeline, self._resolve(pipeline, options or {}))

    def entries(self, pipeline: str = DEFAULT) -> tuple[ConfigEntry, ...]:
        """Return every value in force for a pipeline, with secrets shortened.

        Raises:
            EntroError: when the pipeline is unknown.
        """
        return tuple(list_entries(self._resolve(pipeline, {})))

    def _resolve(self, pipeline: str, options: Mapping[str, OptionValue]) -> Layer:
        """Return the value in force of every key."""
        resolved = {key.path: OptionValue(key.default, DEFAULT) for key in SINGLE_KEYS}
        # Not in the table of keys: the data folder depends on the user and on XDG_DATA_HOME when this runs.
        resolved["history",] = OptionValue(default_path("history"), DEFAULT)
        for layer in (*self._file_layers(pipeline), self._variables, self._options_layer(options)):
            merge_layer(resolved, layer)
        for table in ("report", "alerts"):
            port, security = (table, "email", "port"), resolved[table, "email", "security"].value
            if resolved[port].value is None and security is not None:
                resolved[port] = OptionValue(_STANDARD_PORTS[security], DEFAULT)
        return resolved

    def _file_layers(self, pipeline: str) -> tuple[Layer, ...]:
        """Return the layers of the file: its keys for every pipeline, then those of this one."""
        if self._toml is None:
            return ()
        shown = self._toml.shown
        values = self._toml.pipelines.get(pipeline)
        if values is None and self.pipelines and pipeline != DEFAULT:
            raise EntroError(
                f"unknown pipeline {printable(pipeline)!r} in {shown}",
                where="--pipeline",
                expected=one_of(self.pipelines),
                remedy=did_you_mean(pipeline, self.pipelines),
            )
        return (
            {path: OptionValue(value, shown) for path, value in self._toml.shared.items()},
            {path: OptionValue(value, f"{shown} [{PIPELINES}.{pipeline}]") for path, value in (values or {}).items()},
        )

    def _options_layer(self, options: Mapping[str, OptionValue]) -> Layer:
        layer: Layer = {}
        for name, (value, origin) in options.items():
            if name == "stages":
                layer |= stages_layer(value or (), origin)
            elif value is not None:
                key, at = KEYS_BY_NAME[name], KeyPosition(origin, self._folder)
                # The rules are for values of TOML, which has no paths.
                layer[key.path] = OptionValue(
                    key.rule.apply(str(value) if isinstance(value, Path) else value, at), origin
                )
        return layer


def default_path(name: str) -> Path:
    """Return the folder of that name in the user's data folder, used if nothing sets another."""
    return user_data_path("entro", appauthor=False) / name


def load_config(file: Path | None, environ: Mapping[str, str], folder: Path) -> Config:
    """Read the configuration file and the ENTRO_* variables.

    The file is the one --config names, else the one ENTRO_CONFIG names, else the nearest entro.toml.

    Args:
        file: the value of --config.
        environ: the environment.
        folder: the working directory.

    Raises:
        EntroError: when the file cannot be read, was found and could be the work of another user, or when the file or a
            variable holds an invalid value.
    """
    variable = environ.get(FILE_VARIABLE, "")
    is_named = file is not None or bool(variable)
    path = folder / (file or variable) if is_named else find_file(folder)
    toml = read_file(path, folder, is_named) if path else None
    return Config(
        file=path,
        pipelines=tuple(toml.pipelines) if toml else (),
        warnings=tuple(mistyped_variables(environ, _secret_variables(toml) if toml else ())),
        _toml=toml,
        _variables=variables_layer(environ, folder),
        _folder=folder,
    )


def _secret_variables(toml: TomlFile) -> set[str]:
    """Return the variables that a file names as holders of a secret."""
    layers = (toml.shared, *toml.pipelines.values())
    return {value for layer in layers for path, value in layer.items() if path[-1].endswith("_env")}
