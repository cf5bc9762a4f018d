"""`entro` in this process, as a user runs it: arguments in, status and both streams out."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from typing import Any, NamedTuple

import pytest

from entro_cli import app


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


def run_entro(*arguments: str) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = app._guarded(list(arguments))
    return Outcome(status, out.getvalue(), err.getvalue())


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
