"""The lines of a log, split by who wrote them, without what a container runtime or a journal put around them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field

from entro_cli.readers.inputs.wrappings import PART, WRAPPINGS, Identity, Unwrapped, with_stamp, wrapping_of
from entro_engine import EntroError

_MOST_STREAMS = 1000
_MOST_BUFFERED_BYTES = 1 << 24


class Stream(Struct):
    """The lines of one writer in a log.

    Attributes:
        identity: who wrote them.
        path: the file with them.
        numbers: of each line, its number in the log, from 1; empty for a log with one stream.
    """

    identity: Identity
    path: Path
    numbers: array[int] = field(default_factory=lambda: array("q"))


def split_streams(source: Path, head: bytes, target: Path, only: Identity | None = None) -> list[Stream]:
    """Write the lines of a log without their wrapping, one file per writer.

    Args:
        source: the plain file.
        head: its first bytes.
        target: the beginning of the names of the files to write.
        only: the only writer whose lines are of interest.

    Returns:
        The streams in the order of their first lines; empty if the lines are not wrapped, and nothing was written.

    Raises:
        EntroError: if there are too many writers.
        OSError: if it cannot be read or written.
    """
    wrapping = wrapping_of(head)
    if not wrapping:
        return []
    streams = _Streams(target)
    with source.open("rb") as file:
        for number, (identity, content) in _lines(file, WRAPPINGS[wrapping]):
            if only is None or identity == only[: len(identity)]:
                streams.add(identity, content, number)
    return [inner for stream in streams.close() for inner in _split_further(stream, len(head), only)]


def _split_further(stream: Stream, head_bytes: int, only: Identity | None) -> list[Stream]:
    """Return a stream, or the streams in it if its lines are wrapped once more, as those of compose in a journal."""
    with stream.path.open("rb") as file:
        head = file.read(head_bytes)
    rest = None if only is None else only[len(stream.identity) :]
    parts = split_streams(stream.path, head, stream.path.with_suffix(stream.path.suffix + ".in"), rest)
    return [
        Stream(stream.identity + part.identity, part.path, array("q", [stream.numbers[at - 1] for at in part.numbers]))
        for part in parts
    ] or ([stream] if only in {None, stream.identity} else [])


class _Streams:
    """Streams that are being written. Their lines are buffered, since there may be more of them than open files."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._streams: dict[Identity, tuple[Stream, list[bytes]]] = {}
        self._buffered = 0

    def add(self, identity: Identity, content: bytes, number: int) -> None:
        """Add a line.

        Raises:
            EntroError: if there are too many streams.
        """
        stream, lines = self._streams.get(identity) or self._begin(identity)
        lines.append(content)
        stream.numbers.append(number)
        if content.endswith(b"\n\n"):  # parts that were joined
            stream.numbers.extend([number] * (content.count(b"\n") - 1))
        self._buffered += len(content)
        if self._buffered > _MOST_BUFFERED_BYTES:
            self._flush()

    def _begin(self, identity: Identity) -> tuple[Stream, list[bytes]]:
        if len(self._streams) >= _MOST_STREAMS:
            raise EntroError(f"more than {_MOST_STREAMS} writers in one log", remedy="split it by pod or service")
        path = self._target.with_name(f"{self._target.name}.{len(self._streams)}")
        self._streams[identity] = Stream(identity, path), []
        return self._streams[identity]

    def _flush(self) -> None:
        for stream, lines in self._streams.values():
            if lines:
                with stream.path.open("ab") as file:
                    file.writelines(lines)
                lines.clear()
        self._buffered = 0

    def close(self) -> list[Stream]:
        """Write what is buffered, and return the streams."""
        self._flush()
        return [stream for stream, _ in self._streams.values()]


def _lines(
    wrapped: Iterator[bytes], unwrap_line: Callable[[bytes], Unwrapped]
) -> Iterator[tuple[int, tuple[Identity, bytes]]]:
    """Yield the number of each line, its writer and the line inside.

    Parts of one line are joined, and as many empty lines follow as were joined to it, so that a log with one writer
    keeps the numbers of its lines.
    """
    open_parts: dict[Identity, tuple[bytes, int]] = {}
    for number, raw in enumerate(wrapped, 1):
        line = raw.rstrip(b"\r\n")
        end = raw[len(line) :]
        unwrapped = unwrap_line(line)
        if unwrapped is None:
            if end:  # an unfinished line may still become a wrapped one
                yield number, ((), raw)
            continue
        stamp, text, identity = unwrapped
        if text.startswith(PART) or (open_parts and identity in open_parts):
            before, empty = open_parts.pop(identity, (b"", 0))
            if text.startswith(PART):
                open_parts[identity] = before + text.removeprefix(PART), empty + 1
                continue
            text, end = before + text, end + b"\n" * empty
        yield number, (identity, (with_stamp(stamp, text) if stamp else text) + end)
    for identity, (text, _) in open_parts.items():
        yield number, (identity, text)
