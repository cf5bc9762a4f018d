"""Text logs given to their readers: read, cut in two, and damaged."""

import os
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from entro_cli.readers.inputs.log_file import EmptyLogError, plain_log
from entro_cli.timeseries.observations import Measure, ReadOptions, StageSpec

CHANGED = datetime(2026, 6, 30, 12, tzinfo=UTC)
"""When the logs were last changed, unless a test says otherwise."""


def options(**given):
    return ReadOptions(**{"zone": UTC, **given})


@contextmanager
def log_of(content, changed=CHANGED):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "server.log"
        path.write_bytes(content)
        os.utime(path, (changed.timestamp(),) * 2)
        with plain_log(str(path)) as log:
            yield log


def observed(reader, content, changed=CHANGED, **given):
    with log_of(content, changed) as log:
        return reader.read(log, options(**given))


def state_behind(reader, content, changed=CHANGED, **given):
    """The reader's state behind some lines; empty if they say nothing."""
    with log_of(content, changed) as log, suppress(EmptyLogError):
        return reader.resume(log, options(**given), b"").state
    return b""


def quantity(observations, name):
    return next((part for part in observations.series if part.column == name), None)


def named(*names):
    """Options that make stages of quantities, whatever they are without."""
    return tuple(StageSpec(name, name) for name in names)


def entries(observations):
    """All samples as a set: of spans when they begin and end, of all the time and the value."""
    return {
        (part.column, *entry)
        for part in observations.series
        for entry in zip(
            part.times.tolist(),
            part.values.tolist(),
            [0] * len(part.times) if part.begins is None else part.begins.tolist(),
            strict=True,
        )
        if part.measure is not Measure.EVENTS or entry[1]
    }


def check_cut(reader, content, places, *names, changed=CHANGED, **given):
    """A log cut anywhere, once or more often, gives part by part what it gives whole; so do the numbers of its rows."""
    edges = sorted({max(place, 1) for place in places if place < len(content)})
    read = options(stages=named(*names), **given)
    found, state, unfinished, rows = set(), b"", b"", 0
    for begin, end in pairwise([0, *edges, len(content)]):
        part = unfinished + content[begin:end]
        whole = part.rfind(b"\n") + 1
        unfinished = part  # until there is a sample
        with suppress(EmptyLogError), log_of(part, changed) as log:
            found |= entries(reader.resume(log, read, state).observations)
        with suppress(EmptyLogError), log_of(part[:whole], changed) as log:
            reading = reader.resume(log, read, state)
            state, rows, unfinished = reading.state, rows + reading.observations.rows_read, part[whole:]
    expected = observed(reader, content, changed, stages=named(*names), **given)
    assert (found - entries(expected), entries(expected) - found) == (set(), set())
    assert unfinished or rows == expected.rows_read


def real_log(name):
    """A real log made by others; the test is skipped where it is not there."""
    path = Path(__file__).parents[3] / "shared" / "data" / name
    return path if path.is_file() else pytest.skip(f"needs the real log {name}, which is not part of the project")
