"""The lines of the published documentation run as they are written there, and give what they should."""

import subprocess
import sys

import pytest

import entro_engine


def test_the_published_lines_run_as_written():
    from entro_engine import ENTROEngineController, EntropyBudget, ProportionalAllocator, __version__

    signal = ENTROEngineController(alpha=0.5, beta=2.0, psi_budget=3.0).compute_control(psi_i=1.5, psi_total=4.0)
    status = EntropyBudget(psi_budget=3.0).check(psi_total=3.5)
    result = ProportionalAllocator(alpha=0.5, beta=2.0).allocate({"scraper": 1.5, "llm": 2.5})

    assert (round(signal.u, 6), signal.rho, signal.delta) == (-0.180755, 0.375, 1.0)
    assert (status.violation, status.remaining, status.is_violated) == (0.5, 0.0, True)
    assert (round(result["scraper"].allocated_u, 6), result["scraper"].rho) == (-0.180755, 0.375)
    assert (round(result["llm"].allocated_u, 6), result["llm"].rho) == (-0.301259, 0.625)
    assert __version__


def test_arguments_may_be_given_by_position():
    signal = entro_engine.ENTROEngineController(0.5, 2.0, 3.0).compute_control(1.5, 4.0)
    assert signal.u == pytest.approx(-0.180755, abs=5e-7)
    assert entro_engine.EntropyBudget(3.0).check(3.5).violation == 0.5
    assert entro_engine.ProportionalAllocator(0.5, 2.0).allocate({"scraper": 1.5, "llm": 2.5})["llm"].rho == 0.625


def test_the_allocator_takes_the_budget_of_the_stages_it_is_given():
    one_stage = entro_engine.ProportionalAllocator().allocate({"scraper": 2.0})["scraper"]
    assert one_stage == entro_engine.ProportionalAllocator(psi_budget=1.5).allocate({"scraper": 2.0})["scraper"]
    assert one_stage.allocated_u < 0
    assert entro_engine.ProportionalAllocator().allocate({"scraper": 2.0, "llm": 0.0})["scraper"].allocated_u == 0


def test_a_budget_counts_its_checks_and_violations():
    budget = entro_engine.EntropyBudget(3.0)
    for psi_total in (0.0, 3.0, 3.5, 4.0):
        budget.check(psi_total)
    assert (budget.checks, budget.violations) == (4, 2)


def test_every_exported_name_exists_and_is_exported_once():
    assert sorted(entro_engine.__all__) == sorted(set(entro_engine.__all__))
    assert all(hasattr(entro_engine, name) for name in entro_engine.__all__)


def test_the_library_loads_without_the_command_line_and_its_libraries():
    code = (
        "import sys, entro_engine; print([m for m in ('entro_cli', 'pandas', 'typer', 'duckdb') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
