"""Recommended actions, each with its number, a command that shows it, and a setting that takes the action."""

from __future__ import annotations

from collections.abc import Sequence

from entro_cli.analysis.results import Coordination, CoordinationRun, Figures, HeldHour, Recommendation, StageFigures
from entro_cli.core import formatting
from entro_engine import Kind

_MAX_WAIT_RATIO = 1.5
"""Chosen: nothing is recommended if it would make the mean wait more than this many times as long, or where the waits
are not compared, the most requests that wait at once."""

_DELAYED_SHARE = 0.9
"""Chosen: the share of the capacity that a fixed delay lets through. At the capacity itself no queue ever drains."""

_MIN_HOUR_SHARE = 0.02
"""Chosen: an hour with less than this share of the held time is not named."""

_MAX_NAMED_HOURS = 18
"""Chosen: with more hours than this, the text says "at all hours of the day"."""

_SAME_WAIT = 0.05
"""Chosen: mean waits that differ by at most this share count as unchanged."""


def recommendations(
    coordination: Coordination, stages: tuple[str, str], step_s: float, command: str
) -> tuple[Recommendation, ...]:
    """Return recommended actions, the most useful first; empty if none would help, or the price is too high.

    A capacity that is a guess supports no recommendation.

    Args:
        coordination: the simulated effect of the controller.
        stages: names of the rate stage and of the queue stage.
        step_s: length of a step, s.
        command: a command that shows the numbers, quoted for a shell.
    """
    measured, coordinated = coordination.measured, coordination.coordinated
    if measured is None or coordinated is None or coordination.capacity is None:
        return ()
    if coordination.capacity_is_guess or coordinated.violations >= measured.violations:
        return ()
    if _costs_more(measured, coordinated):
        return ()
    rate, queue = (formatting.shortened(name) for name in stages)
    when = hours_in_words(coordination.held_hours)
    sentence = (
        f"Hold {rate} to {formatting.quantity(coordination.capacity)} req/s, the rate that {queue} serves, while "
        f"requests wait there{when}. This would have avoided {_avoided(measured, coordinated, step_s)} over the "
        f"budget, with at most {formatting.requests(coordinated.peak_queue)} waiting in {queue} (was "
        f"{formatting.quantity(measured.peak_queue)}). {_cost(measured, coordinated, rate)}"
    )
    delay = f"DOWNLOAD_DELAY = {1 / (_DELAYED_SHARE * coordination.capacity):.3g}, RANDOMIZE_DOWNLOAD_DELAY = False"
    return (
        Recommendation(
            sentence=sentence,
            number=coordination.capacity,
            unit="req/s",
            field="coordination.capacity",
            command=command,
            setting=(
                f"Scrapy, one domain: {delay} (a fixed delay leaves room to drain a queue, but knows no stall; "
                f"`entro coordinate --capacity {coordination.capacity:.3g}` does)"
            ),
        ),
    )


def first_stage_to_hold(
    figures: Figures, coordination: Coordination, command: str, place: str
) -> tuple[Recommendation, ...]:
    """Return the stage that drove most of the time over the budget, to be held first; empty without violations.

    It is for pipelines of which it is not known what coordination would have changed, or in which it would not pay.

    Args:
        figures: the figures of the period.
        coordination: the effect of the controller.
        command: a command that shows the numbers, quoted for a shell.
        place: what comes before the names of the figures in its JSON document.
    """
    driven = figures.incidents.violations_driven() if figures.violations else {}
    if not driven:
        return ()
    name = max(driven, key=lambda stage: driven[stage])
    stage = next(stage for stage in figures.stages if stage.name == name)
    over, total = (formatting.duration(steps * figures.step_s) for steps in (driven[name], figures.violations))
    share = f"all {total}" if driven[name] == figures.violations else f"{over} of the {total}"
    drove = f"it drove {share} over the budget, {_peak(stage)} (full at {formatting.quantity(stage.full)})."
    measured, coordinated = coordination.measured, coordination.coordinated
    if measured is None or coordinated is None or coordination.capacity is None or coordination.capacity_is_guess:
        sentence, setting = f"{_action(stage, len(figures.stages))}: {drove}", _unknown_cap(figures, coordination)
    else:
        sentence = f"Look at {formatting.shortened(name)}: {drove} {_price(measured, coordinated, figures)}"
        setting = f"`entro coordinate --capacity {coordination.capacity:.3g}` holds the rate back all the same"
    return (Recommendation(sentence, figures.violation_time_s, "s", f"{place}violation_time_s", command, setting),)


