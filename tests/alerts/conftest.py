"""Real servers for the channels to talk to, on ports of their own."""

import asyncio
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import SimpleNamespace

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from entro_cli.automation.alerts.alert import Alert, DeliveryContext

NOW = datetime(2026, 4, 9, 15, 0, tzinfo=UTC)
USER, PASSWORD = "entro", "correct-horse-9f3c"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The servers here are on this machine, whatever proxy it has for others."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def alert():
    return Alert(
        key="incident default 2026-04-09T14:21:00Z",
        pipeline="default",
        subject="entro: default over its budget for 29 min, driven by llm",
        text="Began: 2026-04-09 16:21 CEST\nDriver: llm (look here first)",
        kind="incident",
        start=datetime(2026, 4, 9, 14, 21, tzinfo=UTC),
    )


@pytest.fixture
def around():
    """Surroundings in which nothing is waited for: the pauses are noted."""
    pauses = []
    return SimpleNamespace(pauses=pauses, given=lambda **environ: DeliveryContext(NOW, environ, pauses.append))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority, the file to trust it by, and a server's certificate."""
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return SimpleNamespace(file=path, server=context)


@pytest.fixture
def trusted(authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


class Mailbox:
    """What a mail server does with what it gets, as aiosmtpd asks it."""

    def __init__(self, refuse=(), reply="250 OK"):
        self.refuse, self.reply = refuse, reply
        self.sessions = []
        self.raw = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refuse:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.reply.startswith("250"):
            self.sessions.append(
                SimpleNamespace(
                    sender=envelope.mail_from,
                    recipients=envelope.rcpt_tos,
                    tls=session.ssl is not None,
                    user=session.auth_data,
                )
            )
            self.raw.append(envelope.content)
        return self.reply

    @property
    def messages(self):
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw]


def authenticate(server, session, envelope, mechanism, login):
    good = login.login == USER.encode() and login.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False, auth_data=login.login.decode())


@contextmanager
def in_thread(serve):
    """Run a coroutine that makes an asyncio server; its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(serve(loop), loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server):
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:  # clients have gone, so that each ends by itself
        await asyncio.wait(others, timeout=5)
    await asyncio.sleep(0.01)  # a transport closes one turn of the loop later


@pytest.fixture
def mail_server():
    """A way to start one: `with mail_server(mailbox, tls=..., **options of aiosmtpd) as port`."""

    @contextmanager
    def start(mailbox, tls=None, **options):
        def protocol():
            return SMTP(mailbox, hostname="localhost", loop=asyncio.get_running_loop(), **options)

        async def serve(loop):
            return await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)

        with in_thread(serve) as port:
            yield port

    return start


class Sayer(BaseRequestHandler):
    """Says `server.says` and nothing more; with None says nothing until the client leaves.

    What the client sends is read to its end: closing with unread bytes would reset the connection, and the client
    could lose what was said.
    """

    def handle(self):
        if self.server.says is not None:
            self.request.sendall(self.server.says)
            self.request.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while self.request.recv(65536):
                pass


@pytest.fixture
def byte_server():
    """A way to start a server that says these bytes; b"": hangs up at once; None: says nothing."""

    @contextmanager
    def start(says):
        server = ThreadingTCPServer(("127.0.0.1", 0), Sayer)
        server.says = says
        with served(server):
            yield server.server_address[1]

    return start


@contextmanager
def served(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


class Hook(BaseHTTPRequestHandler):
    """Answers with the next of `server.answers`: a status, headers, both noted with what was posted."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(SimpleNamespace(path=self.path, headers=self.headers, body=body))
        status, headers = self.server.answers.pop(0)
        if status is None:
            self.server.over.wait(10)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    """A way to start one: `with hook((500, {}), (200, {})) as server`; a status of None hangs."""

    @contextmanager
    def start(*answers, tls=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        server.answers, server.posted, server.over = list(answers), [], threading.Event()
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # a client that does not trust us hangs up
        with served(server):
            try:
                yield server
            finally:
                server.over.set()

    return start
