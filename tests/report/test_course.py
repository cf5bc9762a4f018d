from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.report.timeline import thin, timeline_of
from entro_engine import Regime, replay
from tests.report.runs import ZONE, busy, calm

PSI = st.lists(st.one_of(st.none(), st.floats(0, 8)), min_size=1, max_size=300).map(
    lambda values: np.array([np.nan if value is None else value for value in values])
)


@given(PSI, st.integers(4, 60))
def test_a_thinned_series_is_bounded_and_keeps_every_extreme_regime_and_gap(psi, most):
    regime = replay(psi)[0].regime

    kept = thin(psi[None], regime, most)

    assert len(kept) <= max(most, 4)
    assert list(kept) == sorted(set(kept.tolist()))
    size = int(np.ceil(len(psi) / max(most // 4, 1))) if len(psi) > most else 1
    for first in range(0, len(psi), size):
        steps = np.arange(first, min(first + size, len(psi)))
        there = np.intersect1d(steps, kept)
        if not np.isnan(psi[steps]).all():
            assert np.nanmin(psi[there]) == np.nanmin(psi[steps])
            assert np.nanmax(psi[there]) == np.nanmax(psi[steps])
            assert regime[there].max() == regime[steps].max()
        assert np.isnan(psi[there]).any() == np.isnan(psi[steps]).any()


def test_a_short_run_is_kept_whole():
    course = timeline_of(calm(1440, "2026-03-02"), ZONE)

    assert len(course.times) == course.steps == 1440
    assert course.times[0].isoformat() == "2026-03-02T00:00:00+01:00"


def test_a_long_run_does_not_grow_and_its_gap_stays_a_gap():
    run = busy(31)

    course = timeline_of(run, ZONE)

    assert len(course.times) <= 2000 < course.steps == 31 * 1440
    assert max(psi for psi in course.psi_total if psi is not None) == np.nanmax(run.psi_total)
    gap = [psi is None for psi in course.psi_total]
    assert any(gap)
    assert [word == Regime.NO_DATA.label for word in course.regime] == gap


def test_incidents_are_whole_and_long_ones_keep_their_extremes():
    run = busy(31)
    short, long = (2 * 1440, 2 * 1440 + 300), (5 * 1440, 25 * 1440)

    course = timeline_of(run, ZONE, [long, short])

    steps = {round((when.timestamp() - course.times[0].timestamp()) / 60) for when in course.times}
    assert set(range(short[0] - 10, short[1] + 10)) <= steps
    within = [step for step in steps if long[0] <= step < long[1]]
    assert 5000 < len(within) < 10_000
    assert run.peaks[1][within].max() == run.peaks[1][slice(*long)].max()
    assert course.whole_incidents == 1
    assert len(course.times) <= 12_002


def test_between_two_points_a_chart_shows_the_most_common_regime():
    run = busy(31)
    course = timeline_of(run, ZONE)

    edges = [round((when.timestamp() - course.times[0].timestamp()) / 60) for when in course.times] + [run.steps]
    assert edges[0] == 0
    for usual, first, after in zip(course.usual_regime, edges, edges[1:], strict=False):
        counts = Counter(Regime(code).label for code in run.trace.regime[first:after].tolist())
        assert counts[usual] == max(counts.values())
