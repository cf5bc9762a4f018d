"""SIGKILL at any moment: nothing stored is lost, no partial file is visible, and a second run completes the work."""

import random
import shutil

import pytest

from tests.history.forked import forks
from tests.history.kill_many import Trial, moment, scenarios
from tests.history.stored import HEADER, START, days, ingest, line, regular

pytestmark = pytest.mark.slow

NAMES = ["ingest", "first report", "report", "prune", "export", "schedule run"]

MOST_KILLS = 5
"""Kills of a scenario at its operations, or at random moments; `python -m tests.history.kill_many` tries them all."""

EVERY = 4
"""A line without its end: of so many operations one is killed."""


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    return {scenario.name: Trial.of(scenario, folder / "place") for scenario in scenarios(folder)}


@pytest.fixture(scope="module")
def forking():
    with forks() as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_at_random_moments(trials, forking, tmp_path, name):
    draw, killed, tries = random.Random(name), 0, 0
    while killed < MOST_KILLS and tries < 4 * MOST_KILLS:
        killed += trials[name].kill_at(tmp_path / "place", moment(draw), forking)
        tries += 1
    assert killed == MOST_KILLS, "too few were still at work"


@pytest.mark.parametrize("name", NAMES)
def test_at_each_operation_on_files(trials, forking, tmp_path, name):
    trial, many = trials[name], trials[name].count_operations(tmp_path / "place", forking)
    assert many > 5 or name == "export"
    for number in sorted(random.Random(name).sample(range(1, many + 1), min(many, MOST_KILLS))):
        assert trial.kill_at_operation(tmp_path / "place", number, forking)


@pytest.mark.parametrize("known", [0, 60], ids=["a new log", "a known log"])
def test_a_line_that_gets_its_end_after_a_kill(forking, tmp_path, known):
    """A log goes on before it is ingested again, and the number its last line ended with was another one."""
    step = 1800
    lines = regular(100, step)
    cut = line(START + 100 * step * 10**9, 0.5, 5.1).rstrip("\n")
    unfinished = HEADER + "".join(lines) + cut
    finished = unfinished + "e-05\n" + "".join(regular(3, step, START + 101 * step * 10**9))
    (tmp_path / "log.csv").write_text(finished)
    ingest(tmp_path / "whole", tmp_path / "log.csv")
    place, ended, number = tmp_path / "place", -9, 1
    while ended:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if known:
            (place / "log.csv").write_text(HEADER + "".join(lines[:known]))
            assert forking.run(place, "ingest", "log.csv", "--history", "h") == 0
        (place / "log.csv").write_text(unfinished)
        ended = forking.run(place, "ingest", "log.csv", "--history", "h", kill_before=number)
        (place / "log.csv").write_text(finished)
        assert forking.run(place, "ingest", "log.csv", "--history", "h") == 0
        assert days(place / "h") == days(tmp_path / "whole"), f"killed before operation {number}"
        number += EVERY
