"""A folder of one's own to configure `entro` in; nothing above it or in the environment says anything."""

import json

import pytest

from entro_cli.config import load_config
from tests.running import entro


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("ENTRO_CONFIG")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder):
    """Write entro.toml, or another file, and give its path."""

    def written(text, name="entro.toml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


@pytest.fixture
def settings(folder, write):
    """The settings that a file makes, for code that is handed them."""

    def made(text="", pipeline="default", environ=None, **given):
        write(text)
        return load_config(None, environ or {}, folder).settings(pipeline, given)

    return made


@pytest.fixture
def shown(folder):
    """The values `entro config --json` shows, and where each is from."""

    def values(*arguments):
        outcome = entro("config", "--json", *arguments)
        assert (outcome.status, outcome.err) == (0, "")
        return {key: (entry["value"], entry["origin"]) for key, entry in json.loads(outcome.out)["values"].items()}

    return values
