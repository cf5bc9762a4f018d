"""`entro --version` and `entro --help` come at once: nothing heavy is imported for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from entro_engine import __version__
from tests.running import entro

HEAVY = {
    "numpy",
    "pandas",
    "duckdb",
    "plotly",
    "jinja2",
    "entro_engine",
    "msgspec",
    "filelock",
    "fsspec",
    "distributed",
    "pydantic",
    "pygments",
}
COMMANDS = ("analyze", "ingest", "report", "fleet", "history", "simulate", "schedule", "config", "demo")
PARTS = (
    *(f"history {name}" for name in ("list", "show", "export", "check", "prune")),
    "schedule add",
    "schedule list",
    "schedule remove",
)


def modules_of(*arguments, prints=True):
    """The modules that a command imports."""
    code = (
        f"import sys; from entro_cli import app; app._guarded({[*arguments]!r}); print(*sys.modules, file=sys.stderr)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert bool(process.stdout) is prints
    return {*process.stderr.split()}


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], *([*command.split(), "--help"] for command in (*COMMANDS, *PARTS))]
)
@pytest.mark.slow
def test_nothing_heavy_is_imported(arguments):
    assert not {module.partition(".")[0] for module in modules_of(*arguments)} & HEAVY


@pytest.mark.slow
def test_a_text_log_is_read_without_duckdb_and_pydantic():
    log = Path(__file__).parents[2] / "sample_logs" / "formats" / "scrapy.log"
    unused = {"duckdb", "pydantic", "ssl", "concurrent.futures.process", "entro_cli.readers.prometheus.client"}
    assert not modules_of("analyze", str(log), "--tz", "UTC", "--year", "2026", "--quiet") & unused


@pytest.mark.slow
def test_a_scheduled_run_without_channels_loads_no_openssl_and_no_pydantic(tmp_path):
    log = Path(__file__).parents[2] / "sample_logs" / "three-phase.csv"
    assert entro("ingest", str(log), "--history", str(tmp_path / "history")).status == 0
    run = ["schedule", "run", "--daily", "--history", str(tmp_path / "history"), "--out", str(tmp_path / "reports")]
    loaded = modules_of(*run, "--as-of", "2026-04-07T06:00", prints=False)
    assert not loaded & {"ssl", "smtplib", "http.client", "pydantic"}
    assert [*(tmp_path / "reports").glob("*.html")]


def test_the_version():
    assert entro("--version") == (0, f"entro {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["history", "--help"], ["analyse"]])
def test_python_m_entro_cli_is_the_command(arguments):
    command = [sys.executable, "-m", "entro_cli", *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "80"})
    assert (process.returncode, process.stdout, process.stderr) == entro(*arguments)


@pytest.mark.parametrize("command", [*COMMANDS, *PARTS])
def test_every_command_is_in_the_help_and_has_an_example(command):
    *above, name = command.split()
    assert f" {name} " in entro(*above, "--help").out
    assert "Example" in entro(*above, name, "--help").out


@pytest.mark.parametrize("arguments", [["analyse"], ["--nonsense"]])
def test_wrong_usage(arguments):
    outcome = entro(*arguments)
    assert (outcome.status, outcome.out) == (2, "")
