"""Runs written as logs: reading them returns what was simulated."""

import csv
import json
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest

from entro_cli.analysis.simulation.log_writer import iso_utc
from entro_engine import LLM, SCRAPER, Regime, replay_loads


def read(path):
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    times, *loads = zip(*rows, strict=True)
    return head, times, np.array(loads, dtype=float)


def counts(path, budget=None):
    run = replay_loads((SCRAPER, LLM), read(path)[2], 1.0, budget)
    names = {regime.name.lower(): int((run.trace.regime == regime).sum()) for regime in Regime}
    return int(run.violated.sum()), names, float(run.psi_total.max())


@pytest.mark.parametrize("options", [(), ("--stall", "320:380"), ("--scenario", "v9-reference"), ("--budget", "2.5")])
def test_every_controller_reads_back_the_same(entro, simulated, tmp_path, options):
    assert entro("simulate", *options, "--log-dir", str(tmp_path)).status == 0
    budget = 2.5 if "--budget" in options else None
    for run in simulated(*options)["runs"]:
        path = tmp_path / f"{run['controller']}.csv"
        assert counts(path, budget) == (run["violations"], run["regimes"], run["peak_psi_total"])
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(("capacity", "options"), [("1.2", ()), ("2", ("--full-loads", "published"))])
def test_analyze_finds_the_same_violations(entro, simulated, tmp_path, capacity, options):
    entro("simulate", "--capacity", capacity, "--log-dir", str(tmp_path))
    for run in simulated("--capacity", capacity)["runs"]:
        found = entro("analyze", str(tmp_path / f"{run['controller']}.csv"), *options, "--json")
        assert json.loads(found.out)["violations"] == run["violations"]


def test_noisy_runs_read_back_the_same(entro, simulated, tmp_path):
    noisy = ("--scenario", "v9-reference", "--noise", "0.3", "--runs", "5", "--controller", "eq14")
    outcome = entro("simulate", *noisy, "--log-dir", str(tmp_path))
    assert "wrote 5 logs" in outcome.err
    read_back = [counts(tmp_path / f"eq14-run-{number}.csv") for number in range(5)]
    (run,) = simulated(*noisy)["runs"]
    assert run["violations"] == np.median([violations for violations, _, _ in read_back])
    assert run["regimes"]["stress"] == np.median([regimes["stress"] for _, regimes, _ in read_back])
    assert run["peak_psi_total"] == np.median([peak for _, _, peak in read_back])


def test_one_noisy_run_has_the_plain_name(entro, tmp_path):
    entro("simulate", "--noise", "0.1", "--runs", "1", "--log-dir", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eq14.csv", "static.csv", "uncontrolled.csv", "v9.csv"]


def test_stamps(entro, tmp_path):
    entro(
        "simulate", "--controller", "v9", "--log-dir", str(tmp_path / "a" / "b"), "--start", "2026-03-01T01:00:00+01:00"
    )
    head, times, _ = read(tmp_path / "a" / "b" / "v9.csv")
    assert head == ["time", "scraper_rate", "llm_queue"]
    assert times[0] == "2026-03-01T00:00:00Z"
    assert [datetime.fromisoformat(time).timestamp() for time in times] == [
        datetime(2026, 3, 1, tzinfo=UTC).timestamp() + step for step in range(1000)
    ]


def test_broken_steps_keep_their_digits(entro, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("step_s = 0.25\n[[phases]]\nsteps = 3\ndemand = 1\n")
    entro("simulate", "--scenario", str(path), "--controller", "v9", "--log-dir", str(tmp_path))
    assert read(tmp_path / "v9.csv")[1] == (
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00.250Z",
        "2026-01-01T00:00:00.500Z",
    )


@pytest.mark.parametrize("digits", [0, 3, 6, 9])
def test_no_digit_of_a_stamp_is_lost(digits):
    times = np.array([0, 10 ** (9 - digits), 1_800_000_000 * 10**9], dtype=np.int64)
    for text, ns in zip(iso_utc(times), times.tolist(), strict=True):
        whole, _, fraction = text.removesuffix("Z").partition(".")
        assert len(fraction) == digits
        seconds = Fraction(datetime.fromisoformat(f"{whole}+00:00").timestamp()) + Fraction(f"0.{fraction or 0}")
        assert seconds * 10**9 == ns
