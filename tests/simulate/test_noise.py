from dataclasses import fields

import numpy as np
import pytest

from entro_cli.analysis.simulation.parameters import Noise, SimulationParameters
from entro_cli.analysis.simulation.runs import batches, run_of, simulate_all
from entro_cli.core.parallel import Executor
from entro_engine import SCENARIOS, PlantFigures

NOISY = ("--scenario", "v9-reference", "--noise", "0.3", "--runs", "40")


def settings(runs, sigma=0.3, seed=0, **others):
    return SimulationParameters(SCENARIOS["v9-reference"], noise=Noise(sigma, seed, runs), **others)


def test_the_same_seed_gives_the_same_bytes(entro):
    assert entro("simulate", *NOISY, "--json", "--seed", "5") == entro("simulate", *NOISY, "--json", "--seed", "5")


def test_another_seed_gives_other_runs(simulated):
    assert simulated(*NOISY, "--seed", "5")["runs"] != simulated(*NOISY, "--seed", "6")["runs"]


def test_runs_differ_from_each_other_but_not_between_controllers():
    seen = {batch.controller: batch for batch in batches(settings(8))}
    demand = seen["uncontrolled"].trace.demand
    assert len({column.tobytes() for column in demand.T}) == 8
    for batch in seen.values():
        np.testing.assert_array_equal(batch.trace.demand, demand)


@pytest.mark.parametrize("cells", [1, 80 * 3, 80 * 7, 80 * 39])
def test_the_size_of_the_batches_changes_nothing(cells):
    parts = {name: [] for name in settings(40).controllers}
    for batch in batches(settings(40), cells):
        parts[batch.controller].append(batch.figures)
    assert all(len(figures) > 1 for figures in parts.values())
    for name, whole in simulate_all(settings(40)).items():
        joined = PlantFigures.joined(parts[name])
        for field in fields(PlantFigures):
            np.testing.assert_array_equal(getattr(joined, field.name), getattr(whole, field.name), err_msg=field.name)


def test_several_processes_change_nothing(monkeypatch):
    chosen = settings(40)
    here = simulate_all(chosen)
    monkeypatch.setattr("entro_cli.analysis.simulation.runs.BATCH_VALUES", 80 * 7)
    asked = []

    def each(work, portions):
        asked.extend(portions)
        return Executor(2).map(work, portions)

    for name, figures in simulate_all(chosen, map_portions=each).items():
        for field in fields(PlantFigures):
            np.testing.assert_array_equal(getattr(figures, field.name), getattr(here[name], field.name))
    assert [number for portion in asked for number in portion.runs] == [*range(40)]


def test_whoever_watches_sees_every_run(monkeypatch):
    monkeypatch.setattr("entro_cli.analysis.simulation.runs.BATCH_VALUES", 80 * 7)
    seen = []
    simulate_all(settings(40), lambda batch: seen.extend(batch.runs), map_portions=Executor(2).map)
    assert sorted(seen) == sorted([*range(40)] * 4)


def test_a_run_does_not_depend_on_how_many_there_are():
    alone, among_many = simulate_all(settings(1)), simulate_all(settings(40))
    for name, figures in alone.items():
        for field in fields(PlantFigures):
            expected = getattr(among_many[name], field.name)[:1]
            np.testing.assert_allclose(getattr(figures, field.name), expected, rtol=1e-12, atol=0)


def test_no_noise_is_the_deterministic_run(simulated):
    noisy = simulated("--noise", "0", "--runs", "3")["runs"]
    for run, exact in zip(noisy, simulated()["runs"], strict=True):
        assert run["violations"] == exact["violations"]
        assert run["regimes"] == exact["regimes"]
        assert run["peak_queue"] == pytest.approx(exact["peak_queue"], rel=1e-12)
        assert run["excess_nat_s"] == pytest.approx(exact["excess_nat_s"], rel=1e-9)
        assert run["range"]["served"]["p5"] == run["range"]["served"]["p95"]


def test_medians_are_those_of_the_runs(simulated):
    document = simulated(*NOISY, "--seed", "5")
    over_runs = simulate_all(settings(40, seed=5))
    for run in document["runs"]:
        queues = over_runs[run["controller"]].peak_queue
        low, median, high = np.percentile(queues, [5, 50, 95])
        assert run["peak_queue"] == median
        assert run["range"]["peak_queue"] == {"median": median, "p5": low, "p95": high}
        assert low < median < high


def test_small_noise_stays_near_the_deterministic_figures(simulated):
    exact = {run["controller"]: run for run in simulated()["runs"]}
    for run in simulated("--noise", "0.05", "--runs", "30")["runs"]:
        reference = exact[run["controller"]]
        assert run["violations"] == pytest.approx(reference["violations"], abs=15)
        assert run["peak_queue"] == pytest.approx(reference["peak_queue"], rel=0.05)
        assert run["served"] == pytest.approx(reference["served"], rel=0.01)


def test_what_a_run_comes_to_is_what_its_steps_say():
    chosen = settings(3)
    for batch in batches(chosen):
        for column in range(3):
            simulation = run_of(batch, column, chosen)
            assert simulation.run.violated.sum() == batch.figures.violations[column]
            assert (simulation.run.trace.regime == 2).sum() == batch.figures.critical[column]
