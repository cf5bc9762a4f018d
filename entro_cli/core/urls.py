"""URLs as names of logs: how to recognise one, and which parts may be shown and stored."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_AFTER_SCHEME = re.compile(r"(?<=://)[^\s\"<>]+")
_HOST_AND_PORT = re.compile(r"[^:@]*|(?:[^:@]*\.[^:@]*|localhost|\[[^@]*\])(?::\d*)?")
"""A host before a port has a dot, or is this machine: `name:80/x@y` may be a user with a password."""

_SECRET = re.compile(
    r"(?<=[?&#;])("
    r"(X-Amz-[^=&#]*|X-Goog-[^=&#]*|AWSAccessKeyId|GoogleAccessId|Key-Pair-Id|Policy|Expires|sig|se|sp|sv|sr|st"
    r"|[\w.~%-]*(token(?!s)|secret|passw|pwd|signature|credential|api[_-]?key|auth(?!or)|jwt)[\w.~%-]*)=[^&#\s]*"
    r"|(key|code|pass|[\w-]*session[\w-]*)=[^&#\s./]{12,})&?",
    re.IGNORECASE,
)
"""Parameters of signed URLs of S3, CloudFront, Google Cloud Storage and Azure, and of the usual tokens.

A `key` that is short or has a dot is a name rather than a token.
"""
_SECRET_PATH = re.compile(
    r"(?:[^/]*(?:hooks\.slack|discord|discordapp|webhook\.office|logic\.azure|hooks\.zapier)\.com|ntfy\.sh"
    r"|[^/]*(?=/(?:.*/)?(?:web)?hooks?/))/.*",
    re.IGNORECASE,
)
"""Addresses whose path lets its reader post."""


def is_url(name: str) -> bool:
    """Return True if a name is a URL rather than a path."""
    return _URL.match(name) is not None


def shown_url(url: str) -> str:
    """Return a URL without its secrets: user, password and the parameters of a signature.

    The result is the same each time that one object is signed anew.
    """
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{_without_secrets(rest)}"


def masked(text: str) -> str:
    """Return text without the secrets of the URLs in it, those of webhooks included."""
    if "://" not in text:  # most text
        return text
    return _AFTER_SCHEME.sub(lambda found: _without_hook(_without_secrets(found[0])), text)


def has_ambiguous_user(url: str) -> bool:
    """Return whether an `@` may belong to a password or to a path: neither is escaped as it has to be."""
    rest = url.partition("://")[2]
    return _user_end(rest) != _authority(rest).rfind("@") + 1


def _without_secrets(rest: str) -> str:
    """Return what follows `://` without its secrets."""
    rest = rest[_user_end(rest) :]
    return _SECRET.sub("", rest).rstrip("?&") if "=" in rest else rest


def _without_hook(rest: str) -> str:
    return f"{_authority(rest)}/..." if _SECRET_PATH.match(rest) else rest


def _authority(rest: str) -> str:
    return re.split("[/?#]", rest, maxsplit=1)[0]


def _user_end(rest: str) -> int:
    """Return where user and password end. A password may have any character, as users do not escape them."""
    return 0 if _HOST_AND_PORT.fullmatch(_authority(rest)) else rest.rfind("@") + 1


def scheme_of(url: str) -> str:
    """Return the part before `://`, in lower case."""
    return url.partition("://")[0].lower()


def page_address(base_url: str | None, page: Path, anchor: str = "") -> str:
    """Return the address of a page: its place under the web address of its folder, or its path where there is none.

    Args:
        base_url: the web address of the folder; None if no server shows it.
        page: the page.
        anchor: the id of an element in it; empty for the whole page.
    """
    if base_url is None:
        return str(page)
    return f"{base_url}/{quote(page.name)}" + (f"#{anchor}" if anchor else "")
