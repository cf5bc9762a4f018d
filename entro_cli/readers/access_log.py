"""Access lines of uvicorn, the web server in front of vLLM and SGLang: where a log tells of a request to the model."""

from __future__ import annotations

import re
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

REQUEST_LINE = b'INFO:     0:0 - "POST /generate HTTP/1.1" 200 OK\n'
"""A line that is one request, without what is not needed of it."""
HEALTH_LINE = b'INFO:     0:0 - "GET /health HTTP/1.1" 200 OK\n'
"""A line that is no request, but tells that they are logged."""

_INFERENCE = re.compile(
    rb'"POST /(?:[^ ?"]*/)?(?:chat/completions|completions|chat/completions/batch|embeddings|responses|messages'
    rb"|generate|generate_stream|chat|embed|encode|classify|pooling|score|generative_scoring|rerank|invocations"
    rb'|audio/transcriptions|audio/translations|audio/speech|images/generations|images/edits)/?(?:\?[^ "]*)? HTTP/'
)
"""Requests that the model works on; others ask how it is, count tokens, or tell the server what to do."""

_ACCESS = re.compile(rb' - \\?"[A-Z]{3,7} /[^ "]* HTTP/\d')
_ANY = b'"POST /'
_POST = int.from_bytes(_ANY, "little")
_FIRST_BYTES = np.uint64((1 << 56) - 1)
_WORDS = (6, 14, 22, 30)
"""Where behind the quote the eight bytes begin that tell one path from another."""
_TOLD_APART = 32
_DIFFERENT = 50
"""More different paths than these are looked at one by one."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64)


def has_access_lines(content: bytes) -> bool:
    """Whether some bytes of a log hold an access line, of whatever request."""
    return bool(_ACCESS.search(content))


class AccessLines:
    """The access lines of requests to the model in some blocks of a log, counted."""

    def __init__(self) -> None:
        self._usual = b""  # the text before such a quote and behind it, as in most lines of the log

    def before(self, content: bytes, places: list[int]) -> list[int]:
        """How many begin before some places.

        Args:
            content: whole lines.
            places: where lines begin, sorted.

        Returns:
            As many numbers, and behind them how many there are in all.
        """
        every = content.count(_ANY)
        if not every:
            return [0] * (len(places) + 1)
        usual = self._usual or self._usual_of(content)
        if usual:
            edges = [0, *places, len(content)]
            counts = list(accumulate(content.count(usual, begin, end) for begin, end in pairwise(edges)))
            if counts[-1] == every:  # all are alike, which is twice as quick to find out
                self._usual = usual
                return counts
        found = find_requests(content)
        return [*np.searchsorted(found, np.array(places, dtype=np.int64)).tolist(), len(found)]

    def _usual_of(self, content: bytes) -> bytes:
        place = content.find(_ANY)
        match = _INFERENCE.match(content, place)
        return b" - " + match[0] if match and content[place - 3 : place] == b" - " else b""


def find_requests(content: bytes) -> NDArray[np.int64]:
    """Where the access lines of requests to the model are: the places of the quote before POST, sorted.

    Without a loop over lines: the quotes are found in one comparison, and each different beginning of a path is looked
    at once. Who sent it and what became of it do not matter.

    Args:
        content: whole lines.
    """
    padded = content + bytes(64)
    codes = np.frombuffer(padded, np.uint8)
    words = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, 0, (1,))  # the eight bytes from each place on
    quotes: NDArray[np.int64] = np.flatnonzero(codes[: len(content)] == ord('"'))
    quotes = quotes[(words[quotes] & _FIRST_BYTES) == _POST]
    quotes = quotes[quotes >= 4]
    escaped = (codes[quotes - 1] == ord("\\")).astype(np.int64)  # inside JSON
    before = quotes - escaped
    quotes = quotes[(codes[before - 1] == ord(" ")) & (codes[before - 2] == ord("-")) & (codes[before - 3] == ord(" "))]
    keys = np.zeros(len(quotes), np.uint64)
    for place, factor in zip(_WORDS, _FACTORS, strict=True):
        keys = (keys ^ words[quotes + place]) * factor
        keys ^= keys >> np.uint64(29)
    chosen: NDArray[np.int64] = quotes[_of_the_model(content, quotes, keys)]
    return chosen


def _of_the_model(content: bytes, quotes: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of the requests are for the model; those with one key have one path, where it is short enough for that."""
    chosen, left = np.zeros(len(quotes), np.bool_), np.arange(len(quotes))
    for _ in range(_DIFFERENT):
        if not len(left):
            return chosen
        first = int(quotes[left[0]])
        alike = keys[left] == keys[left[0]]
        if content.find(b" ", first + 6, first + 6 + _TOLD_APART) < 0:
            alike &= left == left[0]  # a longer path
        if _INFERENCE.match(content, first):
            chosen[left[alike]] = True
        left = left[~alike]
    for index in left.tolist():
        chosen[index] = _INFERENCE.match(content, int(quotes[index])) is not None
    return chosen
