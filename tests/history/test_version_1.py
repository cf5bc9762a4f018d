"""Histories that releases up to 0.7.0 wrote: they are read, and their logs are read on where these stopped."""

import json
import shutil
from pathlib import Path

import pytest

from tests.history.make_version_1 import FOLDER, LOGS, NAMES, OPTIONS, first_part
from tests.history.stored import days, ingest


@pytest.fixture(params=NAMES)
def stored(request, tmp_path):
    """A copy of a history of version 1, and the log that has grown since."""
    shutil.copytree(FOLDER / request.param, tmp_path / "h")
    return tmp_path / "h", Path(shutil.copy(LOGS / request.param, tmp_path))


def test_a_log_is_read_on(stored, tmp_path):
    history, log = stored
    outcome = ingest(history, log, *OPTIONS)
    assert "read on" in outcome.out
    ingest(tmp_path / "whole", log, *OPTIONS)
    assert days(history) == days(tmp_path / "whole")
    states = [json.loads(next(folder.rglob("state.json")).read_bytes()) for folder in (history, tmp_path / "whole")]
    grown, whole = ([(log["rows_read"], log["problems"]) for log in state["logs"]] for state in states)
    assert grown == whole


def test_the_old_state_is_kept_and_that_is_said_once(stored, tmp_path):
    history, log = stored
    (state,) = history.rglob("state.json")
    before = state.read_bytes()
    assert "state.v1.json" in ingest(history, log, *OPTIONS).err
    assert state.with_name("state.v1.json").read_bytes() == before
    with log.open("ab") as file:
        file.write(b"\n")
    assert "version" not in ingest(history, log, *OPTIONS).err
    assert state.with_name("state.v1.json").read_bytes() == before


def test_an_unchanged_log_is_known(stored, tmp_path):
    history, log = stored
    (state,) = history.rglob("state.json")
    before = state.read_bytes()
    part = tmp_path / "part" / log.name
    part.parent.mkdir()
    part.write_bytes(first_part(log.name))
    assert "nothing new" in ingest(history, part, *OPTIONS).out
    assert b'"version": 1' in before
