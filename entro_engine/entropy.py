"""Stages and their entropy proxies (published Eq. 6-8).

A stage's load x >= 0 becomes an entropy proxy Psi = log(1 + x * x_ref / full), in nats. Psi is 0 at rest and grows
slowly. With `full`, the load at which the stage is full, Psi is comparable between systems of any size.
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
"""Published: c_max, the rate that the server serves, req/s."""

DEFAULT_ACCEPTED_WAIT_S = 10.0 / PUBLISHED_CAPACITY
"""The wait behind the published full queue of 10 requests: 8.33 s by Little's law at 1.2 req/s."""


class Kind(StrEnum):
    """The quantity that a stage's load measures."""

    RATE = "rate"
    QUEUE = "queue"
    GENERIC = "generic"


REFERENCE_FULL_LOAD: dict[Kind, float] = {
    Kind.RATE: 3.0,
    Kind.QUEUE: 10.0,
    Kind.GENERIC: math.e**2 - 1.0,
}
"""x_ref by kind: the published r_max (req/s) and q_max (requests). A `generic` load of x_ref has Psi = Psi_c = 2."""


def full_loads_from(capacity: float, wait_s: float) -> dict[Kind, float]:
    """Return the load at which a rate and a queue are full, in their units; a generic stage has none.

    The rate has the published ratio to the capacity. The queue is what the accepted wait allows, by Little's law.

    Args:
        capacity: the rate that the server can serve, req/s.
        wait_s: the longest accepted wait, s.
    """
    return {
        Kind.RATE: capacity * REFERENCE_FULL_LOAD[Kind.RATE] / PUBLISHED_CAPACITY,
        Kind.QUEUE: capacity * wait_s,
    }


@dataclass(frozen=True)
class Stage:
    """One coupled stage of a pipeline.

    Attributes:
        name: the name in every output.
        kind: the quantity that its load measures.
        full: the load at which this stage is full, in the unit of its load; None means the kind's x_ref.
        feeds: names of the stages that it feeds, if any stage of the pipeline says so; empty otherwise.

    Raises:
        ParameterError: if `full` is not a finite number above 0, or the name is empty.
    """

    name: str
    kind: Kind = Kind.GENERIC
    full: float | None = None
    feeds: tuple[str, ...] = ()

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
        """Load at which the stage is full, in the unit of its load."""
        return REFERENCE_FULL_LOAD[self.kind] if self.full is None else self.full

    @property
    def scale(self) -> float:
        """x_ref / full, the factor of a load before the logarithm. It is exactly 1 with the published defaults."""
        return REFERENCE_FULL_LOAD[self.kind] / self.full_load


SCRAPER = Stage("scraper", Kind.RATE)
"""Published: the first stage, a scraper measured by its request rate."""

LLM = Stage("llm", Kind.QUEUE)
"""Published: the second stage, an LLM server measured by its queue length."""


def entropy_proxy(load: ArrayLike, stage: Stage) -> FloatArray:
    """Return Psi of a stage under a load, log(1 + x * x_ref / full), in nats (published Eq. 6-8).

    Args:
        load: the load, any shape, in the stage's unit; NaN where there is no data.
        stage: the stage that has this load.

    Returns:
        Psi, the shape of `load`; NaN where the load is NaN.

    Raises:
        ParameterError: if a load is negative or infinite.
    """
    x = np.asarray(load, dtype=np.float64, order="C")  # log1p of a strided array differs in the last bits
    require(
        not bool(np.any((x < 0) | np.isinf(x))),
        f"load of stage {stage.name}",
        load,
        "finite loads of at least 0",
    )
    return np.log1p(x * stage.scale)


def psi_total(psi: Iterable[FloatArray]) -> FloatArray:
    """Return the sum of the stages' Psi, in nats, added in the order of the stages (published Eq. 9).

    Args:
        psi: one array per stage, all of one shape.

    Returns:
        Psi_total, of that shape; NaN where a stage has no data.
    """
    first, *others = psi
    total = np.array(first, dtype=np.float64)
    for part in others:
        total = total + part
    return total


def shares(psi: FloatArray, total: FloatArray) -> FloatArray:
    """Return rho, each stage's share of Psi_total (published Eq. 12).

    Args:
        psi: Psi of each stage, shape (stages, ...).
        total: Psi_total, shape (...).

    Returns:
        rho, the shape of `psi`. The shares sum to 1, or are all 0 where Psi_total is 0. NaN where Psi_total is NaN.
    """
    # The inner `where` avoids a division by zero, whose result the outer one would drop.
    return np.where(total == 0, 0.0, psi / np.where(total == 0, 1.0, total))
