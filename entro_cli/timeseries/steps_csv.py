"""Write the steps of a Run as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC

import numpy as np

from entro_cli.core.clock import NS
from entro_cli.timeseries.step_rows import Column, csv_text
from entro_engine import Regime, Run
from entro_engine.entropy import FloatArray

_STATES = ("energy", "memory", "stress_threshold", "critical_threshold", "effective_load", "stability")


def steps_csv(runs: Iterable[Run], waits: Callable[[Run], Sequence[FloatArray | None]]) -> Iterator[str]:
    """Write every step of a run as a row, with times in UTC: other zones have hours that come twice.

    Args:
        runs: the steps to write, as consecutive parts of one run. At least one.
        waits: returns the wait at the end of each step for each stage that is a queue, s.

    Yields:
        CSV text, one part at a time, the first with a header: time, load_STAGE..., psi_STAGE..., psi_total,
        coupled_load, wait_s (the longest of the queues, if there is one), regime, energy, memory, stress_threshold,
        critical_threshold, effective_load, stability. A step without data has the regime `no data` and its relaxed
        states; its other cells are empty.
    """
    for number, run in enumerate(runs):
        has_fractions = run.start_ns % NS or run.step_ns % NS
        precision = "microseconds" if has_fractions else "seconds"
        yield csv_text(run.times_ns, UTC, _columns(run, waits(run)), header=number == 0, precision=precision)


def _columns(run: Run, waits: Sequence[FloatArray | None]) -> list[Column]:
    labels = np.array([regime.label for regime in sorted(Regime)], dtype=object)
    names = [stage.name for stage in run.stages]
    queues = [wait for wait in waits if wait is not None]
    # A list and not a dict: a stage called "total" has a column psi_total beside the sum's.
    return [
        *((f"load_{name}", loads) for name, loads in zip(names, run.loads, strict=True)),
        *((f"psi_{name}", psi) for name, psi in zip(names, run.psi, strict=True)),
        ("psi_total", run.psi_total),
        ("coupled_load", run.coupled_load),
        *([("wait_s", np.max(queues, axis=0))] if queues else []),
        ("regime", labels[run.trace.regime - int(Regime.NO_DATA)]),
        *((state, getattr(run.trace, state)) for state in _STATES),
    ]
