"""A client of `entro coordinate`: it renews its lease once a second and goes on at the probe rate without one."""

from __future__ import annotations

import atexit
import json
import logging
import math
import os
import re
import secrets
import socket
import sys
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPSConnection
from time import monotonic
from urllib.parse import urlsplit

from entro_cli.integrations.token_bucket import TokenBucket

_PERIOD_S = 1.0
_TIMEOUT_S = 2.0
_LOG = logging.getLogger("entro")


class _RefusedError(Exception):
    """An answer of another status than 2xx."""


class CoordinatorClient:
    """One client for the threads and event loops of a process; a fork makes another. Unusable arguments: ValueError.

    Args:
        url: the coordinator's address; by default ENTRO_COORDINATOR, else http://127.0.0.1:8517.
        token: its token; by default ENTRO_TOKEN.
        name: the first part of the client's id; by default ENTRO_CLIENT, else the program's name.
        weight: the client's weight in the shares, above 0; by default ENTRO_WEIGHT, else 1.

    Attributes:
        id: the coordinator's name of this client.
        backlog: requests behind those that wait here, such as the frontier of a spider.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, name: str | None = None, weight: float | None = None
    ) -> None:
        self._url = (url or os.environ.get("ENTRO_COORDINATOR") or "http://127.0.0.1:8517").rstrip("/")
        self._token = (token or os.environ.get("ENTRO_TOKEN") or "").strip()
        self._name = name or os.environ.get("ENTRO_CLIENT") or sys.argv[0].rpartition("/")[2]
        self._weight = float(os.environ.get("ENTRO_WEIGHT") or 1.0) if weight is None else weight
        parts = urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise ValueError("the address of a coordinator looks like http://HOST:PORT; its token is given separately")
        if not (math.isfinite(self._weight) and self._weight > 0):
            raise ValueError(f"the weight of a client must be above 0, not {self._weight}")
        self._start_anew()
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        self.id = f"{re.sub('[^A-Za-z0-9._-]', '-', self._name)[:48]}-{secrets.token_hex(6)}"
        self.backlog = 0.0
        self._cap, self._probe, self._lease_until = 0.0, 0.03, -math.inf
        self._reported = 0.0  # `sent` as the coordinator knows it: it may not fall
        self._history: deque[tuple[float, float]] = deque(maxlen=6)  # of the last 5 s
        self._pause_s = _PERIOD_S  # until the next renewal
        self._is_lost = False
        self._bucket: TokenBucket | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def request(self, n: float = 1.0) -> Future[None]:
        """Return a future that is done when `n` requests may go; RuntimeError if this client is closed."""
        if not (math.isfinite(n) and n >= 0):
            raise ValueError(f"a number of requests must be at least 0, not {n}")
        return self._started().request(n)

    def give_back(self, n: float) -> None:
        """Return the permission for `n` requests that were not made."""
        self._started().give_back(n)

    def close(self) -> None:
        """Release all who wait and leave, so that others get this client's share at once. Happens at exit, too."""
        if self._bucket is not None:
            self._bucket.close()
            self._stopped.set()
            self._renewal.join(2.5 * _TIMEOUT_S)
            atexit.unregister(self.close)

    def _started(self) -> TokenBucket:
        with self._lock:
            if self._bucket is None:
                self._bucket = TokenBucket(self._rate_per_s)
                self._renewal = threading.Thread(target=self._keep_lease, name="entro-lease", daemon=True)
                self._renewal.start()
                atexit.register(self.close)
            return self._bucket

    def _has_lease(self) -> bool:
        return monotonic() < self._lease_until

    def _rate_per_s(self) -> float:
        return self._cap if self._has_lease() else self._probe

    def _keep_lease(self) -> None:
        self._renew()
        while not self._stopped.wait(self._pause_s):
            self._renew()
        if self._has_lease():
            with suppress(Exception):
                self._call("DELETE", f"/clients/{self.id}")

    def _renew(self) -> None:
        asked_at, self._pause_s = monotonic(), _PERIOD_S
        try:
            answer = json.loads(self._call("POST", "/clients", self._report(asked_at)))
            answer.setdefault("renew_in_s", _PERIOD_S)  # a new cap is ready once a second
            terms = [answer[key] for key in ("cap_per_s", "probe_per_s", "lease_s", "renew_in_s")]
            if not all(type(each) in {int, float} and 0 <= each < math.inf for each in terms):
                raise ValueError("not a finite amount")
            cap, probe, lease_s, pause_s = map(float, terms)
        except Exception as error:  # whatever a broken or hostile peer can cause; its text may hold the token
            if not self._is_lost and not self._has_lease():
                self._is_lost = True
                reason = str(error) if isinstance(error, _RefusedError) else type(error).__name__
                _LOG.warning("no coordinator at %s (%s): at most %g requests/s", self._url, reason, self._probe)
            return
        self._cap, self._probe, self._lease_until = cap, probe, asked_at + lease_s
        self._pause_s = min(max(pause_s, 0.1), 2 * _PERIOD_S)
        if self._is_lost:
            self._is_lost = False
            _LOG.info("the coordinator at %s is back", self._url)

    def _report(self, now: float) -> bytes:
        bucket = self._started()
        self._reported = max(self._reported, bucket.sent)
        self._history.append((now, self._reported))
        then, sent_then = self._history[0]
        rate = (self._reported - sent_then) / (now - then) if now > then else 0.0
        wanted = rate + bucket.waiting + self.backlog  # what waits could go within 1 s
        report = {"id": self.id, "weight": self._weight, "sent": self._reported, "wanted_per_s": wanted}
        return json.dumps(report).encode()

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        headers["Content-Type"] = "application/json"
        parts = urlsplit(self._url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection  # neither follows redirects
        with closing(kind(parts.netloc, timeout=_TIMEOUT_S)) as connection:
            connection.connect()
            # A server that drips is never silent, and would hold this thread for ever.
            watchdog = threading.Timer(1.5 * _TIMEOUT_S, _shut_down, [connection.sock])
            watchdog.daemon = True
            watchdog.start()
            try:
                connection.request(method, parts.path + path, body, headers)
                answer = connection.getresponse()
                if not 200 <= answer.status < 300:
                    raise _RefusedError(f"HTTP {answer.status}")
                return answer.read(65536)  # a larger answer is cut off, so is no JSON
            finally:
                watchdog.cancel()


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # not that of TLS, which is for one thread
