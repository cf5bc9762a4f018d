"""Run -> CSV: one row a step, every number to its last bit."""

from __future__ import annotations

import csv
import io
import math
from datetime import tzinfo

import numpy as np

from entro_cli.clock import moment
from entro_engine import Regime, Run


def steps_csv(run: Run, zone: tzinfo) -> str:
    """Every step of a run as a row.

    Args:
        run: the steps to write.
        zone: what times are told in.

    Returns:
        CSV with a header: time, load_STAGE..., psi_STAGE..., psi_total, regime, energy, memory, stress_threshold,
        critical_threshold, effective_load, stability. A step without data has the regime `no data` and its relaxed
        states; its other cells are empty.
    """
    names = [stage.name for stage in run.stages]
    trace = run.trace
    numbers = np.vstack([run.loads, run.psi, run.psi_total])
    after = np.vstack(
        [
            trace.energy,
            trace.memory,
            trace.stress_threshold,
            trace.critical_threshold,
            trace.effective_load,
            trace.stability,
        ]
    )
    labels = {int(regime): regime.label for regime in Regime}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["time", *(f"load_{name}" for name in names), *(f"psi_{name}" for name in names), "psi_total", "regime"]
    states = ["energy", "memory", "stress_threshold", "critical_threshold", "effective_load", "stability"]
    writer.writerow([*head, *states])
    rows = zip(run.times_ns.tolist(), numbers.T.tolist(), trace.regime.tolist(), after.T.tolist(), strict=True)
    for time, before, regime, behind in rows:
        cells = [*map(_cell, before), labels[regime], *map(_cell, behind)]
        writer.writerow([moment(time, zone).isoformat(), *cells])
    return out.getvalue()


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
