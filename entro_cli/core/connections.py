"""Errors of network connections, as exceptions and in words."""

from __future__ import annotations

import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from entro_cli.core.console import printable
from entro_cli.core.formatting import shortened

_MAX_CHARS = 200


@contextmanager
def lost_connections_as_errors() -> Iterator[None]:
    """Make writing to a closed connection raise an error within the context.

    The `entro` command leaves SIGPIPE its default action, so that a closed pipe ends it quietly, as it ends `cat`. A
    lost connection would end it in the same way. Threads that are started within the context keep the error for good.
    """
    # Python allows signal.signal() in the main thread only.
    if not hasattr(signal, "SIGPIPE") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # A new thread inherits the mask, so the threads of fsspec and distributed keep SIGPIPE blocked after the context.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGPIPE, before)


def connection_failure(error: OSError, timeout_s: float) -> str:
    """Describe a failed connection as a predicate of the other end, such as `refused the connection`.

    Args:
        error: the error of the socket.
        timeout_s: the timeout that was set, seconds.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted: {one_line(error.verify_message)}"
    known = (  # in this order: ConnectionRefusedError is a ConnectionError, and all of these are OSErrors
        (ssl.SSLError, "does not speak TLS there"),
        (TimeoutError, f"did not answer within {timeout_s:g} s"),
        (ConnectionRefusedError, "refused the connection"),
        (ConnectionError, "closed the connection"),
    )
    words = next((words for kind, words in known if isinstance(error, kind)), "")
    return words or f"cannot be reached: {one_line(error.strerror or type(error).__name__)}"


def one_line(text: str) -> str:
    """Return text from elsewhere as one line of bounded length, safe to show."""
    return shortened(printable(" ".join(text.split())), _MAX_CHARS)
