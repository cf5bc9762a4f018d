"""The configuration file: finding it, reading it, and splitting it into validated values by key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from entro_cli.config.keys import ALIASES, NAMED_TABLES, ConfigKey, KeyPath, child_names, find_key, is_table
from entro_cli.config.trust import FILE_NAME, open_own
from entro_cli.config.validators import KeyPosition
from entro_cli.core.console import printable
from entro_cli.core.files import open_input
from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError

PIPELINES = "pipelines"

_MAX_BYTES = 1 << 20
_MAX_LISTED_KEYS = 8
_PASSWORDS = frozenset({"password", "passwd", "secret", "token"})
_SECRET_KEYS = ("email.password_env", "email.password_file")

_MAX_LINE = 1000
"""Characters of a line that are searched for a key: the patterns below backtrack, and a line may hold a megabyte."""

_NAME = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[\w\-]+)"""
_HEADER = re.compile(r"(\[[^\[].*\])\s*(?:#.*)?")
_ASSIGNED = re.compile(rf"({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")


class TomlFile(Struct, frozen=True):
    """The validated content of a configuration file.

    Attributes:
        path: the file.
        shown: its name in messages.
        shared: the values for every pipeline, by key.
        pipelines: the values of each pipeline the file names, by key, in the order of the file.
    """

    path: Path
    shown: str
    shared: Mapping[KeyPath, Any]
    pipelines: Mapping[str, Mapping[KeyPath, Any]]


