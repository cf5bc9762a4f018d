"""URLs as names of logs: how to recognise one, and which parts may be shown and stored."""

from __future__ import annotations

import re

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
