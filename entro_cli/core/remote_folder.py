"""A folder at a URL, whose files are listed, fetched and stored one by one through fsspec."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct

from entro_cli.core.remote_files import is_web, label, marks_of, opened_url
from entro_engine import EntroError


class RemoteFolder(Struct, frozen=True):
    """A folder at a URL, which need not exist yet.

    Every method raises EntroError if the server cannot be reached or refuses.

    Attributes:
        url: without a slash at its end.
    """

    url: str

    def files(self) -> dict[str, str]:
        """Return the files in the folder and below: the server's content marks by path. Marks may be empty."""
        with opened_url(self.url) as (files, path):
            files.invalidate_cache()  # fsspec caches listings, but another machine may have written since
            found: dict[str, Any] = {}
            with suppress(FileNotFoundError):
                found = files.find(path, detail=True)
            inside = {remote.removeprefix(f"{path}/"): marks_of(info) for remote, info in sorted(found.items())}
            return {self._local(remote): marks for remote, marks in inside.items()}

    def folders(self) -> list[str]:
        """Return the names of the folders in this folder."""
        with opened_url(self.url) as (files, path):
            files.invalidate_cache()
            found: list[dict[str, Any]] = []
            with suppress(FileNotFoundError):
                found = files.ls(path, detail=True)
            paths = (entry["name"].rstrip("/") for entry in found if entry["type"] == "directory")
            return sorted(self._local(remote.rpartition("/")[2]) for remote in paths)

    def folder(self, name: str) -> RemoteFolder:
        """Return a folder in this folder."""
        return RemoteFolder(f"{self.url}/{self._remote(name)}")

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file of the folder into a local file."""
        with opened_url(self.url) as (files, path):
            files.get_file(f"{path}/{self._remote(name)}", str(to))

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is no such file."""
        with opened_url(self.url) as (files, path), suppress(FileNotFoundError):
            content: bytes = files.cat_file(f"{path}/{self._remote(name)}")
            return content
        return None

    def put(self, name: str, file: Path) -> None:
        """Copy a local file into the folder."""
        with opened_url(self.url) as (files, path):
            files.put_file(str(file), _with_parent(files, f"{path}/{self._remote(name)}"))

    def write(self, name: str, content: bytes, only_new: bool = False) -> bool:
        """Write a file at once.

        Args:
            name: name of the file.
            content: the whole content.
            only_new: do not overwrite an existing file.

        Returns:
            True if it was written. If several writers create the same file at once, only one of them gets True.
        """
        with opened_url(self.url) as (files, path), suppress(FileExistsError):
            target = _with_parent(files, f"{path}/{self._remote(name)}")
            # Creation succeeds for one client only: a history at a URL uses it as a lock.
            files.pipe_file(target, content, mode="create" if only_new else "overwrite")
            return True
        return False

    def copy(self, name: str, to: str) -> None:
        """Copy a file over another one on the server."""
        with opened_url(self.url) as (files, path):
            files.cp_file(f"{path}/{self._remote(name)}", _with_parent(files, f"{path}/{self._remote(to)}"))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, ignoring those that do not exist."""
        with opened_url(self.url) as (files, path):
            for name in names:
                with suppress(FileNotFoundError):
                    files.rm_file(f"{path}/{self._remote(name)}")

    def refuse_to_write(self) -> None:
        """Refuse a server that takes no files.

        Raises:
            EntroError: if this is a web server.
        """
        if is_web(self.url):
            raise EntroError(
                "files of a web server are read-only", where=label(self.url), expected="s3://, gs:// or file://"
            )

    def _remote(self, name: str) -> str:
        """Return a file's name on the server. Web servers use percent escapes."""
        return quote(name, safe="/=") if is_web(self.url) else name

    def _local(self, name: str) -> str:
        return unquote(name) if is_web(self.url) else name


def _with_parent(files: Any, path: str) -> str:
    """Return a path on a server, after creating its parent folder. Object stores have no folders."""
    if "file" in files.protocol:
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
    return path