def read_file(path: Path, folder: Path, is_named: bool) -> TomlFile:
    """Read a configuration file and validate every value in it.

    Args:
        path: the file.
        folder: the working directory; messages name a file in it without its folder.
        is_named: whether the user named the file. A file that was found is refused if others own or can write it.

    Raises:
        EntroError: when the file cannot be read, is not TOML, or holds an unknown key or an invalid value.
    """
    shown = printable(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
    text = read_text(path, shown, open_input if is_named else open_own)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = printable(str(error)) or "it is nested too deeply"
        raise EntroError(
            f"is not TOML: {reason}", where=shown, expected="lines such as gamma = 0.75 or [stages.llm]"
        ) from error
    pipelines = document.pop(PIPELINES, {})
    reader = _Reader(shown, path.parent, text)
    reader.require_table(pipelines, (PIPELINES,))
    return TomlFile(
        path=path,
        shown=shown,
        shared=dict(reader.values(document, ())),
        pipelines={name: dict(reader.pipeline(name, table)) for name, table in pipelines.items()},
    )


def read_text(path: Path, shown: str, opened: Callable[[Path], IO[bytes]] = open_input) -> str:
    """Return the text of a configuration file.

    Args:
        path: the file.
        shown: its name in messages.
        opened: opens it.

    Raises:
        EntroError: when the file cannot be read, is larger than 1 MiB, or not UTF-8.
    """
    try:
        with opened(path) as file:
            content = file.read(_MAX_BYTES + 1)  # not `stat`: a pipe or a device has no size
    except IsADirectoryError as error:
        raise EntroError("is a folder", where=shown, expected=f"a file such as {FILE_NAME}") from error
    except OSError as error:
        raise EntroError(
            f"cannot be read: {error.strerror or error}", where=shown, expected="a configuration file"
        ) from error
    if len(content) > _MAX_BYTES:
        raise EntroError("is larger than 1 MiB", where=shown, expected="a configuration file")
    try:
        return content.decode("utf-8-sig")  # some editors on Windows begin a file with a byte order mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EntroError("is not UTF-8", where=f"{shown}, line {line}", remedy="store it as UTF-8") from error


class _Reader:
    """Splits the tables of one file into values.

    Args:
        shown: the name of the file in messages.
        folder: its folder, which relative paths start from.
        text: its content, to find the line of a key.
    """

    def __init__(self, shown: str, folder: Path, text: str) -> None:
        self._shown, self._folder, self._text = shown, folder, text

    def pipeline(self, name: str, table: object) -> Iterator[tuple[KeyPath, Any]]:
        """Return the values of a pipeline's table, by key."""
        self._require_name(name, "a pipeline")
        self.require_table(table, (PIPELINES, name))
        return self.values(table, (), (PIPELINES, name))

    def require_table(self, value: object, path: KeyPath) -> None:
        """Raise an error unless a value is a table.

        Raises:
            EntroError: when it is not.
        """
        if not isinstance(value, dict):
            raise EntroError("is not a table", where=self._where(path), expected=f"[{'.'.join(map(printable, path))}]")

    def values(self, table: Any, path: KeyPath, outer: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
        """Yield the values of a table and of the tables in it, by key.

        Args:
            table: a table of the file.
            path: its key in the configuration of a pipeline.
            outer: the tables around that configuration in the file: none, or `pipelines` and a name.

        Raises:
            EntroError: for an unknown key or an invalid value.
        """
        for name, value in table.items():
            inner = (*path, name)
            key = find_key(inner)
            if key is not None:
                yield inner, self._convert(key, value, (*outer, *inner))
            elif is_table(inner):
                if len(path) == 1 and path[0] in NAMED_TABLES:
                    self._require_name(name, NAMED_TABLES[path[0]])
                self.require_table(value, (*outer, *inner))
                yield from self.values(value, inner, outer)
            else:
                raise self._unknown(name, path, outer)

    def _convert(self, key: ConfigKey, value: object, path: KeyPath) -> Any:
        try:
            return key.rule.apply(value, KeyPosition("", self._folder), key.secret)
        except EntroError as error:
            error.where = self._where(path)  # only now: finding the line of every value would take time
            raise

    def _require_name(self, name: str, of: str) -> None:
        if not name.strip() or not name.isprintable():
            raise EntroError(
                f"{name!r} is not a valid name of {of}", where=self._shown, expected="a name of printable characters"
            )

    def _unknown(self, name: str, path: KeyPath, outer: KeyPath) -> EntroError:
        where = self._where((*outer, *path, name))
        if name.lower() in _PASSWORDS and path[:1] in {("alerts",), ("report",)}:
            keys = [known for known in child_names(path) if len(path) > 1 and known.endswith(("_env", "_file"))]
            return EntroError(
                "a secret does not belong in the file",
                where=where,
                remedy=f"name the variable or the file that holds it with {' or '.join(keys or _SECRET_KEYS)}",
            )
        known = (*child_names(path), *(() if path or outer else (PIPELINES,)))
        few = f"the keys here are {', '.join(known)}"
        listed = few if len(known) <= _MAX_LISTED_KEYS else "`entro config --config /dev/null` lists the keys"
        return EntroError("unknown key", where=where, remedy=did_you_mean(name, known, ALIASES) or listed)

    def _where(self, path: KeyPath) -> str:
        """Return the file, the line and the key, for a message."""
        line = _line_of(self._text, path)
        at = f"{self._shown}, line {line}" if line else self._shown
        return f"{at}: {'.'.join(printable(part) for part in path)}"


def _line_of(text: str, path: KeyPath) -> int | None:
    """Return the line on which a key, or the innermost table around it, begins; None if no line looks like one.

    The standard library's TOML parser keeps no line numbers. A line within a multi-line text may be taken for a key,
    which only costs a wrong number in a message.
    """
    table: KeyPath = ()
    best: tuple[int, int] | None = None
    for number, whole in enumerate(text.split("\n"), start=1):
        line = whole[:_MAX_LINE].strip()
        if header := _HEADER.fullmatch(line):
            table = here = _path_of(header[1])
        elif assigned := _ASSIGNED.match(line):
            here = (*table, *_path_of(f"{assigned[1]} = 0"))
        else:
            continue
        if here and path[: len(here)] == here and (best is None or len(here) > best[0]):
            best = len(here), number
    return best[1] if best else None


def _path_of(line: str) -> KeyPath:
    """Return the keys that one line of TOML sets, outermost first; none if the line is not valid alone."""
    try:
        table: Any = tomllib.loads(line)
    except ValueError:
        return ()
    path = []
    while isinstance(table, dict) and table:
        name, table = next(iter(table.items()))
        path.append(name)
    return tuple(path)
