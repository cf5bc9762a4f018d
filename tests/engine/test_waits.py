"""Waits in the order of arrival, against a count of single requests."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_engine.waits import fifo_waits

PARTS = 200  # pieces that a request is cut into
COUNTS = st.lists(st.integers(0, 4), min_size=1, max_size=30)


@given(COUNTS, COUNTS, st.integers(0, 5), st.sampled_from([0.5, 1.0]))
def test_they_are_those_of_small_pieces(arrived, possible, initial, step_s):
    """Each piece of a request comes and leaves at its own moment within a step."""
    steps = len(arrived)
    queue, served = float(initial), []
    for step in range(steps):
        done = min(queue + arrived[step], possible[step % len(possible)])
        queue, _ = queue + arrived[step] - done, served.append(done)

    came = [0.0] * (initial * PARTS) + moments(arrived)
    gone = moments(served)
    waits = [max(left - moment, 0.0) * step_s for moment, left in zip(came, gone, strict=False)]
    until_the_end = [(steps - moment) * step_s for moment in came[len(gone) :]]
    found = next(fifo_waits(np.array(arrived, float)[:, None], np.array(served)[:, None], initial, step_s))
    assert found.amounts.sum() == pytest.approx(len(came) / PARTS)
    assert found.served_within(math.inf) == pytest.approx(sum(served))
    if not came:
        assert math.isnan(found.percentile(0.95))
        return
    mean = (found.amounts * found.waits_s).sum() / found.amounts.sum()
    assert mean == pytest.approx(np.mean(waits + until_the_end), abs=0.02)
    assert found.percentile(1.0) == pytest.approx(max(waits + until_the_end), abs=step_s)
    # A group has the wait of its middle, which is at most half a step off for any of it.
    least, most = (sum(wait <= limit * step_s for wait in waits) / PARTS for limit in (1.5, 3.0))
    assert least - 1e-9 <= found.served_within(2.25 * step_s) <= most + 1e-9


def moments(counts):
    """The moment in steps of each piece, spread evenly over its step."""
    pieces = [(step, round(count * PARTS)) for step, count in enumerate(counts)]
    return [step + (piece + 0.5) / number for step, number in pieces for piece in range(number)]


def test_a_stall_makes_those_before_it_wait():
    """Ten steps of one request each; the server stops in steps 4 and 5 and then serves two per step."""
    arrived = np.ones((10, 1))
    served = np.array([1, 1, 1, 1, 0, 0, 2, 2, 1, 1.0])[:, None]
    waits = next(fifo_waits(arrived, served, 0.0, 1.0))
    assert waits.percentile(0.4) == 0.0
    assert waits.percentile(1.0) == pytest.approx(1.75)
    assert waits.served_within(0.0) == pytest.approx(6.0)
