"""The results of an analysis: plain frozen structs, with units in the field names.

`--json` prints them, templates get them and tests compare them, so a renamed field changes documents and templates.
Nothing here computes. Times are datetimes with a zone, durations are in seconds, Psi in nats.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct, field

from entro_cli.analysis.incidents import Incidents
from entro_cli.timeseries.observations import BadRow


class StageFigures(Struct, frozen=True):
    """One stage over the period.

    Attributes:
        name: its name.
        kind: rate, queue or generic.
        full: the load at which it is full, in its unit.
        mean_load: the mean load over observed steps, req/s of a rate, requests of a queue; None without any.
        peak_load: the largest load, in the same unit; None without any.
        mean_share: its mean share of Psi_total, 0..1; None without any.
        longest_wait_s: of a queue, the longest wait at the end of a step, s: how long the oldest request in it has
            waited, or the queue over its capacity where single requests are not known; None for other stages and
            without any.
        wait_95_s: the 95th percentile of these waits, s.
        waits_are_exact: whether single requests are known in every observed step.
    """

    name: str
    kind: str
    full: float
    mean_load: float | None
    peak_load: float | None
    mean_share: float | None
    longest_wait_s: float | None = None
    wait_95_s: float | None = None
    waits_are_exact: bool | None = None


class RegimeCounts(Struct, frozen=True):
    """Steps in each regime. Maintenance counts in none of them.

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


class StepCounts(NamedTuple):
    """Steps with data, and those of them over the budget."""

    observed: int
    violating: int


class MaintenanceSpan(Struct, frozen=True):
    """A time of maintenance, which no figure counts.

    Attributes:
        start: its begin.
        end: its end.
    """

    start: datetime
    end: datetime


