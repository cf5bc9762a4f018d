"""The Typer app with every command. The modules of the commands import what is heavy only when they are called."""

from __future__ import annotations

from typing import Annotated

import typer

from entro_cli.commands import (
    analyze,
    calibrate,
    compare,
    config,
    demo,
    fleet,
    formats,
    history,
    ingest,
    report,
    schedule,
    simulate,
)

app = typer.Typer(
    name="entro",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=(
        "[bold]To begin[/bold]: [cyan]entro demo[/cyan] takes the tour; "
        "[cyan]entro analyze LOG[/cyan] reads your own log; every command has [cyan]--help[/cyan] with examples."
    ),
)


@app.callback()
def entro(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Report when a pipeline was Stable, in Stress or Critical, and which stage drove it there."""


app.command("simulate", epilog=simulate.EPILOG)(simulate.simulate)
app.command("analyze", epilog=analyze.EPILOG)(analyze.analyze)
app.command("report", epilog=report.EPILOG)(report.report)
app.command("fleet", epilog=fleet.EPILOG)(fleet.fleet)
app.command("compare", epilog=compare.EPILOG)(compare.compare)
app.command("calibrate", epilog=calibrate.EPILOG)(calibrate.calibrate)
app.command("ingest", epilog=ingest.EPILOG)(ingest.ingest)
app.command("formats", epilog=formats.EPILOG)(formats.formats)
app.command("config", epilog=config.EPILOG)(config.config)
stored = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Inspect and maintain the history.")
stored.command("list", epilog=history.LIST_EPILOG)(history.list_pipelines)
stored.command("show", epilog=history.SHOW_EPILOG)(history.show)
stored.command("export", epilog=history.EXPORT_EPILOG)(history.export)
stored.command("check", epilog=history.CHECK_EPILOG)(history.check)
stored.command("prune", epilog=history.PRUNE_EPILOG)(history.prune)
app.add_typer(stored, name="history", epilog=history.EPILOG)
jobs = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Let cron or systemd write the reports.")
jobs.command("add", epilog=schedule.ADD_EPILOG)(schedule.add)
jobs.command("run", epilog=schedule.RUN_EPILOG)(schedule.run)
jobs.command("list", epilog=schedule.LIST_EPILOG)(schedule.list_jobs)
jobs.command("remove", epilog=schedule.REMOVE_EPILOG)(schedule.remove)
app.add_typer(jobs, name="schedule", epilog=schedule.EPILOG)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
