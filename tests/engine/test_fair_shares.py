"""Weighted max-min shares, against their definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_engine.fair_shares import max_min_shares

PARTIES = st.lists(st.tuples(st.floats(0, 1e6), st.floats(1e-3, 1e3)), min_size=1, max_size=30)


@given(PARTIES, st.floats(0, 1e6))
def test_nobody_gets_more_than_is_wanted_and_nothing_wanted_is_left(parties, total):
    wants, weights = zip(*parties, strict=True)
    shares = max_min_shares(wants, weights, total)
    assert all(0 <= share <= want for share, want in zip(shares, wants, strict=True))
    assert sum(shares) == pytest.approx(min(total, sum(wants)), rel=1e-9, abs=1e-9)


@given(PARTIES, st.floats(0, 1e6))
def test_whoever_gets_less_than_is_wanted_has_the_highest_level(parties, total):
    wants, weights = zip(*parties, strict=True)
    shares = max_min_shares(wants, weights, total)
    levels = [share / weight for share, weight in zip(shares, weights, strict=True)]
    short = [level for level, share, want in zip(levels, shares, wants, strict=True) if share < want * (1 - 1e-9)]
    assert all(level == pytest.approx(max(levels), rel=1e-6) for level in short)


def test_the_shares_of_three_scrapers_of_one_server():
    assert max_min_shares([0.3, 0.6, 2.0], [1, 1, 1], 1.2) == pytest.approx([0.3, 0.45, 0.45])
    assert max_min_shares([0.3, 0.6, 2.0], [1, 3, 1], 1.2) == pytest.approx([0.3, 0.6, 0.3])
    assert max_min_shares([], [], 1.2) == []
