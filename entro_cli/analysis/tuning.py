"""Tuning of the controller: a grid of settings in the plant of a log, compared with the present one block by block."""

from __future__ import annotations

import math
from functools import partial
from importlib.util import find_spec
from itertools import product
from operator import ne
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from entro_cli.analysis.coordination import (
    CoordinationParameters,
    coordinate,
    plant_inputs,
    plant_of,
    plant_parts,
)
from entro_cli.core.files import no_temporary_space
from entro_cli.core.parallel import Executor
from entro_cli.timeseries.steps import PART_STEPS, StepSource
from entro_engine import Plant, entropy_proxy, psi_total
from entro_engine.entropy import FloatArray
from entro_engine.log_plant import ControlParameters, run_log_plant

HEADROOMS, GAINS, GUARDS = (0.05, 0.1, 0.2, 0.3), (0.2, 0.4, 0.6), (0.25, 0.5, 0.75)
"""Chosen: the grid."""

BLOCKS = 6
LEAST_BETTER_BLOCKS = 5
LEAST_STANDARD_ERRORS = 2.0
"""Chosen: a setting that is better in fewer blocks, or by less, may be better by chance."""

LEAST_BLOCK_STEPS = 60
"""Chosen: the fewest steps with data in a block. The controller remembers some ten steps."""

_DIGITS = 9
"""Costs are compared rounded to so many digits: adding up leaves a rest."""

_WORTH_PROCESSES, _WORTH_PROCESSES_COMPILED = 1_000_000, 50_000_000
"""Plant steps of all settings from which processes pay off. A step takes 2 us, or 0.04 us compiled; a process 1 s."""


class TriedSetting(Struct, frozen=True):
    """A setting of the controller and its cost on the log: violations + weight x lost, in each block.

    Attributes:
        headroom: the share by which the cap may exceed the served rate.
        gain: the share of a new served rate that enters its estimate, per step of the plant.
        guard: where the controller begins to correct, between the thresholds of Stress (0) and Critical (1).
        violations: steps over the budget.
        lost: service lost, requests: what the server could have served besides, while requests were held back.
        cost: of all blocks.
        block_costs: of each block.
        saved: the present setting's cost less this one's, in the mean of the blocks.
        standard_error: of that mean.
        better_blocks: number of blocks with a lower cost than the present setting's.
        is_better: whether it is better in enough blocks and by enough standard errors to be proposed.
    """

    headroom: float
    gain: float
    guard: float
    violations: int
    lost: float
    cost: float
    block_costs: tuple[float, ...]
    saved: float
    standard_error: float
    better_blocks: int
    is_better: bool

    @property
    def setting(self) -> dict[str, float]:
        """The values by their keys in entro.toml."""
        return {"headroom": self.headroom, "gain": self.gain, "guard": self.guard}


class Tuning(Struct, frozen=True):
    """The result of trying every setting of the grid on a log.

    Attributes:
        withheld: why nothing was tried; None if the settings were tried.
        weight: the cost of a request of service lost, in violations.
        capacity: rate that the server can serve, req/s.
        capacity_evidence: how it was measured.
        model_error: deviation of the simulated queue from the measured one, as a share of the latter.
        plant_step_s: length of a step of the plant, s.
        block_steps: length of a block, in steps of the log. Up to five steps at its end are in no block.
        left_out: headrooms of the grid that are not below alpha, and were not tried.
        present: the setting in force.
        tried: the other settings, by cost, the lowest first.
        tuning_gain: the cost saved in all blocks by the setting that the rule chooses on them: the one with the lowest
            cost of those that are better. Without one it is the present setting, which saves 0.
        held_out_gain: the cost saved in each block by the setting that the same rule chooses on the others, summed over
            blocks.
        proposed: the setting that the rule chooses on all blocks; None without one, or if the held-out gain is not
            above 0.
        reason: why nothing is proposed; empty if something is.
    """

    withheld: str | None
    weight: float
    capacity: float | None = None
    capacity_evidence: str = ""
    model_error: float | None = None
    plant_step_s: float | None = None
    block_steps: int = 0
    left_out: tuple[float, ...] = ()
    present: TriedSetting | None = None
    tried: tuple[TriedSetting, ...] = ()
    tuning_gain: float = 0.0
    held_out_gain: float = 0.0
    proposed: TriedSetting | None = None
    reason: str = ""

    @property
    def changes(self) -> dict[str, float]:
        """The proposed values that differ from the present ones, by their keys in entro.toml."""
        if self.present is None or self.proposed is None:
            return {}
        present = self.present.setting
        return {key: value for key, value in self.proposed.setting.items() if value != present[key]}


