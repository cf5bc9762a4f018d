"""Summarise a period, from logs or from the history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from functools import partial

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from entro_cli.analysis.calibration import is_rate_queue_pair, measure_capacity, misfit_warning
from entro_cli.analysis.coordination import with_measured_counts
from entro_cli.analysis.error_budget import RULES
from entro_cli.analysis.gaps import LOOK_BACK_NS, Activity, activity_of, times_with_data
from entro_cli.analysis.incident_details import causes_of
from entro_cli.analysis.replay import WARM_UP_STEPS, Replay, step_range
from entro_cli.analysis.results import Figures, FullLoads
from entro_cli.config import Settings
from entro_cli.core.clock import NS, YEARS, moment, nanoseconds, zone_of
from entro_cli.history.paths import DAY_NS, PipelinePaths, day_start_ns, pipeline_paths
from entro_cli.history.read import load_stored_state
from entro_cli.history.remote_copy import working_copy
from entro_cli.report.daily_report import Advice, ReportContext, Summary, period_figures, summarise
from entro_cli.report.periods import Period, PeriodKind, last_complete, latest, period_named, period_of, range_of
from entro_cli.timeseries.problems import sentences
from entro_cli.timeseries.steps import PART_STEPS, StepSource, range_view
from entro_cli.workflows.analyze import (
    RepeatedOption,
    accumulate,
    compute_coordination,
    judged_steps,
    recommend,
    repeating_command,
)
from entro_cli.workflows.load_history import JudgedSteps, check_stages, last_data_ns, load_activity, load_history
from entro_cli.workflows.load_logs import Loaded
from entro_engine import EntroError

_DEFAULT_PIPELINE = "default"
_FLAGS = {PeriodKind.DAY: "--daily", PeriodKind.WEEK: "--weekly", PeriodKind.MONTH: "--monthly"}
_CHANGED_SHARE = 0.25
"""Deviation of a period's capacity from the learned one above which the server has changed."""

_LONGEST_WINDOW_NS = round(max(rule.long_s for rule in RULES) * NS)


def data_from_logs(
    loaded: Loaded, settings: Settings, within: tuple[int | None, int | None]
) -> JudgedSteps[StepSource]:
    """Return the data of logs, with maintenance windows as steps without data.

    Args:
        loaded: the logs.
        settings: the pipeline's settings.
        within: the begin and the end of the steps to use, ns since the epoch; None for an open end.
    """
    steps, full_loads = judged_steps(loaded.steps, settings)
    within_steps = range_view(steps, *step_range(steps, *within))
    return JudgedSteps(within_steps, loaded.sources, full_loads, logs=loaded.paths, signals=loaded.signals)


def data_from_history(
    paths: PipelinePaths, settings: Settings, zone: tzinfo, period: Period, within: tuple[int | None, int | None]
) -> JudgedSteps[StepSource]:
    """Return the data of the history, with maintenance windows as steps without data.

    Args:
        paths: the pipeline's files.
        settings: the pipeline's settings.
        zone: the time zone of output.
        period: the period of the report.
        within: the begin and the end of the steps to use, ns since the epoch; None for an open end.

    Raises:
        EntroError: if nothing is stored of the pipeline.
    """
    # Only what the report needs is read: a history can hold years.
    begin = _first_needed_ns(period, load_stored_state(paths).step_ns)
    begin = begin if within[0] is None else max(begin, within[0])
    after = period.end_ns if within[1] is None else min(period.end_ns, within[1])
    history = load_history(paths, settings, zone, begin, after)
    activity = load_activity(paths, settings, min(period.start_ns, after - LOOK_BACK_NS), after, history.steps)
    return replace(history, activity=activity)


