"""Access lines of uvicorn, the web server in front of vLLM and SGLang: where a log tells of a request to the model."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

SHORTEST = b'INFO:     0:0 - "POST /generate HTTP/1.1" 200 OK\n'
"""A line that is one request, without what is not needed of it."""
EVIDENCE = b'INFO:     0:0 - "GET /health HTTP/1.1" 200 OK\n'
"""A line that is no request, but tells that they are logged."""

_INFERENCE = re.compile(
    rb'"POST /(?:[^ ?"]*/)?(?:chat/completions|completions|chat/completions/batch|embeddings|responses|messages'
    rb"|generate|generate_stream|chat|embed|encode|classify|pooling|score|generative_scoring|rerank|invocations"
    rb'|audio/transcriptions|audio/translations|audio/speech|images/generations|images/edits)/?(?:\?[^ "]*)? HTTP/'
)
"""Requests that the model works on; others ask how it is, count tokens, or tell the server what to do."""

_ACCESS = re.compile(rb' - \\?"[A-Z]{3,7} /[^ "]* HTTP/\d')
_POST = int.from_bytes(b'"POST /', "little")
_FIRST_BYTES = np.uint64((1 << 56) - 1)
_WORDS = (6, 14, 22, 30)
"""Where behind the quote the eight bytes begin that tell one path from another."""
_TOLD_APART = 32
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64)


def has_access_lines(content: bytes) -> bool:
    """Whether some bytes of a log hold an access line, of whatever request."""
    return bool(_ACCESS.search(content))


def request_places(content: bytes) -> NDArray[np.int64]:
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
    if not len(quotes):
        return quotes
    keys = np.zeros(len(quotes), np.uint64)
    for place, factor in zip(_WORDS, _FACTORS, strict=True):
        keys = (keys ^ words[quotes + place]) * factor
        keys ^= keys >> np.uint64(29)
    chosen: NDArray[np.int64] = quotes[_of_the_model(content, quotes, keys)]
    return chosen


def _of_the_model(content: bytes, quotes: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of the requests are for the model; those with one key have one path, as far as that tells them apart."""
    _, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    sure, told = np.zeros(len(firsts), np.bool_), np.ones(len(firsts), np.bool_)
    for index, first in enumerate(quotes[firsts].tolist()):
        sure[index] = _INFERENCE.match(content, first) is not None
        told[index] = content.find(b" ", first + 6, first + 6 + _TOLD_APART) >= 0
    chosen: NDArray[np.bool_] = sure[inverse]
    for index in np.flatnonzero(~told[inverse]).tolist():
        chosen[index] = _INFERENCE.match(content, int(quotes[index])) is not None
    return chosen