def tune(
    steps: StepSource,
    parameters: CoordinationParameters,
    initial_queue: float,
    weight: float,
    jobs: int | None = None,
) -> Tuning:
    """Try every setting of the grid in the plant of a log.

    Args:
        steps: steps of the log, at least one.
        parameters: parameters of the plant; its control is the present setting.
        initial_queue: queue before the first step, requests.
        weight: the cost of a request of service lost, in violations.
        jobs: number of processes; None for one per core, if that pays off.
    """
    coordination = coordinate(steps, parameters, initial_queue)
    result = Tuning(
        withheld=coordination.withheld,
        weight=weight,
        capacity=coordination.capacity,
        capacity_evidence=coordination.capacity_evidence,
        model_error=coordination.model_error,
        plant_step_s=coordination.plant_step_s,
        block_steps=steps.count // BLOCKS,
        left_out=tuple(headroom for headroom in HEADROOMS if headroom >= parameters.control.alpha),
    )
    if coordination.withheld is not None or coordination.capacity is None:
        return result
    plant, parts = plant_of(steps, coordination.capacity, parameters.wait_s, initial_queue)
    with TemporaryDirectory(prefix="entro-") as folder:
        inputs = Path(folder) / "inputs"
        least = _write_inputs(inputs, steps, plant)
        if least < LEAST_BLOCK_STEPS:
            need = f"each of {BLOCKS} blocks needs {LEAST_BLOCK_STEPS} steps with data, and one has {least}"
            return replace(result, withheld=f"the log is too short: {need}")
        settings = _settings(parameters.control)
        run = partial(_run_blocks, inputs, steps.count, plant, parts, parameters.budget)
        executor = Executor(1 if jobs is None and not _pays(len(settings) * steps.count * parts) else jobs)
        found = np.array(list(executor.map(run, settings, "setting")))
    return judge(result, settings, found)


def _settings(present: ControlParameters) -> list[ControlParameters]:
    """Return the present setting and the grid where its headroom is below alpha.

    The fewer values a setting changes, the earlier it comes: of equally good ones the first is taken.
    """
    grid = (ControlParameters(*present[:2], *setting) for setting in product(HEADROOMS, GAINS, GUARDS))
    allowed = dict.fromkeys([present, *(setting for setting in grid if setting.headroom < setting.alpha)])
    return sorted(allowed, key=lambda setting: sum(map(ne, setting, present)))


def _write_inputs(path: Path, steps: StepSource, plant: Plant) -> int:
    """Write what the plant reads of each step: demand, capacity, and 1 where the step has data.

    The settings read it from a file, whatever process they run in and however long the log is.

    Returns:
        The smallest number of steps with data in a block.

    Raises:
        EntroError: if the disk is full.
    """
    with_data = np.zeros(BLOCKS)
    begin = 0
    try:
        with path.open("wb") as file:
            for part, before in plant_parts(steps, plant.initial_queue):
                covered, demand, capacity = plant_inputs(part, plant.nominal_capacity, before)
                file.write(np.stack([demand, capacity, covered], axis=1).tobytes())
                with_data += _block_sums(covered.astype(np.float64), begin, steps.count)
                begin += part.count
    except OSError as error:
        raise no_temporary_space(error) from error
    return int(with_data.min())


def _pays(plant_steps: int) -> bool:
    """Report whether processes take less time for so many steps than it takes to start them."""
    return plant_steps >= (_WORTH_PROCESSES_COMPILED if find_spec("numba") else _WORTH_PROCESSES)


def _run_blocks(
    path: Path, steps: int, plant: Plant, parts: int, budget: float, control: ControlParameters
) -> FloatArray:
    """Return the violations and the service lost (requests) of a setting in each block, shape (2, BLOCKS)."""
    inputs = np.memmap(path, np.float64, "r", shape=(steps, 3))
    found, state = np.zeros((2, BLOCKS)), None
    all_steps = steps * len(HEADROOMS) * len(GAINS) * len(GUARDS)  # compiling pays off for all settings together
    for begin in range(0, steps, PART_STEPS):
        demand, capacity, covered = np.array(inputs[begin : begin + PART_STEPS].T, order="C")
        trace = run_log_plant(demand, capacity, plant, parts, budget, control, state, all_steps)
        state = trace.final
        psi = psi_total([entropy_proxy(trace.rate, plant.rate), entropy_proxy(trace.queue, plant.queue)])
        found[0] += _block_sums((psi > budget) * covered, begin, steps)
        found[1] += _block_sums(trace.lost * covered, begin, steps)
    return found


