"""Which reader reads a log: the one that is surest of its content."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from entro_cli.readers import celery
from entro_cli.readers.inputs.log_file import LogFile, NoLogError
from entro_cli.readers.problems import masked
from entro_cli.readers.prometheus import reader as prometheus
from entro_cli.readers.requests import reader as events
from entro_cli.readers.scrapy import reader as scrapy
from entro_cli.readers.sglang import reader as sglang
from entro_cli.readers.tables import reader as table
from entro_cli.readers.tables.duckdb_table import first_line, head_text
from entro_cli.readers.vllm import reader as vllm
from entro_cli.timeseries.observations import Observations, ReadOptions
from entro_engine import EntroError

READERS: tuple[ModuleType, ...] = (table, events, vllm, sglang, scrapy, celery, prometheus)
"""Every reader: a module with NAME, DESCRIPTION, GIVES, IN_PARTS, `recognise(log)`, `carry(log)` and
`read(log, options)`; one whose logs have a header has `header_of(log)` and `accepts_header(log, header)`, too."""

_LEAST = 0.05


def read_log(log: LogFile, options: ReadOptions, input_format: str | None = None) -> Observations:
    """The observations in a log.

    Args:
        log: the plain file.
        options: what the user said.
        input_format: the reader's name, when the user named one.

    Raises:
        NoLogError: when no reader knows it.
        EntroError: when the one that does cannot read it.
    """
    reader = _named(detect_format(log, options, input_format))
    observations: Observations = reader.read(log, options)
    return observations


def detect_format(log: LogFile, options: ReadOptions, input_format: str | None = None) -> str:
    """The name of the reader of a log: the one that the user named, or that is surest of its content.

    Raises:
        NoLogError: when no reader knows it.
        EntroError: when there is none of the name given.
    """
    name: str = (_named(input_format) if input_format else _surest(log, options)).NAME
    return name


def reads_in_parts(reader: str) -> bool:
    """Whether lines of a log, with what stands before its rows, can be read without those before them."""
    in_parts: bool = _named(reader).IN_PARTS
    return in_parts


def header_of(log: LogFile, reader: str) -> bytes:
    """What stands before the rows of a log, and is needed to read a part of it.

    Args:
        log: the plain file.
        reader: the name of the reader that reads it.
    """
    module = _named(reader)
    before: bytes = module.header_of(log) if hasattr(module, "header_of") else b""
    return before


def checkpoint(log: LogFile, reader: str) -> bytes:
    """What of a log has to stand before one that goes on where it ends, so that it reads as if both were one file.

    Args:
        log: the plain file.
        reader: the name of the reader that reads it.
    """
    left: bytes = _named(reader).checkpoint(log)
    return left


def accepts_header(log: LogFile, reader: str, header: bytes) -> bool:
    """Whether a log without a header of its own goes on under that of another, which such a reader read."""
    module = _named(reader)
    return hasattr(module, "accepts_header") and bool(module.accepts_header(log, header))


def _named(name: str) -> ModuleType:
    for reader in READERS:
        if name == reader.NAME:
            return reader
    raise EntroError(f"there is no format {name!r}", where="--input-format", expected=_known(READERS))


def _surest(log: LogFile, options: ReadOptions) -> ModuleType:
    sure, reader = max(((reader.recognise(log), reader) for reader in READERS), key=lambda part: part[0])
    if sure >= _LEAST:
        return reader
    begins = first_line(head_text(log))
    raise NoLogError(
        f"the format is not known; it begins with: {masked(begins) if options.redact else begins}",
        where=log.label,
        expected="; ".join(f"{known.NAME} ({known.DESCRIPTION})" for known in READERS),
        remedy="name it with --input-format if it is one of these",
    )


def _known(readers: Sequence[ModuleType]) -> str:
    return "one of " + ", ".join(reader.NAME for reader in readers)
