"""Signals of the sample logs, each with its truth.

Each is made from a plan: the demand on the scraper, the capacity of the server, and hence the steps over the budget.
The truth is that plan; nothing of it is measured on the steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from entro_engine import SCENARIOS, Uncontrolled, simulate

SEED = 20260309
BERLIN = ZoneInfo("Europe/Berlin")
CAPACITY = 1.2
"""Capacity of the healthy server, req/s."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Incident:
    """A planned run of steps over the budget: from `start`, with `end` the end of the last one."""

    start: datetime
    end: datetime
    driver: str
    cause: str


@dataclass(frozen=True)
class Signal:
    """Steps of a pipeline and their truth.

    Attributes:
        start: where the first step begins; its zone is that of the timestamps.
        step_s: length of a step, s.
        loads: shape (2, steps): the rate in the step, req/s, and the requests waiting; NaN where nothing was logged.
        incidents: all incidents in order; every step of them is over the budget.
        regimes: number of steps by regime; None unless published.
    """

    start: datetime
    step_s: int
    loads: FloatArray
    incidents: tuple[Incident, ...]
    regimes: dict[str, int] | None = None

    @property
    def steps(self) -> int:
        """Number of steps, with data or without."""
        return self.loads.shape[1]

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Whether each step has data, shape (steps,)."""
        return ~np.isnan(self.loads).any(axis=0)

    def time(self, step: int) -> datetime:
        """Beginning of a step, in the zone of `start`."""
        return _later(self.start, step * self.step_s)

    def step_of(self, time: datetime) -> int:
        """The step that begins at a time."""
        return _seconds_between(self.start, time) // self.step_s


def _later(start: datetime, seconds: int) -> datetime:
    """Time some seconds after `start`, computed in UTC because local clocks skip an hour in spring."""
    return (start.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(start.tzinfo)


def _seconds_between(start: datetime, end: datetime) -> int:
    return round((end.astimezone(UTC) - start.astimezone(UTC)).total_seconds())


def three_phase() -> Signal:
    """The published three-phase run without control; its one incident follows from the phases by hand.

    The queue grows by 2.885 - 1.2 a second from step 300 on; in the third of these steps it is past 4.17 requests, with
    which a rate of 2.885 is over the budget. It falls from 87.62 by 1.2 - 0.903 a second from step 352 on, and for 262
    of these steps it is above 9.56, with which a rate of 0.903 is.
    """
    start = datetime(2026, 4, 6, 12, tzinfo=UTC)
    incident = Incident(
        start=_later(start, 302),
        end=_later(start, 352 + 262),
        driver="llm",
        cause="a surge of 52 s at 2.4 times the server's capacity",
    )
    return Signal(
        start=start,
        step_s=1,
        loads=simulate(SCENARIOS["three-phase"], Uncontrolled()).run.loads,
        incidents=(incident,),
        regimes={"stable": 656, "stress": 7, "critical": 337},
    )


@dataclass(frozen=True)
class Disturbance:
    """A stretch in which the demand, or the server's capacity, or both were set to something else, req/s."""

    start: datetime
    minutes: int
    demand: float | None = None
    capacity: float | None = None


