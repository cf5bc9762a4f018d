"""What `entro` says of a run: plain frozen dataclasses, units in the field names.

This is what `--json` prints, what the templates get and what the tests compare. Nothing here computes.
Times are datetimes with a zone, durations seconds, Psi nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from entro_cli.analysis.incidents import Incidents
from entro_cli.timeseries.observations import BadRow


@dataclass(frozen=True)
class StageFigures:
    """One stage over the period.

    Attributes:
        name: what it is called.
        kind: rate, queue or generic.
        full: the load at which it is full, in its unit.
        mean_load: the mean load over observed steps, req/s of a rate, requests of a queue; None without any.
        peak_load: the largest load, in the same unit; None without any.
        mean_share: its mean part in Psi_total, 0..1; None without any.
    """

    name: str
    kind: str
    full: float
    mean_load: float | None
    peak_load: float | None
    mean_share: float | None


@dataclass(frozen=True)
class RegimeCounts:
    """Steps in each regime; steps without data are in none, and those left out as maintenance are in no count.

    Attributes:
        stable: steps in Stable.
        stress: steps in Stress.
        critical: steps in Critical.
        no_data: steps without data.
    """

    stable: int
    stress: int
    critical: int
    no_data: int


@dataclass(frozen=True)
class MaintenanceSpan:
    """A stretch of maintenance, which is left out of what is judged.

    Attributes:
        start: where it begins.
        end: where it ends.
    """

    start: datetime
    end: datetime


@dataclass(frozen=True)
class CoordinationRun:
    """One course of the same demand: as it was measured, or in the plant.

    Attributes:
        violations: steps over the budget.
        excess_nat_s: how far and how long it was over the budget, nat s.
        peak_queue: the longest queue at the end of a step, requests.
        peak_psi_total: the highest Psi_total, nat.
        peak_frontier: the most that was held back at the end of a step, requests.
        mean_wait_s: over queue and frontier, s: a lower bound where something is left at the end; None where nothing
            was served.
        unserved: what waits in queue and frontier at the end, requests.
        regimes: steps in each regime.
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
class HeldHour:
    """An hour of the day in which the controller held something back.

    Attributes:
        hour: 0..23, by the clock of the report's zone.
        held_s: for how long it did, over all days of the period, s.
    """

    hour: int
    held_s: float


@dataclass(frozen=True)
class Coordination:
    """What coordination would have changed: the demand of the log in the plant, without and with the v9 controller.

    Everything is counted at the full loads given here.

    Attributes:
        withheld: why there is no comparison; None where there is one.
        capacity: what the server serves, req/s.
        capacity_evidence: how that was found.
        capacity_is_guess: whether the log never kept the server busy for long enough to tell.
        accepted_wait_s: the longest accepted wait, s.
        full_rate: the rate at which its stage is full, req/s: it follows from the capacity unless it was set.
        full_queue: the queue at which its stage is full, requests: it follows from capacity and wait unless it was set.
        plant_step_s: a step of the plant, s: short enough for the wait, a whole part of the log's.
        model_error: how far the queue of the uncontrolled run is from the measured one, as a share of that.
        measured: the course of the log.
        uncontrolled: the course in the plant, without a controller.
        coordinated: the course in the plant, with the v9 controller.
        held_rate: the highest mean rate that the controller let through while it held something back, req/s; None
            where it never did.
        held_hours: the hours of the day in which it did, in their order.
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
    held_hours: tuple[HeldHour, ...] = ()


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
    """What to do.

    Attributes:
        sentence: in words, with what it would have avoided and cost.
        number: the number behind it.
        unit: of that.
        field: where the command has the number in its JSON document.
        command: what shows the number.
        setting: what does it.
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

    Attributes:
        severity: `page` or `ticket`.
        long_window_s: the long window, s.
        short_window_s: the short one, s.
        threshold: the burn rate above which both fire.
        start: from when on they did.
        until: until when; None where they still did at the end.
        peak_burn_rate: the long window's highest burn rate in that time.
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
    """The burn rate over the last part of the period.

    Attributes:
        window_s: how long that is, s.
        burn_rate: in it; None where no step in it was observed.
    """

    window_s: float
    burn_rate: float | None


@dataclass(frozen=True)
class Objective:
    """The budget as a service-level objective: the share of observed steps that should be within it.

    Attributes:
        target: that share, 0..1.
        allowed_steps: violations that it allows.
        consumed: the used part of that, infinite when nothing is allowed and something happened; None without an
            observed step.
        remaining_steps: violations that are left of it; below 0 when it is overdrawn.
        remaining_s: the same as time, s.
        burn_rate: over the whole period; 1 uses up exactly what is allowed; None without an observed step.
        burn_rates: over the windows up to the period's end.
        exhausted_in_s: when the rest is used up at the burn rate of the last hour, s: 0 when it is already, None when
            it never is.
        alerts: when it burned too fast.
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
    """What a run of steps comes to. Means and extremes are over observed steps; None where there are none.

    Attributes:
        start: where the first step begins.
        end: where the last one ends.
        step_s: length of a step, s.
        steps: how many there are, with data or without.
        observed_steps: how many have data.
        excluded_steps: how many are left out as maintenance: they are without data, and in no other count.
        coverage: steps with data of their own, as a share of all that are not left out.
        budget: Psi_budget, nat.
        stages: each stage's loads and its part in Psi_total.
        regimes: steps in each regime.
        violations: steps over the budget.
        violation_time_s: the same as time, s.
        excess_nat_s: how far and how long Psi_total was over the budget, nat s.
        peak_psi_total: the highest Psi_total, nat.
        mean_psi_total: the mean Psi_total, nat.
        stability_mean: the mean stability, 0.05..1.
        stability_min: the least.
        energy_mean: the mean energy, nat.
        energy_max: the highest.
        memory_mean: the mean stress memory, 0..1.
        memory_max: the highest.
        transitions: how often one observed step has another regime than the observed one before it.
        time_to_budget_s: how long until the budget is reached at the slope of the last steps, s; None where it is not
            being approached.
        incidents: runs of steps over the budget, by time.
        objective: the budget as a service-level objective.
    """

    start: datetime
    end: datetime
    step_s: float
    steps: int
    observed_steps: int
    excluded_steps: int
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
    incidents: Incidents
    objective: Objective


@dataclass(frozen=True)
class Source:
    """What one file gave.

    Attributes:
        path: the file as it was named.
        format: what it was read as.
        stages: the stages it has.
        rows_read: rows that were understood.
        rows_skipped: rows that were not.
        start: its first sample; None without any.
        end: its last one; None without any.
        zone: how its times were read.
        taken_as: how it was joined with the others.
        problems: what was out of the ordinary, in sentences.
        bad_rows: the first few rows that could not be read.
    """

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
class IngestedLog:
    """What came of storing a log: `taken` says it in words; rows are those that were new in it."""

    path: str
    taken: str
    format: str = ""
    stages: tuple[str, ...] = ()
    rows_read: int = 0
    rows_skipped: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class IngestSummary:
    """What came of storing logs: the days of UTC that changed, and how many were too old to be kept."""

    step_s: float
    logs: tuple[IngestedLog, ...]
    days: tuple[str, ...]
    removed_days: int