def _block_sums(values: FloatArray, begin: int, total: int) -> FloatArray:
    """Return the sum of values in each block, shape (BLOCKS,).

    Args:
        values: of some steps, shape (steps,).
        begin: the first of them.
        total: number of steps of the log. What is left of it after blocks of equal length is in none.
    """
    length = total // BLOCKS
    inside = values[: max(length * BLOCKS - begin, 0)]
    block = np.arange(begin, begin + len(inside)) // max(length, 1)
    return np.asarray(np.bincount(block, weights=inside, minlength=BLOCKS), np.float64)


def judge(result: Tuning, settings: list[ControlParameters], found: FloatArray) -> Tuning:
    """Return the result with the settings compared; the first of them is the present one.

    Args:
        result: the result so far.
        settings: the settings.
        found: violations and service lost in each block, shape (settings, 2, BLOCKS).
    """
    costs = found[:, 0] + result.weight * found[:, 1]
    saved = costs[0] - costs
    present, *others = each = list(map(_tried, settings, found, costs, saved))
    tried = tuple(sorted(others, key=lambda setting: round(setting.cost, _DIGITS)))
    chosen = _choose(saved)
    held_out = sum(float(saved[_choose(np.delete(saved, block, axis=1)), block]) for block in range(BLOCKS))
    proposed = each[chosen] if chosen and round(held_out, _DIGITS) > 0 else None
    return replace(
        result,
        present=present,
        tried=tried,
        tuning_gain=float(saved[chosen].sum()),
        held_out_gain=held_out,
        proposed=proposed,
        reason="" if proposed else _reason(present, tried, each[chosen]),
    )


def _choose(saved: FloatArray) -> int:
    """Return the setting that saves most of those that are better, the first of equal ones; 0 if none is better.

    Args:
        saved: the present setting's costs less those of each, shape (settings, blocks). The present one comes first.
    """
    return int((saved.sum(axis=1).round(_DIGITS) * [_compare(row)[3] for row in saved]).argmax())


def _compare(saved: FloatArray) -> tuple[float, float, int, bool]:
    """Return the mean of savings, its standard error, the number of blocks that save, and whether that is better.

    Args:
        saved: the present setting's costs less another one's, shape (blocks,). With a block left out, one less of the
            others has to save.
    """
    mean, error = float(saved.mean()), float(saved.std(ddof=1)) / math.sqrt(len(saved))
    better, least = int((saved.round(_DIGITS) > 0).sum()), LEAST_BETTER_BLOCKS - (BLOCKS - len(saved))
    return mean, error, better, better >= least and mean >= LEAST_STANDARD_ERRORS * error


def _tried(setting: ControlParameters, found: FloatArray, costs: FloatArray, saved: FloatArray) -> TriedSetting:
    """Return a setting with its figures.

    Args:
        setting: the setting.
        found: violations and service lost in each block, shape (2, BLOCKS).
        costs: of each block, shape (BLOCKS,).
        saved: the present setting's costs less these, shape (BLOCKS,).
    """
    mean, error, better_blocks, is_better = _compare(saved)
    return TriedSetting(
        *setting[2:],
        violations=int(found[0].sum()),
        lost=float(found[1].sum()),
        cost=float(costs.sum()),
        block_costs=tuple(costs.tolist()),
        saved=mean,
        standard_error=error,
        better_blocks=better_blocks,
        is_better=is_better,
    )


def _reason(present: TriedSetting, tried: tuple[TriedSetting, ...], chosen: TriedSetting) -> str:
    """Return why no setting is proposed.

    Args:
        present: the present setting.
        tried: the others, by cost.
        chosen: the setting that the rule chooses on all blocks; the present one if it chooses none.
    """
    if chosen is not present:
        return "the held-out gain is not above 0, so the choice follows chance"
    if not tried:
        return "every headroom of the grid is at or above alpha"
    if not round(present.cost, _DIGITS):
        return "with the present setting no step is over the budget and no service is lost, so there is nothing to gain"
    best = tried[0]
    if round(best.saved, _DIGITS) <= 0:
        return "no other setting of the grid costs less than the present one"
    if best.better_blocks < LEAST_BETTER_BLOCKS:
        return (
            f"the best setting costs less in {best.better_blocks} of {BLOCKS} blocks only, and {LEAST_BETTER_BLOCKS} "
            "are needed"
        )
    return "the best setting costs less by fewer than two standard errors, which may be chance"
