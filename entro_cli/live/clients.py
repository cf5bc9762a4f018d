"""The clients of the coordinator: their leases, and their shares of the cap."""

from __future__ import annotations

import math
import re

from msgspec import Struct

from entro_engine import EntroError
from entro_engine.fair_shares import max_min_shares

MAX_CLIENTS = 1000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WEIGHTS = (0.001, 1000.0)
_MOST_WANTED_PER_S = 1e9
_LONGEST_ALLOWANCE_S = 120.0


class TooManyClientsError(EntroError):
    """No lease is free."""


class ClientReport(Struct, frozen=True):
    """The message of a client, by which it registers or renews its lease.

    Attributes:
        id: its name, which it keeps for its life.
        weight: its part of the cap when there is not enough for all.
        sent: the number of requests it has let through since its start.
        wanted_per_s: the rate at which it could send, req/s.

    Raises:
        EntroError: if a value is outside its domain.
    """

    id: str
    weight: float = 1.0
    sent: float = 0.0
    wanted_per_s: float = 0.0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.id):
            raise EntroError("is not the id of a client", where="id", expected="1 to 64 of A-Z a-z 0-9 . _ -")
        for name, least, most in (
            ("weight", *_WEIGHTS),
            ("sent", 0.0, math.inf),
            ("wanted_per_s", 0.0, _MOST_WANTED_PER_S),
        ):
            value = getattr(self, name)
            if not math.isfinite(value) or not least <= value <= most:
                raise EntroError("is out of range", where=name, expected=f"a number from {least:g} to {most:g}")


class _Lease(Struct):
    """A client as the coordinator knows it.

    Attributes:
        report: its newest report.
        at_s: the time of that.
        takes_part: whether it takes part in the shares: it was renewed. A flood of new ids takes nothing from others.
        share_per_s: its share of the cap, req/s.
        allowance: how many requests it may report as sent: twice what it could have sent so far. More is an error or
            a lie.
        counts_from_here: whether its next report is only a base to count from: the coordinator was restarted.
    """

    report: ClientReport
    at_s: float
    takes_part: bool = False
    share_per_s: float = 0.0
    allowance: float = 2.0
    counts_from_here: bool = False


class ClientRegistry:
    """The clients that hold a lease.

    Times are in seconds of a clock that never goes back.

    Args:
        lease_s: the time after which a client that is silent counts as gone, s.
    """

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        self._leases: dict[str, _Lease] = {}
        self._sent = 0.0

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, name: str) -> bool:
        return name in self._leases

    def renew(self, report: ClientReport, now_s: float) -> bool:
        """Register a client, or renew its lease; return whether it is new.

        Raises:
            TooManyClientsError: if it is new and there are as many clients as there may be.
        """
        lease = self._leases.get(report.id)
        if lease is None:
            self._make_room(now_s)
            self._leases[report.id] = _Lease(report, now_s)
            return True
        sent = min(max(report.sent - lease.report.sent, 0.0), lease.allowance)
        if not lease.counts_from_here:
            self._sent += sent
            lease.allowance -= sent
        lease.report, lease.at_s, lease.takes_part, lease.counts_from_here = report, now_s, True, False
        return False

    def _make_room(self, now_s: float) -> None:
        self.expire(now_s)
        if len(self._leases) < MAX_CLIENTS:
            return
        new = (name for name, lease in self._leases.items() if not lease.takes_part)
        oldest = next(new, None)  # a dictionary keeps the order in which they came
        if oldest is None:
            raise TooManyClientsError(f"{MAX_CLIENTS:,} clients are registered", expected="fewer clients")
        del self._leases[oldest]

    def leave(self, name: str) -> bool:
        """Remove a client; return False if there is none of this name."""
        return self._leases.pop(name, None) is not None

    def expire(self, now_s: float) -> None:
        """Remove the clients whose lease has run out."""
        for name in [name for name, lease in self._leases.items() if now_s - lease.at_s > self.lease_s]:
            del self._leases[name]

    def take_sent(self) -> float:
        """Return the number of requests that clients reported since the last call."""
        sent, self._sent = self._sent, 0.0
        return sent

    def share_out(self, cap_per_s: float, seconds: float = 0.0) -> None:
        """Give every client its share of a cap: weighted max-min shares, and by weight a part of what nobody wants.

        Args:
            cap_per_s: the cap, req/s.
            seconds: the time for which the shares before were valid, s.
        """
        for lease in self._leases.values():
            most = _LONGEST_ALLOWANCE_S * lease.share_per_s + 2
            lease.allowance = min(lease.allowance + 2 * seconds * lease.share_per_s, max(most, lease.allowance))
        active = [lease for lease in self._leases.values() if lease.takes_part]
        wants = [lease.report.wanted_per_s for lease in active]
        shares = max_min_shares(wants, [lease.report.weight for lease in active], cap_per_s)
        for lease, share in zip(active, shares, strict=True):
            lease.share_per_s = share
        spare = max(cap_per_s - sum(shares), 0.0)
        weights = sum(lease.report.weight for lease in self._leases.values())
        for lease in self._leases.values():
            base = lease.share_per_s if lease.takes_part else 0.0
            lease.share_per_s = base + spare * lease.report.weight / weights

    def share_of(self, name: str) -> float:
        """Return the share of a client as it was last shared out, req/s."""
        return self._leases[name].share_per_s

    def part_of(self, name: str) -> float:
        """Return the part that a client has of the weights of those that take part, 0..1."""
        own = self._leases[name]
        others = (lease.report.weight for lease in self._leases.values() if lease.takes_part and lease is not own)
        return own.report.weight / (own.report.weight + sum(others))

    def weights(self) -> dict[str, float]:
        """Return the weights of the clients that take part, by id, to be restored after a restart."""
        return {name: lease.report.weight for name, lease in self._leases.items() if lease.takes_part}

    def restore(self, weights: dict[str, float], now_s: float) -> None:
        """Take over the clients of an earlier run, which renew their leases as if nothing had happened."""
        for name, weight in list(weights.items())[:MAX_CLIENTS]:
            self._leases[name] = _Lease(ClientReport(name, weight), now_s, takes_part=True, counts_from_here=True)
