"""`entro simulate`: a scenario under several controllers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from entro_cli.commands import completion
from entro_cli.commands.options import (
    ADVANCED,
    INPUT,
    OUTPUT,
    Budget,
    CommonOptions,
    ConfigFile,
    Json,
    OptionBlock,
    SelfContained,
    option,
)

if TYPE_CHECKING:
    from entro_cli.analysis.simulation.graph.runs import GraphParameters
    from entro_cli.analysis.simulation.parameters import SimulationParameters
    from entro_cli.analysis.simulation.results import RunFigures, SimulationDocument
    from entro_cli.analysis.simulation.runs import Batch
    from entro_cli.core.console import Terminal
    from entro_engine import Simulation

EPILOG = """\
[bold]Examples[/bold]: does control still hold when the server stalls for a minute under a noisy load? And one run of \
the same, as logs that [cyan]entro analyze[/cyan] reads and as a page. Then a chain of queues whose bottleneck moves.

[cyan]entro simulate --stall 320:380 --controller static --controller v9 --noise 0.2 --runs 200[/cyan]

[cyan]entro simulate --stall 320:380 --log-dir logs --out stall.html[/cyan]

[cyan]entro simulate --scenario chain --out chain.html[/cyan]
"""

_FIRST_ROW = "2026-01-01T00:00:00Z"

_NOT_FOR_GRAPHS = {
    "capacity": "set capacity in the scenario file, in [stages.NAME]",
    "stall": "set stalls in the scenario file, in [stages.NAME]",
    **dict.fromkeys(("limit", "noise", "seed", "runs", "seeds", "log-dir", "start"), "leave it out"),
}

ControllerNames = Annotated[
    list[str] | None,
    option(
        INPUT,
        "--controller NAME",
        "Controller: uncontrolled, static, eq14, v9, predictive, core, ai, or family for all. Repeatable.",
        "the first four",
        autocompletion=completion.controllers,
    ),
]
Lag = Annotated[int, option(ADVANCED, "N", "Age of what the controllers see, in steps.")]
LogDir = Annotated[Path | None, option(OUTPUT, "--log-dir DIR", "Write every run as a CSV log to this folder.")]
LogStart = Annotated[str | None, option(OUTPUT, "--start TIME", "Time of the first row of the logs.", _FIRST_ROW)]
Page = Annotated[Path | None, option(OUTPUT, "--out PAGE.html", "Write a page with charts of the runs.")]


class ScenarioOptions(OptionBlock):
    """The demand and the server."""

    scenario: Annotated[
        str,
        option(
            INPUT,
            "--scenario NAME|FILE.toml",
            "Scenario: three-phase, v9-reference, arena, a graph of stages (chain, shared, shared-weighted, "
            "shared-proportional, split), a TOML file, or - for standard input.",
            autocompletion=completion.scenarios,
        ),
    ] = "three-phase"
    capacity: Annotated[
        float | None,
        option(INPUT, "--capacity RATE", "Capacity of the server, in requests per second.", "the scenario's"),
    ] = None
    stall: Annotated[
        list[str] | None,
        option(INPUT, "--stall FIRST:AFTER", "Stop the server from step FIRST until step AFTER. Repeatable."),
    ] = None


class NoiseOptions(OptionBlock):
    """Noise on the demand, or the runs of the arena, and how often they are drawn."""

    noise: Annotated[float | None, option(INPUT, "--noise SIGMA", "Relative noise on the demand, such as 0.2.")] = None
    seed: Annotated[
        int | None, option(INPUT, "--seed N", "Seed of the noise. The same seed gives the same runs.", "0")
    ] = None
    runs: Annotated[int | None, option(INPUT, "--runs K", "Number of runs of each controller.", "100")] = None
    seeds: Annotated[
        str | None, option(INPUT, "--seeds FIRST:AFTER", "Seeds of the arena, one run each.", "5000:5060")
    ] = None


class ControllerOptions(OptionBlock):
    """The parameters of the controllers."""

    limit: Annotated[
        float | None, option(ADVANCED, "--limit RATE", "Limit of the static controller, in requests per second.", "1.5")
    ] = None
    alpha: Annotated[
        float | None, option(ADVANCED, "--alpha A", "Control authority of eq14, v9 and predictive.", "0.5")
    ] = None
    beta: Annotated[
        float | None, option(ADVANCED, "--beta B", "Steepness of eq14, v9 and predictive, per nat.", "2.0")
    ] = None
    budget: Budget = None


def simulate(
    *,
    scenario: ScenarioOptions,
    controller: ControllerNames = None,
    noise: NoiseOptions,
    parameters: ControllerOptions,
    lag: Lag = 1,
    log_dir: LogDir = None,
    start: LogStart = None,
    out: Page = None,
    self_contained: SelfContained = False,
    config_file: ConfigFile = None,
    as_json: Json = False,
    common: CommonOptions,
) -> None:
    """Run a scenario under several controllers and compare the results.

    Published figures of a run are shown beside it. A scenario of your own is a small TOML file.
    """
    from entro_cli.analysis.simulation.graph.runs import GRAPH_CONTROLLERS, GraphParameters
    from entro_cli.analysis.simulation.graph.scenario import GraphScenario
    from entro_cli.analysis.simulation.log_writer import LogWriter
    from entro_cli.analysis.simulation.parameters import (
        CONTROLLERS,
        SimulationParameters,
        controllers_named,
        random_parameters,
    )
    from entro_cli.analysis.simulation.results import summarise
    from entro_cli.analysis.simulation.runs import FirstRuns, simulate_all
    from entro_cli.analysis.simulation.scenario_file import changed_scenario, find_scenario, parse_seeds
    from entro_cli.core.clock import moment_ns
    from entro_cli.core.console import printable
    from entro_cli.core.formatting import counted
    from entro_cli.core.parallel import Executor

    terminal = common.terminal()
    found = find_scenario(scenario.scenario)
    known = GRAPH_CONTROLLERS if isinstance(found, GraphScenario) else CONTROLLERS
    chosen = {"controllers": controllers_named(controller, known)} if controller else {}
    law = _configured(config_file, terminal) | _given(parameters) | chosen | {"lag": lag}
    if isinstance(found, GraphScenario):
        _refuse_for_graphs(vars(scenario) | vars(noise) | vars(parameters) | {"log-dir": log_dir, "start": start})
        _simulate_graph(
            terminal, GraphParameters(found, **law), parameters, as_json, out, scenario.scenario, self_contained
        )
        return
    world = changed_scenario(found, scenario.capacity, scenario.stall or ())
    drawn = _given(noise) | ({} if noise.seeds is None else {"seeds": parse_seeds(noise.seeds)})
    settings = SimulationParameters(world, **random_parameters(drawn, world), **law)
    _warn(terminal, settings, parameters)
    start_ns = moment_ns(_FIRST_ROW if start is None else start, UTC, "--start")
    logs = LogWriter(settings, log_dir, start_ns) if log_dir else None
    firsts = FirstRuns(settings)
    watchers: list[Callable[[Batch], None]] = [*([logs] if logs else []), *([firsts] if out else [])]
    watchers += [lambda batch: terminal.detail(f"{batch.controller}: run {batch.runs.stop} done")] * common.verbose
    document = summarise(settings, simulate_all(settings, *watchers, map_portions=Executor().map))
    if logs:
        terminal.note(f"wrote {counted(len(logs.written), 'log')} to {printable(str(log_dir))}")
    if out:
        _write_page(terminal, out, scenario.scenario, self_contained, settings, document, firsts.kept)
    if as_json:
        terminal.document("simulation", document.entries())
    else:
        _show(terminal, settings, document)


def _configured(config_file: Path | None, terminal: Terminal) -> dict[str, Any]:
    """Return the budget of two stages and the parameters of the controllers that entro.toml sets."""
    from entro_cli.workflows.settings import read_settings

    settings = read_settings(config_file, "default", terminal)
    return {"budget": settings.budget, **settings.control._asdict()}


def _given(options: ControllerOptions | NoiseOptions) -> dict[str, Any]:
    """Return the options that have a value, by name."""
    return {name: value for name, value in vars(options).items() if value is not None}


def _warn(terminal: Terminal, settings: SimulationParameters, options: ControllerOptions) -> None:
    _warn_of_unused(terminal, settings.controllers, options)
    if settings.warning:
        terminal.warn(settings.warning)


def _warn_of_unused(terminal: Terminal, running: tuple[str, ...], options: ControllerOptions) -> None:
    """Warn of options for controllers that do not run."""
    laws = ("eq14", "v9", "predictive")
    users = {"limit": ("static",), "alpha": laws, "beta": laws}
    for name, controllers in users.items():
        if getattr(options, name) is not None and not set(controllers) & set(running):
            terminal.warn(f"--{name} changes nothing: it is for {', '.join(controllers)}")


def _refuse_for_graphs(options: Mapping[str, Any]) -> None:
    """Refuse options that a graph of stages does not have."""
    from entro_engine import EntroError

    for name, remedy in _NOT_FOR_GRAPHS.items():
        if options[name] is not None:
            raise EntroError("does not work with a graph of stages", where=f"--{name}", remedy=remedy)


def _simulate_graph(
    terminal: Terminal,
    graph: GraphParameters,
    options: ControllerOptions,
    as_json: bool,
    out: Path | None,
    source: str,
    self_contained: bool,
) -> None:
    """Simulate a graph of stages, write its page and show its figures."""
    from entro_cli.analysis.simulation.graph.results import describe_graph, summarise_graph
    from entro_cli.analysis.simulation.graph.runs import run_graph
    from entro_cli.core.console import printable
    from entro_cli.report.graph.page import render
    from entro_cli.report.graph.tables import graph_tables, rich_graph_table
    from entro_cli.report.render.page import store_page

    _warn_of_unused(terminal, graph.controllers, options)
    runs = run_graph(graph)
    document = summarise_graph(graph, runs)
    if out:
        store_page(out, lambda inline: render(graph, document, runs, inline), self_contained, [source])
        terminal.note(f"wrote {printable(str(out))}")
    if as_json:
        terminal.document("simulation", document.entries())
        return
    terminal.show(
        *describe_graph(graph), *(part for one in graph_tables(document) for part in ("", rich_graph_table(one)))
    )


def _write_page(
    terminal: Terminal,
    path: Path,
    source: str,
    self_contained: bool,
    settings: SimulationParameters,
    document: SimulationDocument[RunFigures],
    runs: list[Simulation],
) -> None:
    """Write a page with charts of the runs; `source` is the scenario's file, which is not overwritten."""
    from entro_cli.analysis.simulation.published import compare
    from entro_cli.analysis.simulation.results import describe
    from entro_cli.core.console import printable
    from entro_cli.report.render.page import store_page
    from entro_cli.report.render.simulation import render

    def page(inline: bool) -> str:
        return render(settings.scenario, document, compare(settings), describe(settings), runs, inline)

    store_page(path, page, self_contained, [source])
    terminal.note(f"wrote {printable(str(path))}")


def _show(terminal: Terminal, settings: SimulationParameters, document: SimulationDocument[RunFigures]) -> None:
    from entro_cli.analysis.simulation.published import compare
    from entro_cli.analysis.simulation.results import describe
    from entro_cli.report.render.simulation_table import (
        has_column_per_controller,
        notes_below,
        rich_table,
        table_rows,
    )

    comparison = compare(settings)
    description = describe(settings, has_column_per_controller(document))
    table = rich_table(document, table_rows(document, comparison))
    terminal.show(*description, "", table, "", *notes_below(document, comparison))
