"""Each law of the engine, broken on purpose, and the test that must notice.

A law's test is worth something only if it fails once the law no longer holds. Here every law is broken in a copy of the
library, one at a time; `test_mutations.py` runs the trials. `python -m tests.engine.mutations` prints them as the table
of docs/engine.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutation:
    """One trial.

    Attributes:
        law: what should hold.
        broken: how it was broken, in words.
        test: the test that must fail, `file::test`, without the folder and `.py`.
        edits: (module of entro_engine, what stands there exactly once, what is put in its place).
    """

    law: str
    broken: str
    test: str
    edits: tuple[tuple[str, str, str], ...]

    @property
    def node(self) -> str:
        """The test as pytest is called with it, from the root."""
        file, name = self.test.split("::")
        return f"tests/engine/{file}.py::{name}"


def mutation(law: str, broken: str, test: str, *edit: str) -> Mutation:
    """A trial of one or more edits, each three texts: module, old, new."""
    return Mutation(law, broken, test, tuple(zip(edit[::3], edit[1::3], edit[2::3], strict=True)))


V9, PLANT = "entro_engine_v9", "simulator_v9"

BUDGET_AND_CONTROL = (
    mutation(
        "a step at the budget is within it",
        "`>=` instead of `>` in `EntropyBudget.check`",
        "test_control_law::test_at_the_budget_is_within_it",
        *("budget", "is_violated=psi_total > self", "is_violated=psi_total >= self"),
    ),
    mutation(
        "a step at the budget is within it",
        "`>=` instead of `>` in `Run.violated`",
        "test_run::test_at_the_budget_is_no_violation",
        *("run", "return self.coupled_load > self.budget", "return self.coupled_load >= self.budget"),
    ),
    mutation(
        "either something remains or there is a violation",
        "the remaining budget not held at 0",
        "test_control_law::test_a_budget_has_something_left_or_a_violation_never_both",
        *("budget", "max(0.0, self.psi_budget - psi_total)", "abs(self.psi_budget - psi_total)"),
    ),
    mutation(
        "the budget is gamma N Psi_c",
        "always that of two stages",
        "test_control_law::test_the_budget_grows_with_the_number_of_stages",
        *("budget", "gamma * stages * psi_critical", "gamma * 2 * psi_critical"),
    ),
    mutation(
        "loads and full load scaled together change nothing",
        "full / x_ref instead of x_ref / full",
        "test_entropy::test_loads_and_full_load_times_a_power_of_two_change_nothing",
        *(
            "entropy",
            "REFERENCE_FULL_LOAD[self.kind] / self.full_load",
            "self.full_load / REFERENCE_FULL_LOAD[self.kind]",
        ),
    ),
    mutation(
        "shares sum to 1, or all are 0 at rest",
        "equal shares at rest",
        "test_entropy::test_shares_sum_to_one_or_are_all_zero",
        *("entropy", "np.where(total == 0, 0.0, psi", "np.where(total == 0, 1.0 / len(psi), psi"),
    ),
    mutation(
        "the corrections sum to -alpha tanh(beta Delta)",
        "beta left out",
        "test_control_law::test_corrections_are_shared_in_proportion_and_never_stronger_than_alpha",
        *("controller", "math.tanh(self.beta * delta)", "math.tanh(delta)"),
    ),
    mutation(
        "a correction is never positive",
        "Delta not held at 0",
        "test_control_law::test_corrections_are_shared_in_proportion_and_never_stronger_than_alpha",
        *("controller", "delta = max(0.0, psi_total - self.psi_budget)", "delta = psi_total - self.psi_budget"),
    ),
    mutation(
        "a correction is never stronger than alpha",
        "divided by the total before multiplying, so that rounding carries it past alpha",
        "test_control_law::test_v9_measures_the_excess_from_between_its_thresholds",
        *(
            "controller",
            "strength * (psi[0] / nonzero_total), strength * (psi[1] / nonzero_total)",
            "strength / nonzero_total * psi[0], strength / nonzero_total * psi[1]",
        ),
    ),
    mutation(
        "v9 measures Delta from halfway between its thresholds",
        "from the critical threshold",
        "test_control_law::test_v9_measures_the_excess_from_between_its_thresholds",
        *(V9, "guard = stress + self.guard * (critical - stress)", "guard = critical"),
    ),
)

REGIMES = (
    mutation(
        "every violating step is Critical",
        "that clause dropped, and the energy given its full weight",
        "test_regime_laws::test_every_violating_step_is_critical",
        *(V9, " or psi > budget:\n                regime", ":\n                regime"),
        *(V9, "ENERGY_WEIGHT = 0.25", "ENERGY_WEIGHT = 1.0"),
    ),
    mutation(
        "a load over the critical level is Critical",
        "only violating steps are",
        "test_regime_laws::test_a_load_over_the_critical_level_is_critical_within_the_budget",
        *(V9, "if load >= critical_level - lowered or psi", "if psi"),
    ),
    mutation(
        "monotone",
        "the sign of the hysteresis: memory raises the stress threshold",
        "test_regime_laws::test_monotone_no_step_gets_better_when_loads_get_worse",
        *(V9, "elif load >= stress_level - lowered", "elif load >= stress_level + lowered"),
    ),
    mutation(
        "monotone",
        "sustained pressure discharges the energy",
        "test_regime_laws::test_monotone_no_step_gets_better_when_loads_get_worse",
        *(V9, "load = psi + energy_weight * energy", "load = psi - energy_weight * energy"),
    ),
    mutation(
        "no flapping",
        "the sign of the hysteresis: memory raises the stress threshold",
        "test_regime_laws::test_no_flapping_under_a_constant_load",
        *(V9, "elif load >= stress_level - lowered", "elif load >= stress_level + lowered"),
    ),
    mutation(
        "recovery",
        "a hysteresis three times as wide",
        "test_regime_laws::test_recovery_within_thirty_steps_and_for_good",
        *(V9, "return (0.25 / 3.0) * self.budget", "return (0.75 / 3.0) * self.budget"),
    ),
    mutation(
        "recovery",
        "an energy that forgets four times as slowly",
        "test_regime_laws::test_recovery_within_thirty_steps_and_for_good",
        *(V9, "LAMBDA_ENERGY = 0.92", "LAMBDA_ENERGY = 0.98"),
    ),
    mutation(
        "no recovery between 0.467 and 0.5 of the budget",
        "no hysteresis",
        "test_regime_laws::test_hysteresis_between_0467_and_05_of_the_budget_rest_lasts_and_so_does_stress",
        *(V9, "return (0.25 / 3.0) * self.budget", "return 0.0 * self.budget"),
    ),
    mutation(
        "scale, a power of two",
        "the energy bound fixed at 2.0, whatever the budget",
        "test_regime_laws::test_scale_a_power_of_two_changes_no_bit",
        *(V9, "return (2.0 / 3.0) * self.budget", "return 2.0"),
    ),
    mutation(
        "scale, any factor",
        "the stress level fixed at 1.5, whatever the budget",
        "test_regime_laws::test_scale_any_factor_changes_no_regime_away_from_a_tie",
        *(V9, "return 0.5 * self.budget", "return 1.5"),
    ),
    mutation(
        "streaming, in chunks",
        "E not carried from chunk to chunk",
        "test_regime_laws::test_streaming_in_chunks_of_any_sizes_gives_the_same_bits",
        *(V9, "return RegimeState(energy, memory,", "return RegimeState(0.0, memory,"),
    ),
    mutation(
        "streaming, step by step",
        "the regime not carried from step to step",
        "test_regime_laws::test_streaming_step_by_step_gives_the_same_bits",
        *(V9, "Regime(max(regime, 0)))", "Regime.STABLE)"),
    ),
    mutation(
        "a hole forgets the regime",
        "the regime before it kept across it",
        "test_regime_laws::test_a_hole_relaxes_the_states_and_forgets_the_regime",
        *(V9, "            regime, gain = -1, 0.0\n", "            gain = 0.0\n"),
    ),
    mutation(
        "a hole relaxes the states",
        "both kept as they are",
        "test_regime_laws::test_a_hole_relaxes_the_states_and_forgets_the_regime",
        *(V9, "memory = memory_kept * memory\n", "memory = memory_kept * memory if psi == psi else memory\n"),
    ),
    mutation(
        "the energy stays within its bound",
        "no clamp",
        "test_regime_laws::test_states_stay_in_their_ranges",
        *(V9, "        if energy > bound:\n            energy = bound\n        elif", "        if"),
    ),
    mutation(
        "stability stays in its range",
        "no lower end",
        "test_regime_laws::test_states_stay_in_their_ranges",
        *(V9, "stress_threshold), *STABILITY_RANGE", "stress_threshold), -math.inf, 1.0"),
    ),
    mutation(
        "the order within a step (against the oracle)",
        "the memory takes in the regime after the thresholds were formed",
        "test_regime_laws::test_it_agrees_with_the_oracle",
        *(V9, "            memory = memory + gain\n", ""),
        *(
            V9,
            "        memories[index] = memory\n",
            "        memory = memory + gain\n        memories[index] = memory\n",
        ),
    ),
    mutation(
        "many series at once have the bits of each alone",
        "no clamp in the form for many",
        "test_regime_laws::test_one_step_of_many_series_has_the_bits_of_each_alone",
        *(V9, "energy = np.minimum(np.maximum(energy, -bound), bound)", "energy = energy + 0.0"),
    ),
    mutation(
        "many series at once have the regimes of each alone",
        "M not carried in the form for many",
        "test_regime_laws::test_many_series_side_by_side_have_the_regimes_of_each_alone",
        *(V9, "previous, energy, memory, _, _ = advance_runs", "previous, energy, _, _, _ = advance_runs"),
    ),
)

COUPLED_LOAD = (
    mutation(
        "a stage that nothing connects changes nothing",
        "generic stages are neighbours, too",
        "test_coupling::test_an_idle_generic_stage_changes_nothing",
        *("budget", " if stage.kind is not Kind.GENERIC]", "]"),
    ),
    mutation(
        "rates that feed one queue count as one load",
        "each as a pair with the queue",
        "test_coupling::test_it_agrees_with_an_independent_form",
        *(
            "budget",
            "pairs.append(CoupledPair(run, following[0]))",
            "pairs += [CoupledPair((one,), following[0]) for one in run]",
        ),
    ),
)

EARLY_WARNING = (
    mutation(
        "the slope is that of the last twenty observed steps",
        "of the last ten",
        "test_early_warning::test_it_agrees_with_exact_arithmetic",
        *("early_warning", "WINDOW_STEPS = 20", "WINDOW_STEPS = 10"),
    ),
    mutation(
        "the slope goes by the steps' actual times",
        "by their numbers, as if there were no holes",
        "test_early_warning::test_a_hole_is_bridged_by_the_real_times",
        *("early_warning", "_slopes(times_s[observed]", "_slopes(times_s[: len(observed)]"),
    ),
    mutation(
        "a constant load never reaches the budget",
        "deviations taken from a rounded mean",
        "test_early_warning::test_a_constant_load_never_reaches_the_budget",
        *(
            "early_warning",
            "time, value = times_s - times_s[:, :1], values - values[:, :1]",
            "time, value = times_s, values",
        ),
    ),
    mutation(
        "from the budget on the time to it is 0",
        "only above it",
        "test_early_warning::test_from_the_budget_on_it_is_zero",
        *("early_warning", "np.where(now >= budget", "np.where(now > budget"),
    ),
)

LOOP = (
    mutation(
        "no request is lost",
        "the frontier forgets what it held before",
        "test_simulator_v9::test_no_request_is_lost_or_made_up_at_any_step",
        *(PLANT, "ops.maximum(self.frontier + (demand - rate) * dt, 0.0)", "ops.maximum((demand - rate) * dt, 0.0)"),
    ),
    mutation(
        "no more is served than there is and than the server can",
        "the larger of the two instead of the smaller",
        "test_simulator_v9::test_no_request_is_lost_or_made_up_at_any_step",
        *(PLANT, "served = ops.minimum(waiting,", "served = ops.maximum(waiting,"),
    ),
    mutation(
        "the server never idles while requests wait for it",
        "what arrives in a step has to wait for the next",
        "test_simulator_v9::test_the_server_never_idles_while_requests_wait_for_it",
        *(PLANT, "served = ops.minimum(waiting,", "served = ops.minimum(self.queue,"),
    ),
    mutation(
        "the static limit holds",
        "not applied",
        "test_simulator_v9::test_the_scraper_sends_what_it_knows_of_up_to_its_cap",
        *("baselines", "return self.limit", "return math.inf"),
    ),
    mutation(
        "the cap is never above r_max",
        "no ceiling",
        "test_simulator_v9::test_the_scraper_sends_what_it_knows_of_up_to_its_cap",
        *(
            "plant",
            "self.ops.minimum(self.ops.maximum(cap, self.plant.probe_per_s), self.plant.most_per_s)",
            "self.ops.maximum(cap, self.plant.probe_per_s)",
        ),
    ),
    mutation(
        "a dead server is probed",
        "no floor under the cap",
        "test_simulator_v9::test_a_dead_server_is_probed_and_its_recovery_noticed",
        *("plant", "self.ops.maximum(cap, self.plant.probe_per_s)", "self.ops.maximum(cap, 0.0)"),
    ),
    mutation(
        "the plant (against the oracle)",
        "the estimate of the served rate follows an idle server down",
        "test_simulator_v9::test_it_agrees_with_the_oracle",
        *("controller", "ops.where(queue > 0, smoothed, ops.maximum(self.value, served))", "smoothed"),
    ),
    mutation(
        "the plant (against the oracle)",
        "the queue's correction does not act on the scraper",
        "test_simulator_v9::test_it_agrees_with_the_oracle",
        *("plant", "(1 + self.headroom + u_rate + u_queue)", "(1 + self.headroom + u_rate)"),
    ),
    mutation(
        "a controller sees every step a lag late",
        "a lag and a step late",
        "test_simulator_v9::test_a_controller_sees_the_start_and_then_every_step_a_lag_late",
        *(PLANT, "len(self._past) < self._plant.lag", "len(self._past) <= self._plant.lag"),
    ),
    mutation(
        "one run alone and among many agree",
        "many runs start with an empty queue",
        "test_simulator_v9::test_one_run_alone_and_among_many_agree",
        *(PLANT, "rest + plant.initial_queue", "rest + (0.0 if runs else plant.initial_queue)"),
    ),
    mutation(
        "a controller starts afresh in every simulation",
        "it goes on from where it was",
        "test_simulator_v9::test_a_controller_starts_afresh_in_every_simulation",
        *(
            "plant",
            "fresh = copy(self)\n        fresh.plant, fresh.ops = plant, ops\n        fresh.reset()",
            "fresh = self\n        fresh.plant, fresh.ops = plant, ops",
        ),
    ),
    mutation(
        "a run's noise is its own, whatever other runs there are",
        "counted from the first run of the batch",
        "test_simulator_v9::test_noise_is_one_stream_a_run_whatever_other_runs_there_are",
        *("workload", "default_rng((seed, run))", "default_rng((seed, run - runs.start))"),
    ),
    mutation(
        "noise never makes a demand negative",
        "not held at 0",
        "test_simulator_v9::test_noise_is_one_stream_a_run_whatever_other_runs_there_are",
        *("workload", "np.maximum(0.0, 1.0 + sigma * noise)", "(1.0 + sigma * noise)"),
    ),
    mutation(
        "the reference figures",
        "a headroom of 0.2",
        "test_reference_figures::test_three_phase",
        *("controller", "HEADROOM = 0.1", "HEADROOM = 0.2"),
    ),
    mutation(
        "the reference figures, stalled",
        "a stall that lasts one step too long",
        "test_reference_figures::test_a_stalled_server",
        *("workload", "capacity[stall.first : stall.after]", "capacity[stall.first : stall.after + 1]"),
    ),
)

GRAPHS = (
    mutation(
        "a graph of stages (against the second implementation)",
        "proportional shares where max-min was asked for",
        "test_graph::test_it_agrees_with_the_second_implementation",
        *("graph_simulator", 'self.graph.fairness == "max-min"', 'self.graph.fairness == "none"'),
    ),
    mutation(
        "a graph of stages (against the second implementation)",
        "stages split what they send evenly, whatever the caps",
        "test_graph::test_it_agrees_with_the_second_implementation",
        *("graph_simulator", "if math.inf in parts else parts", "if parts else parts"),
    ),
    mutation(
        "a graph of stages (against the second implementation)",
        "queues in the order in which they are named",
        "test_graph::test_it_agrees_with_the_second_implementation",
        *("graph", "for place in ordered if", "for place in sorted(ordered) if"),
    ),
    mutation(
        "no request is lost or made up in a graph",
        "a queue serves what the next one has not taken",
        "test_graph::test_no_request_is_lost_or_made_up_at_any_stage",
        *("graph_simulator", "min(can_serve, taken) * dt", "can_serve * dt"),
    ),
    mutation(
        "one source and one queue are the plant",
        "what is seen is a step too old",
        "test_graph::test_one_source_and_one_queue_are_the_plant",
        *("graph_simulator", "len(self.past) == self.lag", "len(self.past) > self.lag"),
    ),
)

MUTATIONS = BUDGET_AND_CONTROL + COUPLED_LOAD + REGIMES + EARLY_WARNING + LOOP + GRAPHS


def copy_tree(target: Path) -> None:
    """What the tests of the engine need, into an empty folder."""
    shutil.copy(ROOT / "pyproject.toml", target)
    for folder in ("entro_engine", "tests/engine"):
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("conftest.py", "browser_page.py", "oracle.py", "graph_oracle.py"):
        shutil.copy(ROOT / "tests" / file, target / "tests")


def apply(trial: Mutation, target: Path) -> None:
    """Break the copy of the library in `target`.

    Raises:
        ValueError: when what is to be replaced does not stand there exactly once.
    """
    for module, old, new in trial.edits:
        file = target / "entro_engine" / f"{module}.py"
        text = file.read_text()
        if text.count(old) != 1:
            raise ValueError(f"{module}.py holds {text.count(old)} times: {old}")
        file.write_text(text.replace(old, new))


def run_tests(target: Path, *nodes: str, profile: str = "mutation") -> subprocess.CompletedProcess[str]:
    """Pytest on some tests of the copy: status 0 when all passed, 1 when one failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [*command, f"--hypothesis-profile={profile}", *nodes],
        cwd=target,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def table() -> str:
    """All trials, as Markdown."""
    rows = [f"| {trial.law} | {trial.broken} | `{trial.test}` |" for trial in MUTATIONS]
    return "\n".join(["| law | how it was broken | the test that then failed |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())
