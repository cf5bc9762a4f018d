"""Access lines of a server are a rate only where no client has one, and a warning names what they are."""

import json
from pathlib import Path

import pytest

from tests.running import entro

FORMATS = Path(__file__).parents[2] / "sample_logs" / "formats"
WARNING = "the rate is that of access lines"


def problems(document):
    return [text for source in json.loads(document)["sources"] for text in source["problems"]]


@pytest.mark.parametrize("name", ["vllm.log", "sglang.log"])
def test_a_server_alone(name, tmp_path):
    logs = (FORMATS / name, "--tz", "UTC", "--year", "2026")
    assert any(text.startswith(WARNING) for text in problems(entro("analyze", *logs, "--json").out))
    assert entro("ingest", *logs, "--history", tmp_path).err.count(WARNING) == 1
    report = entro("report", "--daily", "--history", tmp_path, "--tz", "UTC", "--format", "json")
    assert report.out.count(WARNING) == 1


def test_a_server_and_its_client(tmp_path):
    logs = (FORMATS / "vllm.log", FORMATS / "scrapy.log", "--tz", "UTC", "--year", "2026")
    assert WARNING not in entro("analyze", *logs, "--json").out
    entro("ingest", *logs, "--history", tmp_path)
    assert WARNING not in entro("report", "--daily", "--history", tmp_path, "--tz", "UTC", "--format", "json").out
