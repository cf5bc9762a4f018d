"""Names of files and folders that are not UTF-8, as old archives have them."""

import json
import os

import pytest

from tests.history.stored import HEADER, regular
from tests.running import entro

NAME = os.fsdecode(b"l\xff")


@pytest.fixture
def log(tmp_path):
    path = tmp_path / f"{NAME}.csv"
    path.write_text(HEADER + "".join(regular(300)))
    return path


def test_documents_name_them_as_the_terminal_does(log, tmp_path):
    for words in (["analyze", log, "--json"], ["report", log, "--format", "json", "--out", "-"]):
        outcome = entro(*words, "--tz", "UTC")
        assert (outcome.status, outcome.err) == (0, ""), outcome.err
        assert r"l\udcff.csv" in json.dumps(json.loads(outcome.out)).replace("\\\\", "\\")


@pytest.mark.parametrize("words", [["--history", NAME], ["--history", "h", "--pipeline", NAME]])
def test_the_history_refuses_them(log, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    error = entro("ingest", log, *words).error
    assert "the place of a history or the name of a pipeline is not UTF-8" in error, error
    assert "; name another with --history or --pipeline" in error
    assert not (tmp_path / "h").exists()
