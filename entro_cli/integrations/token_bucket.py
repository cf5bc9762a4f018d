"""A token bucket whose rate may change while requests wait."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic


class TokenBucket:
    """Permission for requests at the rate of the moment, first come, first served.

    It starts empty. Unused permission is at most what the rate allows in 0.25 s, or one request. A thread grants the
    permissions, so that threads and event loops wait in one queue. `sent` counts them, less those given back.
    """

    def __init__(self, rate_per_s: Callable[[], float]) -> None:
        self.sent = 0.0
        self._rate_per_s = rate_per_s
        self._tokens = 0.0
        self._filled_at = monotonic()
        self._queue: deque[tuple[float, Future[None]]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        threading.Thread(target=self._serve, name="entro-bucket", daemon=True).start()

    @property
    def waiting(self) -> float:
        """Requests that are held back."""
        with self._changed:
            return sum(n for n, permission in self._queue if not permission.cancelled())

    def request(self, n: float) -> Future[None]:
        """Return a future that is done when `n` requests may go; RuntimeError if the bucket is closed."""
        permission: Future[None] = Future()
        with self._changed:
            if n == 0:
                permission.set_result(None)
            elif self._is_closed:
                permission.set_exception(RuntimeError("the client of the coordinator is closed"))
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
            for _, permission in self._queue:
                if permission.set_running_or_notify_cancel():
                    permission.set_exception(RuntimeError("the client of the coordinator was closed"))
            self._queue.clear()
            self._changed.notify()

    def _serve(self) -> None:
        with self._changed:
            while not self._is_closed:
                self._refill()
                while self._queue and (self._queue[0][1].cancelled() or self._tokens >= self._queue[0][0]):
                    n, permission = self._queue.popleft()
                    if permission.set_running_or_notify_cancel():
                        self._tokens -= n
                        self.sent += n
                        permission.set_result(None)
                self._changed.wait(self._pause_s() if self._queue else None)

    def _refill(self) -> None:
        now, rate = monotonic(), self._rate_per_s()
        # The need of the first in the queue comes on top: else a late wake-up would cost the fraction above it.
        most = max(1.0, 0.25 * rate) + (self._queue[0][0] if self._queue else 0.0)
        self._tokens = min(most, self._tokens + rate * (now - self._filled_at))
        self._filled_at = now

    def _pause_s(self) -> float:
        missing = self._queue[0][0] - self._tokens
        return max(0.001, min(0.1, missing / max(self._rate_per_s(), 1e-9)))  # 0.1 s: the rate may rise meanwhile
