"""Entro from Python, reached as `import entro_cli as entro` (docs/api.md).

Keyword arguments are the keys of entro.toml, with `tz` for `zone` and `wait_s` for `wait`. Configuration files and
variables of the environment are read as by the command. Warnings about logs are Python warnings.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict, replace

from entro_cli.analysis.figures import end_waits
from entro_cli.analysis.incidents import Incidents
from entro_cli.analysis.replay import Replay, replay_steps
from entro_cli.analysis.results import Coordination, Figures, FullLoads, Recommendation, Source
from entro_cli.config import Settings
from entro_cli.config.keywords import ANALYSIS_KEYS, READING_KEYS, KeywordSettings
from entro_cli.core.clock import log_time_ns, zone_of
from entro_cli.core.console import Terminal
from entro_cli.core.parallel import Executor
from entro_cli.history.paths import pipeline_paths
from entro_cli.history.remote_copy import pipelines_at, working_copy
from entro_cli.report.periods import PeriodKind
from entro_cli.timeseries.frames import runs_frame, steps_frame
from entro_cli.timeseries.steps import StepSource, stage_view
from entro_cli.workflows.analyze import analyze_replay, judged_steps
from entro_cli.workflows.load_history import JudgedSteps, load_history
from entro_cli.workflows.load_logs import Loaded, load_logs
from entro_cli.workflows.print_warnings import print_load_warnings, print_problems
from entro_cli.workflows.report import PeriodRequest, last_observed_ns, summarise_period
from entro_cli.workflows.settings import load_options
from entro_cli.workflows.write_report import OutputOptions, write_report
from entro_engine import EntroError, Run

if TYPE_CHECKING:
    import pandas as pd

    from entro_cli.analysis.simulation.graph.results import GraphRunFigures
    from entro_cli.analysis.simulation.results import RunFigures
    from entro_cli.report.daily_report import Summary

_OF_LAW = ("lag", "budget", "alpha", "beta", "limit")
_OF_CHANCE = ("noise", "seed", "runs", "seeds")
_PERIODS = {"daily": "day", "weekly": "week", "monthly": "month", "range": "range"}
_SUFFIXES = {
    **{".html": "html", ".pdf": "pdf", ".json": "json", ".md": "markdown", ".txt": "terminal"},
    **{".xml": "junit", ".eml": "email"},
}

Moment = date | str | None
"""A time: a datetime, a date or a text such as 2026-04-06T12:00, in the pipeline's zone without one of its own; or
None for an open end."""


class EntroWarning(UserWarning):
    """A warning about logs or settings, as the commands print it."""


class _Messages(Terminal):
    """A terminal that prints nothing, and keeps warnings to pass them on as Python warnings."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self._found: list[str] = []

    def warn(self, message: str) -> None:
        """Keep a warning."""
        self._found.append(message)

    def pass_on(self) -> None:
        """Warn the caller of the function that this is called in."""
        for message in self._found:
            warnings.warn(message, EntroWarning, stacklevel=3)


@contextmanager
def _named_as_arguments() -> Iterator[None]:
    """Let errors name arguments as Python has them, without the dashes of options."""
    try:
        yield
    except EntroError as error:
        if not error.where.startswith("--"):
            raise
        where = error.where.replace("--", "")
        raise EntroError(error.found, where=where, expected=error.expected, remedy=error.remedy) from error


def read(
    *logs: str | Path,
    pipeline: str = "default",
    config: str | Path | None = None,
    stage: str | Sequence[str] = (),
    **keys: Any,
) -> Pipeline:
    """Read logs of one pipeline.

    Args:
        logs: files, folders, patterns or URLs.
        pipeline: the pipeline's name in the configuration.
        config: an entro.toml; None to look for one as the command does.
        stage: stages as the option --stage takes them, such as `llm=waiting:queue:22`.
        keys: keys of entro.toml.

    Raises:
        EntroError: if a log or a setting cannot be used.
    """
    if not logs:
        raise EntroError("names no log", where="read()", expected="files, folders, patterns or URLs")
    base = KeywordSettings(None if config is None else Path(config), pipeline, {})
    chosen = base.with_keys(keys, READING_KEYS | ANALYSIS_KEYS)
    messages = _Messages()
    settings = _settings(chosen, messages)
    # Full loads follow from the settings of an analysis, which may differ from those of reading.
    options = replace(load_options(settings, _several(stage)), full_of=lambda name, kind: None)
    with _named_as_arguments():
        loaded = load_logs([str(log) for log in logs], options, executor=Executor(1))
    print_load_warnings(loaded, messages)
    messages.pass_on()
    return Pipeline(pipeline, loaded.steps, loaded.sources, chosen, loaded, partial(_with_full_loads, loaded.steps))


