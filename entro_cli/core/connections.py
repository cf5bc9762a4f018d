"""Network connections: their errors, as exceptions and in words, and an end to those that take too long."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from entro_cli.core.formatting import printable, shortened

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


class Deadline:
    """The end of a whole request, for the duration of a context.

    The timeout of a socket is for the next bytes, so a server that sends one byte at a time would hold its client for
    ever. Here the connections are shut down at the end, wherever a library waits for them.

    Args:
        seconds: time until the end, s.

    Attributes:
        has_passed: whether the connections were shut down.
    """

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._seconds = seconds
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        for each in self._sockets:
            each.close()

    def connect(self, address: tuple[str, int], *_: object) -> socket.socket:
        """Connect to a host and a port, in place of `socket.create_connection`."""
        connection = socket.create_connection(address, self._seconds)
        self._sockets.append(connection.dup())  # TLS takes the connection out of its object
        if self.has_passed:
            self._shut_down()
        return connection

    def _shut_down(self) -> None:
        self.has_passed = True
        for each in self._sockets:
            with suppress(OSError):  # it is closed already
                each.shutdown(socket.SHUT_RDWR)


def connection_failure(error: OSError, timeout_s: float) -> str:
    """Describe a failed connection as a predicate of the other end, such as `refused the connection`.

    Args:
        error: the error of the socket.
        timeout_s: the time that was allowed, s.
    """
    import ssl  # most commands have no connection

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
