"""A log that is looked at in parts says what it says when it is looked at whole, wherever it is cut."""

import math
from contextlib import contextmanager
from datetime import UTC
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.analysis import coordination, figures
from entro_cli.analysis.calibration import measure_capacity
from entro_cli.analysis.coordination import CoordinationParameters, coordinate
from entro_cli.analysis.figures import HighestValues, measure
from entro_cli.analysis.replay import replay_from, replay_steps
from entro_cli.core.json_document import as_json, json_parts, to_builtins
from entro_cli.timeseries import steps as steps_module
from entro_cli.timeseries.steps import Steps
from entro_engine import Kind, Stage
from tests import oracle

STAGES = (Stage("scraper", Kind.RATE), Stage("llm", Kind.QUEUE))
NONE, CALM, BUSY, OVER = (math.nan, math.nan), (1.0, 1.0), (1.4, 6.0), (2.0, 30.0)
COURSES = st.lists(
    st.tuples(st.sampled_from([NONE, CALM, BUSY, OVER, OVER]), st.sampled_from([1, 1, 2, 3, 90])),
    min_size=1,
    max_size=25,
).map(lambda parts: [loads for loads, length in parts for _ in range(length)])


def steps_of(loads, step_s):
    """Steps of two stages, no two loads alike, so that a step that is taken twice or not at all is noticed."""
    values = np.array(loads).T + np.linspace(0, 0.5, len(loads))
    own = ~np.isnan(values)
    return Steps(STAGES, 0, step_s * 10**9, values, values, values, own.astype(np.int64), own)


@contextmanager
def cut_into(size):
    """Whatever is looked at in parts, in parts of so many steps."""
    with (
        patch.object(steps_module, "PART_STEPS", size),
        patch.object(figures, "PART_STEPS", size),
        patch.object(coordination, "PART_STEPS", size),
    ):
        yield


def same(found, expected):
    """Whether two documents have the same words and whole numbers, and fractions that differ by rounding alone."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    return found == expected


@given(COURSES, st.integers(1, 50), st.sampled_from([1, 60, 900]), st.data())
@settings(deadline=None)
def test_figures_do_not_depend_on_where_a_run_is_cut(loads, size, step_s, data):
    first = data.draw(st.integers(0, len(loads) - 1))
    run = replay_from(steps_of(loads, step_s), 3.0, first)
    whole = measure(run, first, run.steps, 0.99, UTC)
    with cut_into(size):
        cut = measure(run, first, run.steps, 0.99, UTC)
    assert same(to_builtins(cut), to_builtins(whole))
    assert (
        cut.incidents[:] == tuple(cut.incidents) == tuple(cut.incidents[place] for place in range(len(cut.incidents)))
    )


@given(COURSES, st.integers(1, 50), st.data())
@settings(deadline=None)
def test_a_replay_in_parts_has_the_bits_of_one_at_once(loads, size, data):
    steps = steps_of(loads, 1)
    first = data.draw(st.integers(0, len(loads) - 1))
    whole = replay_from(steps, 3.0, first)
    with cut_into(size):
        parts = list(replay_steps(steps, 3.0, first * 10**9).runs())
    assert [part.start_ns for part in parts if part.start_ns == first * 10**9] == [first * 10**9]
    for name in ("loads", "peaks", "own", "psi", "psi_total"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts], -1), getattr(whole, name))
    for name in oracle.Step._fields:
        found = np.concatenate([getattr(part.trace, name) for part in parts])
        np.testing.assert_array_equal(found, getattr(whole.trace, name))
    assert parts[-1].final == whole.final


@given(COURSES, st.integers(1, 50), st.sampled_from([1, 4, 60]), st.sampled_from([0.0, 5.0]))
@settings(deadline=None)
def test_coordination_does_not_depend_on_where_a_log_is_cut(loads, size, step_s, queue):
    steps, terms = steps_of(loads, step_s), CoordinationParameters(8.0, 3.0)
    whole, capacity = coordinate(steps, terms, queue), measure_capacity(steps, queue)
    with cut_into(size):
        assert same(to_builtins(coordinate(steps, terms, queue)), to_builtins(whole))
        assert same(to_builtins(measure_capacity(steps, queue)), to_builtins(capacity))


@given(
    st.lists(st.one_of(st.floats(0, 1e9), st.sampled_from([0.0, 1.0, 2.0])), min_size=1, max_size=60),
    st.sampled_from([0, 37.5, 50, 95, 99, 100]),
    st.integers(0, 10),
    st.integers(1, 7),
)
def test_a_percentile_of_parts_is_that_of_all_values(values, percent, more, parts):
    highest = HighestValues(len(values) + more, percent)
    for part in np.array_split(np.array(values), parts):
        highest.add(part)
    *pair, place = highest.neighbours()
    assert (highest.count, np.quantile(pair, place)) == (len(values), np.percentile(values, percent))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), VALUES), st.integers(1, 3))
def test_a_document_in_parts_is_the_text_of_one_at_once(document, size):
    with patch("entro_cli.core.json_document._BATCH_ENTRIES", size):
        assert "".join(json_parts(document)) == as_json(document)
