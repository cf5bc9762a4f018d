"""Run -> CSV: one row a step, every number to its last bit."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from datetime import tzinfo

import numpy as np

from entro_cli.core.clock import moment
from entro_engine import Regime, Run

_STEP = ("psi_total", "regime")
_STATES = ("energy", "memory", "stress_threshold", "critical_threshold", "effective_load", "stability")


def steps_csv(runs: Iterable[Run], zone: tzinfo) -> Iterator[str]:
    """Every step of a run as a row.

    Args:
        runs: the steps to write, in parts that follow one another; at least one.
        zone: what times are told in.

    Yields:
        CSV with a header, a part at a time: time, load_STAGE..., psi_STAGE..., psi_total, regime, energy, memory,
        stress_threshold, critical_threshold, effective_load, stability. A step without data has the regime `no data`
        and its relaxed states; its other cells are empty.
    """
    for number, run in enumerate(runs):
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if number == 0:
            writer.writerow(_head(run))
        writer.writerows(_rows(run, zone))
        yield out.getvalue()


def _head(run: Run) -> list[str]:
    names = [stage.name for stage in run.stages]
    return ["time", *(f"load_{name}" for name in names), *(f"psi_{name}" for name in names), *_STEP, *_STATES]


def _rows(run: Run, zone: tzinfo) -> Iterator[list[str]]:
    labels = {int(regime): regime.label for regime in Regime}
    numbers = np.vstack([run.loads, run.psi, run.psi_total])
    after = np.vstack([getattr(run.trace, name) for name in _STATES])
    rows = zip(run.times_ns.tolist(), numbers.T.tolist(), run.trace.regime.tolist(), after.T.tolist(), strict=True)
    for time, before, regime, behind in rows:
        yield [moment(time, zone).isoformat(), *map(_cell, before), labels[regime], *map(_cell, behind)]


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