def _berlin(month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


DISTURBANCES = (
    # 0.57 req/s too many for 72 min are 2460 requests; 1.25 req/s to spare then need 33 to 35 min.
    Disturbance(_berlin(3, 18, 13, 42), 72, capacity=0.4),
    Disturbance(_berlin(3, 18, 14, 54), 90, capacity=2.2),
    # At 7.1 req/s the scraper alone is at Psi 2.09; nine tenths of what eight replicas can do keep three waiting.
    Disturbance(_berlin(3, 31, 10, 10), 60, capacity=8.0),
    Disturbance(_berlin(3, 31, 10, 24), 18, demand=7.1),
    # A tight half hour first. 1.25 req/s too many for 12 min are 900 requests; 0.9 req/s to spare need 17 min.
    Disturbance(_berlin(4, 9, 15, 40), 41, demand=1.03),
    Disturbance(_berlin(4, 9, 16, 21), 12, demand=2.6),
    Disturbance(_berlin(4, 9, 16, 33), 30, demand=0.3),
)

FIVE_WEEKS_INCIDENTS = (
    Incident(
        start=_berlin(3, 18, 13, 42),
        end=_berlin(3, 18, 15, 29),
        driver="llm",
        cause="the server ran at a third of its capacity for 72 minutes, then caught up with a second replica",
    ),
    Incident(
        start=_berlin(3, 31, 10, 24),
        end=_berlin(3, 31, 10, 42),
        driver="scraper",
        cause="a crawl at 7 req/s, which the server, scaled out beforehand, kept up with",
    ),
    Incident(
        start=_berlin(4, 9, 16, 21),
        end=_berlin(4, 9, 16, 50),
        driver="llm",
        cause="twelve minutes of crawling at twice the server's capacity, then the scraper was held at 0.3 req/s",
    ),
)

GAP = (_berlin(4, 2, 1, 40), _berlin(4, 2, 5, 20))
"""The pipeline had crashed: no rows."""

HOURLY_DEMAND = (
    0.26, 0.24, 0.22, 0.22, 0.24, 0.30, 0.44, 0.62, 0.78, 0.90, 0.94, 0.92,
    0.84, 0.86, 0.94, 0.97, 0.95, 0.88, 0.76, 0.64, 0.54, 0.44, 0.36, 0.30,
)  # fmt: skip
"""A working day's demand at each full hour, local time, req/s."""

WEEKDAY_FACTORS = (0.97, 1.0, 1.02, 1.0, 0.94, 0.62, 0.55)
"""Factor of the demand per day of the week, from Monday on."""

WEEKLY_GROWTH = 1.01
"""Factor of the demand from one week to the next."""


def five_weeks(seed: int = SEED) -> Signal:
    """Five ISO weeks in Berlin at one-minute steps, clocks put forward in the third, three incidents, a gap."""
    start, end = _berlin(3, 9, 0, 0), _berlin(4, 13, 0, 0)
    minutes = _seconds_between(start, end) // 60
    demand = _rhythm([_later(start, 60 * minute) for minute in range(minutes)])
    capacity = np.full(minutes, CAPACITY)
    for disturbance in DISTURBANCES:
        first = _seconds_between(start, disturbance.start) // 60
        for course, value in ((demand, disturbance.demand), (capacity, disturbance.capacity)):
            if value is not None:
                course[first : first + disturbance.minutes] = value
    rng = np.random.default_rng(seed)
    arrivals = np.rint(60 * demand * _noise(minutes, rng))
    loads = np.round(np.stack([arrivals / 60, waiting(arrivals, capacity, 60, 6, rng)]), 4)
    crash, restart = (_seconds_between(start, time) // 60 for time in GAP)
    loads[:, crash:restart] = math.nan
    return Signal(start, 60, loads, FIVE_WEEKS_INCIDENTS)


def _rhythm(times: list[datetime]) -> FloatArray:
    """The demand of a quiet pipeline at each time, by the local clock, req/s."""
    hours = np.array([time.hour + time.minute / 60 for time in times])
    days = np.array([WEEKDAY_FACTORS[time.weekday()] for time in times])
    weeks = np.array([(time.date() - times[0].date()).days // 7 for time in times])
    return np.interp(hours, range(25), (*HOURLY_DEMAND, HOURLY_DEMAND[0])) * days * WEEKLY_GROWTH**weeks


def _noise(steps: int, rng: np.random.Generator) -> FloatArray:
    """Factors around 1, one per step: a drift over half an hour and a scatter, both bounded like paced crawlers."""
    kernel = np.exp(-np.arange(120) / 30.0)
    kernel /= np.sqrt(np.sum(kernel**2))
    drift = np.convolve(rng.standard_normal(steps + len(kernel) - 1), kernel, mode="valid")
    scatter = rng.standard_normal(steps)
    return 1 + 0.025 * np.clip(drift, -2, 2) + 0.04 * np.clip(scatter, -2.5, 2.5)


def waiting(
    arrivals: FloatArray, capacity: FloatArray, step_s: float, samples: int, rng: np.random.Generator
) -> FloatArray:
    """The mean of a gauge of waiting requests over each step.

    The number in the system L follows the pointwise stationary fluid approximation of an M/D/1 server (Wang, Tipper,
    Banerjee 1996): dL/dt = r - c G(L), where G(L) = L + 1 - sqrt(L^2 + 1) is the utilisation at which L is stationary.
    A backward Euler step of it has the closed form below, stable however fast the server. L - G(L) of them wait.

    Args:
        arrivals: requests in each step, spread evenly over it.
        capacity: of the server in each step, req/s.
        step_s: length of a step, s.
        samples: readings per step of the gauge, which counts whole requests.
        rng: chooses between the two whole numbers around a fraction.
    """
    length = step_s / samples
    inside, gauge = 0.0, np.empty((len(arrivals), samples))
    for step, (count, rate) in enumerate(zip(arrivals.tolist(), capacity.tolist(), strict=True)):
        most = rate * length
        for sample in range(samples):
            load = inside + count / samples - most
            inside = ((1 + most) * load + most * math.sqrt(load * load + 1 + 2 * most)) / (1 + 2 * most)
            gauge[step, sample] = math.sqrt(inside * inside + 1) - 1
    return np.floor(gauge + rng.random(gauge.shape)).mean(axis=1)


def short_stretch(seed: int = SEED) -> Signal:
    """Five minutes at ten seconds with one incident: the content of every file in shapes/.

    2.4 req/s too many for four steps are 96 requests; with 1.1 req/s to spare all but ten are served in seven more.
    """
    start = datetime(2026, 4, 10, 8, tzinfo=UTC)
    rng = np.random.default_rng(seed)
    demand = np.repeat([0.9, 3.6, 0.1, 0.8], [8, 4, 12, 6])
    arrivals = np.rint(10 * demand + rng.uniform(-1, 1, len(demand)))
    queue = waiting(arrivals, np.full(len(demand), CAPACITY), 10, 5, rng)
    incident = Incident(
        start=_later(start, 80),
        end=_later(start, 190),
        driver="llm",
        cause="40 s at three times the server's capacity, then hardly any demand",
    )
    return Signal(start, 10, np.round(np.stack([arrivals / 10, queue]), 3), (incident,))
