"""Metrics as text, for scrapes of Prometheus and the textfile collector of its node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from entro_cli.analysis.results import StepCounts
from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins

if TYPE_CHECKING:
    from entro_cli.report.daily_report import Summary


class MetricFamily(Struct, frozen=True):
    """A metric of one name: its help text, its samples, and whether it is a counter.

    A sample is a value with its labels; without a value it is left out.
    """

    name: str
    meaning: str
    samples: tuple[tuple[Mapping[str, str], float | None], ...]
    is_counter: bool = False


def exposition(metrics: Iterable[MetricFamily]) -> str:
    """Return metrics in the text format of Prometheus, version 0.0.4; those of one name are put together."""
    families: dict[str, list[str]] = {}
    for metric in metrics:
        kind = "counter" if metric.is_counter else "gauge"
        head = f"# HELP {metric.name} {metric.meaning}\n# TYPE {metric.name} {kind}\n"
        families.setdefault(head, []).extend(
            f"{metric.name}{_braces(labels)} {float(value)!r}\n"
            for labels, value in metric.samples
            if value is not None
        )
    return "".join(head + "".join(samples) for head, samples in families.items() if samples)


def render(gauges: Iterable[MetricFamily]) -> str:
    """Return gauges as text that is of the format of Prometheus and of OpenMetrics alike."""
    return f"{exposition(gauges)}# EOF\n"


def step_counters(counts: Mapping[str, StepCounts]) -> tuple[MetricFamily, MetricFamily]:
    """Return the counters of steps, by the name of the pipeline."""
    observed = tuple(({"pipeline": printable(name)}, found.observed) for name, found in counts.items())
    violating = tuple(({"pipeline": printable(name)}, found.violating) for name, found in counts.items())
    return (
        MetricFamily("entro_observed_steps_total", "Steps with data of all stages.", observed, is_counter=True),
        MetricFamily("entro_violating_steps_total", "Steps over the entropy budget.", violating, is_counter=True),
    )


def figures_of(summary: Summary) -> Iterator[MetricFamily]:
    """Yield the figures of a report as gauges, labelled with its pipeline and the kind of its period."""
    labels = {"pipeline": printable(summary.pipeline), "period": summary.period.kind}
    for metric in _figures(summary):
        yield MetricFamily(
            metric.name, metric.meaning, tuple(({**labels, **more}, value) for more, value in metric.samples)
        )


def _figures(summary: Summary) -> Iterator[MetricFamily]:
    figures = summary.figures
    objective = figures.objective
    regimes = tuple(({"regime": name}, float(count)) for name, count in to_builtins(figures.regimes).items())

    def gauge(name: str, meaning: str, value: float | None) -> MetricFamily:
        return MetricFamily(f"entro_{name}", meaning, (({}, value),))

    yield gauge("period_start_timestamp_seconds", "Start of the period.", summary.period.start.timestamp())
    yield gauge("step_seconds", "Length of a step.", figures.step_s)
    yield MetricFamily("entro_regime_steps", "Steps in each regime.", regimes)
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
    yield MetricFamily(
        "entro_burn_rate", "Burn rate up to the end of the period; 1 uses up the error budget exactly.", burns
    )
    loads = tuple(({"stage": printable(stage.name)}, stage.mean_load) for stage in figures.stages)
    yield MetricFamily("entro_stage_load_mean", "Mean load of each stage, in its unit.", loads)
    end = summary.made.log_end
    yield gauge("log_end_timestamp_seconds", "End of the log in the period.", end.timestamp() if end else None)


def _braces(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
