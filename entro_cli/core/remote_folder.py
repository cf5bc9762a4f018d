"""A folder at a URL: its files are listed, fetched and put one by one, through fsspec."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from entro_cli.core.remote_files import is_web, label, marks_of, opened_url
from entro_engine import EntroError


@dataclass(frozen=True)
class RemoteFolder:
    """A folder at a URL, which need not be there yet.

    Every method raises EntroError when the server cannot be asked, or says no.

    Attributes:
        url: without a slash at its end.
    """

    url: str

    def files(self) -> dict[str, str]:
        """The files in it and below: by their paths in it, what marks their content; empty where nothing does."""
        with opened_url(self.url) as (files, path):
            files.invalidate_cache()
            found: dict[str, Any] = {}
            with suppress(FileNotFoundError):
                found = files.find(path, detail=True)
            inside = {called.removeprefix(f"{path}/"): marks_of(told) for called, told in sorted(found.items())}
            return {self._name(called): marks for called, marks in inside.items()}

    def folders(self) -> list[str]:
        """The names of the folders in it."""
        with opened_url(self.url) as (files, path):
            files.invalidate_cache()
            found: list[dict[str, Any]] = []
            with suppress(FileNotFoundError):
                found = files.ls(path, detail=True)
            called = (entry["name"].rstrip("/") for entry in found if entry["type"] == "directory")
            return sorted(self._name(each.rpartition("/")[2]) for each in called)

    def folder(self, name: str) -> RemoteFolder:
        """A folder in it."""
        return RemoteFolder(f"{self.url}/{self._called(name)}")

    def fetch(self, name: str, to: Path) -> None:
        """Copy one of its files into a file."""
        with opened_url(self.url) as (files, path):
            files.get_file(f"{path}/{self._called(name)}", str(to))

    def read(self, name: str) -> bytes | None:
        """What is in one of its files; None where there is no such file."""
        with opened_url(self.url) as (files, path), suppress(FileNotFoundError):
            content: bytes = files.cat_file(f"{path}/{self._called(name)}")
            return content
        return None

    def put(self, name: str, file: Path) -> None:
        """Copy a file into it."""
        with opened_url(self.url) as (files, path):
            files.put_file(str(file), _with_a_folder(files, f"{path}/{self._called(name)}"))

    def write(self, name: str, content: bytes, only_new: bool = False) -> bool:
        """Write one of its files at once.

        Args:
            name: of the file.
            content: what will be in it.
            only_new: leave a file of that name alone.

        Returns:
            Whether it was written: of several who write a new one at once, one does.
        """
        with opened_url(self.url) as (files, path), suppress(FileExistsError):
            target = _with_a_folder(files, f"{path}/{self._called(name)}")
            files.pipe_file(target, content, mode="create" if only_new else "overwrite")
            return True
        return False

    def copy(self, name: str, to: str) -> None:
        """Copy one of its files over another one of them, on the server."""
        with opened_url(self.url) as (files, path):
            files.cp_file(f"{path}/{self._called(name)}", _with_a_folder(files, f"{path}/{self._called(to)}"))

    def remove(self, names: Iterable[str]) -> None:
        """Take away some of its files, those that are there."""
        with opened_url(self.url) as (files, path):
            for name in names:
                with suppress(FileNotFoundError):
                    files.rm_file(f"{path}/{self._called(name)}")

    def refuse_to_write(self) -> None:
        """Refuse a server that takes no files.

        Raises:
            EntroError: when it is one.
        """
        if is_web(self.url):
            raise EntroError(
                "a web server's files can only be read", where=label(self.url), expected="s3://, gs:// or file://"
            )

    def _called(self, name: str) -> str:
        """What one of its files is called there: web servers take and give names with escapes."""
        return quote(name, safe="/=") if is_web(self.url) else name

    def _name(self, called: str) -> str:
        return unquote(called) if is_web(self.url) else called


def _with_a_folder(files: Any, path: str) -> str:
    """A path on a server, in a folder that is there; object stores have none."""
    if "file" in files.protocol:
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
    return path
