"""What `entro` says of a run: plain frozen dataclasses, units in the field names.

This is what `--json` prints, what the templates get and what the tests compare. Nothing here computes.
Times are datetimes with a zone, durations seconds, Psi nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StageFigures:
    """One stage over the period."""

    name: str
    kind: str
    full: float
    mean_load: float | None
    peak_load: float | None
    mean_share: float | None


@dataclass(frozen=True)
class RegimeCounts:
    """Steps in each regime; steps without data are in none."""

    stable: int
    stress: int
    critical: int
    no_data: int


@dataclass(frozen=True)
class Incident:
    """A maximal run of steps over the budget; one step inside it without violation or data does not end it.

    `end` is where its last violating step ends. `violations` are steps; `driver` is the stage with the largest mean
    share of Psi_total in it; `time_to_budget_s` is the forecast one step before it: how long until the budget would be
    reached at the slope of then, None where it was not being approached.
    """

    start: datetime
    end: datetime
    duration_s: float
    violations: int
    peak_psi_total: float
    excess_nat_s: float
    driver: str
    time_to_budget_s: float | None


@dataclass(frozen=True)
class CoordinationRun:
    """One course of the same demand: as it was measured, or in the plant.

    `unserved` is what waits in queue and frontier at the end; with something left the mean wait, over the whole
    pipeline, is a lower bound. `mean_wait_s` is None where nothing was served.
    """

    violations: int
    excess_nat_s: float
    peak_queue: float
    peak_psi_total: float
    peak_frontier: float
    mean_wait_s: float | None
    unserved: float
    regimes: RegimeCounts


@dataclass(frozen=True)
class Coordination:
    """What coordination would have changed: the demand of the log in the plant, without and with the v9 controller.

    Everything is counted at the full loads given here, which follow from the capacity and the accepted wait unless they
    were set. `withheld` says why there is no comparison; None where there is one. `model_error` is how far the queue of
    the uncontrolled run is from the measured one, as a share of that. `held_rate` is the highest mean rate that the
    controller let through while it held something back, req/s; None where it never did.
    """

    withheld: str | None
    capacity: float | None = None
    capacity_evidence: str = ""
    capacity_is_guess: bool = False
    accepted_wait_s: float | None = None
    full_rate: float | None = None
    full_queue: float | None = None
    plant_step_s: float | None = None
    model_error: float | None = None
    measured: CoordinationRun | None = None
    uncontrolled: CoordinationRun | None = None
    coordinated: CoordinationRun | None = None
    held_rate: float | None = None


@dataclass(frozen=True)
class FullLoad:
    """The load at which a stage is full, in its unit, and why."""

    name: str
    kind: str
    full: float
    unit: str
    evidence: str


@dataclass(frozen=True)
class Calibration:
    """What a log itself says of its server: capacity in req/s, full loads, budget in nats.

    `is_guess` is whether the log never kept the server busy for long enough to tell the capacity.
    """

    start: datetime
    end: datetime
    step_s: float
    capacity: float
    evidence: str
    is_guess: bool
    wait_s: float
    wait_evidence: str
    stages: tuple[FullLoad, ...]
    gamma: float
    budget: float


@dataclass(frozen=True)
class Recommendation:
    """What to do: in a sentence, with the number behind it.

    `command` shows that number, as `field` of its JSON document; `setting` does it.
    """

    sentence: str
    number: float
    unit: str
    field: str
    command: str
    setting: str


@dataclass(frozen=True)
class BurnAlert:
    """A time in which the budget burned too fast over a long and a short window at once.

    `severity` is `page` or `ticket`; `until` is None where it still did at the end;
    `peak_burn_rate` is the long window's.
    """

    severity: str
    long_window_s: float
    short_window_s: float
    threshold: float
    start: datetime
    until: datetime | None
    peak_burn_rate: float


@dataclass(frozen=True)
class WindowBurn:
    """The burn rate over the last `window_s` of the period; None where no step in it was observed."""

    window_s: float
    burn_rate: float | None


@dataclass(frozen=True)
class Objective:
    """The budget as a service-level objective: the share of observed steps that should be within it.

    `consumed` is the used part of what the objective allows (infinite when it allows nothing and something happened);
    `burn_rate` is over the whole period, `burn_rates` over the windows up to its end. `exhausted_in_s` is when the rest
    of the allowance is used up at the burn rate of the last hour: 0 when it is already, None when it never is.
    """

    target: float
    allowed_steps: float
    consumed: float | None
    remaining_steps: float
    remaining_s: float
    burn_rate: float | None
    burn_rates: tuple[WindowBurn, ...]
    exhausted_in_s: float | None
    alerts: tuple[BurnAlert, ...]


@dataclass(frozen=True)
class Figures:
    """What a run of steps comes to. Means and extremes are over observed steps; None where there are none."""

    start: datetime
    end: datetime
    step_s: float
    steps: int
    observed_steps: int
    coverage: float
    budget: float
    stages: tuple[StageFigures, ...]
    regimes: RegimeCounts
    violations: int
    violation_time_s: float
    excess_nat_s: float
    peak_psi_total: float | None
    mean_psi_total: float | None
    stability_mean: float | None
    stability_min: float | None
    energy_mean: float | None
    energy_max: float | None
    memory_mean: float | None
    memory_max: float | None
    transitions: int
    time_to_budget_s: float | None
    incidents: tuple[Incident, ...]
    objective: Objective


@dataclass(frozen=True)
class BadRow:
    """A row that could not be read: its line (counted by line feeds, from 1), what was wrong, its text, shortened."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Source:
    """What one file gave. `problems` are sentences; `taken_as` tells how it was joined with the others."""

    path: str
    format: str
    stages: tuple[str, ...]
    rows_read: int
    rows_skipped: int
    start: datetime | None
    end: datetime | None
    zone: str
    taken_as: str
    problems: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]


@dataclass(frozen=True)
class StoredLog:
    """What came of storing a log: `taken` says it in words; rows are those that were new in it."""

    path: str
    taken: str
    format: str = ""
    stages: tuple[str, ...] = ()
    rows_read: int = 0
    rows_skipped: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredSummary:
    """What came of storing logs: the days of UTC that changed, and how many were too old to be kept."""

    step_s: float
    logs: tuple[StoredLog, ...]
    days: tuple[str, ...]
    removed_days: int
