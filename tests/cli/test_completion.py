"""Values that the shell completes, asked for as bash does."""

import os

import pytest

from entro_cli.analysis.simulation.parameters import CONTROLLERS
from entro_cli.analysis.simulation.scenario_file import BUILT_IN
from entro_cli.readers.formats import FORMATS
from entro_cli.workflows.query_prometheus import PRESETS
from tests.running import entro, entro_process


def completed(line, **variables):
    """What follows the cursor at the end of a line."""
    words = line.split(" ")
    variables |= {"_ENTRO_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    process = entro_process(env=os.environ | variables)
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.split()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("entro analyze --input-format ", list(FORMATS)),
        ("entro ingest --input-format s", ["sglang", "scrapy"]),
        ("entro simulate --controller ", ["family", *CONTROLLERS]),
        ("entro simulate --scenario ", list(BUILT_IN)),
        ("entro analyze --preset ", list(PRESETS)),
        ("entro report --tz Europe/Ber", ["Europe/Berlin"]),
        ("entro report --format ", ["html", "terminal", "markdown", "json", "junit", "email", "pdf"]),
        ("entro fleet --format ", ["html", "terminal", "markdown", "json", "pdf"]),
        ("entro compare --format ", ["html", "terminal", "markdown", "json"]),
        ("entro history export --format ", ["csv", "jsonl", "parquet"]),
    ],
)
@pytest.mark.slow
def test_names_that_are_always_the_same(line, values):
    assert completed(line) == values


@pytest.fixture
def history(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("time,rate,queue\n" + "".join(f"2026-04-06T00:00:{at:02}Z,1,0\n" for at in range(9)))
    for name in ("web", "shop"):
        assert entro("ingest", log, "--history", tmp_path / "history", "--pipeline", name).status == 0
    return tmp_path / "history"


@pytest.mark.parametrize(
    "command", ["analyze", "ingest", "report", "compare", "history show", "history check", "schedule add"]
)
@pytest.mark.slow
def test_pipelines_of_the_history(history, command):
    assert completed(f"entro {command} --history {history} --pipeline ") == ["shop", "web"]
    assert completed(f"entro {command} --pipeline w", ENTRO_HISTORY=str(history)) == ["web"]


def test_pipelines_of_the_configuration(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text(f"history = '{tmp_path}'\n[pipelines.frontend]\n[pipelines.backend]\n")
    assert completed(f"entro config --config {config} --pipeline ") == ["frontend", "backend"]


def test_what_cannot_be_looked_up_completes_to_nothing(tmp_path):
    (tmp_path / "entro.toml").write_text("[")
    assert completed(f"entro config --config {tmp_path}/entro.toml --pipeline ") == []
    assert completed("entro report --history s3://nowhere/history --pipeline ") == []
    assert completed("entro schedule remove ", PATH=str(tmp_path)) == []
