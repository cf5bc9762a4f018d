"""`entro simulate --scenario arena`: the figures of its table, from the command."""

import json

import pytest

from tests.browser_page import opened

COLUMNS = ["violations_per_1000", "service_lost_per_1000", "p95_wait_s", "served_within_wait_share", "roughness"]


def test_the_family_at_a_lag_of_ten_steps(simulated):
    document = simulated("--scenario", "arena", "--controller", "family", "--lag", "10")
    assert document["seeds"] == {"first": 5000, "after": 5060}
    found = {
        run["controller"]: f"{run['violations_per_1000']:.1f}/{run['service_lost_per_1000']:.1f}"
        for run in document["runs"]
    }
    assert list(found) == ["uncontrolled", "static", "eq14", "v9", "predictive", "core", "ai"]
    assert (found["v9"], found["predictive"], found["uncontrolled"]) == ("16.0/9.2", "11.8/0.9", "863.0/0.0")


def test_figures_are_means_over_the_seeds(simulated):
    together = simulated("--scenario", "arena", "--controller", "v9", "--seeds", "3:6", "--lag", "5")["runs"][0]
    alone = [
        simulated("--scenario", "arena", "--controller", "v9", "--seeds", f"{seed}:{seed + 1}", "--lag", "5")["runs"][0]
        for seed in (3, 4, 5)
    ]
    for name in COLUMNS:
        assert together[name] == pytest.approx(sum(run[name] for run in alone) / 3), name
        assert together["range"][name]["p5"] <= together[name] <= together["range"][name]["p95"]


def test_one_row_per_controller_in_80_columns(entro):
    outcome = entro("simulate", "--scenario", "arena", "--controller", "family", "--seeds", "0:3")
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.split() and line.split()[0] in ("v9", "ai", "core")] == [
        "v9",
        "core",
        "ai",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--scenario arena --noise 0.2", "--noise: means nothing in the arena"),
        ("--scenario arena --runs 3", "--runs: means nothing in the arena"),
        ("--scenario arena --stall 3:4", "draws the capacity and the stalls"),
        ("--scenario arena --capacity 3", "draws the capacity and the stalls"),
        ("--scenario arena --seeds 5:5", "--seeds: '5:5' is not a range of seeds"),
        (
            "--scenario arena --seeds 1:999999999999",
            "seeds: is range(1, 999999999999); expected a range of 1 to 1,000,000",
        ),
        ("--seeds 5:9", "--seeds: means nothing outside of the arena"),
    ],
)
def test_options_of_another_kind_of_scenario_are_refused(entro, options, message):
    outcome = entro("simulate", *options.split())
    assert (outcome.status, outcome.out) == (1, "")
    assert message in outcome.err


def test_logs_and_a_page_of_the_arena(entro, tmp_path):
    options = ["--scenario", "arena", "--controller", "v9", "--seeds", "7:9", "--json"]
    outcome = entro("simulate", *options, "--log-dir", str(tmp_path), "--out", str(tmp_path / "page.html"))
    assert json.loads(outcome.out)["runs"][0]["controller"] == "v9"
    assert {path.name for path in tmp_path.glob("*.csv")} == {"v9-run-7.csv", "v9-run-8.csv"}
    assert "the run of seed 7" in (tmp_path / "page.html").read_text()


@pytest.mark.slow
@pytest.mark.browser
def test_seven_controllers_are_legible_on_a_phone(browser, entro, tmp_path):
    page = tmp_path / "page.html"
    entro("simulate", "--scenario", "arena", "--controller", "family", "--seeds", "7:9", "--out", str(page))
    with opened(browser, page, 390) as found:
        assert found.overflow() <= 0
        assert found.page.evaluate(OVERLAPPING) == 0
        assert found.complaints == []


OVERLAPPING = """() => {
  const boxes = [...document.querySelectorAll("table td span")].map((span) => span.getBoundingClientRect());
  const overlap = (one, other) => one.left < other.right && other.left < one.right
    && one.top < other.bottom - 1 && other.top < one.bottom - 1;
  return boxes.filter((box, index) => boxes.slice(index + 1, index + 8).some((other) => overlap(box, other))).length;
}"""
