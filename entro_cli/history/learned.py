"""Keep a capacity that the user learned again, for `entro calibrate --save`."""

from __future__ import annotations

from entro_cli.analysis.calibration import MeasuredCapacity
from entro_cli.history.paths import PipelinePaths
from entro_cli.history.read import load_stored_state
from entro_cli.history.transaction import commit, write_lock
from entro_engine import EntroError


def keep_learned(paths: PipelinePaths, found: MeasuredCapacity) -> None:
    """Keep a capacity for all reports of a pipeline, in place of the one that was learned before.

    Raises:
        EntroError: if nothing is stored of the pipeline, or the evidence is too thin to be kept.
    """
    if found.is_thin:
        raise EntroError(
            f"the evidence is too thin to be kept: {found.evidence}",
            where="--save",
            expected="a log that keeps the server busy for some minutes",
        )
    with write_lock(paths):
        state = load_stored_state(paths)
        state.learns = True
        state.learn(found)
        commit(paths, {}, state)
