"""Render a Summary as OpenMetrics text, for the textfile collector of the Prometheus node exporter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.report.daily_report import Summary


@dataclass(frozen=True)
class _Metric:
    """A gauge: its name, its help text, and its samples. A sample is a value with labels besides the report's."""

    name: str
    meaning: str
    samples: tuple[tuple[dict[str, str], float | None], ...]


def render(summary: Summary) -> str:
    """Return the figures of the report as gauges, labelled with its pipeline and the kind of its period.

    Args:
        summary: the Summary to render.

    Returns:
        The text. An unknown figure has no sample.
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

    def gauge(name: str, meaning: str, value: float | None) -> _Metric:
        return _Metric(f"entro_{name}", meaning, (({}, value),))

    yield gauge("period_start_timestamp_seconds", "Start of the period.", summary.period.start.timestamp())
    yield gauge("step_seconds", "Length of a step.", figures.step_s)
    yield _Metric("entro_regime_steps", "Steps in each regime.", regimes)
    yield gauge("violations_steps", "Steps over the entropy budget.", float(figures.violations))
    yield gauge("incidents", "Number of incidents.", float(len(figures.incidents)))
    yield gauge("excess_nat_seconds", "Coupled load above the budget, summed over time.", figures.excess_nat_s)
    yield gauge("psi_total_peak_nats", "Highest Psi_total.", figures.peak_psi_total)
    yield gauge("psi_total_mean_nats", "Mean Psi_total.", figures.mean_psi_total)
    yield gauge("coupled_load_peak_nats", "Highest coupled load.", figures.peak_coupled_load)
    yield gauge("coupled_load_mean_nats", "Mean coupled load.", figures.mean_coupled_load)
    yield gauge("budget_nats", "Entropy budget.", figures.budget)
    yield gauge("stability_min_ratio", "Lowest stability.", figures.stability_min)
    yield gauge("coverage_ratio", "Share of steps with measured data.", figures.coverage)
    yield gauge("excluded_steps", "Steps excluded as maintenance.", float(figures.excluded_steps))
    yield gauge("objective_consumed_ratio", "Used share of the error budget.", objective.consumed)
    yield gauge(
        "objective_consumed_by_requests_ratio",
        "Used share of the error budget, with each step counted by its requests.",
        objective.consumed_by_requests,
    )
    burns = tuple(({"window_seconds": f"{burn.window_s:g}"}, burn.burn_rate) for burn in objective.burn_rates)
    yield _Metric(
        "entro_burn_rate", "Burn rate up to the end of the period; 1 uses up the error budget exactly.", burns
    )
    loads = tuple(({"stage": printable(stage.name)}, stage.mean_load) for stage in figures.stages)
    yield _Metric("entro_stage_load_mean", "Mean load of each stage, in its unit.", loads)
    end = summary.made.log_end
    yield gauge("log_end_timestamp_seconds", "End of the log in the period.", end.timestamp() if end else None)


def _braces(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
