"""The output of `entro watch`: a screen, a line, and a JSON document."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from entro_cli.core import formatting
from entro_cli.core.clock import moment, nanoseconds
from entro_cli.core.console import printable
from entro_cli.core.json_document import to_builtins
from entro_cli.live.status import RecentSteps, StageStatus, Status
from entro_engine import Kind, Regime
from entro_engine.entropy import FloatArray

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import ConsoleDimensions, RenderableType
    from rich.text import Text

_STYLES = {"stable": "green", "stress": "yellow", "critical": "red", "no data": "dim"}
_UNITS = {Kind.RATE: "req/s", Kind.QUEUE: "requests", Kind.GENERIC: ""}
_LABEL_WIDTH, _VALUE_WIDTH, _NAME_LENGTH, _LETTERS_WIDTH = 14, 22, 14, 38
_LEAST_CHART_WIDTH, _MOST_PROBLEM_LINES = 10, 4
_BARS, _ASCII_BARS = " ▁▂▃▄▅▆▇█", " ..::++##"
_LETTERS = {
    **{"S": "7861e", "T": "72222", "A": "69f99", "B": "e9e9e", "L": "8888f", "E": "f8e8f", "R": "e9ea9"},
    **{"C": "78887", "I": "11111", "N": "9db99", "O": "69996", "D": "e999e", " ": "00000"},
}
"""Large letters: the rows of each, the pixels of a row as the bits of a digit."""


def status_json(status: Status | None, pipeline: str, problems: Sequence[str]) -> str:
    """Return the state of a pipeline as a JSON document in one line; without a state, its values are null."""
    nothing = dict.fromkeys(Status.__struct_fields__) | {"stages": [], "incidents": []}
    values = to_builtins(status) if status else nothing | {"pipeline": pipeline, "regime": Regime.NO_DATA.label}
    return json.dumps({"schema": "entro/watch/1", **values, "problems": problems}, allow_nan=False)


def status_line(status: Status, now_ns: int) -> str:
    """Return the state of a pipeline in one line."""
    driver = [f"driver {_name(status.driver)}"] if status.driver else []
    wait = [f"wait {formatting.duration(status.wait_s)}"] if status.wait_s is not None else []
    stages = [f"{_name(stage.name)} {_load(stage)}".rstrip() for stage in status.stages]
    last = f"{status.last_regime} since {_clock(status.last_since, now_ns)}"
    if _is_stale(status):
        last = f"no data{_of(status, status.since)} since {_clock(status.since, now_ns)}, last state: {last}"
    parts = (
        last,
        f"load {formatting.nats(status.coupled_load)} of {formatting.nats(status.budget)} nat",
        *(*stages, *wait, *driver),
        _newest(status),
    )
    return ", ".join(parts)


def watch_screen(
    state: tuple[Status, RecentSteps] | None,
    problems: Sequence[str],
    now_ns: int,
    unicode: bool,
    size: ConsoleDimensions,
) -> RenderableType:
    """Return the screen, which fits into 80x24 and uses more.

    Args:
        state: the state of the pipeline, and its newest steps; None as long as there is no data.
        problems: errors and warnings, safe to show.
        now_ns: the current time, nanoseconds since the epoch.
        unicode: whether the terminal has block characters.
        size: the size of the terminal.
    """
    from rich.console import Group
    from rich.text import Text

    wrapped = [line for problem in problems for line in textwrap.wrap(f"! {problem}", size.width)]
    warnings = [Text(line, style="yellow") for line in wrapped[:_MOST_PROBLEM_LINES]]
    lines = [Text("waiting for data of all stages")]
    if state is not None:
        lines = [*_lines(*state, now_ns, size.width, unicode), *_incident_lines(state[0], now_ns, size.width)]
    lines = lines[: size.height - len(warnings)] + warnings
    for line in lines:
        line.truncate(size.width, overflow="ellipsis" if unicode else "crop")
    return Group(*lines)


def _lines(status: Status, recent: RecentSteps, now_ns: int, width: int, unicode: bool) -> Iterator[Text]:
    """Yield the lines above the incidents."""
    from rich.text import Text

    style = _STYLES[status.regime]
    age = Text(_newest(status), style="bold red" if _is_stale(status) else "dim")
    name = Text(formatting.shortened(printable(status.pipeline), 40), style="bold")
    yield Text.assemble(name, " " * max(width - len(name) - len(age), 1), age)
    yield Text()
    lasted = formatting.duration(round(max((now_ns - nanoseconds(status.since)) / 1e9, 0.0)))
    beside = (
        f"since {_clock(status.since, now_ns)}, for {lasted}",
        f"last state: {status.last_regime}" if _is_stale(status) else f"driver: {_name(status.driver or 'none')}",
        f"{formatting.count(status.violations)} of {formatting.counted(status.observed_steps, 'step')} over the budget",
    )
    for letters, words in zip(_large(status.regime, unicode), beside, strict=True):
        yield Text.assemble((f"{letters:<{_LETTERS_WIDTH}}", f"bold {style}"), words)
    yield Text()
    chart_width = max(width - _LABEL_WIDTH - _VALUE_WIDTH, _LEAST_CHART_WIDTH)
    for label, values, limit, value in _charts(status, recent):
        upper, lower = _bars(values, recent.regimes, limit, chart_width, unicode)
        yield Text.assemble(f"{label[0]:<{_LABEL_WIDTH}}", upper, f"  {value[0]}")
        yield Text.assemble((f"{label[1]:<{_LABEL_WIDTH}}", "dim"), lower, (f"  {value[1]}", "dim"))
    span = formatting.duration(len(recent.regimes) * recent.step_s)
    yield Text(f"{'':<{_LABEL_WIDTH}}the last {span}", style="dim")
    yield Text()
    yield _forecast(status)
    yield Text()


def _forecast(status: Status) -> Text:
    """Return the line with the wait and the time to budget."""
    from rich.text import Text

    line = Text()
    if status.wait_s is not None:
        is_late = status.wait_s > status.accepted_wait_s
        line.append("Estimated wait: ").append(formatting.duration(status.wait_s), "bold red" if is_late else "bold")
        line.append(f" of {formatting.duration(status.accepted_wait_s)} accepted   ", "dim")
    line.append("Time to budget: ")
    if status.coupled_load > status.budget:
        return line.append("over the budget", "bold red")
    reached = status.time_to_budget_s
    return line.append("the load does not grow" if reached is None else formatting.duration(reached), "bold")


def _charts(
    status: Status, recent: RecentSteps
) -> Iterator[tuple[tuple[str, str], FloatArray, float, tuple[str, str]]]:
    """Yield label, values, limit and words of each chart: the fullest rate, the fullest queue, the coupled load."""
    stages = sorted(enumerate(status.stages), key=lambda pair: -pair[1].load / pair[1].full)
    kinds = dict.fromkeys(stage.kind for stage in status.stages)
    for kind in [*kinds][:2]:
        index, stage = next(pair for pair in stages if pair[1].kind == kind)
        is_rate = kind == Kind.RATE and status.capacity_per_s is not None
        limit = status.capacity_per_s if is_rate and status.capacity_per_s else stage.full
        words = f"{'capacity' if is_rate else 'full at'} {formatting.quantity(limit)}"
        yield (_name(stage.name), kind), recent.loads[index], limit, (_load(stage), words)
    load = formatting.load_name(len(status.stages))
    now = f"{formatting.nats(status.coupled_load)} nat"
    yield (load, ""), recent.coupled_load, status.budget, (now, f"budget {formatting.nats(status.budget)}")


def _bars(values: FloatArray, regimes: NDArray[np.int8], limit: float, width: int, unicode: bool) -> tuple[Text, Text]:
    """Return values as two rows of bars. A bar that shows several steps has the largest, and the worst regime."""
    from rich.text import Text

    bars, missing = (_BARS, "·") if unicode else (_ASCII_BARS, "-")
    begins = np.arange(width) * len(values) // width
    largest = np.maximum.reduceat(np.nan_to_num(values, nan=-1.0), begins)
    levels = np.maximum(np.rint(16 * largest / max(limit, largest.max())), 1)
    levels = np.where(largest < 0, -1, levels).astype(int).tolist()
    upper = Text("".join(bars[max(level - 8, 0)] for level in levels))
    lower = Text("".join(bars[min(level, 8)] if level >= 0 else missing for level in levels))
    worst = np.maximum.reduceat(regimes, begins).tolist()
    for regime, run in groupby(range(width), worst.__getitem__):
        first, *rest = run
        for row in (upper, lower):
            row.stylize(_STYLES[Regime(regime).label], first, first + len(rest) + 1)
    return upper, lower


def _incident_lines(status: Status, now_ns: int, width: int) -> Iterator[Text]:
    """Yield the last incidents, the newest first."""
    from rich.text import Text

    if not status.incidents:
        yield Text("No incident so far", style="dim")
        return
    yield Text(f"{formatting.counted(status.incident_count, 'incident')}, the newest first", style="bold")
    for incident in status.incidents:
        peak, driver = formatting.nats(incident.peak_coupled_load), _name(incident.driver)
        lasted = formatting.duration(incident.duration_s)
        yield Text(f"{_clock(incident.start, now_ns)}, {lasted}, peak {peak} nat, driver {driver}")
        sentences = "; ".join([incident.sentence, *(cause.sentence for cause in incident.causes)])
        yield from (Text(f"  {line}", style="dim") for line in textwrap.wrap(printable(sentences), max(width - 2, 20)))


def _large(regime: str, unicode: bool) -> tuple[str, str, str]:
    """Return a regime in large letters, as three lines."""
    word = regime.upper()
    if not unicode:
        return "", word, ""
    rows = [" ".join(_pixels(_LETTERS[letter], number) for letter in word) for number in range(5)]
    rows.append(" " * len(rows[0]))
    blocks = {"  ": " ", "# ": "▀", " #": "▄", "##": "█"}
    first, second, third = (
        "".join(blocks[upper + lower] for upper, lower in zip(rows[at], rows[at + 1], strict=True)) for at in (0, 2, 4)
    )
    return first, second, third


def _pixels(rows: str, number: int) -> str:
    width = max(int(row, 16) for row in rows).bit_length()
    return f"{int(rows[number], 16):0{width}b}".replace("0", " ").replace("1", "#")


def _load(stage: StageStatus) -> str:
    return f"{formatting.quantity(stage.load)} {_UNITS[Kind(stage.kind)]}"


def _name(stage: str) -> str:
    return formatting.shortened(printable(stage), _NAME_LENGTH - 1)


def _newest(status: Status) -> str:
    return f"newest data{_of(status, status.time)} {formatting.duration(round(status.age_s))} old"


def _of(status: Status, newest: datetime) -> str:
    """Return the stage whose newest data is of a time, in words; nothing if that of all is."""
    names = [stage.name for stage in status.stages if stage.time == newest]
    return "" if len(names) == len(status.stages) else f" of {_name(names[0])}"


def _is_stale(status: Status) -> bool:
    return status.regime == Regime.NO_DATA.label


def _clock(when: datetime, now_ns: int) -> str:
    """Return a time of day; with its date if that is not today."""
    is_today = moment(now_ns, when.tzinfo).date() == when.date() if when.tzinfo else True
    return f"{when:%H:%M:%S}" if is_today else f"{when:%Y-%m-%d %H:%M:%S}"
