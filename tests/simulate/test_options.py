"""Errors of `entro simulate` about its options."""

import json
import re

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--controller eq15",
            "--controller: unknown controller 'eq15'; expected uncontrolled, static, .*, family; did you mean eq14",
        ),
        (
            "--controller zzz",
            "--controller: unknown controller 'zzz'; expected uncontrolled, static, .*, family$",
        ),
        ("--stall 320", "--stall: '320' is not a stall"),
        ("--stall 380:1320", "--stall: 380:1320 goes on beyond the end; expected steps from 0 to 1000"),
        ("--runs 5", "--runs: means nothing without noise.*--noise SIGMA"),
        ("--seed 5", "--seed: means nothing without noise"),
        ("--noise nan", "noise: is nan"),
        ("--noise -0.1", "noise: is -0.1"),
        ("--noise 1e300", "noise: is 1e.300"),
        ("--noise 0.1 --runs 0", "runs: is 0"),
        ("--noise 0.1 --runs 999999999999", "runs: is 999999999999; expected a whole number from 1 to 1,000,000"),
        ("--noise 0.1 --seed -1", "seed: is -1"),
        ("--lag 0", "lag: is 0"),
        ("--budget nan", "budget: is nan"),
        ("--budget -1", "budget: is -1.0"),
        ("--alpha 2", "alpha: is 2.0"),
        ("--alpha nan --controller uncontrolled", "alpha: is nan"),
        ("--beta -1", "beta: is -1.0"),
        ("--limit 0", "limit: is 0.0"),
        ("--capacity -1", "capacity: is -1.0"),
        ("--capacity 1e300", "capacity of scenario three-phase: is 1e.300"),
        ("--start yesterday", "--start: 'yesterday' is not a date or time"),
        ("--log-dir /dev/null/logs", "/dev/null/logs/uncontrolled.csv: cannot be written"),
        ("--log-dir logs --start 9999-01-01", "--start: 1000 steps of 1 s from there have no dates"),
    ],
)
def test_one_line_and_status_1(entro, arguments, message):
    outcome = entro("simulate", *arguments.split())
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1
    assert re.search(message, outcome.err), outcome.err


@pytest.mark.parametrize("arguments", ["--lag x", "--noise loud", "--no-such-option", "stray"])
def test_wrong_usage(entro, arguments):
    assert entro("simulate", *arguments.split()).status == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[phases]]\nsteps = 1000000000000\ndemand = 1\n", "steps of scenario own: is 1000000000000; .* 10000000"),
        ("[[phases]]\nsteps = 3\ndemand = 1e300\n", "demand of scenario own: is 1e.300; expected at most 1e.09"),
        ("initial_queue = 1e10\n[[phases]]\nsteps = 3\ndemand = 1\n", "initial_queue of scenario own: is 1"),
        ("step_s = 1e-9\n[[phases]]\nsteps = 3\ndemand = 1\n", "step_s of scenario own: .* a microsecond"),
        ("step_s = 2e9\n[[phases]]\nsteps = 3\ndemand = 1\n", "length of scenario own: is '6e.09 s'"),
    ],
)
def test_scenarios_beyond_what_can_be_computed(entro, tmp_path, text, message):
    (tmp_path / "own.toml").write_text(text)
    outcome = entro("simulate", "--scenario", str(tmp_path / "own.toml"))
    assert (outcome.status, outcome.out) == (1, "")
    assert re.search(message, outcome.err), outcome.err


def test_verbose_and_quiet_speak_on_standard_error_only(entro, tmp_path):
    plain = entro("simulate")
    verbose = entro("simulate", "--verbose")
    assert verbose.out == plain.out
    assert "v9: run 1 done" in verbose.err
    assert entro("simulate", "--quiet", "--log-dir", str(tmp_path)) == (0, plain.out, "")


def test_options_that_change_nothing_are_warned_of(entro):
    outcome = entro("simulate", "--json", "--controller", "uncontrolled", "--limit", "1", "--alpha", "0.1")
    assert outcome.status == 0
    assert "warning: --limit changes nothing: it is for static" in outcome.err
    assert "warning: --alpha changes nothing: it is for eq14, v9, predictive" in outcome.err
    assert json.loads(outcome.out)


def test_help_has_a_worked_example_that_runs(entro):
    assert "entro simulate --stall 320:380" in entro("simulate", "--help").out
    example = "simulate --stall 320:380 --controller static --controller v9 --noise 0.2 --runs 3"
    assert entro(*example.split()).status == 0


def test_a_server_larger_than_the_published_stages_is_warned_of(entro):
    outcome = entro("simulate", "--capacity", "6", "--controller", "v9")
    assert "controllers send at most 3 req/s, the published r_max" in outcome.err
    assert "r_max" not in entro("simulate", "--capacity", "3", "--controller", "v9").err


@pytest.mark.parametrize("name", ["page.pdf", "page.json"])
def test_a_page_has_no_suffix_of_something_else(entro, tmp_path, name):
    outcome = entro("simulate", "--controller", "v9", "--out", str(tmp_path / name))
    assert (outcome.status, list(tmp_path.iterdir())) == (1, [])
    assert f"{tmp_path / name}: has the suffix of something else than a page" in outcome.err
