"""Objects at URLs, found and fetched through fsspec. Every failure on the way becomes one plain error."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from entro_cli.core.clock import NS
from entro_cli.core.connections import connection_failure, lost_connections_as_errors, one_line
from entro_cli.core.formatting import printable
from entro_cli.core.urls import has_ambiguous_user, scheme_of, shown_url
from entro_engine import EntroError

TIMEOUT_S = 30.0
"""Timeout for a server's next bytes, s."""

WHOLE_TIMEOUT_S = 3600.0
"""Timeout of a fetch, or of another operation, as a whole, s: a server that drips is never silent."""

MAX_BYTES = 1 << 36
"""Size of an object at most: the answer of a broken server may have no end."""

_WILDCARD = re.compile(r"[*?[]")
_EXTRAS = {
    **dict.fromkeys(("file", "local", "http", "https"), "remote"),
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
}
"""The optional extra that each scheme needs."""
_CHANGE_TIMES = ("LastModified", "Last-Modified", "updated", "last_modified", "mtime")
"""Names that servers use for the time of the last change."""
_CONTENT_MARKS = ("ETag", "etag", "Content-MD5", "Digest", *_CHANGE_TIMES)
"""Names of values that change with an object's content, such as its ETag."""

# Class names of exceptions: the libraries have no common base class, and may not be installed to import from.
_ACCESS_ERRORS = {"NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "DefaultCredentialsError"}
_UNREACHABLE_ERRORS = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ServerTimeoutError",
    "FSTimeoutError",
}


def find(url: str) -> dict[str, bool]:
    """Return the objects that a URL names: one object, the objects of a folder, or those that match a pattern.

    Args:
        url: as the user wrote it. The URL of a folder ends in a slash, unless the server itself reports it as a folder.

    Returns:
        For each URL, True if the user named it. The objects of a folder were not named, and may not be logs.

    Raises:
        EntroError: if there are none, or the server cannot be asked.
    """
    with opened_url(url) as (files, path):
        if _is_pattern(url):
            return dict.fromkeys(_matches(files, path, url), True)
        if not url.endswith("/") and (is_web(url) or not files.isdir(path)):
            return {url: True}
        inside = [entry["name"] for entry in files.ls(path, detail=True) if entry["type"] == "file"]
        named = sorted(name for name in inside if not _is_hidden(name))
        if not named:
            raise EntroError("the folder contains no files", where=label(url), expected="logs", remedy="name another")
        return {files.unstrip_protocol(name): False for name in named}


def fetch(url: str, to: Path) -> None:
    """Copy an object into a file, and give the file the object's time of change, if the server reports one.

    Raises:
        EntroError: if it cannot be fetched.
        OSError: if this machine's disk is full.
    """
    with opened_url(url) as (files, path):
        files.get_file(path, str(to), callback=_size_limit(url))
    if changed_s := _changed_s(_info(url)):
        os.utime(to, (changed_s, changed_s))


def _size_limit(url: str) -> Any:
    """Return a callback of fsspec that ends a fetch at a size."""
    from fsspec.callbacks import Callback

    class SizeLimit(Callback):  # type: ignore[misc]  # fsspec has no types
        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            if self.value > MAX_BYTES:
                raise EntroError(f"is larger than {MAX_BYTES >> 30} GiB", where=label(url))

    return SizeLimit()


def changed_ns(url: str) -> int:
    """Return the time of an object's last change, nanoseconds since the epoch; 0 if the server does not report it."""
    return round(_changed_s(_info(url)) * NS)


def version(url: str) -> tuple[int, int, int, int] | None:
    """Return an identity of an object's content: no device, the URL, the size, and the server's marks of the content.

    Returns:
        Four numbers that correspond to device, inode, size and time of change of a file; None if the server gives no
        marks.
    """
    info = _info(url)
    marks = marks_of(info)
    return (0, _number(shown_url(url)), int(info.get("size") or 0), _number(marks)) if marks else None


def marks_of(info: Mapping[str, Any]) -> str:
    """Return the values of a server's reply that change with the content of the object; empty if it has none."""
    return "\n".join(str(info[key]) for key in _CONTENT_MARKS if info.get(key))


def label(url: str) -> str:
    """Return the name of a URL in messages, which is safe to show and has no secrets."""
    return printable(shown_url(url))


def is_web(url: str) -> bool:
    """Return True if a URL is that of a web server."""
    return scheme_of(url) in {"http", "https"}


def _is_pattern(url: str) -> bool:
    """Return True if a URL has wildcards. On the web a `?` begins a query, and brackets may enclose an IPv6 host."""
    path = urlsplit(url).path if is_web(url) else url
    return _WILDCARD.search(path) is not None


def _is_hidden(name: str) -> bool:
    last = name.rpartition("/")[2]
    return not last or last.startswith((".", "?"))  # web servers' folder pages link to other orders (?C=M)