def _action(stage: StageFigures, stages: int) -> str:
    """Return what to do about the stage that drove a pipeline of some stages over the budget."""
    name, first = formatting.shortened(stage.name), " first" if stages > 2 else ""
    if stage.kind == Kind.QUEUE:
        return f"Send less to {name}{first}, while requests wait there"
    return f"Slow {name} down{first}" if stage.kind == Kind.RATE else f"Look at {name}{first}"


def _peak(stage: StageFigures) -> str:
    """Return the highest load of a stage in words."""
    load = stage.peak_load or 0.0
    if stage.kind == Kind.QUEUE:
        return f"with up to {formatting.requests(load)} waiting"
    peak = formatting.quantity(load)
    return f"at up to {peak} req/s" if stage.kind == Kind.RATE else f"at a load of up to {peak}"


def _unknown_cap(figures: Figures, coordination: Coordination) -> str:
    """Return why it is not known what a cap would change, and how to find out."""
    why = f"is not known ({coordination.withheld})" if coordination.withheld else "is a guess, as the capacity is"
    is_pair = [stage.kind for stage in figures.stages] == [Kind.RATE, Kind.QUEUE]
    choose = "" if is_pair else "choose two stages with --stage, or "
    return f"What a cap would change {why}: {choose}model the stages in a scenario file for `entro simulate --scenario`"


def _price(measured: CoordinationRun, coordinated: CoordinationRun, figures: Figures) -> str:
    """Return a sentence that says why a cap is not recommended."""
    rate = formatting.shortened(figures.stages[0].name)
    if coordinated.violations >= measured.violations:
        return f"To hold {rate} back would not have avoided it."
    avoided = _avoided(measured, coordinated, figures.step_s)
    return f"To hold {rate} back would have avoided {avoided}, but at a price. {_cost(measured, coordinated, rate)}"


def _costs_more(measured: CoordinationRun, coordinated: CoordinationRun) -> bool:
    """Return True if far more requests would have waited, or far longer."""
    if measured.mean_wait_s is None or coordinated.mean_wait_s is None:
        return coordinated.peak_frontier > _MAX_WAIT_RATIO * measured.peak_queue
    return coordinated.mean_wait_s > _MAX_WAIT_RATIO * measured.mean_wait_s


def hours_in_words(held: Sequence[HeldHour]) -> str:
    """Return the hours of the day in which requests were held back, as the end of a clause: `, from 09:00 to 11:00`.

    Args:
        held: the hours, in order.
    """
    total = sum(hour.held_s for hour in held)
    named = {hour.hour for hour in held if hour.held_s >= _MIN_HOUR_SHARE * total}
    if not named:
        return ""
    if len(named) > _MAX_NAMED_HOURS:
        return ", at all hours of the day"
    begins = [hour for hour in sorted(named) if (hour - 1) % 24 not in named]  # modulo 24: a range may pass midnight
    spans = [f"from {begin:02}:00 to {_end(begin, named):02}:00" for begin in begins]
    mostly = "mostly " if len(named) < len(held) else ""
    return f", {mostly}{', '.join(spans[:-1])}{' and ' if len(spans) > 1 else ''}{spans[-1]}"


def _end(begin: int, named: set[int]) -> int:
    """Return the end of the hours that begin with `begin`; 24 for midnight."""
    end = begin + 1
    while end % 24 in named:
        end += 1
    return end if end <= 24 else end - 24


def _avoided(measured: CoordinationRun, coordinated: CoordinationRun, step_s: float) -> str:
    """Return the time over the budget that would have been avoided: `all 31 min`, or `20 min of 31 min`."""
    total = formatting.duration(measured.violations * step_s)
    if not coordinated.violations:
        return f"all {total}"
    return f"{formatting.duration((measured.violations - coordinated.violations) * step_s)} of {total}"


def _cost(measured: CoordinationRun, coordinated: CoordinationRun, rate: str) -> str:
    """Return a sentence on the mean wait; where it is not compared, on the requests that wait at the rate stage."""
    after, before = coordinated.mean_wait_s, measured.mean_wait_s
    if after is None or before is None:
        return f"Up to {formatting.quantity(coordinated.peak_frontier)} requests would have waited at {rate} instead."
    now, was = formatting.duration(after), formatting.duration(before)
    unchanged = " unchanged" if abs(after - before) <= _SAME_WAIT * before else ""
    return f"Mean wait{unchanged}: {now}{'' if now == was else f' (was {was})'}."
