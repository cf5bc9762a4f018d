"""A Summary as OpenMetrics text, for the textfile collector of a node exporter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.report.daily_report import Summary


@dataclass(frozen=True)
class _Metric:
    """A gauge: its name, what it says, and its samples: labels besides those of the report, and the value."""

    name: str
    meaning: str
    samples: tuple[tuple[dict[str, str], float | None], ...]


def render(summary: Summary) -> str:
    """The report's figures as gauges, labelled with its pipeline and the kind of its period.

    Args:
        summary: what it says.

    Returns:
        The text; a figure that is not known has no sample.
    """
    labels = {"pipeline": printable(summary.pipeline), "period": summary.period.kind}
    lines = []
    for metric in _metrics(summary):
        known = [(more, value) for more, value in metric.samples if value is not None]
        if known:
            lines += [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} gauge"]
            lines += [f"{metric.name}{_braces(labels | more)} {float(value)!r}" for more, value in known]
    return "\n".join([*lines, "# EOF", ""])


def _metrics(summary: Summary) -> Iterator[_Metric]:
    figures = summary.figures
    objective = figures.objective
    regimes = tuple(({"regime": name}, float(count)) for name, count in to_builtins(figures.regimes).items())

    def one(name: str, meaning: str, value: float | None) -> _Metric:
        return _Metric(f"entro_{name}", meaning, (({}, value),))

    yield one("period_start_timestamp_seconds", "When the period begins.", summary.period.start.timestamp())
    yield one("step_seconds", "Length of a step.", figures.step_s)
    yield _Metric("entro_regime_steps", "Steps in each regime.", regimes)
    yield one("violations_steps", "Steps over the entropy budget.", float(figures.violations))
    yield one("incidents", "Runs of steps over the budget.", float(len(figures.incidents)))
    yield one("excess_nat_seconds", "How far and how long Psi_total was over the budget.", figures.excess_nat_s)
    yield one("psi_total_peak_nats", "The highest Psi_total.", figures.peak_psi_total)
    yield one("psi_total_mean_nats", "The mean Psi_total.", figures.mean_psi_total)
    yield one("budget_nats", "The entropy budget.", figures.budget)
    yield one("stability_min_ratio", "The least stability.", figures.stability_min)
    yield one("coverage_ratio", "Steps with data of their own, of all.", figures.coverage)
    yield one("excluded_steps", "Steps left out as maintenance.", float(figures.excluded_steps))
    yield one("objective_consumed_ratio", "Used part of what the objective allows.", objective.consumed)
    burns = tuple(({"window_seconds": f"{burn.window_s:g}"}, burn.burn_rate) for burn in objective.burn_rates)
    yield _Metric("entro_burn_rate", "How fast the budget burned up to the period's end; 1 just lasts.", burns)
    loads = tuple(({"stage": printable(stage.name)}, stage.mean_load) for stage in figures.stages)
    yield _Metric("entro_stage_load_mean", "The mean load of each stage, in its unit.", loads)
    end = summary.made.log_end
    yield one("log_end_timestamp_seconds", "Where the log ends in the period.", end.timestamp() if end else None)


def _braces(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