class CoordinationRun(Struct, frozen=True):
    """One run of the same demand: as measured, or simulated in the plant.

    Attributes:
        violations: steps over the budget.
        excess_nat_s: integral of Delta over time, nat s.
        peak_queue: the longest queue at the end of a step, requests.
        peak_psi_total: the highest Psi_total, nat.
        peak_frontier: the most requests held back at the end of a step.
        mean_wait_s: mean wait over queue and frontier, s. A lower bound if requests are left at the end; None if
            nothing was served, or if the server was busy too seldom to compare waits.
        unserved: requests left in queue and frontier at the end.
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


class HeldHour(Struct, frozen=True):
    """An hour of the day in which the controller held requests back.

    Attributes:
        hour: 0..23, by the clock of the report's zone.
        held_s: total time in which it did, over all days of the period, s.
    """

    hour: int
    held_s: float


class Coordination(Struct, frozen=True):
    """Simulation of the log's demand in the plant, without a controller and with the v9 controller.

    Everything is counted at the full loads given here.

    Attributes:
        withheld: why there is no comparison; None if there is one.
        capacity: rate that the server can serve, req/s.
        capacity_evidence: how it was measured.
        capacity_is_guess: True if the log never kept the server busy for long enough to measure it.
        accepted_wait_s: the longest accepted wait, s.
        full_rate: the rate at which its stage is full, req/s. It follows from the capacity unless it was set.
        full_queue: the queue at which its stage is full, requests. It follows from capacity and wait unless it was set.
        plant_step_s: length of a step of the plant, s: short enough for the wait, and a whole fraction of the log's
            step.
        headroom: the share by which the controller's cap may exceed the served rate that it sees.
        gain: the share of a new served rate that enters its estimate, per step of the plant.
        guard: where the controller begins to correct, from 0, where Stress begins, to 1, where Critical does.
        model_error: deviation of the queue of the uncontrolled run from the measured one, as a share of the latter.
        busy_share: share of the observed steps in which the server was busy. Below 25 %, waits are not compared.
        measured: the log itself.
        uncontrolled: the plant without a controller.
        coordinated: the plant with the v9 controller.
        held_rate: the highest mean rate that the controller let through while it held requests back, req/s; None if it
            never did.
        held_hours: the hours of the day in which it did, in order.
    """

    withheld: str | None
    capacity: float | None = None
    capacity_evidence: str = ""
    capacity_is_guess: bool = False
    accepted_wait_s: float | None = None
    full_rate: float | None = None
    full_queue: float | None = None
    plant_step_s: float | None = None
    headroom: float | None = None
    gain: float | None = None
    guard: float | None = None
    model_error: float | None = None
    busy_share: float | None = None
    measured: CoordinationRun | None = None
    uncontrolled: CoordinationRun | None = None
    coordinated: CoordinationRun | None = None
    held_rate: float | None = None
    held_hours: tuple[HeldHour, ...] = ()


class FullLoads(Struct, frozen=True):
    """The origin of the full loads of a pipeline, which everything on a page is counted with.

    Attributes:
        origin: `set` if the user set them, or the capacity; `learned` from the log or when it was stored; `published`
            if nothing could be learned, or nothing should be.
        wait_s: the longest accepted wait, s.
        capacity: the learned capacity, req/s; None if it was not learned.
        evidence: how it was learned, in words.
        mark: a reservation: `thin` evidence, `at least` that much as no queue ever formed, or the `usual rate` of a
            pipeline whose server is not known; empty without one.
        is_guess: True if the log never kept the server busy for long enough to measure it.
    """

    origin: str
    wait_s: float
    capacity: float | None = None
    evidence: str = ""
    mark: str = ""
    is_guess: bool = False


class FullLoad(Struct, frozen=True):
    """The load at which a stage is full, in its unit, and the evidence for it."""

    name: str
    kind: str
    full: float
    unit: str
    evidence: str


class Calibration(Struct, frozen=True):
    """The capacity of a log's server in req/s, the full loads, and the budget in nats.

    `is_guess` is true if the log never kept the server busy for long enough to measure the capacity. `mark` is a
    reservation about the evidence, as in `FullLoads`; evidence that `is_thin` is not kept in a history.
    """

    start: datetime
    end: datetime
    step_s: float
    capacity: float
    evidence: str
    is_guess: bool
    mark: str
    is_thin: bool
    wait_s: float
    wait_evidence: str
    stages: tuple[FullLoad, ...]
    gamma: float
    budget: float


class Recommendation(Struct, frozen=True):
    """One recommended action.

    Attributes:
        sentence: the action, with its benefit and its cost.
        number: the number behind it.
        unit: unit of the number.
        field: path of the number in the command's JSON document.
        command: a command that shows the number.
        setting: a setting that takes the action.
    """

    sentence: str
    number: float
    unit: str
    field: str
    command: str
    setting: str


class BurnAlert(Struct, frozen=True):
    """A time in which the budget burned too fast over a long and a short window at once.

    Attributes:
        severity: `page` or `ticket`.
        long_window_s: the long window, s.
        short_window_s: the short window, s.
        threshold: the burn rate above which the alert fires.
        start: time from which it fired.
        until: time until which it fired; None if it still fired at the end.
        peak_burn_rate: the highest burn rate of the long window in that time.
    """

    severity: str
    long_window_s: float
    short_window_s: float
    threshold: float
    start: datetime
    until: datetime | None
    peak_burn_rate: float


class WindowBurn(Struct, frozen=True):
    """The burn rate over the last part of the period.

    Attributes:
        window_s: length of that part, s.
        burn_rate: its burn rate; None if no step in it was observed.
    """

    window_s: float
    burn_rate: float | None


class ErrorBudget(Struct, frozen=True):
    """The error budget of a service-level objective: a share of the observed steps should be within the entropy budget.

    Attributes:
        target: that share, 0..1.
        allowed_steps: violations that it allows.
        consumed: the used share of those, infinite if none are allowed and some happened; None without an observed
            step.
        remaining_steps: violations that are left; below 0 if more were used than allowed.
        remaining_s: the same as time, s.
        burn_rate: over the whole period. A rate of 1 uses up exactly what is allowed. None without an observed step.
        requests: number of requests that arrived in observed steps, by the rate stages; None without one.
        requests_over: number of those that arrived in steps over the budget.
        consumed_by_requests: the used share of the budget if each step counts with its requests: those over it, of the
            allowed share of all.
        burn_rates: over the windows up to the period's end.
        exhausted_in_s: time until the rest is used up at the burn rate of the last hour, s. 0 if it already is, None if
            it never will be.
        alerts: the times in which the budget burned too fast.
    """

    target: float
    allowed_steps: float
    consumed: float | None
    remaining_steps: float
    remaining_s: float
    burn_rate: float | None
    requests: float | None
    requests_over: float | None
    consumed_by_requests: float | None
    burn_rates: tuple[WindowBurn, ...]
    exhausted_in_s: float | None
    alerts: tuple[BurnAlert, ...]


class Figures(Struct, frozen=True):
    """The figures of a run of steps. Means and extremes are over observed steps; None if there are none.

    Attributes:
        start: start of the first step.
        end: end of the last step.
        step_s: length of a step, s.
        steps: number of steps, with or without data.
        observed_steps: number of steps with data.
        excluded_steps: steps that are left out as maintenance. They have no data, and are in no other count.
        coverage: steps with data of their own, as a share of all that are not left out.
        budget: the budget of the coupled load, nat.
        stages: each stage's loads and its share of Psi_total.
        regimes: steps in each regime.
        violations: steps over the budget.
        violation_time_s: the same as time, s.
        excess_nat_s: integral of Delta over time, nat s.
        peak_psi_total: the highest Psi_total, nat.
        mean_psi_total: the mean Psi_total, nat.
        peak_coupled_load: the highest coupled load, nat: the load that is judged, Psi_total for two stages.
        mean_coupled_load: the mean coupled load, nat.
        stability_mean: the mean stability, 0.05..1.
        stability_min: the least.
        energy_mean: the mean energy, nat.
        energy_max: the highest.
        memory_mean: the mean stress memory, 0..1.
        memory_max: the highest.
        transitions: changes of the regime between one observed step and the next.
        time_to_budget_s: time until the budget is reached at the slope of the last steps, s; None if the load is not
            growing.
        late_share: share of the observed steps that are late, 0..1. A request that waits in such a step waits longer in
            all than is accepted; where single requests are not known, the wait at its end is longer. None without a
            queue.
        incidents: runs of steps over the budget, by time.
        objective: the error budget of the objective.
        lost_days: days (UTC) of which the history has a record and no usable file. Their steps are without data.
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
    peak_coupled_load: float | None
    mean_coupled_load: float | None
    stability_mean: float | None
    stability_min: float | None
    energy_mean: float | None
    energy_max: float | None
    memory_mean: float | None
    memory_max: float | None
    transitions: int
    time_to_budget_s: float | None
    late_share: float | None
    incidents: Incidents
    objective: ErrorBudget
    lost_days: tuple[str, ...] = ()


