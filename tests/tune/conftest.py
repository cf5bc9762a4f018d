"""An empty folder in which `entro` finds its configuration, without any in the environment."""

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("ENTRO_CONFIG", raising=False)
    monkeypatch.delenv("ENTRO_FULL_LOADS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path