def _matches(files: Any, path: str, url: str) -> list[str]:
    found = [name for name in files.glob(path) if not name.endswith("/")]
    if not found:
        above = _WILDCARD.split(path, maxsplit=1)[0].rpartition("/")[0]
        files.ls(f"{above}/")  # raises if access is denied, for which glob() returns nothing, too
        raise EntroError("no object matches the pattern", where=label(url), expected="at least one log")
    return sorted(files.unstrip_protocol(name) for name in found)


def _info(url: str) -> Mapping[str, Any]:
    """Return the server's metadata of an object; empty on failure, since fetching the object then reports the error."""
    with suppress(EntroError), opened_url(url) as (files, path):
        found: Mapping[str, Any] = files.info(path)
        return found
    return {}


def _changed_s(info: Mapping[str, Any]) -> float:
    value = next((info[key] for key in _CHANGE_TIMES if info.get(key)), 0.0)
    if isinstance(value, str):
        value = parsedate_to_datetime(value) if "," in value else datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value)


def _number(text: str) -> int:
    """Return the hash of a text as a number that fits the 63 bits of an inode."""
    from hashlib import blake2b  # as in json_document

    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1


@contextmanager
def opened_url(url: str) -> Iterator[tuple[Any, str]]:
    """Yield the file system of a URL, and the object's path in it.

    Raises:
        EntroError: for every failure within the context, except that a full disk of this machine raises OSError.
    """
    with lost_connections_as_errors():
        try:
            files, path = _open(url)
            yield _Timed(files), path
        except EntroError:
            raise
        except Exception as error:
            # A full disk is this machine's failure, and the caller knows which folder was full.
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            raise _failure(error, url) from error


class _Timed:
    """A file system whose operations end in bounded time.

    fsspec's own way: the methods that it makes of coroutines take a timeout. The others run on this machine.
    """

    def __init__(self, files: Any) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._files, name)
        is_request = self._files.async_impl and iscoroutinefunction(getattr(self._files, f"_{name}", None))
        return partial(found, timeout=WHOLE_TIMEOUT_S) if is_request else found


def _open(url: str) -> tuple[Any, str]:
    scheme = scheme_of(url)
    if has_ambiguous_user(url):
        raise EntroError(
            "an @ in the URL may belong to a password or to a path",
            where=label(url),
            remedy="write it as %40, and / # ? in a password as %2F %23 %3F",
        )
    try:
        import fsspec

        files, path = fsspec.url_to_fs(url, **_options(scheme))
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        remedy = f"pip install 'entro-cli[{extra}]'" if extra else one_line(str(error))
        raise EntroError(
            f"reading {scheme}:// needs a package that is not installed", where=label(url), remedy=remedy
        ) from error
    except ValueError as error:
        raise EntroError(
            f"the scheme {printable(scheme)}:// is not supported",
            where=label(url),
            expected="s3://, gs://, https://, http:// or file://",
        ) from error
    return files, path


def _options(scheme: str) -> dict[str, Any]:
    """Return the options of a file system, which add timeouts to the user's own configuration of fsspec."""
    import fsspec

    configured = fsspec.config.conf.get(scheme, {})
    # The user's own configuration of fsspec comes last, so it overrides the timeouts.
    if is_web(f"{scheme}://"):
        from aiohttp import ClientTimeout

        from entro_cli.core.web_client import BoundedResponse, redirects_with_tls

        timeout = ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=TIMEOUT_S)
        client = {"timeout": timeout, "trust_env": True, "response_class": BoundedResponse}
        return {
            "client_kwargs": {**client, "trace_configs": [redirects_with_tls()], **configured.get("client_kwargs", {})}
        }
    if _EXTRAS.get(scheme) == "s3":
        timeouts = {"connect_timeout": TIMEOUT_S, "read_timeout": TIMEOUT_S}
        return {"config_kwargs": {**timeouts, **configured.get("config_kwargs", {})}}
    return {}


def _failure(error: Exception, url: str) -> EntroError:
    """Return an error of a server or its library as an EntroError."""
    status = getattr(error, "status", None)
    name = type(error).__name__
    if isinstance(error, FileNotFoundError | NotADirectoryError) or status in {404, 410}:
        found, remedy = "no such object", ""
    elif isinstance(error, PermissionError) or status in {401, 403} or name in _ACCESS_ERRORS:
        found, remedy = "access denied", "set the credentials in the environment, as for the server's own tools"
    elif isinstance(error, TimeoutError) or name in _UNREACHABLE_ERRORS:
        found, remedy = "the server cannot be reached or does not answer", "try again later"
    elif name == "TooManyRedirects":
        found, remedy = "redirects more than ten times", "name where it leads to"
    elif isinstance(error, OSError) and not status:
        cause = getattr(error, "os_error", error)
        found, remedy = f"the server {connection_failure(cause, TIMEOUT_S)}", "try again later"
    else:
        found, remedy = f"cannot be fetched: {one_line(str(error)) or name}", ""
    return EntroError(found, where=label(url), remedy=remedy)
