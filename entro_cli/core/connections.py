"""What can go wrong with a connection, as an error and in words."""

from __future__ import annotations

import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from entro_cli.core.console import printable
from entro_cli.core.formatting import shortened

_SHOWN = 200


@contextmanager
def lost_connections_as_errors() -> Iterator[None]:
    """Inside, and for good in threads that are started inside, writing to a connection that was closed is an error.

    The `entro` command leaves SIGPIPE its default action, by which such a write would end the process without a word.
    """
    if not hasattr(signal, "SIGPIPE") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})  # a thread begins with that of its maker
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGPIPE, before)


def connection_failure(error: OSError, timeout_s: float) -> str:
    """What the other end did, as a clause: refused the connection.

    Args:
        error: from a socket.
        timeout_s: how long it was waited for, seconds.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted: {one_line(error.verify_message)}"
    known = (
        (ssl.SSLError, "does not speak TLS there"),
        (TimeoutError, f"did not answer within {timeout_s:g} s"),
        (ConnectionRefusedError, "refused the connection"),
        (ConnectionError, "closed the connection"),
    )
    words = next((words for kind, words in known if isinstance(error, kind)), "")
    return words or f"cannot be reached: {one_line(error.strerror or type(error).__name__)}"


def one_line(text: str) -> str:
    """Somebody else's words in one line of bounded length."""
    return shortened(printable(" ".join(text.split())), _SHOWN)
