"""Values that the shell completes. Each function returns all of them, and Typer keeps those that fit the text."""

from __future__ import annotations

from contextlib import suppress

import typer

from entro_cli.readers.formats import FORMATS


def input_formats() -> list[str]:
    """Return the formats of logs."""
    return list(FORMATS)


def time_zones() -> list[str]:
    """Return the time zones of the tz database."""
    from zoneinfo import available_timezones

    return sorted(available_timezones())


def presets() -> list[str]:
    """Return the servers whose Prometheus queries are known."""
    from entro_cli.workflows.query_prometheus import PRESETS

    return list(PRESETS)


def controllers() -> list[str]:
    """Return the controllers of a simulation."""
    from entro_cli.analysis.simulation.parameters import CONTROLLERS, FAMILY

    return [FAMILY, *CONTROLLERS]


def documents() -> list[str]:
    """Return the names of the documents that have a schema."""
    from entro_cli.commands.views.documents import SHAPES

    return list(SHAPES)


def scenarios() -> list[str]:
    """Return the scenarios that come with entro. The shell itself completes the names of files."""
    from entro_cli.analysis.simulation.scenario_file import BUILT_IN

    return list(BUILT_IN)


def pipelines(context: typer.Context) -> list[str]:
    """Return the pipelines of entro.toml and of the history, as the options before the cursor name them."""
    from entro_cli.workflows.settings import known_pipelines

    # An error here would be printed into the prompt that the user is typing at.
    with suppress(Exception):
        return known_pipelines(context.params.get("config_file"), context.params.get("history"))
    return []


def job_names() -> list[str]:
    """Return the scheduled jobs."""
    from entro_cli.automation.schedule.jobs import installed

    with suppress(Exception):  # as above; and listing jobs runs crontab and systemctl, which may fail
        return [job.name for job in installed()[0]]
    return []
