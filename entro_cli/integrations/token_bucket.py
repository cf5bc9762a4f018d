"""A token bucket whose rate may change while requests wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic

_BURST_S = 0.25
_LONGEST_PAUSE_S = 0.1


class TokenBucket:
    """Permission for requests at the rate of the moment, first come, first served.

    It starts empty. Unused permission is at most what the rate allows in 0.25 s, or one request. A thread grants the
    permissions, so that threads and event loops wait in one queue.

    Args:
        rate_per_s: the rate that holds now; it is read at least every 0.1 s while requests wait.

    Attributes:
        sent: requests let through, less those given back.
    """

    def __init__(self, rate_per_s: Callable[[], float]) -> None:
        self.sent = 0.0
        self._rate_per_s = rate_per_s
        self._tokens = 0.0
        self._filled_at = monotonic()
        self._queue: deque[tuple[float, Future[bool]]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        threading.Thread(target=self._serve, name="entro-bucket", daemon=True).start()

    @property
    def waiting(self) -> float:
        """Requests that are held back."""
        with self._changed:
            return sum(n for n, permission in self._queue if not permission.cancelled())

    def request(self, n: float) -> Future[bool]:
        """Return a future that becomes True when `n` requests may go, False when the bucket is closed."""
        permission: Future[bool] = Future()
        with self._changed:
            if self._is_closed or n == 0:
                permission.set_result(n == 0)
            else:
                self._refill()
                self._queue.append((n, permission))
                self._changed.notify()
        return permission

    def give_back(self, n: float) -> None:
        """Return the permission for `n` requests that were not made."""
        with self._changed:
            self._tokens += n
            self.sent -= n
            self._changed.notify()

    def close(self) -> None:
        """Release all who wait, without permission."""
        with self._changed:
            self._is_closed = True
            while self._queue:
                _, permission = self._queue.popleft()
                if permission.set_running_or_notify_cancel():
                    permission.set_result(False)
            self._changed.notify()

    def _serve(self) -> None:
        with self._changed:
            while not self._is_closed:
                self._refill()
                while self._queue and (self._queue[0][1].cancelled() or self._tokens >= self._queue[0][0]):
                    self._grant(*self._queue.popleft())
                self._changed.wait(self._pause_s() if self._queue else None)

    def _refill(self) -> None:
        now, rate = monotonic(), self._rate_per_s()
        # The need of the first in the queue comes on top: else a late wake-up would cost the fraction above it.
        most = max(1.0, _BURST_S * rate) + (self._queue[0][0] if self._queue else 0.0)
        self._tokens = min(most, self._tokens + rate * (now - self._filled_at))
        self._filled_at = now

    def _grant(self, n: float, permission: Future[bool]) -> None:
        if permission.set_running_or_notify_cancel():
            self._tokens -= n
            self.sent += n
            permission.set_result(True)

    def _pause_s(self) -> float:
        missing = self._queue[0][0] - self._tokens
        return max(0.001, min(_LONGEST_PAUSE_S, missing / max(self._rate_per_s(), 1e-9)))
