"""Simulated runs as logs, which `entro analyze` reads like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.simulation.parameters import SimulationParameters
from entro_cli.analysis.simulation.runs import Batch
from entro_cli.core.clock import NS
from entro_cli.core.files import write_whole
from entro_engine import EntroError

COLUMNS = ("time", "scraper_rate", "llm_queue")
"""The header of a log: time in ISO 8601 (UTC), rate in req/s, queue at the end of the step in requests."""

_UNITS: tuple[tuple[Literal["s", "ms", "us", "ns"], int], ...] = (
    ("s", NS),
    ("ms", NS // 1000),
    ("us", 1000),
    ("ns", 1),
)


class LogWriter:
    """Writer of runs as CSV logs, one file per run, each written whole or not at all.

    Loads are written with as many digits as it takes to read back the same floats. The files are named CONTROLLER.csv,
    or CONTROLLER-run-N.csv if each controller has several runs.

    Args:
        parameters: parameters of the simulation.
        folder: the folder to write to, which is created if necessary.
        start_ns: start of the first step, nanoseconds since the epoch.

    Raises:
        EntroError: if the steps would lie before 1678 or after 2262, which nanoseconds cannot express.
    """

    def __init__(self, parameters: SimulationParameters, folder: Path, start_ns: int) -> None:
        step_ns, steps = round(parameters.scenario.step_s * NS), parameters.scenario.steps
        if not -(2**63) <= start_ns < 2**63 - step_ns * steps:
            raise EntroError(
                f"{steps} steps of {parameters.scenario.step_s:g} s from there have no dates",
                where="--start",
                expected="a run between the years 1678 and 2262",
            )
        self._times = iso_utc(start_ns + step_ns * np.arange(steps, dtype=np.int64))
        self._folder, self._several = folder, len(parameters.run_numbers) > 1
        self.written: list[Path] = []

    def __call__(self, batch: Batch) -> None:
        """Write the runs of a batch.

        Raises:
            EntroError: if a file cannot be written.
        """
        for column, number in enumerate(batch.runs):
            path = self._folder / (
                f"{batch.controller}-run-{number}.csv" if self._several else f"{batch.controller}.csv"
            )
            rates, queues = batch.trace.rate[:, column].tolist(), batch.trace.queue[:, column].tolist()
            rows = (f"{time},{rate!r},{queue!r}" for time, rate, queue in zip(self._times, rates, queues, strict=True))
            write_whole(path, "\n".join((",".join(COLUMNS), *rows, "")))
            self.written.append(path)


def iso_utc(times_ns: NDArray[np.int64]) -> list[str]:
    """Return nanoseconds since the epoch as ISO 8601 in UTC, with as many fractional digits as one of them needs."""
    unit = next(name for name, length in _UNITS if not np.any(times_ns % length))
    return [f"{text}Z" for text in np.datetime_as_string(times_ns.view("datetime64[ns]"), unit=unit).tolist()]
