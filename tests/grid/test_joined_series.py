"""A source's series of one stage: taken in piece by piece it is what sets, and counts by the second, say."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.timeseries.joined_series import JoinedSeries, Relation
from entro_cli.timeseries.observations import Measure, Series
from entro_engine import Kind

values = st.sampled_from([0.0, 0.0, 1.0])
samples = st.dictionaries(st.integers(0, 25), values, min_size=1, max_size=8)
spans = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=5)


def series(found, **more):
    times = sorted(found)
    return Series("s", Kind.QUEUE, np.array(times, np.int64), np.array([found[time] for time in times]), **more)


def shown(one):
    return dict(zip(one.times.tolist(), one.values.tolist(), strict=True))


def by_begin(logs):
    return sorted(logs, key=min)


@given(st.lists(samples, min_size=1, max_size=6), st.dictionaries(st.integers(0, 25), values))
def test_samples_are_continued_copied_or_beside(logs, course):
    """Where logs agree with one course, most are copies; where they do not, most are beside."""
    first, *others = by_begin([log | {time: course[time] for time in log.keys() & course.keys()} for log in logs])
    joined, all_of = JoinedSeries([series(first)]), dict(first)
    for log in others:
        low, high = max(min(all_of), min(log)), min(max(all_of), max(log))
        here, there = ({pair for pair in one.items() if low <= pair[0] <= high} for one in (all_of, log))
        expected = Relation.COPY if here and there and (here <= there or there <= here) else Relation.PARALLEL
        expected = Relation.CONTINUED if min(log) > max(all_of) else expected
        assert joined.relation(series(log)) is expected
        if expected is not Relation.PARALLEL:
            joined.join(series(log), adds=False)
            all_of = log | all_of
    assert shown(joined.series) == all_of
    assert list(shown(joined.series)) == sorted(all_of)


@given(st.lists(samples, min_size=2, max_size=6))
def test_events_add_up_but_for_copies(logs):
    first, *others = by_begin(logs)
    more = {"measure": Measure.EVENTS, "is_additive": True}
    joined = JoinedSeries([series(first, **more)])
    count = Counter(first)
    for log in others:
        is_there = log.items() <= count.items()
        assert joined.relation(series(log, **more)) is (Relation.COPY if is_there else Relation.ADDS)
        joined.join(series(log, **more), adds=not is_there)
        if not is_there:
            count = Counter({time: count[time] + log.get(time, 0) for time in {*count, *log}})
    assert shown(joined.series) == dict(count)


@given(st.lists(st.tuples(st.integers(0, 15), spans), min_size=2, max_size=5))
def test_levels_add_up(logs):
    joined, level, last = None, np.zeros(60), 0
    for begin, lengths in sorted(logs):
        ends = np.cumsum([length for length, _ in lengths]) + begin
        begins = np.array([begin, *ends[:-1]])
        log = series(dict(zip(ends.tolist(), (float(height) for _, height in lengths), strict=True)))
        log = Series("s", Kind.QUEUE, log.times, log.values, measure=Measure.SPANS, begins=begins, is_additive=True)
        for one_begin, end, (_, height) in zip(begins, ends, lengths, strict=True):
            level[one_begin:end] += height
        last = max(last, ends[-1])
        if joined is None:
            joined = JoinedSeries([log])
        else:
            joined.join(log, adds=True)
    summed = joined.series
    first = min(begin for begin, _ in logs)
    changes = [first, *(np.flatnonzero(np.diff(level[first:last])) + first + 1).tolist()]
    assert summed.begins.tolist() == changes
    assert summed.times.tolist() == [*changes[1:], last]
    assert summed.values.tolist() == level[changes].tolist()


def test_a_thousand_logs_in_a_row_are_not_copied_a_thousand_times():
    joined = JoinedSeries([series({0: 1.0})])
    for day in range(1, 1000):
        log = series({10 * day: 1.0, 10 * day + 9: 2.0})
        assert joined.relation(log) is Relation.CONTINUED
        joined.join(log, adds=False)
        assert np.shares_memory(joined.pieces[-1].times, log.times)
    assert len(joined.series.times) == 1 + 2 * 999
