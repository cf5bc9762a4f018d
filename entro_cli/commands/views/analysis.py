"""The output of `entro analyze`: text for people, and a JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from entro_cli.analysis.results import Figures, Source
from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.report.render.figure_table import coordination_rows, coordination_terms, full_load_terms
from entro_cli.report.render.rich_table import grid
from entro_cli.workflows.analyze import AnalysisResult

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

_MAX_INCIDENTS = 10
_MAX_SOURCES = 20
_MAX_NAME_LENGTH = 24
_BAR_WIDTH = 40
_STYLES = {"stable": "green", "stress": "yellow", "critical": "red", "no_data": "dim"}
_BLOCKS = {"stable": "░", "stress": "▒", "critical": "█", "no_data": "·"}
_ASCII_BLOCKS = {"stable": ".", "stress": "+", "critical": "#", "no_data": "-"}


def analysis_document(analysis: AnalysisResult) -> dict[str, Any]:
    """Return the entries of the JSON document of an analysis.

    Its incidents stay as they are: there may be a million, and the writer makes each when it comes to it.
    """
    figures, sources = analysis.figures, analysis.sources
    counts = analysis.summed_sources
    stages = [to_builtins(stage) | {"summed_sources": counts.get(stage.name, 1)} for stage in figures.stages]
    return {
        "pipeline": analysis.pipeline,
        **{name: part if part is figures.incidents else to_builtins(part) for name, part in asdict(figures).items()},
        "stages": stages,
        "full_loads": to_builtins(analysis.full_loads),
        "coordination": to_builtins(analysis.coordination),
        "recommendations": to_builtins(analysis.recommendations),
        "rows_read": sum(source.rows_read for source in sources),
        "rows_skipped": sum(source.rows_skipped for source in sources),
        "sources": to_builtins(sources),
    }


def analysis_view(analysis: AnalysisResult, unicode: bool = True) -> Iterator[RenderableType]:
    """Yield the parts of an analysis, in the order they are printed. Every line fits into 80 columns.

    Args:
        analysis: the analysis.
        unicode: whether bars have block characters; ASCII otherwise.
    """
    from rich.text import Text

    figures, sources = analysis.figures, analysis.sources
    yield from _headline(figures, analysis.pipeline)
    yield ""
    yield from _regimes(figures, _BLOCKS if unicode else _ASCII_BLOCKS)
    yield ""
    yield _stages(figures, analysis.full_loads.origin)
    yield Text(full_load_terms(analysis.full_loads), style="dim")
    yield ""
    yield from _violations(figures)
    if figures.incidents:
        yield ""
        yield from _incidents(figures)
    yield ""
    yield from _coordination(analysis)
    yield ""
    yield _sources(sources)
    if len(sources) > 1 or any(source.zone not in {"", "as written"} for source in sources):
        yield ""
        yield _spans(sources)
    if len(sources) > _MAX_SOURCES:
        yield f"and {formatting.counted(len(sources) - _MAX_SOURCES, 'more log')}"


def _headline(figures: Figures, pipeline: str) -> Iterator[Text]:
    from rich.text import Text

    zones = [f"{figures.start: %Z}", f"{figures.end: %Z}"]  # such as CET and CEST: a clock change lies between
    begin = _minute(figures.start) + (zones[0] if zones[0] != zones[1] else "")
    period = f": {begin} to {_minute(figures.end)}{zones[1]}"
    yield Text.assemble((_short(printable(pipeline)), "bold"), period)
    steps = f"{formatting.counted(figures.steps, 'step')} of {formatting.duration(figures.step_s)}"
    yield Text(f"{steps}, {formatting.share(figures.coverage)} with data")
    if figures.excluded_steps:
        excluded = formatting.duration(figures.excluded_steps * figures.step_s)
        yield Text(f"Left out as maintenance: {formatting.counted(figures.excluded_steps, 'step')}, {excluded}")


def _short(name: str) -> str:
    """Return a name as it fits into a table."""
    return formatting.shortened(name, _MAX_NAME_LENGTH)


def _minute(when: Any) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def _regimes(figures: Figures, blocks: Mapping[str, str]) -> Iterator[Text]:
    from rich.text import Text

    counts = to_builtins(figures.regimes)
    for name, steps in counts.items():
        if name == "no_data" and not steps:
            continue
        share = steps / max(figures.steps - figures.excluded_steps, 1)
        filled = round(_BAR_WIDTH * share) or (1 if steps else 0)  # a single critical step must be seen
        line = Text(
            f"{name.replace('_', ' ').capitalize():<9}{formatting.count(steps):>9} {formatting.share(share):>7}  "
        )
        yield line.append(blocks[name] * filled, style=_STYLES[name])


def _stages(figures: Figures, origin: str) -> Table:
    numbers = (f"Full at ({origin})", "Mean", "Peak", "Share of Psi")
    table = grid(("Stage", "left"), ("Kind", "left"), *((name, "right") for name in numbers))
    for stage in figures.stages:
        table.add_row(
            _short(stage.name),
            stage.kind,
            formatting.quantity(stage.full),
            formatting.optional(formatting.quantity, stage.mean_load),
            formatting.optional(formatting.quantity, stage.peak_load),
            formatting.optional(formatting.share, stage.mean_share),
        )
    return table


def _violations(figures: Figures) -> Iterator[Text]:
    from rich.text import Text

    objective = figures.objective
    share = figures.violations / figures.observed_steps if figures.observed_steps else 0.0
    yield Text(
        f"Budget {formatting.nats(figures.budget)} nat: {formatting.counted(figures.violations, 'violation')}, "
        f"{formatting.share(share)} of the observed steps, {formatting.duration(figures.violation_time_s)}"
    )
    yield Text(
        f"Excess {formatting.quantity(figures.excess_nat_s)} nat s, "
        f"peak {formatting.load_name(len(figures.stages), in_sentence=True)} "
        f"{formatting.optional(formatting.nats, figures.peak_coupled_load)} nat"
    )
    left = formatting.duration(abs(objective.remaining_s))
    state = f"{left} left" if objective.remaining_s >= 0 else f"overdrawn by {left}"
    used = formatting.optional(formatting.share, objective.consumed)
    yield Text(f"Objective {formatting.share(objective.target)}: {used} of its error budget used, {state}")
    if objective.requests:
        over = formatting.share((objective.requests_over or 0.0) / objective.requests)
        used = formatting.optional(formatting.share, objective.consumed_by_requests)
        yield Text(f"By requests: {over} of them arrived over the budget, {used} of its error budget used")
    if figures.late_share is not None and figures.observed_steps:
        waits = [stage for stage in figures.stages if stage.longest_wait_s is not None]
        longest = max(waits, key=lambda stage: stage.longest_wait_s or 0.0)
        origin = "as its requests show" if longest.waits_are_exact else "as its queue suggests"
        yield Text(
            f"Waits at {_short(longest.name)}, {origin}: up to "
            f"{formatting.optional(formatting.duration, longest.longest_wait_s)}, 95% of the time at most "
            f"{formatting.optional(formatting.duration, longest.wait_95_s)}; {formatting.share(figures.late_share)} of "
            "the steps are late"
        )
    firing = [alert for alert in objective.alerts if alert.until is None]
    if firing:
        alert = max(firing, key=lambda alert: alert.threshold)
        rates = {window.window_s: window.burn_rate for window in objective.burn_rates}
        rate_of = partial(formatting.optional, formatting.quantity)
        long, short = (
            f"{rate_of(rates[length])} times too fast over {formatting.duration(length)}"
            for length in (alert.long_window_s, alert.short_window_s)
        )
        yield Text(f"Alert ({alert.severity}): burning {long}", style="red")
        yield Text(f"and {short}, both above {alert.threshold:g}", style="red")
    if figures.time_to_budget_s:
        yield Text(
            f"At the last slope the budget is reached in {formatting.duration(figures.time_to_budget_s)}",
            style="yellow",
        )


def _incidents(figures: Figures) -> Iterator[RenderableType]:
    from rich.text import Text

    worst = figures.incidents.worst(_MAX_INCIDENTS)
    total = len(figures.incidents)
    order = f"the worst {len(worst)} of {formatting.count(total)}" if total > len(worst) else "the worst first"
    yield Text(f"Incidents, {order}; time to budget as forecast one step before", style="bold")
    table = grid(
        ("Began", "left"),
        *((name, "right") for name in ("Lasted", "Peak", "Excess")),
        ("Driver", "left"),
        ("Time to budget", "right"),
    )
    for incident in worst:
        table.add_row(
            _minute(incident.start),
            formatting.duration(incident.duration_s),
            formatting.nats(incident.peak_coupled_load),
            formatting.quantity(incident.excess_nat_s),
            _short(incident.driver),
            formatting.optional(formatting.duration, incident.time_to_budget_s),
        )
    yield table
    for incident in worst:
        if incident.causes:
            causes = "; ".join(cause.sentence for cause in incident.causes)
            yield Text(f"{_minute(incident.start)}: {causes}", style="dim")


def _coordination(analysis: AnalysisResult) -> Iterator[RenderableType]:
    from rich.text import Text

    coordination = analysis.coordination
    yield Text("What coordination would have changed", style="bold")
    if coordination.withheld:
        yield Text(f"Not available: {coordination.withheld}")
    else:
        table = grid(("", "left"), ("Measured", "right"), ("Simulated", "right"), ("Coordinated", "right"))
        for row in coordination_rows(coordination):
            table.add_row(row.label, row.measured, row.uncontrolled, row.coordinated)
        yield table
        yield Text(coordination_terms(coordination), style="dim")
    for recommendation in analysis.recommendations:
        yield ""
        yield Text(recommendation.sentence)
        command = printable(recommendation.command)  # it names the logs, as they are called
        yield Text(f"{recommendation.setting}; see {recommendation.field} in: {command}", style="dim")


def _sources(sources: tuple[Source, ...]) -> Table:
    table = grid(
        ("Log", "left"),
        ("Format", "left"),
        ("Stages", "left"),
        ("Rows", "right"),
        ("Skipped", "right"),
        ("Used as", "left"),
    )
    for source in sources[:_MAX_SOURCES]:
        table.add_row(
            source.path,
            source.format,
            _short(", ".join(source.stages)),
            formatting.count(source.rows_read),
            formatting.count(source.rows_skipped),
            source.taken_as,
        )
    return table


def _spans(sources: tuple[Source, ...]) -> Table:
    table = grid(("Log", "left"), ("From", "left"), ("Until", "left"), ("Times", "left"))
    for source in sources[:_MAX_SOURCES]:
        edges = ("-" if edge is None else _minute(edge) for edge in (source.start, source.end))
        table.add_row(source.path, *edges, source.zone)
    return table
