"""A parameter outside its domain is refused by name, before anything is computed with it."""

import math

import numpy as np
import pytest

import entro_engine as e
from entro_engine import EntroError, ParameterError
from entro_engine.log_plant import ControlParameters, run_log_plant

SCENARIO = e.SCENARIOS["v9-reference"]
ONE_PHASE = (e.Phase("only", 10, 1.0),)
TEN = np.ones(10)

BAD = {
    "number of stages": lambda: e.psi_budget(0),
    "gamma": lambda: e.psi_budget(2, gamma=0.0),
    "Psi_c": lambda: e.psi_budget(2, psi_critical=math.inf),
    "psi_budget": lambda: e.EntropyBudget(0.0),
    "psi_budget of the controller": lambda: e.ENTROEngineController(psi_budget=-1.0),
    "psi_budget of eq14": lambda: e.Eq14(psi_budget=math.nan),
    "psi_budget of v9": lambda: e.V9Controller(psi_budget=0.0),
    "psi_budget of the regimes": lambda: e.RegimeParameters(math.inf),
    "psi_budget of the allocator": lambda: e.ProportionalAllocator(psi_budget=0.0),
    "psi_total": lambda: e.EntropyBudget(3.0).check(-0.1),
    "psi_total of the controller": lambda: e.ENTROEngineController().compute_control(1.0, math.nan),
    "psi_total of replay": lambda: e.replay([1.0, -1.0]),
    "psi_total of step": lambda: e.step(math.inf),
    "psi_i": lambda: e.ENTROEngineController().compute_control(2.0, 1.0),
    "alpha": lambda: e.ENTROEngineController(alpha=1.5),
    "alpha of the allocator": lambda: e.ProportionalAllocator(alpha=-0.1),
    "alpha of eq14": lambda: e.Eq14(alpha=math.nan),
    "beta": lambda: e.ENTROEngineController(beta=-1.0),
    "beta of v9": lambda: e.V9Controller(beta=math.inf),
    "psi": lambda: e.ProportionalAllocator().allocate({}),
    "psi of stage llm": lambda: e.ProportionalAllocator().allocate({"scraper": 3.0, "llm": -1.0}),
    "stage name": lambda: e.Stage(""),
    "full load of stage llm": lambda: e.Stage("llm", e.Kind.QUEUE, 0.0),
    "load of stage llm": lambda: e.entropy_proxy([1.0, -1.0], e.LLM),
    "stages": lambda: e.replay_loads((), np.ones((0, 3)), 1.0),
    "loads": lambda: e.replay_loads((e.SCRAPER, e.LLM), np.ones((3, 5)), 1.0),
    "step_s of a run": lambda: e.replay_loads((e.SCRAPER,), np.ones((1, 5)), 0.0),
    "limit": lambda: e.StaticLimit(0.0),
    "lag": lambda: e.simulate(SCENARIO, e.Uncontrolled(), lag=0),
    "lag of half a step": lambda: e.Plant(lag=1.5),
    "headroom of v9": lambda: e.V9Controller(headroom=-0.1),
    "smoothing of predictive": lambda: e.PredictiveController(smoothing=math.nan),
    "smoothing of eq14": lambda: e.Eq14(smoothing=0.0),
    "smoothing of a log's plant": lambda: run_log_plant(TEN, TEN, e.Plant(), 1, 3.0, ControlParameters(smoothing=2.0)),
    "demand of no step": lambda: e.simulate_plant(TEN[:0], TEN[:0], e.Uncontrolled(), e.Plant()),
    "step_s": lambda: e.Plant(step_s=math.nan),
    "initial_queue": lambda: e.Plant(initial_queue=-1.0),
    "nominal_capacity": lambda: e.Plant(nominal_capacity=math.inf),
    "demand": lambda: e.simulate_plant(-TEN, TEN, e.Uncontrolled(), e.Plant()),
    "capacity": lambda: e.simulate_plant(TEN, TEN * math.nan, e.Uncontrolled(), e.Plant()),
    "capacity of another length": lambda: e.simulate_plant(TEN, TEN[1:], e.Uncontrolled(), e.Plant()),
    "steps of phase surge": lambda: e.Phase("surge", 0, 1.0),
    "demand of phase surge": lambda: e.Phase("surge", 5, -1.0),
    "wave amplitude": lambda: e.Wave(1.5, 40),
    "wave period": lambda: e.Wave(0.5, 0),
    "stall": lambda: e.Stall(5, 5),
    "stall 5:11": lambda: e.Scenario("short", ONE_PHASE, stalls=(e.Stall(5, 11),)),
    "phases": lambda: e.Scenario("empty", ()),
    "capacity of a scenario": lambda: e.Scenario("idle", ONE_PHASE, capacity=0.0),
    "step_s of a scenario": lambda: e.Scenario("still", ONE_PHASE, step_s=-1.0),
    "initial_queue of a scenario": lambda: e.Scenario("full", ONE_PHASE, initial_queue=math.nan),
    "noise": lambda: e.noisy_demand(TEN, -0.1, 0, range(1)),
    "seed": lambda: e.noisy_demand(TEN, 0.1, -1, range(1)),
}


@pytest.mark.parametrize("case", BAD)
def test_the_error_names_the_parameter(case):
    with pytest.raises(ParameterError) as caught:
        BAD[case]()
    error = caught.value
    assert case == error.where or case.startswith(f"{error.where} of ")
    assert error.expected
    assert isinstance(error, ValueError)


def test_an_error_is_one_line_that_says_where_what_and_how_to_mend_it():
    error = EntroError("is -1", where="beta", expected="a number of at least 0", remedy="leave it out")
    assert str(error) == "beta: is -1; expected a number of at least 0; leave it out"
    assert str(EntroError("nothing to do")) == "nothing to do"
