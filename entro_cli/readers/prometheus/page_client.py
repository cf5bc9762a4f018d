"""A page of metrics at an address, read once."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from time import sleep

from entro_cli.core.console import printable
from entro_cli.core.http import HttpFailure, refusal, send
from entro_cli.readers.prometheus.client import METRICS, authorization, body_text, checked_url


@dataclass(frozen=True)
class MetricsPage:
    """A page of metrics at an address.

    Attributes:
        url: its address, http or https, without user, password and query, which would be shown.
        environ: the environment, which has the credentials or names files that have them.
        timeout_s: how long the server may stay silent in each attempt, seconds.
    """

    url: str
    environ: Mapping[str, str]
    timeout_s: float = 20.0

    @property
    def label(self) -> str:
        """Its name in messages."""
        parts = checked_url(self.url, "--metrics", "http://HOST:8000/metrics")
        return f"metrics at {printable(parts.netloc + parts.path)}"

    def fetch(self) -> str:
        """Return the text of the page.

        Raises:
            EntroError: if the server cannot be reached, or answers with something else.
        """
        headers = {"Accept": "text/plain", "User-Agent": "entro", **authorization(self.environ, METRICS)}
        label = self.label  # checks the address
        return send(
            urllib.request.Request(self.url, headers=headers),  # noqa: S310  (the scheme was checked)
            where=label,
            timeout_s=self.timeout_s,
            sleep=sleep,
            read=lambda body: body_text(body, label, "name a page of fewer metrics"),
            refused=_refused,
            unreachable_remedy="check the address given with --metrics",
        )


def _refused(error: urllib.error.HTTPError) -> HttpFailure:
    if error.code in {401, 403}:
        return HttpFailure(
            f"refuses the credentials ({error.code})",
            remedy=f"give a token in {METRICS}_TOKEN, or {METRICS}_USER and {METRICS}_PASSWORD",
        )
    return refusal(error.code, redirect_remedy="name where it leads to", remedy="check the path, such as /metrics")
