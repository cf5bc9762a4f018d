"""Marks of tests and of their parameters."""

import pytest


def slow(*values):
    """Parameters that show once more what cheaper ones show: tests run them in CI only."""
    return pytest.param(*values, marks=pytest.mark.slow)
