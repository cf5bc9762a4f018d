"""What `entro analyze` prints for people, and its JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from entro_cli.document import plain
from entro_cli.report import numbers
from entro_cli.summary import Figures, Incident, Source

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

SCHEMA = "entro/analysis/1"

_MOST_INCIDENTS = 10
_BAR_WIDTH = 40
_STYLES = {"stable": "green", "stress": "yellow", "critical": "red", "no_data": "dim"}
_BLOCKS = {"stable": "░", "stress": "▒", "critical": "█", "no_data": "·"}


def analysis_document(figures: Figures, pipeline: str, sources: tuple[Source, ...]) -> dict[str, Any]:
    """The JSON document of an analysis.

    Args:
        figures: of the period.
        pipeline: its name.
        sources: what each file gave.
    """
    return {
        "schema": SCHEMA,
        "pipeline": pipeline,
        **plain(figures),
        "coordination": None,
        "rows_read": sum(source.rows_read for source in sources),
        "rows_skipped": sum(source.rows_skipped for source in sources),
        "sources": plain(sources),
    }


def analysis_view(figures: Figures, pipeline: str, sources: tuple[Source, ...]) -> Iterator[RenderableType]:
    """The parts of an analysis, in the order they are printed; every line fits into 80 columns.

    Args:
        figures: of the period.
        pipeline: its name.
        sources: what each file gave.
    """
    yield _headline(figures, pipeline)
    yield ""
    yield from _regimes(figures)
    yield ""
    yield _stages(figures)
    yield ""
    yield from _violations(figures)
    if figures.incidents:
        yield ""
        yield _incidents(figures)
    yield ""
    yield _sources(sources)


def _headline(figures: Figures, pipeline: str) -> Text:
    from rich.text import Text

    text = Text(pipeline, style="bold")
    text.append(
        f"  {_minute(figures.start)} to {_minute(figures.end)} {figures.start:%Z}, {numbers.count(figures.steps)} steps of "
        f"{numbers.duration(figures.step_s)}, {numbers.share(figures.coverage)} with data",
        style="not bold",
    )
    return text


def _minute(when: Any) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def _regimes(figures: Figures) -> Iterator[Text]:
    from rich.text import Text

    counts = plain(figures.regimes)
    for name, steps in counts.items():
        if name == "no_data" and not steps:
            continue
        share = steps / figures.steps
        filled = round(_BAR_WIDTH * share) or (1 if steps else 0)
        line = Text(f"{name.replace('_', ' ').capitalize():<9}{numbers.count(steps):>9} {numbers.share(share):>7}  ")
        yield line.append(_BLOCKS[name] * filled, style=_STYLES[name])


def _grid(*columns: tuple[str, str]) -> Table:
    """A table without lines; a column is its title and how it is justified."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title, justify in columns:
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table


def _stages(figures: Figures) -> Table:
    table = _grid(
        ("Stage", "left"), ("Kind", "left"), *((name, "right") for name in ("Full at", "Mean", "Peak", "Share of Psi"))
    )
    for stage in figures.stages:
        table.add_row(
            stage.name,
            stage.kind,
            numbers.quantity(stage.full),
            numbers.optional(numbers.quantity, stage.mean_load),
            numbers.optional(numbers.quantity, stage.peak_load),
            numbers.optional(numbers.share, stage.mean_share),
        )
    return table


def _violations(figures: Figures) -> Iterator[Text]:
    from rich.text import Text

    objective = figures.objective
    share = figures.violations / figures.observed_steps if figures.observed_steps else 0.0
    yield Text(
        f"Budget {numbers.nats(figures.budget)} nat: {numbers.count(figures.violations)} violations "
        f"({numbers.share(share)} of the observed steps, {numbers.duration(figures.violation_time_s)}), "
        f"excess {numbers.quantity(figures.excess_nat_s)} nat s, "
        f"peak Psi_total {numbers.optional(numbers.nats, figures.peak_psi_total)}"
    )
    state = (
        f"{numbers.duration(objective.remaining_s)} left"
        if objective.remaining_s >= 0
        else f"overdrawn by {numbers.duration(-objective.remaining_s)}"
    )
    consumed = numbers.optional(numbers.share, objective.consumed)
    yield Text(
        f"Objective {numbers.share(objective.target)} within the budget: {consumed} of the allowance used, {state}"
    )
    firing = [alert for alert in objective.alerts if alert.until is None]
    if firing:
        alert = max(firing, key=lambda part: part.threshold)
        yield Text(
            f"Alert ({alert.severity}): burning more than {alert.threshold:g} times too fast over "
            f"{numbers.duration(alert.long_window_s)} and {numbers.duration(alert.short_window_s)} at the end",
            style="red",
        )
    if figures.time_to_budget_s:
        yield Text(
            f"At its last slope the budget is reached in {numbers.duration(figures.time_to_budget_s)}", style="yellow"
        )


def _incidents(figures: Figures) -> Table:
    worst = sorted(figures.incidents, key=lambda incident: -incident.excess_nat_s)[:_MOST_INCIDENTS]
    total = len(figures.incidents)
    title = f"Incidents, worst first ({len(worst)} of {total})" if total > len(worst) else "Incidents, worst first"
    table = _grid((title, "left"), *((name, "right") for name in ("Lasted", "Peak", "Excess")), ("Driver", "left"))
    for incident in worst:
        table.add_row(
            _minute(incident.start),
            numbers.duration(incident.duration_s),
            numbers.nats(incident.peak_psi_total),
            numbers.quantity(incident.excess_nat_s),
            _driver(incident),
        )
    return table


def _driver(incident: Incident) -> str:
    if incident.warned_s is None:
        return incident.driver
    return f"{incident.driver}, warned {numbers.duration(incident.warned_s)} ahead"


def _sources(sources: tuple[Source, ...]) -> Table:
    table = _grid(
        ("Log", "left"),
        ("Format", "left"),
        ("Stages", "left"),
        ("Rows", "right"),
        ("Skipped", "right"),
        ("Taken as", "left"),
    )
    for source in sources:
        table.add_row(
            source.path,
            source.format,
            ", ".join(source.stages),
            numbers.count(source.rows_read),
            numbers.count(source.rows_skipped),
            source.taken_as,
        )
    return table
