"""Pages for contributors: the files, classes and functions that they name exist, and the layers are those there are."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARCHITECTURE, CONTRIBUTING = ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"
PAGES = [ROOT / "README.md", CONTRIBUTING, *sorted((ROOT / "docs").glob("*.md")), ROOT / "sample_logs" / "README.md"]
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.png"))

FOLDERS = "benchmarks|docs|examples|entro_cli|entro_engine|sample_logs|templates|tests"
FILE, NAMES = r"`(entro_\w+/[\w/]+\.py)`", r"((?:`[\w.]+`(?:,\s)?)+)"
NAMES_OF_FILE = rf"^\| {FILE} \| {NAMES} \||{FILE}\s\({NAMES}\)"  # a row of a table; a sentence
FILE_OF_NAME = rf"^\| `(\w+)` \| {FILE} \|"


def named_in_files(page):
    """Every class, function, method or constant that a page names together with its file."""
    text = page.read_text(encoding="utf-8")
    matches = re.findall(NAMES_OF_FILE, text, re.MULTILINE)
    found = [(row + said, name) for row, a, said, b in matches for name in re.findall(r"[\w.]+", a + b)]
    return found + [(file, name) for name, file in re.findall(FILE_OF_NAME, text, re.MULTILINE)]


def defined_in(file):
    """What a module defines, by its dotted name."""
    names = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name))
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names.update(f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef))
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_names_exist(page):
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", page.read_text(encoding="utf-8")))
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize(
    ("page", "least"), [(ARCHITECTURE, 60), (CONTRIBUTING, 20)], ids=["architecture", "contributing"]
)
def test_the_names_that_a_page_gives_are_defined_where_it_says(page, least):
    named = named_in_files(page)
    assert len(named) >= least
    assert [(file, name) for file, name in named if name not in defined_in(file)] == []


def test_the_layers_are_those_of_import_linter():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if "containers" not in one)
    shown = re.findall(r"^    (entro_(?:cli\.|engine).*)$", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == layers


def test_the_readme_is_short_and_its_pictures_are_small():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
    assert len(PICTURES) >= 2
    assert all(picture.stat().st_size < 200_000 for picture in PICTURES)


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    required = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    required += [one for extra in extras.values() for one in extra]
    _, _, reasons = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").partition("## Dependencies")
    named = set(re.findall(r"[\w.-]+", " ".join(re.findall(r"^\| ([^|]+)", reasons, re.MULTILINE))))
    assert {re.split(r"[\[>=<; ]", one)[0] for one in required} - named == set()
