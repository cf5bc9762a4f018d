"""Steps of events, which are counted, and of spans, which weigh by their time: against exact arithmetic."""

import itertools
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.timeseries.bins import bins_of
from entro_cli.timeseries.join_sources import join_sources
from entro_cli.timeseries.observations import Measure, Series
from entro_engine import Kind

STEP = 10 * 10**9
MOMENTS = st.lists(st.integers(0, 30 * STEP), min_size=1, max_size=30, unique=True).map(sorted)


def events(times, counts, **more):
    values = np.array(counts, dtype=float)
    return Series("r", Kind.RATE, np.array(times, np.int64), values, measure=Measure.EVENTS, **more)


def spans(edges, values, **more):
    edges = np.array(edges, np.int64)
    loads = np.array(values, dtype=float)
    return Series("q", Kind.QUEUE, edges[1:], loads, measure=Measure.SPANS, begins=edges[:-1], **more)


@st.composite
def levels(draw):
    edges = draw(st.lists(st.integers(0, 30 * STEP), min_size=2, max_size=30, unique=True).map(sorted))
    return edges, draw(st.lists(st.integers(0, 50), min_size=len(edges) - 1, max_size=len(edges) - 1))


@given(times=MOMENTS, data=st.data())
def test_events_are_counted_and_none_between_them_is_none(times, data):
    counts = data.draw(st.lists(st.integers(0, 9), min_size=len(times), max_size=len(times)))
    cells = bins_of(events(times, counts), 0, STEP)
    assert cells.starts.tolist() == list(range(times[0] // STEP * STEP, times[-1] + 1, STEP))
    for start, load in zip(cells.starts.tolist(), cells.loads.tolist(), strict=True):
        inside = sum(count for time, count in zip(times, counts, strict=True) if start <= time < start + STEP)
        assert load == inside / 10
    assert cells.loads.tolist() == cells.peaks.tolist() == cells.ends.tolist()
    assert np.all(cells.samples >= 1)


@given(levels(), st.booleans())
def test_spans_weigh_by_their_time(course, adds_up):
    edges, values = course
    cells = bins_of(spans(edges, values, is_additive=adds_up), 0, STEP)
    for index, start in enumerate(cells.starts.tolist()):
        parts = [
            (min(end, start + STEP) - max(begin, start), value)
            for begin, end, value in zip(edges, edges[1:], values, strict=False)
            if begin < start + STEP and end > start
        ]
        time = STEP if adds_up else sum(length for length, _ in parts)
        exact = Fraction(sum(length * value for length, value in parts), time)
        assert abs(cells.loads[index] - exact) <= 1e-12 * max(1, exact)
        assert cells.peaks[index] == max(value for _, value in parts)
        assert cells.ends[index] == parts[-1][1]
        assert cells.samples[index] == len(parts)
    covered = {number for begin, end in itertools.pairwise(edges) for number in (begin // STEP, (end - 1) // STEP)}
    assert covered <= {start // STEP for start in cells.starts.tolist()}


def observed(name, *series):
    from entro_cli.timeseries.observations import Observations

    return Observations(name, "events", tuple(series), 1)


@given(first=levels(), second=levels())
def test_logs_of_requests_add_up_in_any_order(first, second):
    one = observed("a", spans(*first, is_additive=True), events(first[0], [1] * len(first[0]), is_additive=True))
    two = observed("b", spans(*second, is_additive=True), events(second[0], [2] * len(second[0]), is_additive=True))
    (rate, queue), *_ = join_sources([one, two])
    again, *_ = join_sources([two, one])
    assert len(queue.parallel) == len(rate.parallel) == 1
    for stage, other in zip((rate, queue), again, strict=True):
        assert stage.parallel[0].times.tolist() == other.parallel[0].times.tolist()
        assert stage.parallel[0].values.tolist() == other.parallel[0].values.tolist()
    joined = queue.parallel[0]
    area = sum(
        (end - begin) * value for begin, end, value in zip(joined.begins, joined.times, joined.values, strict=True)
    )
    expected = sum(
        (end - begin) * value
        for edges, values in (first, second)
        for begin, end, value in zip(edges, edges[1:], values, strict=False)
    )
    copies = first == second or (rate.parallel[0].values.sum() != len(first[0]) + 2 * len(second[0]))
    assert area == expected or copies


def test_what_stands_in_is_used_only_alone():
    server = observed("server", events([0, STEP], [3, 4], is_fallback=True), spans([0, STEP], [2]))
    spider = observed("spider", events([0, STEP], [5, 6]))
    (rate, _), taken, *_ = join_sources([server, spider])
    assert rate.parallel[0].values.tolist() == [5, 6]
    assert taken["spider"] == "a source"
    (rate, _), *_ = join_sources([server])
    assert rate.parallel[0].values.tolist() == [3, 4]
    gateway = observed("gateway", events([0, STEP], [4, 4], is_fallback=True, is_additive=True))
    (rate, _), taken, *_ = join_sources([server, gateway])  # each request is better than counts
    assert [part.values.tolist() for part in rate.parallel] == [[4, 4]]
    assert taken["server"] == "a source; without r"
