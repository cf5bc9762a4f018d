"""All readers, and the choice of the one that recognises a log."""

from __future__ import annotations

from entro_cli.readers.inputs.log_file import LogFile, NoLogError
from entro_cli.readers.problems import masked
from entro_cli.readers.prometheus.reader import PrometheusReader
from entro_cli.readers.reader import HeaderReader, Reader, ResumableReader
from entro_cli.readers.requests.reader import EventsReader
from entro_cli.readers.scrapy.reader import ScrapyReader
from entro_cli.readers.sglang.reader import SglangReader
from entro_cli.readers.tables.duckdb_table import first_line, head_text
from entro_cli.readers.tables.reader import TableReader
from entro_cli.readers.vllm.reader import VllmReader
from entro_cli.readers.workers.celery import CeleryReader
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError

READERS: tuple[Reader, ...] = (
    TableReader(),
    EventsReader(),
    VllmReader(),
    SglangReader(),
    ScrapyReader(),
    CeleryReader(),
    PrometheusReader(),
)
"""Every reader of ours. CONTRIBUTING.md lists the steps to add one."""

_LEAST_CONFIDENCE = 0.05


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
    reader = reader_named(detect_format(log, options, input_format))
    return reader.read(log, options)


def detect_format(log: LogFile, options: ReadOptions, input_format: str | None = None) -> str:
    """Return the format of a log: the one that the user named, or that of the reader with the highest confidence.

    Raises:
        NoLogError: if no reader recognises it.
        EntroError: if the named format does not exist.
    """
    return (reader_named(input_format) if input_format else _recognise(log, options)).name


def reads_in_parts(input_format: str) -> bool:
    """Return whether lines of a format can be read without the lines before them, given the header."""
    return isinstance(reader_named(input_format), TableReader)


def header_of(log: LogFile, input_format: str) -> bytes:
    """Return the header of a log, which is needed to read a part of it; empty if its format has none.

    Args:
        log: the plain file.
        input_format: the name of its format.
    """
    reader = reader_named(input_format)
    return reader.header_of(log) if isinstance(reader, HeaderReader) else b""


def is_resumable(input_format: str) -> bool:
    """Return whether a log of a format is read on where reading stopped."""
    return isinstance(reader_named(input_format), ResumableReader)


def accepts_header(log: LogFile, input_format: str, header: bytes) -> bool:
    """Return whether a log without a header has rows that fit the header of another log of a format."""
    reader = reader_named(input_format)
    return isinstance(reader, HeaderReader) and reader.accepts_header(log, header)


def reader_named(input_format: str) -> Reader:
    """Return the reader of a format.

    Raises:
        EntroError: if there is none.
    """
    for reader in READERS:
        if input_format == reader.name:
            return reader
    names = ", ".join(reader.name for reader in READERS)
    raise EntroError(f"unknown format {input_format!r}", where="--input-format", expected=f"one of {names}")


def _recognise(log: LogFile, options: ReadOptions) -> Reader:
    best, confidence = READERS[0], 0.0
    for reader in READERS:
        found = reader.recognise(log)
        if found > confidence:
            best, confidence = reader, found
        if confidence == 1:
            break  # no other format can be it, so the recognisers of text logs need not look for their lines
    if confidence >= _LEAST_CONFIDENCE:
        return best
    begins = first_line(head_text(log))
    raise NoLogError(
        f"the format is not known; it begins with: {masked(begins) if options.redact else begins}",
        where=log.label,
        expected="a log that `entro formats` lists, such as CSV, JSON lines or a server's log",
        remedy="name its format with --input-format",
    )
