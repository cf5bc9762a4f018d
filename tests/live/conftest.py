"""For every test of the live parts: no event loop runs in its thread."""

import asyncio

import pytest


@pytest.fixture(autouse=True)
def _no_running_loop():
    """Playwright's loop is marked as running in the thread of the tests as long as its browser is open."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)
