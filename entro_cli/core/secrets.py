"""Secrets: passwords and addresses that must not be shown."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from entro_cli.core.console import printable
from entro_cli.core.files import open_nonblocking
from entro_engine import EntroError

_MAX_BYTES = 65536
"""Bytes that are read at most, since a path may name any file."""


class Secret(Protocol):
    """Source of a secret. The secret is read when it is needed, and never kept in an object that could be printed."""

    def reveal(self, environ: Mapping[str, str]) -> str:
        """Return the secret itself.

        Args:
            environ: the environment.

        Raises:
            EntroError: if it is missing, empty, or readable by other users.
        """


class SecretVariable(Struct, frozen=True):
    """A secret in an environment variable."""

    variable: str

    def reveal(self, environ: Mapping[str, str]) -> str:
        """Return the value of the variable; see `Secret`."""
        value = environ.get(self.variable, "").strip()
        if not value:
            raise EntroError(
                "is empty" if self.variable in environ else "is not set",
                where=f"environment variable {printable(self.variable)}",
                expected="the secret that the configuration names",
                remedy="cron sets few variables: set it in the crontab, or store the secret in a file",
            )
        return value


class SecretFile(Struct, frozen=True):
    """A secret in a file that only its owner can read."""

    path: Path

    def reveal(self, environ: Mapping[str, str]) -> str:
        """Return the file's only line; see `Secret`."""
        where = printable(str(self.path))
        try:
            data = self._read(where)
            value = data.decode().strip()
        except OSError as error:
            raise EntroError(
                f"cannot be read: {error.strerror or error}", where=where, expected="a file with a secret in it"
            ) from error
        except UnicodeDecodeError:  # drop the cause: its message would show a part of the secret
            raise EntroError("is not text", where=where, expected="a file with a secret in it") from None
        if not value:
            raise EntroError("is empty", where=where, expected="a file with a secret in it")
        return value

    def _read(self, where: str) -> bytes:
        """Read the file, after checking the mode of the open file: its path could be replaced in between."""
        with open(self.path, "rb", opener=open_nonblocking) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise EntroError("is not a regular file", where=where, expected="a file with a secret in it")
            if mode & 0o077:
                raise EntroError(
                    f"holds a secret, but its mode {mode & 0o777:03o} gives other users access",
                    where=where,
                    remedy=f"run: chmod 600 {printable(shlex.quote(str(self.path)))}",
                )
            return file.read(_MAX_BYTES)


class SecretText:
    """A secret in the configuration itself. No print, comparison or JSON document shows it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "SecretText(...)"

    def reveal(self, environ: Mapping[str, str]) -> str:
        """Return the text; see `Secret`."""
        value = self._text.strip()
        if not value:
            raise EntroError("a secret is empty", where="[alerts] in the configuration")
        return value


def secret_of(variable: str | None = None, path: Path | None = None, text: str | None = None) -> Secret | None:
    """Return the secret that a configuration names in one of three ways; None if it names none.

    Args:
        variable: the environment variable that holds it.
        path: the file that holds it.
        text: the secret itself.

    Raises:
        EntroError: if it is named in more than one way.
    """
    sources: list[Secret] = []
    sources += [SecretVariable(variable)] if variable is not None else []
    sources += [SecretFile(path)] if path is not None else []
    sources += [SecretText(text)] if text is not None else []
    if len(sources) > 1:
        raise EntroError("a secret is given in more than one way", where="[alerts] in the configuration")
    return sources[0] if sources else None
