"""The output of `entro schedule list`: a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from entro_cli.automation.schedule.job import InstalledJob
from entro_cli.core.console import printable

if TYPE_CHECKING:
    from rich.table import Table


def jobs_view(jobs: Sequence[InstalledJob]) -> Table:
    """Return a table of jobs; a job that runs another command than `entro schedule run` shows it whole."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("Job", "Kind", "When", "Runs"):
        table.add_column(heading, overflow="fold")
    for job in jobs:
        _, is_run, arguments = job.command.partition(" schedule run ")
        command = f"entro schedule run {arguments}" if is_run else job.command
        when = job.when if job.enabled else f"{job.when} (not enabled)"
        table.add_row(*(Text(printable(cell)) for cell in (job.name, job.kind, when, command)))
    return table
