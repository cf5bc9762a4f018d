"""docs/scale.md: its configuration, manifests and commands are ones that the programs take."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from entro_cli.config import load_config
from tests.running import entro

PAGE = Path("docs/scale.md").read_text()
DASK = str(Path(sys.executable).with_name("dask"))


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


MANIFESTS = [manifest for block in blocks("yaml") for manifest in yaml.safe_load_all(block)]


def containers(manifest):
    """Every container in a manifest, wherever it stands."""
    if isinstance(manifest, list):
        return [found for part in manifest for found in containers(part)]
    if not isinstance(manifest, dict):
        return []
    return manifest.get("containers", []) + [found for part in manifest.values() for found in containers(part)]


def commands():
    """Every command on the page, as its words."""
    indented = re.findall(r"^    (entro .*)$", PAGE, re.MULTILINE)
    scripts = [line.removeprefix("srun ").rstrip("& ") for block in blocks("sh") for line in block.splitlines()]
    written = [line for line in [*indented, *scripts] if line.startswith(("entro ", "dask "))]
    return [shlex.split(line) for line in written] + [one["args"] for one in containers(MANIFESTS)]


def test_the_page_has_what_is_looked_for():
    assert len(commands()) == 5 + 3 + 3
    assert [manifest["kind"] for manifest in MANIFESTS] == ["Deployment", "Service", "Deployment", "CronJob"]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_option_is_one_of_the_program(words):
    program, *names = words[: next(at for at, word in enumerate([*words, "-"]) if word.startswith("-"))]
    command = [name for name in names if name.isalpha()]
    if program == "entro":
        shown = entro(*command, "--help").out
    else:
        shown = subprocess.run([DASK, *command, "--help"], capture_output=True, text=True, check=True).stdout
    assert [word for word in words if word.startswith("--") and f"{word}" not in shown] == []


def test_what_is_mounted_is_there():
    for manifest in MANIFESTS:
        mounts = {mount["name"] for one in containers(manifest) for mount in one.get("volumeMounts", [])}
        assert mounts == set(re.findall(r"'volumes': \[\{'name': '(\w+)'", str(manifest)))


def test_the_configuration(tmp_path):
    (block,) = blocks("toml")
    (tmp_path / "entro.toml").write_text(block)
    config = load_config(tmp_path / "entro.toml", {}, tmp_path)
    assert config.pipelines == ("frontend", "backend")
    assert config.settings("backend").logs == ("s3://logs/backend/*.csv",)


def test_the_arithmetic():
    said = re.findall(r"^\| [^|]+ \| ([\de. */]+[*/][\de. */]+) \| ([\de.]+) \|$", PAGE, re.MULTILINE)
    assert len(said) == 8
    for sum_, result in said:
        assert float(result) == pytest.approx(eval(sum_), rel=0.01), sum_
