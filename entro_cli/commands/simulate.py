"""`entro simulate`: a scenario under several controllers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entro_cli.commands.options import Budget, ConfigFile, Debug, Json, Quiet, SelfContained, Verbose
from entro_cli.core.console import Terminal, printable

if TYPE_CHECKING:
    from entro_cli.analysis.simulation.log_writer import LogWriter
    from entro_cli.analysis.simulation.results import SimulationDocument
    from entro_cli.analysis.simulation.runs import Batch, Noise, SimulationParameters
    from entro_engine import Scenario, Simulation

_WHAT, _HOW, _NOISE, _OUTPUT = "What is simulated", "Controllers", "Noise", "Output"

ScenarioName = Annotated[
    str,
    typer.Option(
        "--scenario",
        metavar="NAME|FILE.toml",
        help="three-phase, v9-reference, a TOML file, or - for one.",
        rich_help_panel=_WHAT,
    ),
]
Capacity = Annotated[
    float | None,
    typer.Option(
        metavar="RATE", help="What the server serves, req/s.", show_default="the scenario's", rich_help_panel=_WHAT
    ),
]
Stalls = Annotated[
    list[str] | None,
    typer.Option(
        "--stall",
        metavar="FIRST:AFTER",
        help="The server does nothing from step FIRST up to the one before AFTER. Repeatable.",
        rich_help_panel=_WHAT,
    ),
]
Controllers = Annotated[
    list[str] | None,
    typer.Option(
        "--controller",
        metavar="NAME",
        help="uncontrolled, static, eq14 or v9. Repeatable.",
        show_default="all four",
        rich_help_panel=_HOW,
    ),
]
Limit = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="Of the static controller, req/s.", show_default="1.5", rich_help_panel=_HOW),
]
Lag = Annotated[
    int,
    typer.Option(metavar="N", help="How many steps old what the controllers see is.", rich_help_panel=_HOW),
]
Alpha = Annotated[
    float | None,
    typer.Option(metavar="A", help="Control authority of eq14 and v9.", show_default="0.5", rich_help_panel=_HOW),
]
Beta = Annotated[
    float | None,
    typer.Option(metavar="B", help="Steepness of eq14 and v9, 1/nat.", show_default="2.0", rich_help_panel=_HOW),
]
NoiseSize = Annotated[
    float | None,
    typer.Option("--noise", metavar="SIGMA", help="Relative noise on the demand: 0.2.", rich_help_panel=_NOISE),
]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", help="The same seed, the same runs.", show_default="0", rich_help_panel=_NOISE),
]
Runs = Annotated[
    int | None,
    typer.Option(metavar="K", help="How many runs each controller has.", show_default="100", rich_help_panel=_NOISE),
]
LogDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write every run there, as a CSV log.", rich_help_panel=_OUTPUT),
]
Start = Annotated[str, typer.Option(metavar="TIME", help="When the logs begin.", rich_help_panel=_OUTPUT)]
Page = Annotated[
    Path | None,
    typer.Option("--out", metavar="PAGE.html", help="Draw the runs on a page.", rich_help_panel=_OUTPUT),
]
EPILOG = """\
[bold]Example[/bold]: does control still hold when the server stalls for a minute and the load is noisy?

[cyan]entro simulate --stall 320:380 --controller static --controller v9 --noise 0.2 --runs 200[/cyan]

And the same once, as logs that [cyan]entro analyze[/cyan] reads, and as a page:

[cyan]entro simulate --stall 320:380 --log-dir logs --out stall.html[/cyan]
"""


def simulate(
    *,
    scenario: ScenarioName = "three-phase",
    controller: Controllers = None,
    limit: Limit = None,
    lag: Lag = 1,
    stall: Stalls = None,
    alpha: Alpha = None,
    beta: Beta = None,
    budget: Budget = None,
    capacity: Capacity = None,
    noise: NoiseSize = None,
    seed: Seed = None,
    runs: Runs = None,
    log_dir: LogDir = None,
    start: Start = "2026-01-01T00:00:00Z",
    out: Page = None,
    config: ConfigFile = None,
    self_contained: SelfContained = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Run a scenario under several controllers and compare what comes of it.

    The figures published for a run are shown beside it. A scenario of your own is a small TOML file: docs/scenarios.md.
    """
    from entro_cli.analysis.simulation.results import summarise
    from entro_cli.analysis.simulation.runs import FirstRuns, SimulationParameters, simulate_all
    from entro_cli.core.json_document import to_builtins
    from entro_cli.core.parallel import Executor

    terminal = Terminal(quiet, verbose)
    given = {"alpha": alpha, "beta": beta, "limit": limit, "budget": budget}
    settings = SimulationParameters(
        _scenario(scenario, capacity, stall or []),
        lag=lag,
        noise=_noise(noise, seed, runs),
        **_configured(config, terminal) | _without_none(given | {"controllers": _chosen(controller)}),
    )
    _warn_of_idle(terminal, settings, given)
    logs = _log_writer(settings, log_dir, start)
    firsts = FirstRuns(settings)
    watchers: list[Callable[[Batch], None]] = [*([logs] if logs else []), *([firsts] if out else [])]
    watchers += [_progress(terminal)] if verbose else []
    document = summarise(settings, simulate_all(settings, *watchers, map_portions=Executor().map))
    if logs:
        terminal.note(f"wrote {len(logs.written)} logs to {printable(str(log_dir))}")
    if out:
        _write_page(out, scenario, self_contained, settings, document, firsts.kept)
        terminal.note(f"wrote {printable(str(out))}")
    if as_json:
        terminal.document(to_builtins(document))
    else:
        _show(terminal, settings, document)


