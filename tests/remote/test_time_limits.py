"""Web servers whose answers have no end, or lead away from TLS."""

import asyncio
import time
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from yarl import URL

from entro_cli.core.web_client import redirects_with_tls
from entro_engine import EntroError
from tests.alerts.dripping import dripping
from tests.running import REAL_TIME, entro

pytestmark = REAL_TIME

HEADERS = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("name", ["log.csv", "logs/"])
@pytest.mark.parametrize("begins", [HEADERS + b"X: ", HEADERS + b"\r\n"], ids=["headers", "body"])
def test_a_server_that_drips(begins, name):
    began_s = time.monotonic()
    with dripping(begins) as port, patch("entro_cli.core.remote_files.WHOLE_TIMEOUT_S", 0.2):
        error = entro("analyze", f"http://127.0.0.1:{port}/{name}").error
    assert error.endswith(": the server cannot be reached or does not answer; try again later")
    assert time.monotonic() - began_s < 5  # a machine that is busy


def test_a_log_without_end():
    with dripping(HEADERS + b"\r\n", b"a" * 65536, 0) as port, patch("entro_cli.core.remote_files.MAX_BYTES", 1 << 20):
        assert "/log.csv: is larger than" in entro("analyze", f"http://127.0.0.1:{port}/log.csv").error


def test_a_folder_without_end():
    with dripping(HEADERS + b"\r\n", b"a" * 65536, 0) as port, patch("entro_cli.core.web_client._MAX_BYTES", 1 << 20):
        assert "the response is longer than 1 MiB" in entro("analyze", f"http://127.0.0.1:{port}/logs/").error


@pytest.mark.parametrize(
    ("url", "location", "is_refused"),
    [
        ("https://host/a", "http://host/b", True),
        ("https://host/a", "https://other/b", False),
        ("https://host/a", "/b", False),
        ("http://host/a", "http://other/b", False),
    ],
)
def test_a_redirect_that_leaves_tls(url, location, is_refused):
    redirect = SimpleNamespace(url=URL(url), response=SimpleNamespace(headers={"Location": location}))
    (refuse,) = redirects_with_tls().on_request_redirect
    if is_refused:
        with pytest.raises(EntroError, match="without TLS"):
            asyncio.run(refuse(None, None, redirect))
    else:
        asyncio.run(refuse(None, None, redirect))