class Source(Struct, frozen=True):
    """One log of an analysis.

    Attributes:
        path: the file as it was named, with the writer of the lines if it has those of several.
        format: the format that it was read as.
        stages: its stages.
        rows_read: rows that were understood.
        rows_skipped: rows that were not.
        start: time of its first sample; None without samples.
        end: time of its last sample; None without samples.
        zone: how its times were read.
        taken_as: how it was joined with the others.
        problems: warnings, in sentences.
        bad_rows: the first few rows that could not be read.
        identity: who wrote the lines, such as {"pod": "vllm-1"}; empty if the file does not name it.
        failed: number of requests that failed by class, such as {"429": 3, "5xx": 1}: not served.
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
    identity: dict[str, str] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)


class IngestedLog(Struct, frozen=True):
    """The result of storing one log. `taken` describes it in words; rows are those that were new."""

    path: str
    taken: str
    format: str = ""
    stages: tuple[str, ...] = ()
    rows_read: int = 0
    rows_skipped: int = 0
    problems: tuple[str, ...] = ()


class IngestSummary(Struct, frozen=True):
    """The result of storing logs: the days (UTC) that changed, and the number of days removed because of their age."""

    step_s: float
    logs: tuple[IngestedLog, ...]
    days: tuple[str, ...]
    removed_days: int
