"""All readers, and the choice of the one that recognises a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, cast

from entro_cli.core.console import printable
from entro_cli.readers.declared.reader import AccessLogReader, DeclaredReader, shipped_readers
from entro_cli.readers.inputs.log_file import LogFile, NoLogError
from entro_cli.readers.problems import masked
from entro_cli.readers.reader import HeaderReader, Reader, ResumableReader
from entro_cli.readers.requests.benchmarks import BenchmarkReader
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.requests.unreadable import unreadable_request_log
from entro_cli.readers.tables.first_lines import first_line, head_text
from entro_cli.readers.tables.reader import TableReader
from entro_cli.timeseries.observations import Declaration, Observations, ReadOptions
from entro_engine import EntroError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

LEAST_CONFIDENCE = 0.05
"""Below this, a reader does not know a log."""

ENTRY_POINTS = "entro.readers"
"""Group of entry points with which other packages add readers."""


def read_log(log: LogFile, options: ReadOptions, input_format: str | None = None) -> Observations:
    """Read a log.

    Args:
        log: the plain file.
        options: how it is read.
        input_format: the name of the format; None to recognise it.

    Raises:
        NoLogError: if no reader recognises it.
        EntroError: if the reader cannot read it.
    """
    reader = reader_named(input_format, options.formats) if input_format else recognise(log, options)
    return reader.read(log, options.for_log(log.label))


def detect_format(log: LogFile, options: ReadOptions, input_format: str | None = None) -> str:
    """Return the format of a log: the one that the user named, or that of the reader with the highest confidence.

    Raises:
        NoLogError: if no reader recognises it.
        EntroError: if the named format does not exist.
    """
    return (reader_named(input_format, options.formats) if input_format else recognise(log, options)).name


def reads_in_parts(input_format: str, formats: Iterable[Declaration] = ()) -> bool:
    """Return whether lines of a format, which may be a declared one, can be read without the lines before them."""
    reader = _reader_of(input_format, formats)
    return isinstance(reader, TableReader) or (isinstance(reader, DeclaredReader) and reader.reads_in_parts)


def is_resumable(input_format: str, formats: Iterable[Declaration] = ()) -> bool:
    """Return whether a log of a format, which may be a declared one, is read on where reading stopped."""
    return isinstance(_reader_of(input_format, formats), ResumableReader)


def header_of(log: LogFile, input_format: str) -> bytes:
    """Return the header of a log, which is needed to read a part of it; empty if its format has none.

    Args:
        log: the plain file.
        input_format: the name of its format.
    """
    reader = _reader_of(input_format)
    return reader.header_of(log) if isinstance(reader, HeaderReader) else b""


def accepts_header(log: LogFile, input_format: str, header: bytes) -> bool:
    """Return whether a log without a header has rows that fit the header of another log of a format."""
    reader = _reader_of(input_format)
    return isinstance(reader, HeaderReader) and reader.accepts_header(log, header)


def readers(formats: Iterable[Declaration] = ()) -> Iterator[Reader]:
    """Yield every reader, in the order in which they look at a log: of declared formats, ours, of other packages.

    Args:
        formats: the declared formats.

    Raises:
        EntroError: if a reader of another package cannot be used; only when it is reached.
    """
    for declaration in formats:
        yield DeclaredReader(declaration)
    yield from our_readers()
    yield from shipped_readers()
    yield from _installed()


def our_readers() -> Iterator[Reader]:
    """Yield every reader of ours, loaded when it is reached. CONTRIBUTING.md lists the steps to add one."""
    yield from (TableReader(), EventsReader(), AccessLogReader(), BenchmarkReader())
    from entro_cli.readers.vllm.reader import VllmReader

    yield VllmReader()
    from entro_cli.readers.sglang.reader import SglangReader

    yield SglangReader()
    from entro_cli.readers.scrapy.reader import ScrapyReader

    yield ScrapyReader()
    from entro_cli.readers.workers.celery import CeleryReader

    yield CeleryReader()
    from entro_cli.readers.workers.jobs import WorkerReader

    yield WorkerReader()
    from entro_cli.readers.prometheus.reader import MetricsReader, PrometheusReader

    yield from (PrometheusReader(), MetricsReader())


def reader_named(input_format: str, formats: Iterable[Declaration] = ()) -> Reader:
    """Return the reader of a format.

    Args:
        input_format: its name.
        formats: the declared formats.

    Raises:
        EntroError: if there is none.
    """
    names = []
    for reader in readers(formats):
        if input_format == reader.name:
            return reader
        names.append(reader.name)
    raise EntroError(
        f"unknown format {printable(input_format)!r}", where="--input-format", expected=f"one of {', '.join(names)}"
    )


def _reader_of(input_format: str, formats: Iterable[Declaration] = ()) -> Reader | None:
    """Return the reader of a format; None if it is a declared one that is not among these."""
    return next((reader for reader in readers(formats) if input_format == reader.name), None)


@cache  # looking for packages takes some milliseconds
def _installed() -> tuple[Reader, ...]:
    from importlib.metadata import entry_points

    return tuple(map(_loaded, entry_points(group=ENTRY_POINTS)))


def _loaded(entry: EntryPoint) -> Reader:
    """Return the reader of another package.

    Raises:
        EntroError: if it cannot be loaded, or lacks a part of a reader.
    """
    package = printable(entry.dist.name if entry.dist else entry.value)
    where = f"package {package}, entry point {printable(entry.name)}"
    remedy = f"update the package, or remove it: pip uninstall {package}"
    try:
        found = entry.load()
        reader = found() if isinstance(found, type) else found
    except Exception as error:  # whatever a package raises: the message must name the package
        reason = f"{type(error).__name__}: {printable(str(error))}"
        raise EntroError(f"the reader cannot be loaded: {reason}", where=where, remedy=remedy) from error
    missing = [part for part in ("name", "description", "gives", "recognise", "read") if not hasattr(reader, part)]
    if missing:
        raise EntroError(f"the reader has no {' and no '.join(missing)}", where=where, remedy=remedy)
    return cast("Reader", reader)


def recognise(log: LogFile, options: ReadOptions) -> Reader:
    """Return the reader with the highest confidence for a log.

    Raises:
        NoLogError: if no reader recognises it.
    """
    best: Reader | None = None
    confidence = LEAST_CONFIDENCE
    for reader in readers(options.formats):
        found = reader.recognise(log)
        if found > confidence or (best is None and found == confidence):
            best, confidence = reader, found
        if confidence == 1:
            break  # no other format can be it, so the recognisers of text logs need not look for their lines
    if best is not None:
        return best
    begins = first_line(head_text(log))
    lacking = unreadable_request_log(head_text(log))
    if lacking is not None:
        raise NoLogError(f"this looks like {lacking[0]}", where=log.label, remedy=lacking[1])
    raise NoLogError(
        f"the format is not known; it begins with: {masked(begins) if options.redact else begins}",
        where=log.label,
        expected="a log that `entro formats` lists, such as CSV, JSON lines or a server's log",
        remedy="name its format with --input-format",
    )
