"""Access lines of uvicorn, the web server of vLLM and SGLang: where a log shows a request to the model."""

from __future__ import annotations

import re
from array import array
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

_INFERENCE = re.compile(
    rb'"POST /(?:[^ ?"]*/)?(?:chat/completions|completions|chat/completions/batch|embeddings|responses|messages'
    rb"|generate|generate_stream|chat|embed|encode|classify|pooling|score|generative_scoring|rerank|invocations"
    rb'|audio/transcriptions|audio/translations|audio/speech|images/generations|images/edits)/?(?:\?[^ "]*)? HTTP/'
)
"""Requests that the model works on. Others ask for the server's health, count tokens, or change its settings."""

_ACCESS = re.compile(rb' - \\?"[A-Z]{3,7} /[^ "]* HTTP/\d')
_POST = b'"POST /'
_REQUEST = re.compile(rb' - \\?("POST /[^ "]* HTTP/)')
"""A request in an access line, in JSON behind a backslash. One without ` - ` is text of a prompt or another message."""


def has_access_lines(content: bytes) -> bool:
    """Return whether some bytes of a log hold an access line, of whatever request."""
    return bool(_ACCESS.search(content))


class AccessLines:
    """Counts of the requests to the model in the blocks of one log."""

    def __init__(self) -> None:
        self._usual = b""  # the request of most lines of the log, with the text before it

    def count_before(self, content: bytes, places: list[int]) -> list[int]:
        """Count the requests before each of some places.

        Args:
            content: whole lines.
            places: where lines begin, sorted.

        Returns:
            One number per place, then the number of all requests.
        """
        codes = np.frombuffer(content, np.uint8)
        most = np.count_nonzero((codes[:-1] == _POST[0]) & (codes[1:] == _POST[1]))  # faster than counting _POST
        if not most:
            return [0] * (len(places) + 1)
        usual = self._usual or self._usual_of(content)
        if usual:
            edges = [0, *places, len(content)]
            counts = list(accumulate(content.count(usual, begin, end) for begin, end in pairwise(edges)))
            if counts[-1] == most:  # All requests have one path. Finding that out takes half the time of arrays.
                self._usual = usual
                return counts
        found = find_requests(content)
        return [*np.searchsorted(found, np.array(places, dtype=np.int64)).tolist(), len(found)]

    def _usual_of(self, content: bytes) -> bytes:
        place = content.find(_POST)
        match = _INFERENCE.match(content, place)
        return b" - " + match[0] if match and content[place - 3 : place] == b" - " else b""


def find_requests(content: bytes) -> NDArray[np.int64]:
    """Return where the requests to the model are: the places of the quotes before POST, sorted.

    The client and the status of a request do not matter.

    Args:
        content: whole lines.
    """
    known: dict[bytes, bool] = {}  # most lines ask for one of a few paths
    found = array("q")
    for match in _REQUEST.finditer(content):
        request = match[1]
        if request not in known:
            known[request] = _INFERENCE.match(request) is not None
        if known[request]:
            found.append(match.start(1))
    return np.array(found, np.int64)
