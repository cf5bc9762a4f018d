"""The table in a terminal of 80 columns, and in a pipe."""

import re

import pytest

from entro_cli.analysis.simulation.parameters import Noise, SimulationParameters
from entro_cli.analysis.simulation.published import PUBLISHED, compare
from entro_engine import SCENARIOS, Scenario


def cells(outcome, label):
    (line,) = [line for line in outcome.out.splitlines() if line.startswith(label)]
    return line.removeprefix(label).split()


def test_published_figures_stand_beside_ours(entro):
    outcome = entro("simulate")
    assert cells(outcome, "Violations (steps)") == ["312", "(312)", "291", "(187)", "253", "0", "(12)"]
    assert cells(outcome, "Peak queue (req)") == ["87.620", "(87.6)", "51.683", "(45.2)", "9.104", "2.064", "(23.4)"]
    assert cells(outcome, "Peak Psi_total (nat)") == [
        "5.8415", "(5.84)", "4.8790", "(4.21)", "3.1014", "1.9095", "(3.31)",
    ]  # fmt: skip
    assert cells(outcome, "Excess (nat s)") == ["472.341", "326.165", "24.429", "0"]
    assert "10.5281/zenodo.19441032" in outcome.out
    assert "static: measured, not matched" in outcome.out


def test_published_regimes_stand_beside_ours(entro):
    outcome = entro("simulate", "--scenario", "v9-reference", "--controller", "uncontrolled")
    assert [cells(outcome, f"{regime} (steps)") for regime in ("Stable", "Stress", "Critical")] == [
        ["24", "(24)"],
        ["19", "(19)"],
        ["37", "(37)"],
    ]


@pytest.mark.parametrize("options", ["", "--noise 0.3 --runs 20", "--noise 3 --runs 20", "--capacity 100 --budget 0.1"])
def test_every_line_fits_80_columns_and_no_cell_is_cut(entro, monkeypatch, options):
    monkeypatch.delenv("COLUMNS", raising=False)
    outcome = entro("simulate", *options.split())
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "…" not in outcome.out
    assert len(cells(outcome, "Excess (nat s)")) == 4


def test_noise_shows_a_range_below_the_median(entro):
    lines = entro("simulate", "--noise", "0.2", "--runs", "20").out.splitlines()
    below = lines[next(number for number, line in enumerate(lines) if line.startswith("Violations (steps)")) + 1]
    label, _, figures = below.strip().partition(" % ")
    assert label == "5-95"
    low, high = map(float, figures.split()[0].split("-"))
    assert low < 312 < high


@pytest.mark.parametrize("noise", [(), ("--noise", "0.2", "--runs", "3")])
def test_what_a_table_with_one_row_per_controller_does_not_show_is_not_announced(entro, noise):
    out = entro("simulate", "--controller", "family", *noise).out
    assert not re.search("brackets|range|matched", out)
    assert ("3 runs: median\n" in out) == bool(noise)
    last = "are not shown, as they are for" if noise else "Published figures are shown beside ours for at most 4"
    assert last in " ".join(out.split())
    assert "in the queue, and within W, from being sent." in " ".join(out.split())


def test_the_page_of_seven_controllers_shows_published_figures_and_ranges(entro, tmp_path):
    page = tmp_path / "page.html"
    family = ("simulate", "--controller", "family", "--out", str(page))
    entro(*family)
    assert "Below a figure: the published one" in page.read_text()
    assert '<p class="caption">Waits count from becoming known until served; in the queue' in page.read_text()
    entro(*family, "--noise", "0.2", "--runs", "3")
    assert "5-95 % range below it" in page.read_text()


def test_runs_that_are_all_the_same_have_no_range(entro):
    assert "range" not in entro("simulate", "--noise", "0", "--runs", "3").out


def test_a_name_with_escapes_is_shown_as_text(entro, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('name = "[red]\\u001b[31m"\n[[phases]]\nsteps = 3\ndemand = 1\n')
    out = entro("simulate", "--scenario", str(path)).out
    assert out.startswith(r"[red]\x1b[31m: 3 steps")


def published(**changes):
    settings = SimulationParameters(changes.pop("scenario", SCENARIOS["three-phase"]), **changes)
    comparison = compare(settings)
    return set(comparison.rows), " ".join(comparison.notes)


def test_published_rows_need_the_published_conditions():
    everyone = set(PUBLISHED["three-phase"])
    assert published()[0] == everyone == {"uncontrolled", "static", "v9"}
    assert published(limit=1.2)[0] == {"uncontrolled", "v9"}
    for change in ({"alpha": 0.4}, {"beta": 1.0}, {"lag": 5}):
        assert published(**change)[0] == {"uncontrolled", "static"}
    assert published(budget=2.0)[0] == set()
    assert published(noise=Noise(0.1))[0] == set()


def test_omissions_come_with_a_reason():
    assert "static: the published figures are not shown" in published(limit=1.2)[1]
    assert "limit 1.2" in published(limit=1.2)[1]
    assert (
        "v9: the published figures are not shown, as they are for other settings (here: lag 5)" in published(lag=5)[1]
    )
    assert "uncontrolled, static, v9: the published figures are not shown" in published(noise=Noise(0.1))[1]


def test_a_changed_scenario_has_no_published_figures():
    phases = SCENARIOS["three-phase"].phases
    rows, notes = published(scenario=Scenario("three-phase", phases, capacity=1.3))
    assert rows == set()
    assert "here: other capacity" in notes
    assert published(scenario=Scenario("own", phases)) == (set(), "Nothing is published for these runs.")
    assert published(controllers=("eq14",)) == (set(), "Nothing is published for these runs.")
