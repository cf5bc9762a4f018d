"""`entro --version` and `entro --help` come at once: nothing heavy is imported for them."""

import subprocess
import sys

import pytest

from entro_engine import __version__
from tests.running import entro

HEAVY = {"numpy", "pandas", "duckdb", "plotly", "jinja2", "entro_engine", "msgspec"}
COMMANDS = ("analyze", "report", "simulate", "config", "demo")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], *([command, "--help"] for command in COMMANDS)])
def test_nothing_heavy_is_imported(arguments):
    code = f"import sys; from entro_cli import app; app._guarded({arguments!r}); print(*sys.modules, file=sys.stderr)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {module.partition(".")[0] for module in process.stderr.split()} & HEAVY
    assert process.stdout


def test_the_version():
    assert entro("--version") == (0, f"entro {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_help_and_has_an_example(command):
    assert command in entro("--help").out
    assert "Example" in entro(command, "--help").out


@pytest.mark.parametrize("arguments", [["analyse"], ["--nonsense"]])
def test_wrong_usage(arguments):
    outcome = entro(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
