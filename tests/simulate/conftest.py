"""`entro simulate` in this process, as a user runs it."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.running import Outcome
from tests.running import entro as run_entro


@pytest.fixture(scope="session")
def entro() -> Callable[..., Outcome]:
    return run_entro


@cache
def _document(*arguments: str) -> dict[str, Any]:
    outcome = run_entro("simulate", "--json", *arguments)
    assert (outcome.status, outcome.err) == (0, "")
    return json.loads(outcome.out)


@pytest.fixture(scope="session")
def simulated() -> Callable[..., dict[str, Any]]:
    """The JSON document of `entro simulate` with these arguments; each is run once."""
    return _document
