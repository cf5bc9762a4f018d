"""An empty folder to configure `entro` in, without any configuration above it or in the environment."""

import json

import pytest

from entro_cli.config import load_config
from tests.running import entro


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("ENTRO_CONFIG")
    monkeypatch.delenv("ENTRO_FULL_LOADS")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder):
    """Write entro.toml, or another file, and return its path."""

    def written(text, name="entro.toml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


@pytest.fixture
def settings(folder, write):
    """The settings that result from a file."""

    def read(text="", pipeline="default", environ=None, **options):
        write(text)
        return load_config(None, environ or {}, folder).settings(pipeline, options)

    return read


@pytest.fixture
def shown(folder):
    """The values in `entro config --json`, and the origin of each."""

    def values(*arguments):
        outcome = entro("config", "--json", *arguments)
        assert (outcome.status, outcome.err) == (0, "")
        return {key: (entry["value"], entry["origin"]) for key, entry in json.loads(outcome.out)["values"].items()}

    return values
