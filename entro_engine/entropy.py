"""Stages and their entropy proxies (published Eq. 6-8).

A stage's load x >= 0 becomes an entropy proxy Psi = log(1 + x * x_ref / full), in nats: 0 at rest, growing slowly, the
same on a system of any size once `full` names the load at which this stage is full.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from entro_engine.errors import require

FloatArray = NDArray[np.float64]

PUBLISHED_CAPACITY = 1.2
"""The published c_max: what the server serves, req/s."""

DEFAULT_ACCEPTED_WAIT_S = 10.0 / PUBLISHED_CAPACITY
"""The longest wait the published full queue of 10 requests stands for, 8.33 s (Little's law at 1.2 req/s)."""


class Kind(StrEnum):
    """What a stage's load measures."""

    RATE = "rate"
    QUEUE = "queue"
    GENERIC = "generic"


REFERENCE_FULL_LOAD: dict[Kind, float] = {
    Kind.RATE: 3.0,
    Kind.QUEUE: 10.0,
    Kind.GENERIC: math.e**2 - 1.0,
}
"""x_ref by kind: the published r_max (req/s) and q_max (requests); for `generic` the load whose Psi is Psi_c = 2."""


@dataclass(frozen=True)
class Stage:
    """One coupled stage of a pipeline.

    Attributes:
        name: what it is called in every output.
        kind: what its load measures.
        full: the load at which this stage is full, in the unit of its load; None means the kind's x_ref.

    Raises:
        ParameterError: when `full` is not a finite number above 0, or the name is empty.
    """

    name: str
    kind: Kind = Kind.GENERIC
    full: float | None = None

    def __post_init__(self) -> None:
        require(bool(self.name), "stage name", self.name, "a name")
        if self.full is not None:
            require(
                math.isfinite(self.full) and self.full > 0,
                f"full load of stage {self.name}",
                self.full,
                "a number above 0",
            )

    @property
    def full_load(self) -> float:
        """The load at which the stage is full, in the unit of its load."""
        return REFERENCE_FULL_LOAD[self.kind] if self.full is None else self.full

    @property
    def scale(self) -> float:
        """x_ref / full: what a load is multiplied by before the logarithm; exactly 1 on the published defaults."""
        return REFERENCE_FULL_LOAD[self.kind] / self.full_load


SCRAPER = Stage("scraper", Kind.RATE)
"""The published first stage: a scraper, by its request rate."""

LLM = Stage("llm", Kind.QUEUE)
"""The published second stage: an LLM server, by its queue length."""


def entropy_proxy(load: ArrayLike, stage: Stage) -> FloatArray:
    """Psi of a stage under a load, log(1 + x * x_ref / full), in nats (published Eq. 6-8).

    Args:
        load: the load, any shape, in the stage's unit; NaN where there is no data.
        stage: the stage it is the load of.

    Returns:
        Psi, the shape of `load`; NaN where the load is.

    Raises:
        ParameterError: when a load is negative or infinite.
    """
    x = np.asarray(load, dtype=np.float64, order="C")  # not strided: that has other last bits in log1p
    require(
        not bool(np.any((x < 0) | np.isinf(x))),
        f"load of stage {stage.name}",
        load,
        "finite loads of at least 0",
    )
    return np.log1p(x * stage.scale)


def psi_total(psi: Iterable[FloatArray]) -> FloatArray:
    """Sum of the stages' Psi, in nats, in the order of the stages (published Eq. 9).

    Args:
        psi: one array a stage, all of one shape.

    Returns:
        Psi_total, of that shape; NaN where one stage has no data.
    """
    first, *others = psi
    total = np.array(first, dtype=np.float64)
    for part in others:
        total = total + part
    return total


def shares(psi: FloatArray, total: FloatArray) -> FloatArray:
    """rho: each stage's part in Psi_total (published Eq. 12).

    Args:
        psi: Psi per stage, shape (stages, ...).
        total: Psi_total, shape (...).

    Returns:
        rho, the shape of `psi`: they sum to 1 where Psi_total > 0 and are all 0 where it is 0; NaN where it is NaN.
    """
    return np.where(total == 0, 0.0, psi / np.where(total == 0, 1.0, total))
