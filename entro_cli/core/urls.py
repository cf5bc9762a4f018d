"""Names that are URLs: which those are, and what of one may be shown and kept."""

from __future__ import annotations

import re

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/?#@]*@")
_SIGNED = re.compile(
    r"(?<=[?&])(X-Amz-[^=&#]*|X-Goog-[^=&#]*|AWSAccessKeyId|GoogleAccessId|Key-Pair-Id|Signature|Policy|Expires"
    r"|sig|se|sp|sv|sr|st|(access_?|auth_?)?token|api_?key)=[^&#]*&?",
    re.IGNORECASE,
)


def is_url(name: str) -> bool:
    """Whether what a user named is a URL, not a path."""
    return _URL.match(name) is not None


def shown_url(url: str) -> str:
    """A URL without what lets in whoever reads it: its user and password, and the parameters that sign it.

    What is left is the same each time that one object is signed anew.
    """
    return _SIGNED.sub("", _USER.sub("", url, count=1)).rstrip("?&")


def scheme_of(url: str) -> str:
    """What stands before `://`, in small letters."""
    return url.partition("://")[0].lower()
