"""Servers that are never silent, and never done."""

import socket
import time
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

from tests.alerts.conftest import served


class Dripping(BaseRequestHandler):
    """Sends a beginning, then a part again and again."""

    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(2)  # a peer that closes with its buffer full may be waited for for minutes
        with suppress(OSError):
            self.request.sendall(self.server.begins)
            while not self.server.is_over:
                self.request.sendall(self.server.part)
                if self.server.pause_s:
                    time.sleep(self.server.pause_s)


@contextmanager
def dripping(begins=b"", part=b"a", pause_s=0.02):
    """A server whose answer has no end; its port."""
    server = ThreadingTCPServer(("127.0.0.1", 0), Dripping)
    server.begins, server.part, server.pause_s, server.is_over = begins, part, pause_s, False
    with served(server):
        try:
            yield server.server_address[1]
        finally:
            server.is_over = True
