"""The interface of a reader: a class per format of logs, ours or another package's."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from msgspec import Struct

from entro_cli.readers.inputs.log_file import LogFile
from entro_cli.timeseries.observations import Observations, ReadOptions, Series
from entro_engine import EntroError


@runtime_checkable
class Reader(Protocol):
    """A reader of one format.

    Attributes:
        name: its name on the command line and in documents.
        description: the kind of logs it reads, in a few words.
        gives: the stages it gives, in a few words.
    """

    name: str
    description: str
    gives: str

    def recognise(self, log: LogFile) -> float:
        """Return the confidence that a log is of this format, 0..1, from its content; at 1 no other reader is asked."""
        ...

    def read(self, log: LogFile, options: ReadOptions) -> Observations:
        """Read a log.

        Raises:
            EntroError: if it cannot be read.
        """
        ...


class StaleStateError(EntroError):
    """The lines behind others cannot be read without them: a log must be read again from its beginning."""


class Overlap(Struct, frozen=True):
    """Lines that change what those before them gave.

    Attributes:
        series: what the lines before gave.
        begin: the time from which on these series, and those of the new lines, are whole, nanoseconds since the epoch.
    """

    series: tuple[Series, ...]
    begin: int


class Reading(Struct, frozen=True):
    """The result of reading some lines of a log.

    Attributes:
        observations: of these lines, not of those before them.
        state: the reader's state behind them, encoded by the reader.
        overlap: if these lines change what those before gave, that: the series of the observations are of both then.
    """

    observations: Observations
    state: bytes
    overlap: Overlap | None = None


@runtime_checkable
class ResumableReader(Reader, Protocol):
    """A reader of a format that is written line by line: it reads on where it stopped."""

    def resume(self, log: LogFile, options: ReadOptions, state: bytes) -> Reading:
        """Read the lines that follow others.

        The parts of a log give together what it gives when it is read at once. Lines that give no sample by themselves
        are no error behind others.

        Args:
            log: the lines, a plain log. If its last line has no end, the state does not count. If they are not the
                first ones of their file, its `begin` is not 0.
            options: how they are read.
            state: what the lines before them left, which may be those of another log; empty if there are none.

        Raises:
            EmptyLogError: if a log has no sample so far.
            StaleStateError: if the lines before must be read again.
            EntroError: if the lines cannot be read.
        """
        ...


@runtime_checkable
class ExplainingReader(Reader, Protocol):
    """A reader that can say why it recognises a log."""

    def reason(self, log: LogFile) -> str:
        """Return why it is as sure of a log as it is, in a few words that are safe to show."""
        ...


@runtime_checkable
class HeaderReader(Reader, Protocol):
    """A reader of a format with a header, without which its rows mean nothing."""

    def header_of(self, log: LogFile) -> bytes:
        """Return the header of a log; empty if it has none."""
        ...

    def accepts_header(self, log: LogFile, header: bytes) -> bool:
        """Return whether the rows of a log without a header fit the header of another log."""
        ...
