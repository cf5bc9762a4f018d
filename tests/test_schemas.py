"""JSON Schemas: the files are those of the code, documents only grow, and a wrong document is found."""

import json
import re

import pytest

from entro_cli.commands.views.documents import SHAPES
from entro_engine import __version__
from tests.documents import BEFORE, FOLDER, ROOT, check, text_of
from tests.running import entro

NOT_PRINTED = {"history", "told"}  # of files that only entro reads


@pytest.mark.parametrize("name", SHAPES)
def test_the_files_of_the_wheel_are_what_the_command_prints(name):
    assert (FOLDER / f"{name}.schema.json").read_text() == text_of(name), "run python -m tests.documents"
    assert json.loads(entro("schema", name).out) == json.loads(text_of(name))


def test_every_document_in_the_code_has_one():
    code = "".join(file.read_text() for file in (ROOT / "entro_cli").rglob("*.py"))
    written = r'"entro/([\w-]+)/1"|\.document\(\s*"([\w-]+)"|_print_results\(\s*"([\w-]+)"'
    assert {"".join(found) for found in re.findall(written, code)} - NOT_PRINTED == set(SHAPES)
    assert entro("schema").out.split() == [*SHAPES]
    assert {file.name.partition(".")[0] for file in FOLDER.iterdir()} == set(SHAPES)


def test_an_unknown_name():
    assert "there is no document 'reprot'" in entro("schema", "reprot").error
    assert "did you mean report?" in entro("schema", "reprot").error


def lost(before, now, place=""):
    """Yield the places in which a schema no longer promises what it did; descriptions may change."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key, value in before.items():
            if key == "required":
                yield from (f"{place}/{name}" for name in set(value) - set(now.get(key, ())))
            elif key not in {"description", "title"}:
                yield from lost(value, now[key], f"{place}/{key}") if key in now else [f"{place}/{key}"]
    elif before != now:
        yield place


@pytest.mark.parametrize("file", sorted(BEFORE.iterdir()), ids=lambda file: file.name.partition(".")[0])
def test_a_document_keeps_all_that_the_release_before_had(file):
    assert list(lost(json.loads(file.read_text()), json.loads((FOLDER / file.name).read_text()))) == []


def test_it_is_the_release_before():
    releases = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[:2] == [__version__, BEFORE.name], "copy entro_cli/schemas of the last release to tests/schemas"


def test_what_is_lost_is_seen():
    schema = json.loads(text_of("ingest"))
    less = json.loads(text_of("ingest"))
    del less["$defs"]["IngestedLog"]["properties"]["path"]
    less["required"].remove("pipelines")
    assert set(lost(schema, less)) == {"/pipelines", "/$defs/IngestedLog/properties/path"}
    assert list(lost(less, schema)) == []


@pytest.mark.parametrize("wrong", [{"violations": "many"}, {"incidents": [{}]}, {"budget": []}, {"stages": None}])
def test_a_wrong_document_is_found(wrong):
    outcome = entro("analyze", ROOT / "sample_logs" / "five-weeks.csv", "--tz", "UTC", "--json")
    document = json.loads(outcome.out)
    check(document)
    with pytest.raises(ValueError, match="more"):
        check(document | {"more": 1})
    with pytest.raises(ValueError, match="schema"):
        check(document | wrong)
    with pytest.raises(ValueError, match="required"):
        check({name: value for name, value in document.items() if name not in wrong})
