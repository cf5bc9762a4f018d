"""docs/engine.md: its examples run, and its tables hold the figures the engine gives."""

import doctest
import re

import pytest

from tests.engine.mutations import ROOT, table
from tests.engine.test_reference_figures import (
    PREDICTIVE,
    PREDICTIVE_STALLED,
    REFERENCE,
    SISTERS,
    STALLED,
    THREE_PHASE,
    V9_LAGGED,
    V9_LAGGED_STALLED,
)

PAGE = ROOT / "docs" / "engine.md"


def cells(line):
    """The cells of a row of a table, without the published figures in brackets."""
    return [re.sub(r"\([^)]*\)", "", cell).strip() for cell in line.strip("|").split("|")]


def test_the_examples_run_as_they_are_written():
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0


@pytest.mark.parametrize(
    "rows",
    [
        THREE_PHASE,
        SISTERS,
        STALLED,
        V9_LAGGED,
        V9_LAGGED_STALLED,
        PREDICTIVE,
        PREDICTIVE_STALLED,
        REFERENCE,
    ],
)
def test_the_tables_hold_the_reference_figures(rows):
    printed = [cells(line) for line in PAGE.read_text().splitlines() if line.startswith("|")]
    for name, figures in rows.items():
        assert [str(name), *figures.values()] in printed


def test_the_trials_are_listed():
    assert table() in PAGE.read_text(), "paste what python -m tests.engine.mutations prints"
