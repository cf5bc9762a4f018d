"""Access lines of uvicorn, the web server of vLLM and SGLang: where a log shows a request to the model."""

from __future__ import annotations

import re
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
_POST_WORD = int.from_bytes(_POST, "little")
_SEVEN_BYTES = np.uint64((1 << 56) - 1)
"""`_POST` has seven bytes; words of eight bytes are compared with it without their last one."""
_PATH_WORDS = (6, 14, 22, 30)
"""Offsets from the quote of the four words of eight bytes that the key of a path is made of."""
_PATH_BYTES = 32
"""Bytes of a path that its key covers. Two longer paths may share a key and are never taken as equal."""
_MOST_KEYS = 50
"""Number of keys that are compared with all requests at once; the rest is matched one by one."""
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64)


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
        posts = content.count(_POST)
        if not posts:
            return [0] * (len(places) + 1)
        usual = self._usual or self._usual_of(content)
        if usual:
            edges = [0, *places, len(content)]
            counts = list(accumulate(content.count(usual, begin, end) for begin, end in pairwise(edges)))
            if counts[-1] == posts:  # All requests have one path. Finding that out takes half the time of arrays.
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

    There is no loop over lines. The quotes are found in one comparison, and each different path is matched once.
    The client and the status of a request do not matter.

    Args:
        content: whole lines.
    """
    padded = content + bytes(64)  # so that the words of a path in the last line exist
    codes = np.frombuffer(padded, np.uint8)
    # Overlapping words: element i holds the eight bytes from place i on.
    words = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, 0, (1,))
    quotes: NDArray[np.int64] = np.flatnonzero(codes[: len(content)] == ord('"'))
    quotes = quotes[(words[quotes] & _SEVEN_BYTES) == _POST_WORD]
    quotes = quotes[quotes >= 4]
    escaped = (codes[quotes - 1] == ord("\\")).astype(np.int64)  # inside JSON the quote is \"
    before = quotes - escaped
    # " - " before the quote: else it is text of a prompt or of another message.
    quotes = quotes[(codes[before - 1] == ord(" ")) & (codes[before - 2] == ord("-")) & (codes[before - 3] == ord(" "))]
    keys = np.zeros(len(quotes), np.uint64)
    for offset, factor in zip(_PATH_WORDS, _FACTORS, strict=True):
        keys = (keys ^ words[quotes + offset]) * factor
        keys ^= keys >> np.uint64(29)
    chosen: NDArray[np.int64] = quotes[_are_inference(content, quotes, keys)]
    return chosen


def _are_inference(content: bytes, quotes: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which requests the model works on; one match decides for all short paths with its key.

    Args:
        content: whole lines.
        quotes: where the requests are.
        keys: of each request, the hash of the beginning of its path.
    """
    chosen, left = np.zeros(len(quotes), np.bool_), np.arange(len(quotes))
    for _ in range(_MOST_KEYS):
        if not len(left):
            return chosen
        first = int(quotes[left[0]])
        alike = keys[left] == keys[left[0]]
        if content.find(b" ", first + 6, first + 6 + _PATH_BYTES) < 0:
            alike &= left == left[0]  # the path is longer than its key
        if _INFERENCE.match(content, first):
            chosen[left[alike]] = True
        left = left[~alike]
    for index in left.tolist():
        chosen[index] = _INFERENCE.match(content, int(quotes[index])) is not None
    return chosen