def summarise_period(
    data: JudgedSteps[StepSource],
    period: Period,
    settings: Settings,
    budget: float | None,
    advise: bool = True,
    options: Sequence[RepeatedOption] = (),
) -> Summary:
    """Summarise a period.

    Args:
        data: the data of the report.
        period: the period of the report.
        settings: the pipeline's settings.
        budget: Psi_budget, nat; None for that of the settings.
        advise: whether to compute what coordination would have changed, which takes most of the time.
        options: options of the command that are no settings, such as --stage, each with its value.
    """
    limit = settings.budget if budget is None else budget
    replayed = _replayed(data.steps, limit, period)
    maintenance = settings.maintenance()
    figures = period_figures(accumulate(replayed, settings, period.zone), replayed.steps, period, maintenance)
    explained = figures.incidents.explained(partial(causes_of, data.steps, data.signals))
    lost = (day for day in data.lost_days if period.start_ns - DAY_NS < day_start_ns(day) < period.end_ns)
    figures = replace(figures, incidents=explained, lost_days=tuple(map(str, lost)))
    before = _replayed(data.steps, limit, period.previous)
    previous = period_figures(accumulate(before, settings, period.zone), before.steps, period.previous, maintenance)
    warnings = (
        misfit_warning(replayed.steps, figures, data.full_loads, data.sources),
        _change_of_server(replayed, data.full_loads),
    )
    notes = (*sentences(data.problems), *(warning for warning in warnings if warning))
    advised = _advice(replayed, figures, data, period, settings, options) if advise else None
    activity = data.activity or _activity(data.steps, period)
    if data.logs and activity.usual_gap_ns is None:  # a short log by itself just ends: that is no silence
        activity = replace(activity, begins=activity.begins[:0], ends=activity.ends[:0])
    until_ns = min(period.end_ns, nanoseconds(datetime.now(UTC)))
    context = ReportContext(settings.pipeline, maintenance, data.full_loads, activity, until_ns)
    return summarise(replayed.run(), figures, previous, period, data.sources, context, notes, advised)


def _activity(steps: StepSource, period: Period) -> Activity:
    """Return the times with data of a period and the weeks before its end."""
    begin_ns = min(period.start_ns, period.end_ns - LOOK_BACK_NS)
    return activity_of(times_with_data(range_view(steps, *step_range(steps, begin_ns, period.end_ns))), steps.step_ns)


def _change_of_server(replayed: Replay, full_loads: FullLoads) -> str | None:
    """Return a note if the period shows a capacity far from the learned one; None otherwise."""
    steps = range_view(replayed.steps, replayed.first, replayed.after)
    if full_loads.capacity is None or full_loads.mark or not steps.count or not is_rate_queue_pair(steps):
        return None
    measured = measure_capacity(steps)
    if measured.is_guess or abs(measured.value - full_loads.capacity) <= _CHANGED_SHARE * full_loads.capacity:
        return None
    return (
        f"the server has changed: it served {measured.value:.3g} req/s in this period ({measured.evidence}), and the "
        f"full loads were learned at {full_loads.capacity:g} req/s; `entro calibrate LOGS --save` learns them again"
    )


def _replayed(steps: StepSource, budget: float, period: Period) -> Replay:
    """Return the replay of a period, with the steps before it that burn windows look back on."""
    begin_ns = period.start_ns - max(_LONGEST_WINDOW_NS, WARM_UP_STEPS * steps.step_ns)
    needed = range_view(steps, *step_range(steps, begin_ns, period.end_ns))
    return Replay(needed, budget, *step_range(needed, period.start_ns, period.end_ns))


def _first_needed_ns(period: Period, step_ns: int) -> int:
    """Return the begin of the steps that a report needs: the previous period, its burn windows and its warm-up."""
    return period.previous.start_ns - max(_LONGEST_WINDOW_NS, WARM_UP_STEPS * step_ns)


def _advice(
    replayed: Replay,
    figures: Figures,
    data: JudgedSteps[StepSource],
    period: Period,
    settings: Settings,
    options: Sequence[RepeatedOption],
) -> Advice:
    """Return what coordination would have changed in a period, and recommendations."""
    coordination = with_measured_counts(compute_coordination(replayed, data.full_loads, settings), figures)
    command = _command(data, period, settings, options)
    return coordination, recommend(coordination, figures, replayed.steps, command, place="figures.")


def _command(
    data: JudgedSteps[StepSource],
    period: Period,
    settings: Settings,
    more: Sequence[RepeatedOption],
) -> str:
    """Return the command that prints the same report as JSON."""
    if period.kind is PeriodKind.RANGE:
        options = ["--since", period.start.isoformat(), "--until", period.end.isoformat()]
    else:
        options = [_FLAGS[period.kind], "--date", f"{period.start:%Y-%m-%d}"]
    logs = [word for log in data.logs for word in ("--logs", log)]
    pipeline = [] if settings.pipeline == _DEFAULT_PIPELINE else ["--pipeline", settings.pipeline]
    return repeating_command(["report", *options, *pipeline, *logs, "--format", "json"], settings, *more)


