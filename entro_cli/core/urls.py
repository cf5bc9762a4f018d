"""URLs as names of logs: how to recognise one, and which parts may be shown and stored."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/?#@]*@")
_SIGNED = re.compile(
    r"(?<=[?&])(X-Amz-[^=&#]*|X-Goog-[^=&#]*|AWSAccessKeyId|GoogleAccessId|Key-Pair-Id|Signature|Policy|Expires"
    r"|sig|se|sp|sv|sr|st|(access_?|auth_?)?token|api_?key)=[^&#]*&?",
    re.IGNORECASE,
)
"""Parameters of signed URLs of S3, CloudFront, Google Cloud Storage and Azure, and of the usual tokens."""


def is_url(name: str) -> bool:
    """Return True if a name is a URL rather than a path."""
    return _URL.match(name) is not None


def shown_url(url: str) -> str:
    """Return a URL without its secrets: user, password and the parameters of a signature.

    The result is the same each time that one object is signed anew.
    """
    return _SIGNED.sub("", _USER.sub("", url, count=1)).rstrip("?&")


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
