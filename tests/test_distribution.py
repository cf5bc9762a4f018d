"""The distribution: its name in install lines, what wheel and sdist contain, and commands without a network."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from entro_cli.analysis.simulation.scenario_file import GRAPHS
from entro_engine import __version__

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "sample_logs" / "README.md"]
CODE = [file for package in ("entro_cli", "entro_engine") for file in sorted((ROOT / package).rglob("*.py"))]

# `entro` on the package index is another project, and ours is not published.
FROM_THE_INDEX = re.compile(r"(?:pip|pipx|uv tool|uv pip) install\s+(?:-\S+\s+)*['\"]?entro(?:-cli)?(?![\w/.-])")
NOT_IN_THE_WHEEL = re.compile(r"\b(?:docs/\w+\.md|README|CONTRIBUTING|sample_logs/)")


def strings(file):
    """The texts of a module that may be shown: all but docstrings, which count for commands, whose help they are."""
    tree = ast.parse(file.read_text())
    shown = {ast.FunctionDef} if file.parent.name == "commands" else set()
    docstrings = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and type(node) not in shown
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_pages_install_from_a_path():
    assert [(page.name, FROM_THE_INDEX.findall(page.read_text())) for page in PAGES] == [
        (page.name, []) for page in PAGES
    ]


def test_messages_and_docstrings_name_our_distribution():
    """A remedy for a missing extra may name the index: ours is installed where it is shown."""
    found = {file.name: FROM_THE_INDEX.findall(file.read_text()) for file in CODE}
    assert [line for lines in found.values() for line in lines if "entro-cli" not in line] == []


def test_messages_name_no_file_that_the_wheel_lacks():
    assert [(file.name, text) for file in CODE for text in strings(file) if NOT_IN_THE_WHEEL.search(text)] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.mark.slow
def test_what_the_wheel_holds(built):
    wheel, _ = built
    assert wheel.name == f"entro_cli-{__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"entro_cli", "entro_engine"}
    for name in ("templates/report.html", "templates/plotly/plotly-cartesian.min.js", "sample_logs/five-weeks.csv"):
        assert f"entro_cli/{name}" in names
    assert {f"entro_cli/analysis/simulation/scenarios/{name}.toml" for name in GRAPHS} <= set(names)
    assert not [name for name in names if "__pycache__" in name]


@pytest.mark.slow
def test_what_the_sdist_holds(built):
    _, sdist = built
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "README.md", "tests/test_distribution.py", "templates/report.html"}
    assert needed | {f"examples/entro-squid/{name}" for name in ("entro_squid.py", "access.log")} <= names


@pytest.mark.slow
def test_wheel_and_sdist_could_be_published(built):
    command = [sys.executable, "-m", "twine", "check", "--strict", *built]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_uvx_and_pipx_run_it_from_the_wheel(built, tmp_path):
    """From a folder of wheels, as uv reads no pip.conf. pipx installs with uv where it is there."""
    wheel, wheels = built[0], tmp_path / "wheels"
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "-d", wheels, wheel], check=True)
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TZ": "UTC"}
    clean |= {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(wheels)}
    uvx = ["uv", "tool", "run", "--python", sys.executable, "--from", wheel, "entro", "demo"]
    pipx = ["pipx", "run", "--python", sys.executable, "--spec", wheel, "entro", "--version"]
    for command in (uvx, pipx):
        ended = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"entro {__version__}\n"
    assert list((tmp_path / "entro-demo").glob("*.html"))


def python_of(version):
    """An interpreter of that version; a name on the PATH may be a stub that starts nothing."""
    here = ".".join(map(str, sys.version_info[:2]))
    candidates = [sys.executable] if version == here else []
    candidates += sorted(map(str, (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python3")))
    candidates += [found] if (found := shutil.which(f"python{version}")) else []
    for python in candidates:
        asked = subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False)
        if asked.returncode == 0:
            return python
    return None


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_fresh_environment_without_a_network(built, version, tmp_path):
    python = python_of(version)
    if python is None:
        pytest.skip(f"no Python {version} with its venv module")
    environment = tmp_path / "environment"
    subprocess.run([python, "-m", "venv", environment], check=True, capture_output=True)
    install = [environment / "bin" / "python", "-m", "pip", "install", "-q", built[0]]
    subprocess.run(install, check=True, capture_output=True)
    alone = ["unshare", "-n"] if os.geteuid() == 0 and shutil.which("unshare") else []
    log = next(environment.glob("lib/*/site-packages/entro_cli/sample_logs/five-weeks.csv"))
    for arguments in (["demo"], ["report", "--weekly", "--logs", log], ["--version"]):
        command = [*alone, environment / "bin" / "entro", *arguments]
        clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TZ": "UTC"}
        ended = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"entro {__version__}\n"
    assert list(tmp_path.glob("*.html"))
