"""Real servers on free ports of this machine: nginx with some pages, and Redis."""

import re
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import NamedTuple

from tests.schedule.system import require_program

NGINX = """
daemon off;
worker_processes 1;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    log_format times '$msec $status $request_uri';
    access_log {folder}/access.log times;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    default_type text/html;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/site;
        location /moved/ {{ rewrite ^/moved/(.*)$ /pages/$1 redirect; }}
        location /broken/ {{ return 503; }}
    }}
}}
"""


class Hit(NamedTuple):
    """A request that nginx answered: time in s, status, path."""

    time: float
    status: int
    path: str


class Site(NamedTuple):
    """A site of nginx with an index of links."""

    url: str
    folder: object

    @property
    def hits(self):
        lines = (self.folder / "access.log").read_text().splitlines()
        return [Hit(float(at), int(status), path) for at, status, path in map(str.split, lines)]

    def pages(self):
        """The requests for pages that succeeded."""
        return [hit for hit in self.hits if hit.path.startswith("/pages/") and hit.status == 200]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for_port(port, process):
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@contextmanager
def running(command, port):
    """A server until the block ends."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            yield
        finally:
            process.terminate()


@contextmanager
def site(folder, links):
    """nginx with an index that links to some paths, of which /pages/N exist."""
    require_program("/usr/sbin/nginx", "nginx")
    port = free_port()
    (folder / "site" / "pages").mkdir(parents=True)
    (folder / "site" / "robots.txt").write_text("User-agent: *\nAllow: /\n")
    (folder / "site" / "index.html").write_text("".join(f'<a href="{link}">{link}</a>\n' for link in links))
    for link in links:
        page = re.sub(r"\D", "", link)
        (folder / "site" / "pages" / page).write_text(f"<h1>Page {page}</h1>")
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    with running(["/usr/sbin/nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"], port):
        yield Site(f"http://127.0.0.1:{port}/", folder)


@contextmanager
def redis():
    """A Redis that stores nothing; its URL."""
    require_program("/usr/bin/redis-server", "redis-server")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(["/usr/bin/redis-server", *options], port):
        yield f"redis://127.0.0.1:{port}/0"
