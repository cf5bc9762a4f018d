"""Simulated runs as logs that `entro analyze` reads like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from entro_cli.analysis.simulation.runs import Batch, SimulationParameters
from entro_cli.core.clock import NS
from entro_cli.core.files import write_whole
from entro_engine import EntroError

COLUMNS = ("time", "scraper_rate", "llm_queue")
"""The head of a log: ISO 8601 in UTC, req/s, requests at the end of the step."""

_UNITS: tuple[tuple[Literal["s", "ms", "us", "ns"], int], ...] = (
    ("s", NS),
    ("ms", NS // 1000),
    ("us", 1000),
    ("ns", 1),
)


class LogWriter:
    """Writes every run it is shown as a CSV log of its own, each whole or not at all.

    The loads have as many digits as it takes to read back the same floats. The files are CONTROLLER.csv, or
    CONTROLLER-run-N.csv where each controller has several runs.

    Args:
        settings: what is simulated.
        folder: where to; it is made if it is not there.
        start_ns: where the first step begins, nanoseconds since the epoch.

    Raises:
        EntroError: when the steps have no dates: they lie before 1678 or after 2262.
    """

    def __init__(self, settings: SimulationParameters, folder: Path, start_ns: int) -> None:
        step_ns, steps = round(settings.scenario.step_s * NS), settings.scenario.steps
        if not -(2**63) <= start_ns < 2**63 - step_ns * steps:
            raise EntroError(
                f"no dates for {steps} steps of {settings.scenario.step_s:g} s from there",
                where="--start",
                expected="a run that lies between the years 1678 and 2262",
            )
        self._times = iso_utc(start_ns + step_ns * np.arange(steps, dtype=np.int64))
        self._folder, self._several = folder, settings.runs > 1
        self.written: list[Path] = []

    def __call__(self, batch: Batch) -> None:
        """Write the runs of a batch.

        Raises:
            EntroError: when one cannot be written.
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
    """Nanoseconds since the epoch as ISO 8601 in UTC, with as many fractional digits as one of them needs."""
    unit = next(name for name, length in _UNITS if not np.any(times_ns % length))
    return [f"{text}Z" for text in np.datetime_as_string(times_ns.view("datetime64[ns]"), unit=unit).tolist()]
