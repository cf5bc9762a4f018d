"""Settings of a command: its options over the environment over the configuration file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path

from entro_cli.analysis.gates import check_gates
from entro_cli.config import Config, OptionValue, Settings, load_config
from entro_cli.config.edit import write_keys
from entro_cli.config.keys import KEYS_BY_NAME
from entro_cli.config.toml_file import PIPELINES
from entro_cli.config.trust import FILE_NAME
from entro_cli.core.clock import nanoseconds, time_or_ago_ns
from entro_cli.core.console import Terminal, printable
from entro_cli.readers.options import LoadOptions

_OPTIONS = {"zone": "--tz", "wait": "--target-wait"}
"""The options whose names differ from their keys."""


def read_config(file: Path | None, terminal: Terminal) -> Config:
    """Load the configuration for this process's environment and working directory.

    Args:
        file: the value of --config; None to search for the file.
        terminal: prints a warning for variables that look like misspelled ones.

    Raises:
        EntroError: if it contains something invalid.
    """
    config = load_config(file, os.environ, Path.cwd())
    for warning in config.warnings:
        terminal.warn(warning)
    return config


def read_settings(file: Path | None, pipeline: str, terminal: Terminal, **options: object) -> Settings:
    """Return the settings of a pipeline; the options of the command line override everything else.

    Args:
        file: the value of --config; None to search for the file.
        pipeline: the pipeline's name.
        terminal: prints warnings.
        options: the values of options, by key (`zone` for --tz); None, False and an empty list mean not given.

    Raises:
        EntroError: if the configuration contains something invalid.
    """
    return settings_in(read_config(file, terminal), pipeline, **options)


def settings_in(config: Config, pipeline: str, **options: object) -> Settings:
    """Return the settings of one of several pipelines, whose configuration is read once.

    Args:
        config: the configuration.
        pipeline: the pipeline's name.
        options: as in `read_settings`.

    Raises:
        EntroError: if the configuration contains something invalid.
    """
    given = {
        key: OptionValue(value, _OPTIONS.get(key, f"--{key.replace('_', '-')}"))
        for key, value in options.items()
        if value is not None and value is not False and value != []
    }
    settings = config.settings(pipeline, given)
    check_settings(settings)
    return settings


def known_pipelines(file: Path | None, history: str | None) -> list[str]:
    """Return the names of the pipelines in the configuration and in the history, for a shell to complete.

    A history at a URL is not listed: that would keep the user waiting at the prompt.

    Args:
        file: the value of --config.
        history: the value of --history.
    """
    from entro_cli.history.paths import stored_pipelines

    config = load_config(file, os.environ, Path.cwd())
    given = {} if history is None else {"history": OptionValue(history, "--history")}
    location = config.settings(options=given).history
    stored = stored_pipelines(location) if isinstance(location, Path) else ()
    return list(dict.fromkeys([*config.pipelines, *(pipeline.name for pipeline in stored)]))


def check_settings(settings: Settings) -> None:
    """Check the settings that the configuration's own rules cannot check.

    Raises:
        EntroError: if a gate is invalid.
    """
    if settings.fail_on:
        check_gates([*settings.fail_on], f"{settings.origins['fail_on']}: fail_on")


def write_setting(
    values: Mapping[str, float], comment: str, config: Config, settings: Settings, terminal: Terminal
) -> str:
    """Write values of keys into the configuration file, beside the other keys of a pipeline.

    Args:
        values: the values, by key.
        comment: put after each of them.
        config: the configuration; without a file, entro.toml is made in this folder.
        settings: the pipeline's settings.
        terminal: prints a warning if a variable overrides the file.

    Returns:
        Where they were written.

    Raises:
        EntroError: if the file cannot be edited.
    """
    here = Path.cwd()
    file = config.file or here / FILE_NAME
    pipeline = settings.pipeline if settings.pipeline in config.pipelines else None
    write_keys(file, pipeline, values, comment)
    for key in values:
        if settings.origins[key] == KEYS_BY_NAME[key].variable:
            terminal.warn(f"{settings.origins[key]} is set, and overrides `{key}` of the file")
    table = f", [{PIPELINES}.{printable(pipeline)}]" if pipeline else ""
    return f"{printable(str(file.relative_to(here) if file.is_relative_to(here) else file))}{table}"


def load_options(settings: Settings, stage: Sequence[str] | None = None) -> LoadOptions:
    """Return how the logs of a pipeline are read.

    Stages and clocks of the configuration apply to the logs that have them. Those of the command line must exist.

    Args:
        settings: the pipeline's settings.
        stage: the values of --stage.
    """
    is_option = settings.origins["offset"].startswith("--")
    return LoadOptions(
        stage=stage or (),
        time=settings.time,
        start=settings.start,
        year=settings.year,
        tz=settings.zone,
        step=settings.step,
        input_format=settings.input_format,
        by=settings.by,
        aggregate=settings.aggregate,
        decimal=settings.decimal,
        offset=settings.offset if is_option else (),
        strict=settings.strict,
        redact=settings.redact,
        configured_stages=settings.stages,
        configured_offsets=() if is_option else settings.offset,
        formats=settings.formats,
        full_of=settings.full_of,
    )


def period_ns(since: str | None, until: str | None, zone: tzinfo) -> tuple[int | None, int | None]:
    """Return --since and --until in ns since the epoch; None if not given."""
    now = nanoseconds(datetime.now(zone))
    begin = None if since is None else time_or_ago_ns(since, now, zone, "--since")
    return begin, None if until is None else time_or_ago_ns(until, now, zone, "--until")
