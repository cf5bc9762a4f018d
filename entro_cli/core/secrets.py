"""Secret: a password or an address that nobody but its owner should read."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from entro_cli.core.console import printable
from entro_engine import EntroError

_LONGEST = 65536


class Secret(Protocol):
    """Where a secret is kept. It is read when it is needed, and never held in what can be printed."""

    def reveal(self, environ: Mapping[str, str]) -> str:
        """The secret itself.

        Args:
            environ: the environment.

        Raises:
            EntroError: when it is not there, is empty, or lies open.
        """


@dataclass(frozen=True)
class SecretVariable:
    """A secret in an environment variable."""

    variable: str

    def reveal(self, environ: Mapping[str, str]) -> str:
        """What the variable holds; see `Secret`."""
        value = environ.get(self.variable, "").strip()
        if not value:
            raise EntroError(
                "is empty" if self.variable in environ else "is not set",
                where=f"environment variable {printable(self.variable)}",
                expected="the secret that the configuration says is there",
                remedy="cron starts with few variables: set it in the crontab, or keep the secret in a file",
            )
        return value


@dataclass(frozen=True)
class SecretFile:
    """A secret in a file that its owner alone can read."""

    path: Path

    def reveal(self, environ: Mapping[str, str]) -> str:
        """The file's one line; see `Secret`."""
        where = printable(str(self.path))
        try:
            data = self._read(where)
            value = data.decode().strip()
        except OSError as error:
            raise EntroError(
                f"cannot be read: {error.strerror or error}", where=where, expected="a file with a secret in it"
            ) from error
        except UnicodeDecodeError:  # its text would show some of the secret
            raise EntroError("is no text", where=where, expected="a file with a secret in it") from None
        if not value:
            raise EntroError("is empty", where=where, expected="a file with a secret in it")
        return value

    def _read(self, where: str) -> bytes:
        """The file's content, of the very file whose mode was looked at."""
        with open(self.path, "rb", opener=_without_waiting) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise EntroError("is no file", where=where, expected="a file with a secret in it")
            if mode & 0o077:
                raise EntroError(
                    f"holds a secret, and its mode {mode & 0o777:03o} lets others at it",
                    where=where,
                    remedy=f"run: chmod 600 {printable(shlex.quote(str(self.path)))}",
                )
            return file.read(_LONGEST)


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


class SecretText:
    """A secret that stands in the configuration itself: shown by no print, no comparison and no JSON document."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "SecretText(...)"

    def reveal(self, environ: Mapping[str, str]) -> str:
        """The text; see `Secret`."""
        value = self._text.strip()
        if not value:
            raise EntroError("a secret is empty", where="the configuration's [alerts]")
        return value


def secret_of(variable: str | None = None, path: Path | None = None, text: str | None = None) -> Secret | None:
    """The secret a configuration names in one of three ways; None where it names none.

    Args:
        variable: the environment variable that holds it.
        path: the file that holds it.
        text: the secret itself.

    Raises:
        EntroError: when it is named in more than one way.
    """
    ways: list[Secret] = []
    ways += [SecretVariable(variable)] if variable is not None else []
    ways += [SecretFile(path)] if path is not None else []
    ways += [SecretText(text)] if text is not None else []
    if len(ways) > 1:
        raise EntroError("one secret is given in more than one way", where="the configuration's [alerts]")
    return ways[0] if ways else None
