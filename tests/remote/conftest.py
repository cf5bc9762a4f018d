"""Servers that logs are fetched from: one of files over HTTP, and moto's S3."""

import os
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.history.stored import HEADER, regular

ROWS = regular(60)


class Files(SimpleHTTPRequestHandler):
    """The files of a folder, and of its names: `secret`, for those who log in; `short`, which breaks off; `/moved/`.

    `/circle` leads to itself.
    """

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        if "secret" in self.path and not self.headers.get("Authorization"):
            self.send_error(401)
        elif self.path.startswith(("/moved/", "/circle")):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
        elif "short" in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(HEADER.encode())
        elif self.command == "HEAD":
            super().do_HEAD()
        else:
            super().do_GET()

    do_HEAD = do_GET  # noqa: N815 - as the base class calls it

    def log_message(self, *_):
        pass


@pytest.fixture
def web(tmp_path):
    """A server of the files in its `folder`, at its `url`; it notes what it was `asked`."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=folder))
    server.folder, server.asked, server.url = folder, [], f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def environment(**variables):
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield {**os.environ}
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def s3_server():
    """Moto's S3, and the variables by which its clients find it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with environment(AWS_ENDPOINT_URL=f"http://{host}:{port}", AWS_EC2_METADATA_DISABLED="true", **keys):
        yield
    server.stop()


@pytest.fixture
def bucket(s3_server):
    """An empty bucket of moto's: the file system it is in; its name is `logs`."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    files.mkdir("logs")
    yield files
    files.rm("logs", recursive=True)
