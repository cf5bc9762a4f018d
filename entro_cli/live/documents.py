"""Documents of the coordinator: the cap for programs, and metrics in the text format of Prometheus."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from entro_cli.analysis.results import StepCounts
from entro_cli.core.clock import moment
from entro_cli.core.console import printable
from entro_cli.live.coordinator import Coordinator
from entro_cli.report.render.openmetrics import MetricFamily, exposition, step_counters
from entro_engine import Regime

_AFTER_TICK_S = 0.06
"""A client that asks so long after a tick gets the cap of that tick."""


def cap_document(coordinator: Coordinator, now_ns: int, client: str | None = None) -> dict[str, Any]:
    """Return the cap as programs read it.

    Args:
        coordinator: the coordinator.
        now_ns: the time, ns since the epoch.
        client: the client whose share is meant; None for the whole cap.
    """
    clients, seen = coordinator.clients, coordinator.observation
    part = 1.0 if client is None else clients.part_of(client)
    probe = coordinator.probe_per_s * part
    cap = coordinator.cap_per_s if client is None else max(clients.share_of(client), probe)
    return {
        "time": moment(now_ns, UTC).isoformat(timespec="milliseconds"),
        "cap_per_s": cap,
        "probe_per_s": probe,
        "lease_s": clients.lease_s,
        "renew_in_s": coordinator.next_tick_s(now_ns) + _AFTER_TICK_S,
        "regime": coordinator.regime.label,
        "coupled_load": coordinator.coupled_load if seen and not coordinator.is_blind else None,
        "queue": seen.queue if seen else None,
        "sample_age_s": coordinator.age_s(now_ns),
    }


def metrics_text(coordinator: Coordinator, pipeline: str, now_ns: int) -> str:
    """Return metrics of the coordinator of a pipeline in the text format of Prometheus."""
    seen, age = coordinator.observation, coordinator.age_s(now_ns)
    load = None if seen is None or coordinator.is_blind else coordinator.coupled_load
    labels = {"pipeline": printable(pipeline)}
    regimes = tuple((labels | {"regime": one.label}, float(one is coordinator.regime)) for one in Regime)
    gauges = (
        ("cap_requests_per_second", "What all clients together may send.", coordinator.cap_per_s),
        ("served_requests_per_second", "Estimate of what the server serves.", coordinator.served_per_s),
        ("capacity_requests_per_second", "Capacity that full loads follow from.", coordinator.capacity),
        ("coupled_load_nats", "Load of both stages, predicted for now.", load),
        ("budget_nats", "Entropy budget.", coordinator.server.budget),
        ("queue_requests", "Requests waiting in the newest sample.", seen.queue if seen else None),
        ("sample_age_seconds", "Age of the newest sample.", age),
        ("clients", "Clients with a lease.", len(coordinator.clients)),
    )
    counts = StepCounts(coordinator.observed_steps, coordinator.violating_steps)
    return exposition(
        [
            *(MetricFamily(f"entro_{name}", meaning, ((labels, value),)) for name, meaning, value in gauges),
            *step_counters({pipeline: counts}),
            MetricFamily("entro_regime", "Regime: 1 for the one it is in.", regimes),
        ]
    )
