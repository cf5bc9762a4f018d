"""Explanation of how a log is read: the readers that recognise it, and the first samples as they were understood."""

from __future__ import annotations

from msgspec import Struct

from entro_cli.readers.inputs.log_file import LogFile, label_of, of_stream, plain_logs
from entro_cli.readers.problems import masked, printable_row
from entro_cli.readers.reader import ExplainingReader, Reader
from entro_cli.readers.registry import LEAST_CONFIDENCE, reader_named, readers, recognise
from entro_cli.readers.tables.first_lines import head_text, split_lines
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError

_SHOWN_LINES = 3


class Candidate(Struct, frozen=True):
    """A reader that may read a log.

    Attributes:
        format: its name.
        confidence: 0..1.
        reason: the reason in a few words.
    """

    format: str
    confidence: float
    reason: str


class Explanation(Struct, frozen=True):
    """The way in which a log is read.

    Attributes:
        path: the file, safe to show.
        format: the name of its format; empty if it is not known.
        candidates: the readers that recognise it, the surest first.
        observations: what was read; None if it could not be read.
        error: the reason why it could not be read; None if it could.
        lines: the first lines, safe to show.
    """

    path: str
    format: str = ""
    candidates: tuple[Candidate, ...] = ()
    observations: Observations | None = None
    error: EntroError | None = None
    lines: tuple[str, ...] = ()


def explain_log(name: str, options: ReadOptions, input_format: str | None = None) -> list[Explanation]:
    """Return how the logs in a file are read, one for each writer. What keeps a log from being read is part of it.

    Args:
        name: as `find_logs` returns it.
        options: how it is read.
        input_format: the name of the format; None to recognise it.

    Raises:
        EntroError: if the named format does not exist.
    """
    named = reader_named(input_format, options.formats) if input_format else None
    try:
        with plain_logs(name) as logs:
            return [_explained(log, options, named) for log in logs]
    except EntroError as error:  # an empty or binary file
        return [Explanation(label_of(name), error=error)]


def _explained(log: LogFile, options: ReadOptions, named: Reader | None) -> Explanation:
    confidences = [(reader.recognise(log), reader) for reader in readers(options.formats)]
    known = [pair for pair in confidences if pair[0] >= LEAST_CONFIDENCE]
    surest = sorted(known, key=lambda pair: -pair[0])
    candidates = tuple(Candidate(reader.name, found, _reason(reader, log)) for found, reader in surest)
    lines = () if log.is_parquet else _first_lines(log, options.redact)
    reader = named
    try:
        reader = reader or recognise(log, options)
        observations = of_stream(reader.read(log, options), log)
    except EntroError as error:
        return Explanation(log.label, reader.name if reader else "", candidates, None, error, lines)
    return Explanation(log.label, reader.name, candidates, observations, None, lines)


def _reason(reader: Reader, log: LogFile) -> str:
    return reader.reason(log) if isinstance(reader, ExplainingReader) else reader.description


def _first_lines(log: LogFile, redact: bool) -> tuple[str, ...]:
    lines = [printable_row(line) for line in split_lines(head_text(log)) if line.strip()][:_SHOWN_LINES]
    return tuple(map(masked, lines) if redact else lines)
