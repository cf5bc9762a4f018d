"""Watch a running pipeline: follow its sources, and judge its newest steps."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from entro_cli.analysis.results import Source, StepCounts
from entro_cli.config import Settings
from entro_cli.core.clock import NS, duration_ns, moment, zone_of
from entro_cli.core.console import no_progress, printable
from entro_cli.core.formatting import count, counted
from entro_cli.live.collect import Collector
from entro_cli.live.follow import Follower
from entro_cli.live.freshness import as_of, check_same_time, stage_spans
from entro_cli.live.status import RecentSteps, Status, status_of
from entro_cli.readers.options import LoadOptions
from entro_cli.report.periods import range_of
from entro_cli.report.render.openmetrics import exposition, step_counters
from entro_cli.timeseries.steps import StepSource
from entro_cli.workflows.analyze import judged_steps
from entro_cli.workflows.live.sources import ending_signals, failures_of, follow_sources
from entro_cli.workflows.load_history import JudgedSteps, stored_sources
from entro_cli.workflows.query_prometheus import PrometheusQuery, time_range
from entro_cli.workflows.report import summarise_period
from entro_cli.workflows.write_report import write_metrics
from entro_engine import EntroError, Regime

_INTERVAL_S = 1.0
_STATUS_SHARE, _PAGE_SHARE = 0.33, 0.05
"""The largest shares of the time for judging the steps, and for writing the page. Long logs are judged less often."""

_PAGE_S = 10.0
"""The shortest time between two versions of the page, and the time after which a browser loads it again, s."""


class Pace:
    """The pace of a task that is done again and again.

    Args:
        share: the largest share of the time that it may take, 0..1.
        least_s: the shortest time between two of them, s.
    """

    def __init__(self, share: float, least_s: float = 0.0) -> None:
        self._share, self._least_s, self._next_s = share, least_s, 0.0

    def do(self, task: Callable[[], bool]) -> bool:
        """Do the task if it is due, and return its result; False if it is not due."""
        begin_s = time.monotonic()
        if begin_s < self._next_s:
            return False
        result = task()
        took_s = time.monotonic() - begin_s
        self._next_s = begin_s + max(took_s / self._share, self._least_s)
        return result


class Watch:
    """A pipeline that is watched.

    Args:
        follower: follows its logs, and the files of the collectors.
        collectors: its other sources, not started.
        settings: its settings.
        budget: Psi_budget, nat.
        page: the file of a page that is kept current; None for none.
        counters: the file of counters of steps that is kept current; None for none.

    Attributes:
        state: its state and its newest steps; None before there is data of all stages.
        problems: the errors of the last readings, and how many rows could not be read, safe to show.
        new_problems: those that were not there before.
        has_ended: whether this is the last state, because standard input has ended.
    """

    def __init__(
        self,
        follower: Follower,
        collectors: Sequence[Collector],
        settings: Settings,
        budget: float,
        page: Path | None,
        counters: Path | None = None,
    ) -> None:
        self.state: tuple[Status, RecentSteps] | None = None
        self.problems: list[str] = []
        self.new_problems: list[str] = []
        self.has_ended = False
        self._follower, self._collectors, self._page, self._counters = follower, collectors, page, counters
        self._counts = StepCounts(-1, -1)  # before anything is written
        self._settings, self._budget, self._zone = settings, budget, zone_of(settings.zone)
        self._status_pace, self._page_pace = Pace(_STATUS_SHARE), Pace(_PAGE_SHARE, _PAGE_S)
        self._judged: tuple[Status, RecentSteps] | None = None  # as of the data
        self._refusal: EntroError | None = None
        self._unwritten: JudgedSteps[StepSource] | None = None
        self._reading_problems: list[str] = []
        self._unwritable: dict[Path, EntroError] = {}  # by file, such as on a full disk

    def once(self) -> Iterator[bool]:
        """Read the sources once; yield that there is a state.

        Raises:
            EntroError: if there is none.
        """
        for collector in self._collectors:
            collector.collect_whole()
        self.update()
        self._require_state()
        yield True

    def _require_state(self) -> None:
        if self.state is None:
            raise next(iter(self._errors()), EntroError("no step has data of all stages", where="entro watch"))

    def has_reached(self, regime: str | None) -> bool:
        """Return whether the pipeline is in a regime or a worse one; False without a regime."""
        order = [known.label for known in Regime]  # the first one is no data
        if regime is None or self.state is None:
            return False
        return order.index(self.state[0].regime) >= order.index(regime)

    def changes(self) -> Iterator[bool]:
        """Follow the sources; yield once a second whether the state has changed.

        This ends only if standard input is the only source, and ends.

        Raises:
            EntroError: if there is no state then.
        """
        for collector in self._collectors:
            collector.start()
        while not self.has_ended:
            begin = time.monotonic()
            # Looked at before the last lines are read.
            self.has_ended = len(self._collectors) == len(self._follower.names) and all(
                collector.has_ended for collector in self._collectors
            )
            yield self.update()
            time.sleep(0.0 if self.has_ended else max(_INTERVAL_S - (time.monotonic() - begin), 0.0))
        self._require_state()

    def update(self) -> bool:
        """Read what is new, and return whether the state has changed."""
        known = self.problems
        has_changed = self._judge() if self.has_ended else self._status_pace.do(self._judge)
        before = self.state and self.state[0].regime
        self.state = self._judged and (as_of(self._judged[0], time.time_ns()), self._judged[1])
        has_changed |= before != (self.state and self.state[0].regime)
        if self._page is not None and self._unwritten is not None:
            self._page_pace.do(self._write_page)
        if self._counters is not None and self._judged is not None:
            self._write_counters(self._counters, self._judged[0])
        self.problems = [*self._reading_problems, *map(printable, map(str, self._unwritable.values()))]
        self.new_problems = [problem for problem in self.problems if problem not in known]
        return has_changed

    def _judge(self) -> bool:
        follower = self._follower
        if is_new := follower.poll():
            self._refuse_other_times()
        self._reading_problems = [*map(printable, map(str, self._errors())), *self._skipped_rows()]
        steps = follower.steps(self._settings) if is_new and not self._refusal else None
        if steps is None:
            return False
        judged, full_loads = judged_steps(steps, self._settings)
        signals = follower.signals
        spans = stage_spans(follower.state)
        found = status_of(judged, full_loads, self._settings, self._budget, spans, signals)
        if found is None:
            return False
        self._judged = found
        self._unwritten = JudgedSteps(judged, self._sources(), full_loads, signals=signals)
        return True

    def _refuse_other_times(self) -> None:
        """Forget the state if the logs are of different times."""
        try:
            check_same_time(self._follower.state)
            self._refusal = None
        except EntroError as error:
            self._refusal, self._judged = error, None

    def _errors(self) -> list[EntroError]:
        refusals = [self._refusal] if self._refusal else []
        return refusals + failures_of(self._follower, self._collectors)

    def _skipped_rows(self) -> list[str]:
        logs = {log.place: log for log in self._follower.state.logs if log.rows_skipped}.values()
        return [
            f"{log.path}: {counted(log.rows_skipped, 'row')} of {count(log.rows_read + log.rows_skipped)} skipped"
            for log in logs
        ]

    def _sources(self) -> tuple[Source, ...]:
        """Return the logs so far; those of collectors have the names of their sources."""
        names = {str(collector.path): collector.label for collector in self._collectors}
        found = stored_sources(self._follower.state, self._zone, None, None)
        return tuple(replace(one, path=names.get(one.path.removesuffix(".1"), one.path)) for one in found)

    def _write_page(self) -> bool:
        """Write the page, and return whether it was written."""
        from entro_cli.report.render.html import render  # with Plotly, which only a page needs
        from entro_cli.report.render.page import store_page

        data, self._unwritten = self._unwritten, None
        if data is None or self._page is None:
            return False
        edges = (data.steps.start_ns, data.steps.start_ns + data.steps.count * data.steps.step_ns)
        period = range_of(*(moment(edge, self._zone) for edge in edges))
        summary = summarise_period(data, period, self._settings, self._budget, advise=False)
        try:
            store_page(self._page, lambda packed: _reloading(render(summary, packed)), inputs=self._follower.names)
            self._unwritable.pop(self._page, None)
        except EntroError as error:
            self._unwritable[self._page] = error
            return False
        return True

    def _write_counters(self, path: Path, status: Status) -> None:
        """Write the counters if they have grown; where steps are judged anew, they do not fall."""
        before = self._counts
        counts = StepCounts(max(before.observed, status.observed_steps), max(before.violating, status.violations))
        if counts == before:
            return
        text = exposition(step_counters({self._settings.pipeline: counts}))
        try:
            write_metrics(text, path, self._follower.names, is_durable=False)
            self._counts = counts
            self._unwritable.pop(path, None)
        except EntroError as error:
            self._unwritable[path] = error


@contextmanager
def watching(
    names: Sequence[str],
    options: LoadOptions,
    settings: Settings,
    metrics: str | None = None,
    query: PrometheusQuery | None = None,
    budget: float | None = None,
    page: Path | None = None,
    counters: Path | None = None,
) -> Iterator[Watch]:
    """Watch a pipeline for the duration of a context.

    Args:
        names: its logs; `-` for standard input.
        options: how they are read.
        settings: its settings.
        metrics: the address of a page of metrics; None without one.
        query: queries to a Prometheus server; None without one.
        budget: Psi_budget, nat; None for that of the settings.
        page: the file of a page that is kept current; None for none.
        counters: the file of counters of steps that is kept current; None for none.

    Raises:
        EntroError: if an option or an address cannot be read.
    """
    every_s = _INTERVAL_S if settings.step is None else duration_ns(settings.step, "--step") / NS
    within = time_range(settings.step, (None, None), time.time_ns())
    sources = follow_sources(names, options, metrics, query, every_s=every_s, within=within, kept_s=None)
    with no_progress(), _ended_by_signals(), sources as (follower, collectors):
        limit = settings.budget if budget is None else budget
        yield Watch(follower, collectors, settings, limit, page, counters)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals end the process as Ctrl-C does: with the screen as it was, and no temporary folder left."""
    before = {number: signal.signal(number, lambda *_: sys.exit(0)) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reloading(page: str) -> str:
    """Return a page that a browser loads again from time to time."""
    return page.replace("<head>", f'<head>\n<meta http-equiv="refresh" content="{_PAGE_S:.0f}">', 1)
