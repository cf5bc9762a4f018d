"""A coordinator that answers as a test wants: any cap, nothing, garbage."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Coordinator:
    """Its answers, and the requests that it received.

    Attributes:
        answer: the document of its answers; bytes are sent as they are, an int is a status; a function is
            called, and then the connection closed.
        elsewhere: where a redirect leads.
        token: what clients must send, if anything.
        renewals: each renewal: (time it was answered, document).
        left: the ids that left.
    """

    def __init__(self, cap=50.0, probe=1.0, lease_s=10.0, token=None):
        self.answer = {"cap_per_s": cap, "probe_per_s": probe, "lease_s": lease_s, "regime": "stable"}
        self.elsewhere = ""
        self.token, self.renewals, self.left, self.address = token, [], [], ("127.0.0.1", 0)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address[1]}"

    @property
    def ids(self):
        return {document["id"] for _, document in self.renewals}

    def set(self, cap):
        self.answer = {**self.answer, "cap_per_s": cap}

    def start(self):
        class Handler(_Handler):
            coordinator = self

        self._server = ThreadingHTTPServer(self.address, Handler)
        self.address = self._server.server_address
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, condition, seconds=20.0):
        """Wait until a condition of this coordinator holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.renewals, self.left)
            time.sleep(0.01)


@contextmanager
def coordinator(**options):
    stub = Coordinator(**options)
    stub.start()
    try:
        yield stub
    finally:
        stub.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    coordinator: Coordinator

    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/clients"
        assert self.headers["Content-Type"] == "application/json"
        if self._is_allowed():
            self._send(self.coordinator.answer)
            self.coordinator.renewals.append((time.monotonic(), document))

    def do_GET(self):
        """For those that follow a redirect, which they should not."""
        self._send(self.coordinator.answer)
        self.coordinator.renewals.append((time.monotonic(), {}))

    def do_DELETE(self):
        if self._is_allowed():
            self.coordinator.left.append(self.path.removeprefix("/clients/"))
            self._send(204)

    def _is_allowed(self):
        token = self.coordinator.token
        allowed = token is None or self.headers["Authorization"] == f"Bearer {token}"
        if not allowed:
            self._send(401)
        return allowed

    def _send(self, answer):
        self.close_connection = True
        if callable(answer):
            answer()
            return
        body = answer if isinstance(answer, bytes) else b"" if isinstance(answer, int) else json.dumps(answer).encode()
        self.send_response(answer if isinstance(answer, int) else 200)
        if answer == 302:
            self.send_header("Location", self.coordinator.elsewhere)
        if answer != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *_):
        pass
