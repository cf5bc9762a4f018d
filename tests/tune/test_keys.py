"""The keys headroom, gain and guard: where they apply, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.config.layers import DEFAULT, OptionValue
from entro_cli.config.load import load_config
from entro_cli.live.clients import ClientRegistry
from entro_cli.live.coordinator import Coordinator
from entro_cli.live.observe import Observation
from entro_cli.workflows.live.coordinate import CoordinateOptions, server_of
from entro_engine import EntroError, Plant
from entro_engine.log_plant import ControlParameters, run_log_plant
from tests.running import entro

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "three-phase.csv"


def coordination(*arguments):
    return json.loads(entro("analyze", SAMPLE, "--json", *arguments).out)["coordination"]


def test_the_simulated_controller_takes_its_parameters_from_the_file(folder):
    (folder / "entro.toml").write_text("headroom = 0.3\ngain = 0.6\nguard = 0.25\n")
    found = coordination()
    assert (found["headroom"], found["gain"], found["guard"]) == (0.3, 0.6, 0.25)
    demand = np.genfromtxt(SAMPLE, delimiter=",", skip_header=1, usecols=1)
    trace = run_log_plant(demand, np.full(1000, 1.2), Plant(), 1, 3.0, ControlParameters(0.5, 2.0, 0.3, 0.6, 0.25))
    assert found["coordinated"]["peak_queue"] == pytest.approx(trace.queue.max(), rel=1e-6)
    assert found["coordinated"]["peak_frontier"] == pytest.approx(trace.frontier.max(), rel=1e-6)


@pytest.mark.parametrize("words", [("analyze",), ("report", "--format", "markdown", "--out", "-")])
def test_parameters_that_are_not_the_default_are_named(folder, words):
    def text():
        return " ".join(entro(*words, SAMPLE).out.split())

    assert "Simulated server" in text()
    assert "headroom" not in text()
    (folder / "entro.toml").write_text("guard = 0.75\n")
    assert "The controller has headroom 0.1, gain 0.4 and guard 0.75." in text()


def caps(server):
    """The caps of a coordinator while the server is seen to fill up, to stall and to recover."""
    coordinator = Coordinator(server, ClientRegistry(10.0), 0)
    for step, (queue, arrived) in enumerate(
        [(0, 6), (4, 6), (10, 6), (10, 0), (4, 1), (1, 5), (0, 6), (0, 6)], start=1
    ):
        coordinator.tick(step + 1, Observation(step, queue, arrived), float(step))
        yield coordinator.cap_per_s


def test_the_coordinator_takes_them_from_the_file(folder):
    options = CoordinateOptions("127.0.0.1:0", None, None, 10.0, True, capacity=6.0)

    def server(text):
        (folder / "entro.toml").write_text(text)
        return server_of(load_config(None, {}, folder).settings(), options)

    assert server("").control == (0.5, 2.0, 0.1, 0.4, 0.0)
    assert server("guard = 0.5").control.guard == 0.5
    assert server("guard = 0.75\ngain = 0.6\nheadroom = 0.2\nalpha = 0.4").control == (0.4, 2.0, 0.2, 0.6, 0.75)
    usual = list(caps(server("")))
    for text in ("headroom = 0.3", "gain = 0.9", "guard = 1"):
        assert list(caps(server(text))) != usual
    assert max(caps(server("headroom = 0.3"))) == pytest.approx(max(usual) * 1.3 / 1.1)


def test_a_headroom_that_no_correction_takes_back_is_refused(folder):
    (folder / "entro.toml").write_text("alpha = 0.2\nheadroom = 0.2\n")
    assert entro("config").error == (
        "entro.toml: headroom: is 0.2, but alpha is 0.2: no correction could hold back more than the headroom adds; "
        "expected a number below alpha; set a lower headroom, or a higher alpha"
    )


@given(headroom=st.floats(0.0, 1.0, exclude_min=True), alpha=st.floats(0.0, 1.0, exclude_min=True))
def test_a_headroom_that_was_set_is_below_alpha(tmp_path_factory, headroom, alpha):
    config = load_config(Path("/dev/null"), {}, tmp_path_factory.getbasetemp())
    given = {"headroom": OptionValue(headroom, "--headroom"), "alpha": OptionValue(alpha, "--alpha")}
    if headroom < alpha:
        assert config.settings(DEFAULT, given).control[:3] == (alpha, 2.0, headroom)
    else:
        with pytest.raises(EntroError, match="no correction could hold back"):
            config.settings(DEFAULT, given)


def test_a_small_alpha_alone_stays_allowed(folder):
    (folder / "entro.toml").write_text("alpha = 0.05\n")
    assert coordination()["headroom"] == 0.1
