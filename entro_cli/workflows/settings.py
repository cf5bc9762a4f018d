"""Options over the configuration: what a command that reads logs is to do, wherever each part of it was said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from entro_cli.core.console import Terminal
from entro_cli.readers.options import LoadOptions

if TYPE_CHECKING:
    from entro_cli.core.console import Terminal

import os
from pathlib import Path

from entro_cli.analysis.gates import check_gates
from entro_cli.config import Config, OptionValue, Settings, load_config
from entro_cli.core.console import Terminal

_OPTIONS = {"zone": "--tz"}
"""The options that are not called like their keys."""


def read_config(file: Path | None, terminal: Terminal) -> Config:
    """The configuration of this process: its environment, its working directory.

    Args:
        file: what --config names; None to look for it.
        terminal: is told of variables that are nearly called like a known one.

    Raises:
        EntroError: when something in it cannot be.
    """
    config = load_config(file, os.environ, Path.cwd())
    for warning in config.warnings:
        terminal.warn(warning)
    return config


def read_settings(file: Path | None, pipeline: str, terminal: Terminal, **options: object) -> Settings:
    """What is in force for a pipeline, the options of the command line over everything else.

    Args:
        file: what --config names; None to look for it.
        pipeline: its name.
        terminal: is told of what is out of the ordinary.
        options: what options said, by key (`zone` for --tz); None, False and nothing at all say nothing.

    Raises:
        EntroError: when something in it cannot be.
    """
    return settings_in(read_config(file, terminal), pipeline, **options)


def settings_in(config: Config, pipeline: str, **options: object) -> Settings:
    """What is in force for one of many pipelines, whose configuration is read once.

    Args:
        config: of all of them.
        pipeline: its name.
        options: as `read_settings` takes them.

    Raises:
        EntroError: when something in it cannot be.
    """
    said = {
        key: OptionValue(value, _OPTIONS.get(key, f"--{key.replace('_', '-')}"))
        for key, value in options.items()
        if value is not None and value is not False and value != []
    }
    settings = config.settings(pipeline, said)
    check_settings(settings)
    return settings


def check_settings(settings: Settings) -> None:
    """Refuse what only the rooms behind the configuration can judge.

    Raises:
        EntroError: when a gate cannot be read.
    """
    check_gates([*settings.fail_on], f"{settings.origins['fail_on']}: fail_on")


def load_options(settings: Settings, stage: Sequence[str] | None = None) -> LoadOptions:
    """How to read the logs of a pipeline.

    Stages and clocks of the configuration are for the logs that have them; those of the command line must be there.

    Args:
        settings: in force for it.
        stage: what --stage said.
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
        offset=settings.offset if is_option else (),
        strict=settings.strict,
        redact=settings.redact,
        described=settings.stages,
        clocks=() if is_option else settings.offset,
        full_of=settings.full_of,
    )


def period_ns(since: str | None, until: str | None, zone: tzinfo) -> tuple[int | None, int | None]:
    """--since and --until as nanoseconds since the epoch, None where they were not given."""
    from entro_cli.core.clock import nanoseconds, time_or_ago_ns

    now = nanoseconds(datetime.now(zone))
    begin = None if since is None else time_or_ago_ns(since, now, zone, "--since")
    return begin, None if until is None else time_or_ago_ns(until, now, zone, "--until")
