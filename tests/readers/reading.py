"""A log read by a reader's own door, and what its series come to between two moments."""

import itertools
from datetime import UTC

from entro_cli.readers.inputs.log_file import plain_log
from entro_cli.timeseries.observations import Measure, ReadOptions


def read(reader, content, folder, **options):
    path = folder / "a.log"
    path.write_bytes(content)
    with plain_log(str(path)) as log:
        return reader.read(log, ReadOptions(**{"zone": UTC, "zone_given": True, **options}))


def recognised(reader, content, folder):
    path = folder / "a.log"
    path.write_bytes(content)
    with plain_log(str(path)) as log:
        return reader.recognise(log)


def resumed(reader, parts, folder, **options):
    """Yield the reading of each part of a log, begun where the one before it stopped."""
    path, state = folder / "a.log", b""
    for part in parts:
        path.write_bytes(part)
        with plain_log(str(path)) as log:
            reading = reader.resume(log, ReadOptions(**{"zone": UTC, "zone_given": True, **options}), state)
        state = reading.state
        yield reading.observations


def counts(series):
    """Of events: how many there were, by time."""
    assert series.measure is Measure.EVENTS
    return {when: value for when, value in zip(series.times.tolist(), series.values.tolist(), strict=True) if value}


def areas(series, edges):
    """Of spans: the value times the nanoseconds between each edge and the next, exactly."""
    assert series.measure is Measure.SPANS
    spans = list(zip(series.begins.tolist(), series.times.tolist(), series.values.tolist(), strict=True))
    return [
        sum(int(value) * max(0, min(end, high) - max(begin, low)) for begin, end, value in spans)
        for low, high in itertools.pairwise(edges)
    ]
