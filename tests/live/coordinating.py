"""`entro coordinate` in a process of its own."""

import json
import os
import re
import subprocess
import urllib.request
from contextlib import contextmanager
from time import monotonic, sleep
from urllib.error import HTTPError

from tests.running import COMMAND


class Coordinating:
    """A running coordinator: its process, its address, and what it printed at the start."""

    def __init__(self, process, url, printed):
        self.process, self.url, self.printed = process, url, printed

    def ask(self, path, document=None, method=None, token=None, **headers):
        """The status and the body of an answer; JSON is read."""
        data = document if isinstance(document, bytes | None) else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", **headers} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                body = answer.read().decode()
                return answer.status, json.loads(body) if body.startswith("{") else body
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def renew(self, client, **report):
        status, answer = self.ask("/clients", {"id": client, **report})
        assert status == 200, answer
        return answer

    def wait_for(self, condition, seconds=20, token=None):
        """Return what a condition on the answer of /cap gives, once that is true."""
        deadline = monotonic() + seconds
        while not (found := condition(self.ask("/cap", token=token)[1])):
            assert monotonic() < deadline, self.ask("/cap", token=token)
            sleep(0.05)
        return found


@contextmanager
def coordinating(*arguments, history, listen="127.0.0.1:0", environment=()):
    """Start the coordinator; end it by SIGINT, if it still runs."""
    command = [COMMAND, "coordinate", *map(str, arguments), "--history", str(history), "--listen", listen]
    variables = {**os.environ, **dict(environment)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables) as process:
        try:
            printed = address = ""
            while not address and (line := process.stderr.readline()):
                printed += line
                address = re.fullmatch(r"entro: coordinating at (\S+)\n", line)
            assert address, printed
            yield Coordinating(process, address[1], printed)
        finally:
            process.kill()