def _with_full_loads(steps: StepSource, settings: Settings) -> tuple[StepSource, FullLoads]:
    """Return the steps of logs with the full loads that settings give, and their origin."""
    stages = tuple(
        stage if stage.full is not None else dataclasses.replace(stage, full=settings.full_of(stage.name, stage.kind))
        for stage in steps.stages
    )
    return judged_steps(stage_view(steps, stages), settings)


def _settings(keywords: KeywordSettings, messages: _Messages) -> Settings:
    settings, found = keywords.settings()
    for warning in found:
        messages.warn(warning)
    return settings


def _several(names: str | Sequence[str]) -> Sequence[str]:
    """Return names as a sequence; a text is one of them."""
    return (names,) if isinstance(names, str) else names


def simulate(
    scenario: str = "three-phase",
    controllers: str | Sequence[str] = (),
    **options: Any,
) -> SimulatedRuns:
    """Run a scenario under several controllers.

    Args:
        scenario: its name, or a TOML file.
        controllers: their names, or `family` for all; by default uncontrolled, static, eq14 and v9; all of a graph.
        options: lag, budget, alpha, beta, limit; noise, seed and runs; or seeds, a range, of the arena.

    Raises:
        EntroError: if one of them is unknown or out of its domain.
    """
    from entro_cli.analysis.simulation.graph.results import summarise_graph
    from entro_cli.analysis.simulation.graph.runs import GRAPH_CONTROLLERS, GraphParameters, run_graph
    from entro_cli.analysis.simulation.graph.scenario import GraphScenario
    from entro_cli.analysis.simulation.parameters import (
        DEFAULT_CONTROLLERS,
        FAMILY,
        SimulationParameters,
        controllers_named,
        random_parameters,
    )
    from entro_cli.analysis.simulation.results import summarise
    from entro_cli.analysis.simulation.runs import simulate_all
    from entro_cli.analysis.simulation.scenario_file import find_scenario

    with _named_as_arguments():
        world = find_scenario(scenario)
    drawn: dict[str, Any] = {name: options.pop(name) for name in _OF_CHANCE if name in options}
    for name in options.keys() - set(_OF_LAW):
        expected = ", ".join([*_OF_LAW, *_OF_CHANCE])
        raise EntroError(f"unknown option {name!r}", where="simulate()", expected=expected)
    settings, _ = KeywordSettings(None, "default", {}).settings()
    law = {"budget": settings.budget, **settings.control._asdict()} | options
    with _named_as_arguments():
        if isinstance(world, GraphScenario):
            for name in [*drawn, *({"limit"} & options.keys())]:
                raise EntroError("does not work with a graph of stages", where=name)
            named = controllers_named(_several(controllers or FAMILY), GRAPH_CONTROLLERS)
            graph = GraphParameters(world, controllers=named, **law)
            return SimulatedRuns(summarise_graph(graph, run_graph(graph)).runs)
        chosen = controllers_named(_several(controllers or DEFAULT_CONTROLLERS))
        parameters = SimulationParameters(world, chosen, **law, **random_parameters(drawn, world))
    if parameters.warning:
        warnings.warn(parameters.warning, EntroWarning, stacklevel=2)
    return SimulatedRuns(summarise(parameters, simulate_all(parameters)).runs)


