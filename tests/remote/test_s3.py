"""Logs in a bucket, on moto's server."""

import pytest

from tests.history.stored import HEADER, days, ingest
from tests.marks import slow
from tests.remote.conftest import ROWS, environment
from tests.running import entro, entro_process


@pytest.fixture
def filled(bucket):
    bucket.pipe_file("logs/llm-1.csv", (HEADER + "".join(ROWS[:30])).encode())
    bucket.pipe_file("logs/llm-2.csv", (HEADER + "".join(ROWS[30:])).encode())
    return bucket


@pytest.fixture
def here(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "llm-1.csv").write_text(HEADER + "".join(ROWS[:30]))
    (folder / "llm-2.csv").write_text(HEADER + "".join(ROWS[30:]))
    return folder


@pytest.mark.parametrize("name", ["s3://logs/llm-*.csv", slow("s3://logs/llm-?.csv"), slow("s3://logs/"), "s3://logs"])
def test_it_is_stored_as_if_it_were_here(filled, here, tmp_path, name):
    ingest(tmp_path / "there", name)
    ingest(tmp_path / "whole", here)
    assert days(tmp_path / "there") == days(tmp_path / "whole")
    assert days(tmp_path / "there")


@pytest.mark.slow
def test_twice_changes_nothing_and_what_grows_is_read_on(filled, here, tmp_path):
    history = tmp_path / "there"
    for expected in (["new", "new"], ["nothing new", "nothing new"]):
        outcome = entro_process("ingest", "--history", history, "s3://logs/llm-*.csv", "--json")
        assert outcome.returncode == 0, outcome.stderr
        assert [part for part in ("read on",) if part in outcome.stdout] == []
        assert outcome.stdout.count('"nothing new"') == expected.count("nothing new")
    filled.pipe_file("logs/llm-1.csv", (HEADER + "".join(ROWS)).encode())
    outcome = entro_process("ingest", "--history", history, "s3://logs/llm-1.csv", "--json")
    assert '"read on"' in outcome.stdout
    ingest(tmp_path / "whole", here)
    assert days(history) == days(tmp_path / "whole")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("s3://logs/none.csv", "no such object"),
        ("s3://nowhere/*.csv", "no such object"),
        ("s3://logs/*.nix", "no object matches the pattern; expected at least one log"),
    ],
)
def test_what_may_be_wrong_with_it(filled, name, error):
    assert entro("analyze", name).error == f"{name}: {error}"


def test_without_credentials(bucket):
    with environment(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME="/nonexistent") as variables:
        outcome = entro_process("analyze", "s3://logs/x.csv", env=variables)
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines()[-1].startswith("entro: s3://logs/x.csv: access denied; set the credentials")
