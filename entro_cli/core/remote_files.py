"""What is at URLs: found, looked at and fetched through fsspec, one plain error for whatever goes wrong on the way."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from entro_cli.core.clock import NS
from entro_cli.core.connections import connection_failure, lost_connections_as_errors, one_line
from entro_cli.core.console import printable
from entro_cli.core.urls import scheme_of, shown_url
from entro_engine import EntroError

TIMEOUT_S = 30.0
"""How long a server may say nothing, s; a fetch as a whole may take as long as it takes."""

_WILDCARD = re.compile(r"[*?[]")
_EXTRAS = {
    **dict.fromkeys(("file", "local", "http", "https"), "remote"),
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
}
_CHANGE_TIMES = ("LastModified", "Last-Modified", "updated", "last_modified", "mtime")
_CONTENT_MARKS = ("ETag", "etag", "Content-MD5", "Digest", *_CHANGE_TIMES)

# What the libraries of the extras raise has no kind in common, and they may not be there to be imported.
_ACCESS_ERRORS = {"NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "DefaultCredentialsError"}
_UNREACHABLE_ERRORS = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ServerTimeoutError",
    "FSTimeoutError",
}


def find(url: str) -> dict[str, bool]:
    """The objects that a URL stands for: itself, those in a folder, or those that a pattern fits.

    Args:
        url: as the user wrote it; a folder ends in a slash, where the server does not tell one by itself.

    Returns:
        By URL, whether the user named it; a folder's objects, which they did not name, may be something else than logs.

    Raises:
        EntroError: when there are none, or the server cannot be asked.
    """
    with opened_url(url) as (files, path):
        if _is_pattern(url):
            return dict.fromkeys(_matches(files, path, url), True)
        if not url.endswith("/") and (is_web(url) or not files.isdir(path)):
            return {url: True}
        inside = [entry["name"] for entry in files.ls(path, detail=True) if entry["type"] == "file"]
        named = sorted(name for name in inside if not _is_hidden(name))
        if not named:
            raise EntroError("the folder has no file in it", where=label(url), expected="logs", remedy="name another")
        return {files.unstrip_protocol(name): False for name in named}


def fetch(url: str, to: Path) -> None:
    """Copy an object into a file, which then is as old as the object, where the server tells that.

    Raises:
        EntroError: when it cannot be fetched.
        OSError: when there is no room for it.
    """
    with opened_url(url) as (files, path):
        files.get_file(path, str(to))
    told = _info(url)
    if changed_s := _changed_s(told):
        os.utime(to, (changed_s, changed_s))


def changed_ns(url: str) -> int:
    """When an object was last changed, nanoseconds since the epoch; 0 where the server does not tell."""
    return round(_changed_s(_info(url)) * NS)


def version(url: str) -> tuple[int, int, int, int] | None:
    """What stays while an object does: no device, its URL, its size, and what the server marks its content with.

    Returns:
        Four numbers in the place of a file's device, inode, size and time of change; None where the server gives no
        mark.
    """
    told = _info(url)
    marks = marks_of(told)
    return (0, _number(shown_url(url)), int(told.get("size") or 0), _number(marks)) if marks else None


def marks_of(told: Mapping[str, Any]) -> str:
    """What a server marks the content of an object with; empty where it does not."""
    return "\n".join(str(told[key]) for key in _CONTENT_MARKS if told.get(key))


def label(url: str) -> str:
    """What a URL is called in messages: safe to show, and without secrets."""
    return printable(shown_url(url))


def is_web(url: str) -> bool:
    """Whether a URL is that of a web server."""
    return scheme_of(url) in {"http", "https"}


def _is_pattern(url: str) -> bool:
    """Whether a URL has wildcards; on the web a `?` is none, and brackets may be around a host."""
    path = urlsplit(url).path if is_web(url) else url
    return _WILDCARD.search(path) is not None


def _is_hidden(name: str) -> bool:
    last = name.rpartition("/")[2]
    return not last or last.startswith((".", "?"))  # a server's list of a folder links to itself, ordered otherwise


def _matches(files: Any, path: str, url: str) -> list[str]:
    found = [name for name in files.glob(path) if not name.endswith("/")]
    if not found:
        above = _WILDCARD.split(path, maxsplit=1)[0].rpartition("/")[0]
        files.ls(f"{above}/")  # fsspec finds nothing, too, where it may not look
        raise EntroError("nothing there fits the pattern", where=label(url), expected="at least one log")
    return sorted(files.unstrip_protocol(name) for name in found)


def _info(url: str) -> Mapping[str, Any]:
    """What the server tells of an object; nothing where it tells nothing: whoever fetches it is told why."""
    with suppress(EntroError), opened_url(url) as (files, path):
        found: Mapping[str, Any] = files.info(path)
        return found
    return {}


def _changed_s(told: Mapping[str, Any]) -> float:
    value = next((told[key] for key in _CHANGE_TIMES if told.get(key)), 0.0)
    if isinstance(value, str):
        value = parsedate_to_datetime(value) if "," in value else datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return float(value)


def _number(text: str) -> int:
    """A text's hash as a number that fits where an inode does."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