def _configured(config: Path | None, terminal: Terminal) -> dict[str, Any]:
    """The law and the budget of two stages, as they are configured for every pipeline."""
    from entro_cli.workflows.settings import read_settings

    settings = read_settings(config, "default", terminal)
    return {"alpha": settings.alpha, "beta": settings.beta, "budget": settings.budget(2)}


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """What was given; for the rest the defaults stand."""
    return {name: value for name, value in values.items() if value is not None}


def _chosen(controllers: list[str] | None) -> tuple[str, ...] | None:
    """The controllers named, each once."""
    return tuple(dict.fromkeys(controllers)) if controllers else None


def _scenario(name: str, capacity: float | None, stalls: list[str]) -> Scenario:
    """The scenario with what the options change of it."""
    from entro_cli.analysis.simulation.scenario_file import find_scenario, parse_stall
    from entro_engine import EntroError

    scenario = find_scenario(name)
    more = tuple(parse_stall(stall, "--stall") for stall in stalls)
    for stall in more:
        if stall.after > scenario.steps:
            raise EntroError(
                f"{stall.first}:{stall.after} goes on beyond the end",
                where="--stall",
                expected=f"steps from 0 to {scenario.steps}, as scenario {printable(scenario.name)} has",
            )
    changes = {"capacity": capacity, "stalls": scenario.stalls + more}
    return replace(scenario, **_without_none(changes))


def _noise(sigma: float | None, seed: int | None, runs: int | None) -> Noise | None:
    from entro_cli.analysis.simulation.runs import Noise
    from entro_engine import EntroError

    if sigma is not None:
        return Noise(sigma, **_without_none({"seed": seed, "runs": runs}))
    for option, value in (("--runs", runs), ("--seed", seed)):
        if value is not None:
            raise EntroError(
                "means nothing without noise: every run would be the same",
                where=option,
                remedy="add --noise SIGMA, as in --noise 0.2",
            )
    return None


def _warn_of_idle(terminal: Terminal, settings: SimulationParameters, given: dict[str, float | None]) -> None:
    """Tell of options that change nothing, because no controller that runs has use for them."""
    users = {"limit": ("static",), "alpha": ("eq14", "v9"), "beta": ("eq14", "v9")}
    for name, controllers in users.items():
        if given[name] is not None and not set(controllers) & set(settings.controllers):
            terminal.warn(f"--{name} changes nothing: it is for {' and '.join(controllers)}")


def _log_writer(settings: SimulationParameters, folder: Path | None, start: str) -> LogWriter | None:
    from entro_cli.analysis.simulation.log_writer import LogWriter
    from entro_cli.core.clock import moment_ns

    start_ns = moment_ns(start, UTC, "--start")
    return LogWriter(settings, folder, start_ns) if folder else None


def _progress(terminal: Terminal) -> Callable[[Batch], None]:
    """What --verbose tells of each batch."""
    return lambda batch: terminal.detail(f"{batch.controller}: run {batch.runs.stop} done")


def _write_page(
    path: Path,
    source: str,
    self_contained: bool,
    settings: SimulationParameters,
    document: SimulationDocument,
    runs: list[Simulation],
) -> None:
    """Draw the runs on a page; `source` is where the scenario is from."""
    from entro_cli.analysis.simulation.published import compare
    from entro_cli.analysis.simulation.results import describe
    from entro_cli.report.render.page import store_page
    from entro_cli.report.render.simulation import render

    def page(inside: bool) -> str:
        return render(settings.scenario, document, compare(settings), describe(settings), runs, inside)

    store_page(path, page, self_contained, [source])


def _show(terminal: Terminal, settings: SimulationParameters, document: SimulationDocument) -> None:
    from entro_cli.analysis.simulation.published import compare
    from entro_cli.analysis.simulation.results import describe
    from entro_cli.report.render.simulation_table import rich_table, table_rows

    comparison = compare(settings)
    table = rich_table(document, table_rows(document, comparison))
    terminal.show(*describe(settings), "", table, "", *comparison.notes)