@dataclass(frozen=True)
class SimulatedRuns:
    """Simulated runs.

    Attributes:
        runs: the figures of each controller; of a graph with those of each stage.
    """

    runs: tuple[RunFigures | GraphRunFigures, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the figures as a frame with a row per controller."""
        import pandas as pd

        rows = [msgspec.to_builtins(run) for run in self.runs]
        return (
            pd.DataFrame([row | row.pop("regimes") for row in rows])
            .drop(columns="range", errors="ignore")
            .set_index("controller")
        )


class History:
    """A stored history, that of the configuration by default.

    It is a class, not a function `history`: `entro_cli.history` is the package that stores histories.

    Args:
        location: its folder or URL.
        config: an entro.toml; None to look for one as the command does.
    """

    def __init__(self, location: str | Path | None = None, config: str | Path | None = None) -> None:
        self.location = location
        given = {} if location is None else {"history": str(location)}
        self._keywords = KeywordSettings(None if config is None else Path(config), "default", given)

    @property
    def pipelines(self) -> tuple[str, ...]:
        """The names of the stored pipelines."""
        settings, _ = self._keywords.settings()
        return tuple(stored.name for stored in pipelines_at(settings.history))

    def read(self, pipeline: str = "default", since: Moment = None, until: Moment = None, **keys: Any) -> Pipeline:
        """Read the steps that are stored of a pipeline.

        Args:
            pipeline: its name.
            since: the begin; None for the first step.
            until: the end; None for the last step.
            keys: keys of entro.toml that do not concern reading, and `tz`.

        Raises:
            EntroError: if nothing is stored of it.
        """
        named = replace(self._keywords, pipeline=pipeline)
        chosen = named.with_keys(keys, ANALYSIS_KEYS | {"zone"})
        messages = _Messages()
        settings = _settings(chosen, messages)
        zone = zone_of(settings.zone)
        paths = pipeline_paths(settings.history, pipeline)
        span = _ns(since, settings), _ns(until, settings)

        def load(wanted: Settings) -> JudgedSteps[StepSource]:
            with working_copy(paths):
                return load_history(paths, wanted, zone, *span)

        def judge(wanted: Settings) -> tuple[StepSource, FullLoads]:
            # What is learned and stored decides on full loads, so that other settings need it again. The text of a
            # secret equals no other.
            found = stored if wanted == replace(settings, alerts=wanted.alerts) else load(wanted)
            return found.steps, found.full_loads

        stored = load(settings)
        print_problems(stored.problems, messages)
        messages.pass_on()
        loaded = Loaded(stored.steps, stored.sources, zone, (), signals=stored.signals)
        return Pipeline(pipeline, stored.steps, stored.sources, chosen, loaded, judge)


@dataclass(frozen=True)
class Pipeline:
    """The steps of a pipeline, of any number, and how they were read.

    Attributes:
        name: the pipeline's name.
        steps: its steps; `steps.part(first, after)` gives some of them as arrays.
        sources: a summary of each log.
    """

    name: str
    steps: StepSource = field(repr=False)
    sources: tuple[Source, ...] = field(repr=False)
    _keywords: KeywordSettings = field(repr=False)
    _loaded: Loaded = field(repr=False)
    _judge: Callable[[Settings], tuple[StepSource, FullLoads]] = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return the steps as a frame: the mean, the peak and the last load of each stage, and its samples."""
        return steps_frame(self.steps)

    def analyze(self, since: Moment = None, until: Moment = None, **keys: Any) -> Analysis:
        """Replay the steps through the regime engine.

        Args:
            since: the begin of the period; None for the first step.
            until: its end; None for the last step.
            keys: keys of entro.toml that do not concern reading, such as wait_s, capacity or objective.

        Raises:
            EntroError: if no step begins in the period, or a key concerns reading.
        """
        messages = _Messages()
        settings = _settings(self._keywords.with_keys(keys, ANALYSIS_KEYS), messages)
        steps, full_loads = self._judge(settings)
        with _named_as_arguments():
            replayed = replay_steps(steps, settings.budget, _ns(since, settings), _ns(until, settings))
        found, warning = analyze_replay(replayed, self._loaded, full_loads, settings, "entro.read(...).analyze(...)")
        if warning:
            messages.warn(warning)
        messages.pass_on()
        return Analysis(
            figures=found.figures,
            coordination=found.coordination,
            recommendations=found.recommendations,
            full_loads=full_loads,
            _replayed=replayed,
            _pipeline=self,
            _settings=settings,
        )


@dataclass(frozen=True)
class Analysis:
    """The results of an analysis, as `entro analyze --json` has them.

    Attributes:
        figures: the figures of the period.
        coordination: what coordination would have changed.
        recommendations: what can be done.
        full_loads: the origin of the full loads.
    """

    figures: Figures = field(repr=False)
    coordination: Coordination = field(repr=False)
    recommendations: tuple[Recommendation, ...] = field(repr=False)
    full_loads: FullLoads
    _replayed: Replay = field(repr=False)
    _pipeline: Pipeline = field(repr=False)
    _settings: Settings = field(repr=False)

    @property
    def incidents(self) -> Incidents:
        """The runs of steps over the budget, by time."""
        return self.figures.incidents

    @property
    def run(self) -> Run:
        """The replayed steps as arrays; all of them must fit into memory."""
        return self._replayed.run()

    def to_frame(self) -> pd.DataFrame:
        """Return the replayed steps as a frame: loads, Psi, coupled load, wait, regime and states."""
        return runs_frame(self._replayed.period_runs(), partial(end_waits, wait_s=self._settings.wait_s))

    def figures_frame(self) -> pd.DataFrame:
        """Return the figures that are single numbers as a frame of one row, indexed by the start of the period."""
        import pandas as pd

        figures = self.figures
        row = {name: value for name, value in asdict(figures).items() if isinstance(value, int | float | None)}
        row |= {f"{name}_steps": count for name, count in asdict(figures.regimes).items()}
        start = pd.DatetimeIndex([figures.start.astimezone(UTC)], name="start")
        return pd.DataFrame([row | {"end": figures.end.astimezone(UTC)}], index=start)

    def incidents_frame(self) -> pd.DataFrame:
        """Return the incidents as a frame, indexed by their start."""
        import pandas as pd

        rows = [asdict(incident) for incident in self.incidents]
        index = pd.DatetimeIndex(pd.to_datetime([row["start"] for row in rows], utc=True), name="start")
        frame = pd.DataFrame(rows, columns=_INCIDENT_COLUMNS)
        frame["end"] = pd.to_datetime(frame["end"], utc=True)
        return frame.set_index(index)

    def report(self, period: str = "range", day: date | str | None = None) -> Report:
        """Return the report of a period, beside the one before.

        Args:
            period: daily, weekly, monthly, or range for all that was analysed.
            day: a day in the period, as a date or as a text; None for the last with data.

        Raises:
            EntroError: if the period is unknown, or the day cannot be read.
        """
        if period not in _PERIODS:
            raise EntroError(f"unknown period {period!r}", where="period", expected=", ".join(_PERIODS))
        replayed, settings, loaded = self._replayed, self._settings, self._pipeline._loaded
        within = replayed.begin_ns, replayed.steps.start_ns + replayed.after * replayed.steps.step_ns
        data = JudgedSteps(replayed.steps, loaded.sources, self.full_loads, logs=loaded.paths, signals=loaded.signals)
        text = day.isoformat() if isinstance(day, date) else day
        request = PeriodRequest(PeriodKind(_PERIODS[period]), text, False, within, loaded.zone)
        with _named_as_arguments():
            chosen = request.period(last_observed_ns(data.steps), data.steps)
        return Report(summarise_period(data, chosen, settings, None), chosen.file_stem(settings.pipeline), loaded.paths)


_INCIDENT_COLUMNS = [
    *("end", "duration_s", "violations", "peak_coupled_load", "peak_psi_total", "excess_nat_s", "driver"),
]


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        summary: all that it shows.
        stem: its usual file name, without a suffix.
    """

    summary: Summary = field(repr=False)
    stem: str
    _logs: tuple[str, ...] = field(repr=False)

    def save(self, path: str | Path, self_contained: bool = False) -> Path:
        """Write the report in the format of the path's suffix: html, pdf, json, md, txt, xml (JUnit) or eml.

        Args:
            path: the file.
            self_contained: whether a page includes plotly.js, which is otherwise put beside it.

        Raises:
            EntroError: if the suffix is unknown, or the file cannot be written.
        """
        file = Path(path)
        if file.suffix not in _SUFFIXES:
            raise EntroError(f"unknown suffix {file.suffix!r}", where=str(path), expected=", ".join(_SUFFIXES))
        output = OutputOptions(_SUFFIXES[file.suffix], file, self_contained, self._logs, long=True)
        messages = _Messages()
        write_report(self.summary, self.stem, output, messages)
        messages.pass_on()
        return file


def _ns(when: Moment, settings: Settings) -> int | None:
    """Return a time in ns since the epoch; None for an open end."""
    if when is None:
        return None
    text = when.isoformat() if isinstance(when, date) else when
    return log_time_ns(text, zone_of(settings.zone), "since/until")