@contextmanager
def opened_url(url: str) -> Iterator[tuple[Any, str]]:
    """A URL's file system, and what the object is called there.

    Raises:
        EntroError: whatever goes wrong with it within the context, but for a disk of this machine that is full.
    """
    with lost_connections_as_errors():
        try:
            yield _open(url)
        except EntroError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            raise _failure(error, url) from error


def _open(url: str) -> tuple[Any, str]:
    scheme = scheme_of(url)
    try:
        import fsspec

        files, path = fsspec.url_to_fs(url, **_options(scheme))
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        remedy = f"pip install 'entro-cli[{extra}]'" if extra else one_line(str(error))
        raise EntroError(f"reading {scheme}:// needs what is not installed", where=label(url), remedy=remedy) from error
    except ValueError as error:
        raise EntroError(
            f"nothing reads {printable(scheme)}://",
            where=label(url),
            expected="s3://, gs://, https://, http:// or file://",
        ) from error
    return files, path


def _options(scheme: str) -> dict[str, Any]:
    """What a file system is told beyond fsspec's own configuration, which goes first."""
    import fsspec

    configured = fsspec.config.conf.get(scheme, {})
    if is_web(f"{scheme}://"):
        from aiohttp import ClientTimeout

        patience = ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=TIMEOUT_S)
        return {"client_kwargs": {"timeout": patience, "trust_env": True, **configured.get("client_kwargs", {})}}
    if _EXTRAS.get(scheme) == "s3":
        patient = {"connect_timeout": TIMEOUT_S, "read_timeout": TIMEOUT_S}
        return {"config_kwargs": {**patient, **configured.get("config_kwargs", {})}}
    return {}


def _failure(error: Exception, url: str) -> EntroError:
    """What went wrong at a URL."""
    status = getattr(error, "status", None)
    name = type(error).__name__
    if isinstance(error, FileNotFoundError | NotADirectoryError) or status in {404, 410}:
        found, remedy = "there is no such object", ""
    elif isinstance(error, PermissionError) or status in {401, 403} or name in _ACCESS_ERRORS:
        found, remedy = "no access", "give the credentials in the environment, as the server's own tools take them"
    elif isinstance(error, TimeoutError) or name in _UNREACHABLE_ERRORS:
        found, remedy = "the server cannot be reached, or does not answer", "try again later"
    elif isinstance(error, OSError) and not status:
        cause = getattr(error, "os_error", error)
        found, remedy = f"the server {connection_failure(cause, TIMEOUT_S)}", "try again later"
    else:
        found, remedy = f"cannot be fetched: {one_line(str(error)) or name}", ""
    return EntroError(found, where=label(url), remedy=remedy)
