"""The JSON documents of entro against their schemas; `python -m tests.documents` writes the files of the schemas.

`entro_cli/schemas` is in the wheel. `tests/schemas/VERSION` has those of the release before, which a document may only
add to: a release begins by replacing it with a copy of `entro_cli/schemas`.
"""

import json
from functools import cache
from pathlib import Path

import jsonschema_rs

from entro_cli.commands.views.documents import SHAPES, json_schema

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "entro_cli" / "schemas"
(BEFORE,) = (ROOT / "tests" / "schemas").iterdir()


@cache
def validator(name):
    """A validator that knows every key: one that is printed and not described would be a slip."""
    return jsonschema_rs.validator_for(_closed(json_schema(name)))


def _closed(schema):
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    is_object = schema.get("type") == "object" and "properties" in schema
    return closed | ({"additionalProperties": False} if is_object else {})


def check_printed(text):
    """Raise an error if a text is a document of entro, or has one per line, and does not follow its schema."""
    if not text.startswith("{") or '"schema": "entro/' not in text[:60]:
        return
    try:
        documents = [json.loads(text)]
    except json.JSONDecodeError:
        documents = map(json.loads, text.splitlines())
    for document in documents:
        check(document)


def check(document):
    kind, name, version = document["schema"].split("/")
    assert (kind, version) == ("entro", "1")
    validator(name).validate(document)


def text_of(name):
    return json.dumps(json_schema(name), indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in SHAPES:
        (FOLDER / f"{name}.schema.json").write_text(text_of(name))
