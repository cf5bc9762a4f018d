"""What a test needs of the system: without it the test is skipped, or fails where ENTRO_REQUIRE_SYSTEM is set."""

import os
from pathlib import Path

import pytest


def require(condition, reason):
    """Go on only if the condition holds."""
    if condition:
        return
    if os.environ.get("ENTRO_REQUIRE_SYSTEM"):
        pytest.fail(reason)
    pytest.skip(reason)


def require_program(path, package):
    """Go on only if a program of Debian is installed."""
    require(Path(path).exists(), f"no {path} (Debian: apt-get install {package})")


def require_root():
    """Go on only as root."""
    require(os.geteuid() == 0, "only root can do this")
