"""The file: found, read, and taken apart into values by the place they stand at."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entro_cli.config.keys import ConfigKey, KeyPath, child_names, find_key, is_table
from entro_cli.config.validators import KeyPosition
from entro_cli.core.console import printable
from entro_cli.core.suggestions import did_you_mean
from entro_engine import EntroError

FILE_NAME = "entro.toml"
PIPELINES = "pipelines"

_MOST_BYTES = 1 << 20
_FEW = 8
_PASSWORDS = frozenset({"password", "passwd", "secret", "token"})
_WAYS = ("email.password_env", "email.password_file")
_LONGEST_LINE = 1000
_NAME = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[\w\-]+)"""
_HEADER = re.compile(r"(\[[^\[].*\])\s*(?:#.*)?")
_ASSIGNED = re.compile(rf"({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")


@dataclass(frozen=True)
class TomlFile:
    """A configuration file.

    Attributes:
        path: where it is.
        shown: what it is called in messages.
        shared: its values for every pipeline, by place.
        pipelines: those of the pipelines it names, in its order, by place.
    """

    path: Path
    shown: str
    shared: Mapping[KeyPath, Any]
    pipelines: Mapping[str, Mapping[KeyPath, Any]]


def find_file(named: Path | None, variable: str, folder: Path) -> Path | None:
    """The file to read: what --config names, else ENTRO_CONFIG, else entro.toml in a folder or the nearest above it.

    Args:
        named: what --config names.
        variable: the content of ENTRO_CONFIG.
        folder: where to look.
    """
    if named is not None or variable:
        return folder / (named or variable)
    here = folder.absolute()
    found = (above / FILE_NAME for above in (here, *here.parents))
    return next((file for file in found if os.path.isfile(file)), None)  # noqa: PTH113 - false where it may not look


def read_file(path: Path, folder: Path) -> TomlFile:
    """A configuration file, every value in it held to its rule.

    Args:
        path: the file.
        folder: the working directory; a file in it is called by its name alone.

    Raises:
        EntroError: when it cannot be read, is no TOML, or holds an unknown key or a value that cannot be.
    """
    shown = printable(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
    text = _text(path, shown)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = printable(str(error)) or "it is nested too deeply"
        raise EntroError(
            f"is not TOML: {reason}", where=shown, remedy="docs/configuration.md shows an example"
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


def _text(path: Path, shown: str) -> str:
    """The text of a file.

    Raises:
        EntroError: when it cannot be read, is too large for a configuration, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except IsADirectoryError as error:
        raise EntroError("is a folder", where=shown, expected=f"a file such as {FILE_NAME}") from error
    except OSError as error:
        raise EntroError(
            f"cannot be read: {error.strerror or error}", where=shown, expected="a configuration file"
        ) from error
    if len(content) > _MOST_BYTES:
        raise EntroError("is larger than 1 MiB", where=shown, expected="a configuration file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EntroError("is not UTF-8", where=f"{shown}, line {line}", remedy="store it as UTF-8") from error


class _Reader:
    """Takes the tables of one file apart.

    Args:
        shown: the file, for messages.
        folder: the one it is in.
        text: what is in it, to find lines again.
    """

    def __init__(self, shown: str, folder: Path, text: str) -> None:
        self._shown, self._folder, self._text = shown, folder, text

    def pipeline(self, name: str, table: object) -> Iterator[tuple[KeyPath, Any]]:
        """The values of a pipeline's table, by the place inside it."""
        self._require_name(name, "a pipeline")
        self.require_table(table, (PIPELINES, name))
        return self.values(table, (), (PIPELINES, name))

    def require_table(self, value: object, place: KeyPath) -> None:
        """Refuse what is no table.

        Raises:
            EntroError: when it is not.
        """
        if not isinstance(value, dict):
            raise EntroError("is no table", where=self._where(place), expected=f"[{'.'.join(map(printable, place))}]")

    def values(self, table: Any, path: KeyPath, outer: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
        """The values of a table and of those in it, by their place.

        Args:
            table: from the file.
            path: its place in the configuration of a pipeline.
            outer: where that stands in the file.

        Raises:
            EntroError: for an unknown key, and for a value that cannot be.
        """
        for name, value in table.items():
            inner = (*path, name)
            key = find_key(inner)
            if key is not None:
                yield inner, self._made(key, value, (*outer, *inner))
            elif is_table(inner):
                if path == ("stages",):
                    self._require_name(name, "a stage")
                self.require_table(value, (*outer, *inner))
                yield from self.values(value, inner, outer)
            else:
                raise self._unknown(name, path, outer)

    def _made(self, key: ConfigKey, value: object, place: KeyPath) -> Any:
        try:
            return key.rule.apply(value, KeyPosition("", self._folder), key.secret)
        except EntroError as error:
            error.where = self._where(place)  # not before: looking for the line of every value takes time
            raise

    def _require_name(self, name: str, of: str) -> None:
        if not name.strip() or not name.isprintable():
            raise EntroError(
                f"{name!r} is no name of {of}", where=self._shown, expected="a name of printable characters"
            )

    def _unknown(self, name: str, path: KeyPath, outer: KeyPath) -> EntroError:
        where = self._where((*outer, *path, name))
        if name.lower() in _PASSWORDS and path[:1] == ("alerts",):
            ways = [known for known in child_names(path) if known.endswith(("_env", "_file"))]
            return EntroError(
                "a secret does not belong into the file",
                where=where,
                remedy=f"name the variable or the file that holds it, with {' or '.join(ways or _WAYS)}",
            )
        known = (*child_names(path), *(() if path or outer else (PIPELINES,)))
        few = f"the keys here are {', '.join(known)}"
        listed = few if len(known) <= _FEW else "docs/configuration.md lists the keys"
        return EntroError("there is no such key", where=where, remedy=did_you_mean(name, known) or listed)

    def _where(self, place: KeyPath) -> str:
        """The file, the line where it is found again, and the key."""
        line = _line_of(self._text, place)
        at = f"{self._shown}, line {line}" if line else self._shown
        return f"{at}: {'.'.join(printable(part) for part in place)}"


def _line_of(text: str, place: KeyPath) -> int | None:
    """The line on which a key, or the table nearest around it, begins; None where it is not plain to see."""
    table: KeyPath = ()
    best: tuple[int, int] | None = None
    for number, whole in enumerate(text.split("\n"), start=1):
        line = whole[:_LONGEST_LINE].strip()
        if header := _HEADER.fullmatch(line):
            table = here = _path_of(header[1])
        elif assigned := _ASSIGNED.match(line):
            here = (*table, *_path_of(f"{assigned[1]} = 0"))
        else:
            continue
        if here and place[: len(here)] == here and (best is None or len(here) > best[0]):
            best = len(here), number
    return best[1] if best else None


def _path_of(line: str) -> KeyPath:
    """The keys of one line of TOML, from the outside in; none where it is no line of its own."""
    try:
        table: Any = tomllib.loads(line)
    except ValueError:
        return ()
    path = []
    while isinstance(table, dict) and table:
        name, table = next(iter(table.items()))
        path.append(name)
    return tuple(path)
