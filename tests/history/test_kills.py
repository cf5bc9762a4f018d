"""SIGKILL at any moment: nothing that was stored is lost, no half a file is seen, once more mends everything."""

import random

import pytest

from tests.history.kill_many import Trial, moments, scenarios

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    return {scenario.name: Trial.of(scenario, folder / "place") for scenario in scenarios(folder)}


@pytest.mark.parametrize("name", ["ingest", "report", "prune"])
def test_at_random_moments(trials, tmp_path, name):
    draw = random.Random(name)
    killed = [trials[name].kill_at(tmp_path / "place", moment) for moment in moments(trials[name], draw, 10)]
    assert sum(killed) >= 3


@pytest.mark.parametrize("name", ["ingest", "report", "prune"])
def test_at_each_operation_on_files(trials, tmp_path, name):
    number = 1
    while trials[name].kill_at_operation(tmp_path / "place", number):
        number += 1 if number < 12 else 7
    assert number > 5
