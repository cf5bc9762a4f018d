"""For every test of the live parts: no event loop runs in its thread, and its bounds are on the real clock."""

import asyncio
from pathlib import Path

import pytest

from tests.running import REAL_TIME


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(REAL_TIME)


@pytest.fixture(autouse=True)
def _no_running_loop():
    """Playwright's loop is marked as running in the thread of the tests as long as its browser is open."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)
