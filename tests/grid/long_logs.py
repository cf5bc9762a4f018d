"""Logs that are read block by block and whole, for comparison."""

from contextlib import contextmanager
from unittest.mock import patch

from entro_cli.readers.options import LoadOptions
from entro_cli.workflows import load_logs as loading
from entro_cli.workflows.load_logs import load_logs
from entro_engine import EntroError


@contextmanager
def long_from(size, block=3):
    """Logs are long from so many bytes on, and read in blocks of so many rows."""
    with (
        patch("entro_cli.workflows.load_logs.WORTH_BYTES", size),
        patch("entro_cli.readers.tables.relations.table.BLOCK_ROWS", block),
    ):
        yield


def loaded(path, step, tz="UTC"):
    try:
        return load_logs([str(path)], LoadOptions(step=step, tz=tz))
    except EntroError as error:
        return str(error)


def both_ways(path, step=None, tz="UTC"):
    """Load a log block by block and whole; return both, and whether it was taken block by block."""
    taken = []

    def watched(*arguments):
        taken.append(stream_log(*arguments))
        return taken[-1]

    stream_log = loading.stream_log
    with long_from(0), patch.object(loading, "stream_log", watched):
        short = loaded(path, step, tz)
    with long_from(1 << 40):
        return short, loaded(path, step, tz), bool(taken and taken[-1])


def is_same(first, second, but=()):
    if isinstance(first, str) or isinstance(second, str):
        return first == second
    one, two = (found.steps.part(0, found.steps.count) for found in (first, second))
    arrays = [
        {name: array.tobytes() for name, array in part.arrays().items() if name not in but} for part in (one, two)
    ]
    return (
        arrays[0] == arrays[1]
        and ((one.samples > 0) == (two.samples > 0)).all()
        and (one.stages, one.start_ns, one.step_ns) == (two.stages, two.start_ns, two.step_ns)
        and (first.sources, first.notes) == (second.sources, second.notes)
        and list(map(_bits, first.signals)) == list(map(_bits, second.signals))
    )


def _bits(signal):
    return signal.stage, signal.name, signal.starts.tobytes(), signal.values.tobytes()
