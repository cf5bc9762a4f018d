"""The figures the engine is calibrated to, as they are printed."""

from dataclasses import replace

import pytest

from entro_engine import (
    SCENARIOS,
    AiController,
    CoreController,
    Eq14,
    PredictiveController,
    Stall,
    StaticLimit,
    Uncontrolled,
    V9Controller,
    plant_figures,
    simulate,
)

CONTROLLERS = {
    "uncontrolled": Uncontrolled(),
    "static": StaticLimit(),
    "static, 1.5": StaticLimit(1.5),
    "static, 1.2": StaticLimit(1.2),
    "eq14": Eq14(),
    "v9": V9Controller(),
    "predictive": PredictiveController(),
    "core": CoreController(),
    "ai": AiController(),
}


STALLED_SERVER = replace(SCENARIOS["three-phase"], stalls=(Stall(320, 380),))


def rows(names, lines):
    """A table: by the first word (or words) of each line the figures that follow it."""
    return {line[0]: dict(zip(names.split(), line[1].split(), strict=True)) for line in lines}


THREE_PHASE = rows(
    "violations peak_queue peak_psi_total excess_nat_s served peak_frontier mean_wait_s stable stress critical",
    [
        ("uncontrolled", "312 87.620 5.8415 472.341 1065.164 0 14.273 656 7 337"),
        ("static", "291 51.683 4.8790 326.165 1065.164 72.020 14.273 659 12 329"),
        ("eq14", "253 9.104 3.1014 24.429 1065.164 81.380 14.273 665 20 315"),
        ("v9", "0 2.064 1.9095 0 1065.164 85.576 14.273 666 334 0"),
    ],
)
SISTERS = rows(
    "violations peak_queue peak_psi_total excess_nat_s mean_wait_s",
    [("core", "277 55.385 5.4094 314.268 14.318"), ("ai", "1 5.055 3.1580 0.158 14.273")],
)
PREDICTIVE = rows(
    "violations peak_queue served mean_wait_s",
    [(lag, "0 2.064 1065.164 14.273") for lag in (1, 2, 5, 10, 20)],
)
PREDICTIVE_STALLED = rows(
    "violations peak_queue served mean_wait_s",
    [
        (1, "0 6.328 1065.164 42.543"),
        (2, "0 6.226 1065.164 42.543"),
        (5, "0 9.736 1065.164 42.543"),
        (10, "5 15.586 1065.164 42.543"),
        (20, "62 27.286 1065.164 42.543"),
    ],
)
V9_LAGGED = rows(
    "violations peak_queue mean_wait_s",
    [
        (1, "0 2.064 14.273"),
        (2, "0 2.088 14.273"),
        (5, "0 2.401 14.273"),
        (10, "0 3.001 14.298"),
        (20, "0 4.201 18.914"),
    ],
)
V9_LAGGED_STALLED = rows(
    "violations peak_queue", [(1, "0 6.328"), (2, "0 7.313"), (5, "0 10.666"), (10, "9 17.065"), (20, "66 29.965")]
)
STALLED = rows(
    "violations peak_queue served mean_wait_s",
    [
        ("uncontrolled", "555 151.304 1065.164 42.543"),
        ("static, 1.5", "537 123.683 1065.164 42.543"),
        ("static, 1.2", "531 72.000 1065.164 42.543"),
        ("eq14", "448 9.104 1065.164 42.543"),
        ("v9", "0 6.328 1065.164 42.543"),
        ("core", "532 110.402 1065.164 42.619"),
        ("ai", "1 6.750 887.925 127.085"),
    ],
)
REFERENCE = rows(
    "violations peak_queue stable stress critical", [("uncontrolled", "12 11.580 24 19 37"), ("v9", "0 2.044 27 53 0")]
)


def figures_of(scenario, controller, lag=1):
    trace = simulate(scenario, CONTROLLERS[controller], lag=lag).plant
    return plant_figures(trace, scenario.plant(lag), budget=3.0)


def assert_printed(figures, printed):
    """Each figure, rounded to as many decimals as it is given in, is the same text."""
    for name, text in printed.items():
        decimals = len(text.partition(".")[2])
        assert f"{getattr(figures, name)[0]:.{decimals}f}" == text, name


@pytest.mark.parametrize("controller", THREE_PHASE)
def test_three_phase(controller):
    figures = figures_of(SCENARIOS["three-phase"], controller)
    assert_printed(figures, THREE_PHASE[controller])
    assert_printed(figures, {"starved_steps": "0", "final_backlog": "0.000"})


@pytest.mark.parametrize("controller", SISTERS)
def test_the_sister_systems(controller):
    assert_printed(figures_of(SCENARIOS["three-phase"], controller), SISTERS[controller])


@pytest.mark.parametrize("lag", V9_LAGGED)
def test_with_old_observations(lag):
    assert_printed(figures_of(SCENARIOS["three-phase"], "v9", lag), V9_LAGGED[lag])
    assert_printed(figures_of(STALLED_SERVER, "v9", lag), V9_LAGGED_STALLED[lag])
    assert_printed(figures_of(SCENARIOS["three-phase"], "predictive", lag), PREDICTIVE[lag])
    assert_printed(figures_of(STALLED_SERVER, "predictive", lag), PREDICTIVE_STALLED[lag])


@pytest.mark.parametrize("controller", STALLED)
def test_a_stalled_server(controller):
    assert_printed(figures_of(STALLED_SERVER, controller), STALLED[controller])


@pytest.mark.parametrize("controller", REFERENCE)
def test_v9_reference(controller):
    assert_printed(figures_of(SCENARIOS["v9-reference"], controller), REFERENCE[controller])


def test_v9_reference_under_the_sister_systems():
    assert_printed(figures_of(SCENARIOS["v9-reference"], "core"), {"violations": "12", "peak_queue": "9.770"})
    assert_printed(figures_of(SCENARIOS["v9-reference"], "ai"), {"violations": "0", "peak_queue": "4.632"})


def test_v9_reference_peaks_where_it_should():
    assert_printed(figures_of(SCENARIOS["v9-reference"], "uncontrolled"), {"peak_psi_total": "3.7036"})


def test_a_limit_at_the_capacity_is_enough_while_that_holds():
    figures = figures_of(SCENARIOS["three-phase"], "static, 1.2")
    assert_printed(figures, {"violations": "0", "peak_queue": "0.000", "peak_psi_total": "0.7885"})
