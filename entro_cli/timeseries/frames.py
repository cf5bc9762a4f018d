"""Steps and replayed steps as pandas frames, indexed by `time` in UTC, with the unit at the end of each column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from entro_cli.timeseries.steps import Steps, StepSource, in_parts
from entro_engine import Kind, Regime, Run, Stage
from entro_engine.entropy import FloatArray

if TYPE_CHECKING:
    import pandas as pd

_UNITS = {Kind.RATE: "_req_per_s", Kind.QUEUE: "_requests", Kind.GENERIC: ""}
_STATES = {
    "energy": "energy_nat",
    "memory": "memory",
    "stress_threshold": "stress_threshold_nat",
    "critical_threshold": "critical_threshold_nat",
    "effective_load": "effective_load_nat",
    "stability": "stability",
}
_Columns = list[tuple[str, Any]]
"""Names and values. A list: the names of two stages may give one name of a column."""
_REGIMES = (Regime.NO_DATA, Regime.STABLE, Regime.STRESS, Regime.CRITICAL)


def steps_frame(steps: StepSource) -> pd.DataFrame:
    """Return steps as a frame, of any number of steps that fits into memory.

    Each stage has the columns load_STAGE, peak_STAGE and end_STAGE with its unit, and samples_STAGE.
    """

    def columns(part: Steps) -> _Columns:
        return [
            (name, values[index])
            for index, stage in enumerate(part.stages)
            for name, values in (
                (_named("load", stage), part.loads),
                (_named("peak", stage), part.peaks),
                (_named("end", stage), part.ends),
                (f"samples_{stage.name}", part.samples),
            )
        ]

    return _frame([columns(part) for part in in_parts(steps)], steps.start_ns, steps.step_ns)


def runs_frame(runs: Iterable[Run], waits: Callable[[Run], Sequence[FloatArray | None]]) -> pd.DataFrame:
    """Return replayed steps as a frame: loads, Psi, coupled load, wait, regime (ordered categories) and states.

    Args:
        runs: consecutive parts of one run, at least one.
        waits: returns the wait at the end of each step for each stage that is a queue, s.
    """
    import pandas as pd

    first, *rest = runs
    parts = [_columns_of(run, waits(run)) for run in (first, *rest)]
    frame = _frame(parts, first.start_ns, first.step_ns)
    codes = frame["regime"].to_numpy() - int(_REGIMES[0])
    labels = pd.Index([regime.label for regime in _REGIMES])
    frame["regime"] = pd.Categorical.from_codes(codes, categories=labels, ordered=True)
    return frame


def _columns_of(run: Run, waits: Sequence[FloatArray | None]) -> _Columns:
    queues = [wait for wait in waits if wait is not None]
    return [
        *((_named("load", stage), load) for stage, load in zip(run.stages, run.loads, strict=True)),
        ("psi_total_nat", run.psi_total),
        ("coupled_load_nat", run.coupled_load),
        *([("wait_s", np.max(queues, axis=0))] if queues else []),
        ("regime", run.trace.regime),
        *((f"psi_{stage.name}_nat", psi) for stage, psi in zip(run.stages, run.psi, strict=True)),
        *((name, getattr(run.trace, state)) for state, name in _STATES.items()),
    ]


def _named(prefix: str, stage: Stage) -> str:
    return f"{prefix}_{stage.name}{_UNITS[stage.kind]}"


def _frame(parts: Sequence[_Columns], start_ns: int, step_ns: int) -> pd.DataFrame:
    import pandas as pd

    names = _unique([name for name, _ in parts[0]])
    joined = {name: np.concatenate([part[index][1] for part in parts]) for index, name in enumerate(names)}
    steps = len(next(iter(joined.values())))
    times = pd.to_datetime(start_ns + step_ns * np.arange(steps), utc=True)
    return pd.DataFrame(joined, index=pd.Index(times, name="time"))


def _unique(names: Sequence[str]) -> list[str]:
    """Return names of which no two are equal: a stage called `total` has psi_total_nat_2 beside the sum's."""
    found: list[str] = []
    for name in names:
        candidates = (name if number == 1 else f"{name}_{number}" for number in count(1))
        found.append(next(one for one in candidates if one not in found))
    return found
