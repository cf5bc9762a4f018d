"""What an analysis says of a pipeline's steps: the rooms wired together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from entro_cli.analysis.results import Coordination, Figures, Recommendation, Source

if TYPE_CHECKING:
    pass

from concurrent.futures import ThreadPoolExecutor

from entro_cli.analysis.calibration import LoadTally, misfit_advice
from entro_cli.analysis.figures import FigureTally
from entro_cli.analysis.replay import Replayed
from entro_cli.config import Settings
from entro_cli.workflows.coordinating import coordination_of, recommended
from entro_cli.workflows.load_logs import Loaded


def analysis_of(replayed: Replayed, loaded: Loaded, settings: Settings, command: str) -> tuple[Analysis, str | None]:
    """What an analysis says, and what to say when the full loads cannot fit the log.

    Args:
        replayed: the pipeline's steps, and which of them are asked for.
        loaded: the logs they are from.
        settings: in force for the pipeline.
        command: what shows the same again, as JSON.
    """
    loads = LoadTally()
    with ThreadPoolExecutor(1) as beside:  # a plant that is run leaves the other processor to the figures
        compared = beside.submit(coordination_of, replayed, settings)
        figures = _figures(replayed, loaded, settings, loads)
        coordination = compared.result()
    analysis = Analysis(
        pipeline=settings.pipeline,
        figures=figures,
        coordination=coordination,
        recommendations=recommended(coordination, replayed.steps, command),
        sources=loaded.sources,
    )
    return analysis, misfit_advice(replayed.steps, loads, loaded.columns, settings.wait_s)


def _figures(replayed: Replayed, loaded: Loaded, settings: Settings, loads: LoadTally) -> Figures:
    """What the replay comes to; what it says of the loads is counted along."""
    steps = replayed.steps
    tally = FigureTally(steps.stages, replayed.budget, settings.objective, loaded.zone)
    tally.count(loads.counted(replayed.runs()), replayed.begin_ns)
    span = replayed.begin_ns, steps.step_ns, replayed.after - replayed.first
    return tally.figures(span, settings.maintenance().count_steps(*span))


@dataclass(frozen=True)
class Analysis:
    """What an analysis says.

    Attributes:
        pipeline: its name.
        figures: of the period.
        coordination: what it would have changed.
        recommendations: what to do.
        sources: what each file gave.
    """

    pipeline: str
    figures: Figures
    coordination: Coordination
    recommendations: tuple[Recommendation, ...]
    sources: tuple[Source, ...]
