"""Reference figures of the simulator, computed twice, independently. They hold to the digits given here."""

import pytest

FIGURES = ("violations", "peak_queue", "peak_psi_total", "excess_nat_s", "served", "peak_frontier", "mean_wait_s")

THREE_PHASE = {
    "uncontrolled": ("312", "87.620", "5.8415", "472.341", "1065.164", "0", "14.273", (656, 7, 337)),
    "static": ("291", "51.683", "4.8790", "326.165", "1065.164", "72.020", "14.273", (659, 12, 329)),
    "eq14": ("253", "9.104", "3.1014", "24.429", "1065.164", "81.380", "14.273", (665, 20, 315)),
    "v9": ("0", "2.064", "1.9095", "0", "1065.164", "85.576", "14.273", (666, 334, 0)),
}

STALLED = {
    "uncontrolled": ("555", "151.304"),
    "static": ("537", "123.683"),
    "eq14": ("448", "9.104"),
    "v9": ("0", "6.328"),
}


def printed(value, digits):
    """A figure with as many decimals as the reference has."""
    decimals = len(digits.partition(".")[2])
    return f"{value + 0.0:.{decimals}f}"


def rows(document):
    return {run["controller"]: run for run in document["runs"]}


def counts(run):
    return tuple(run["regimes"][regime] for regime in ("stable", "stress", "critical"))


@pytest.mark.parametrize("controller", THREE_PHASE)
def test_three_phase(simulated, controller):
    run, (*figures, regimes) = rows(simulated())[controller], THREE_PHASE[controller]
    assert [printed(run[name], digits) for name, digits in zip(FIGURES, figures, strict=True)] == figures
    assert counts(run) == regimes


@pytest.mark.parametrize(("lag", "peak_queue", "wait"), [("5", "2.401", "14.273"), ("10", "3.001", "14.298")])
def test_old_news(simulated, lag, peak_queue, wait):
    run = rows(simulated("--lag", lag))["v9"]
    assert run["violations"] == 0
    assert [printed(run["peak_queue"], peak_queue), printed(run["mean_wait_s"], wait)] == [peak_queue, wait]


def test_v9_reference(simulated):
    document = simulated("--scenario", "v9-reference")
    uncontrolled, v9 = rows(document)["uncontrolled"], rows(document)["v9"]
    assert document["scenario"] == {"name": "v9-reference", "steps": 80, "step_s": 1.0}
    assert (uncontrolled["violations"], counts(uncontrolled)) == (12, (24, 19, 37))
    assert printed(uncontrolled["peak_queue"], "11.580") == "11.580"
    assert printed(uncontrolled["peak_psi_total"], "3.7036") == "3.7036"
    assert (v9["violations"], counts(v9), printed(v9["peak_queue"], "2.044")) == (0, (27, 53, 0), "2.044")


@pytest.mark.parametrize("controller", STALLED)
def test_a_stalled_server(simulated, controller):
    run, (violations, peak_queue) = rows(simulated("--stall", "320:380"))[controller], STALLED[controller]
    assert [printed(run["violations"], violations), printed(run["peak_queue"], peak_queue)] == [violations, peak_queue]
    assert [printed(run["served"], "0.000"), printed(run["mean_wait_s"], "0.000")] == ["1065.164", "42.543"]


def test_a_static_limit_at_the_capacity_fails_in_a_stall(simulated):
    document = simulated("--stall", "320:380", "--controller", "static", "--limit", "1.2")
    (run,) = document["runs"]
    assert (run["violations"], printed(run["peak_queue"], "72.000")) == (531, "72.000")
    assert [printed(run["served"], "0.000"), printed(run["mean_wait_s"], "0.000")] == ["1065.164", "42.543"]
