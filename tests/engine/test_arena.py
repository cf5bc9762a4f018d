"""The arena: its figures as they are printed, and the same world for every implementation."""

import math
import random

import numpy as np
import pytest

from entro_engine import (
    AiController,
    CoreController,
    Eq14,
    PredictiveController,
    Uncontrolled,
    V9Controller,
    plant_figures,
    simulate_plant,
)
from entro_engine.arena import Arena

LAGS = (1, 2, 5, 10, 20)
PRINTED = [
    (Uncontrolled(), "863/0 863/0 863/0 863/0 863/0"),
    (Eq14(), "694/0 697/0 702/0.3 742/0.6 564/1.6"),
    (V9Controller(), "0/0 0/0 1.1/0.3 16.0/9.2 81.6/54.1"),
    (PredictiveController(), "0/0 0/0 1.1/0.3 11.8/0.9 84.6/4.6"),
    (CoreController(), "828/2.2 832/3.7 831/4.8 832/5.5 836/6.3"),
    (AiController(), "3.1/206 9.0/247 44/304 112/317 204/324"),
]
"""Violations per 1000 steps and service lost, means over seeds 5000 to 5059, by lag."""


@pytest.fixture(scope="module")
def worlds():
    return Arena().draw(range(5000, 5060))


@pytest.mark.parametrize(("controller", "row"), PRINTED, ids=[controller.name for controller, _ in PRINTED])
def test_figures_of_the_arena(worlds, controller, row):
    for lag, printed in zip(LAGS, row.split(), strict=True):
        plant = Arena().plant(lag)
        figures = plant_figures(simulate_plant(*worlds, controller, plant), plant, 3.0)
        for values, text in zip((figures.violations, figures.service_lost), printed.split("/"), strict=True):
            assert f"{values.mean():.{len(text.partition('.')[2])}f}" == text, lag


def drawn_plainly(seed):
    """The world of a seed, written once more."""
    g = random.Random(seed)
    busy, stall, cap, demands, capacities = False, 0, 1.2, [], []
    for _ in range(1000):
        if g.random() < (0.03 if busy else 0.02):
            busy = not busy
        least, k, p = math.exp(-(2.2 if busy else 0.7)), 0, g.random()
        while p > least:
            k, p = k + 1, p * g.random()
        if stall > 0:
            stall -= 1
        elif g.random() < 0.003:
            stall = g.randint(10, 60)
        cap = min(1.5, max(0.8, cap + g.gauss(0, 0.02)))
        demands.append(k)
        capacities.append(0.0 if stall > 0 else cap)
    return demands, capacities


def test_a_seed_is_the_same_world_whatever_other_seeds_there_are():
    demand, capacity = Arena().draw([7, 5000])
    for column, seed in enumerate([7, 5000]):
        np.testing.assert_array_equal((demand[:, column], capacity[:, column]), drawn_plainly(seed))