def last_observed_ns(steps: StepSource) -> int:
    """Return the begin of the last step that has data of all stages, else of the first step, ns since the epoch."""
    after = steps.count
    # From the end, as the last part nearly always has data.
    while after > 0:
        part = steps.part(max(after - PART_STEPS, 0), after)
        observed = np.flatnonzero(~np.isnan(part.loads).any(axis=0))
        if len(observed):
            return part.start_ns + int(observed[-1]) * steps.step_ns
        after -= part.count
    return steps.start_ns


class PeriodRequest(Struct, frozen=True):
    """The period of a report, as the options describe it.

    Attributes:
        kind: day, week, month or range.
        date: a date in it, as the user wrote it; None without one.
        last: whether it is the last complete period.
        within_ns: the ends of a range, ns since the epoch; None for an open end.
        zone: the time zone whose midnights count.
    """

    kind: PeriodKind
    date: str | None
    last: bool
    within_ns: tuple[int | None, int | None]
    zone: tzinfo

    def period(self, last_ns: int | None, logs: StepSource | None = None) -> Period:
        """Return the period.

        Args:
            last_ns: the begin of the last step with data, ns since the epoch; None without data.
            logs: the steps of logs: a range without a beginning is all of them.

        Raises:
            EntroError: if the date cannot be read, or the range has no beginning or is empty.
        """
        if self.kind is PeriodKind.RANGE:
            return _range(self.within_ns, self.zone, logs)
        if self.date is not None:
            return period_of(self.kind, _date(self.date), self.zone)
        if self.last or last_ns is None:
            return last_complete(self.kind, datetime.now(self.zone))
        return latest(self.kind, last_ns, self.zone)


def _range(within_ns: tuple[int | None, int | None], zone: tzinfo, logs: StepSource | None) -> Period:
    """Return a range. An open end is that of the logs; without logs it goes on until now, and must have a beginning."""
    since, until = within_ns
    if logs is not None:
        end_ns = logs.start_ns + logs.count * logs.step_ns
        if until is None and (since is None or since < end_ns):
            until = end_ns
        if since is None:
            return range_of(moment(logs.start_ns, zone), moment(end_ns if until is None else until, zone))
    if since is None:
        raise EntroError("the range has no beginning", where="entro report", remedy="add --since, as --since 7d")
    end = datetime.now(zone) if until is None else moment(until, zone)
    return range_of(moment(since, zone).replace(microsecond=0), end.replace(microsecond=0))


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text)
        YEARS.index(day.year)
    except ValueError as error:
        raise EntroError(
            f"{text!r} is not a date",
            where="--date",
            expected="a date such as 2026-04-06, a week such as 2026-W15 or a month such as 2026-04",
        ) from error
    return day


def stored_summary(settings: Settings, label: str, budget: float | None) -> Summary:
    """Return what the report of a pipeline of the history says.

    Args:
        settings: the pipeline's settings.
        label: the period, such as 2026-W15.
        budget: Psi_budget, nat; None for that of the settings.

    Raises:
        EntroError: if the label is not a period, or nothing is stored of the pipeline.
    """
    zone = zone_of(settings.zone)
    period = period_named(label, zone)
    paths = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(paths):
        stored_steps = data_from_history(paths, settings, zone, period, (None, None))
    return summarise_period(stored_steps, period, settings, budget)


def stored_period(
    settings: Settings, stages: Sequence[str], request: PeriodRequest, within_ns: tuple[int | None, int | None]
) -> tuple[Period, JudgedSteps[StepSource]]:
    """Return the period that a report of the history is about, and what is stored of it.

    Args:
        settings: the pipeline's settings.
        stages: the stages that the command line names, which the history must have.
        request: the period, as the options describe it.
        within_ns: the begin and the end of the steps to use, ns since the epoch; None for an open end.

    Raises:
        EntroError: if nothing is stored of the pipeline, or a stage is unknown.
    """
    paths = pipeline_paths(settings.history, settings.pipeline)
    with working_copy(paths):
        check_stages(paths, stages)
        period = request.period(last_data_ns(paths, settings, request.within_ns[1]))
        return period, data_from_history(paths, settings, request.zone, period, within_ns)
