"""docs/configuration.md: its tables have every key, and its example works."""

import re
from pathlib import Path

from entro_cli.config.keys import ANY, KEYS
from tests.running import entro

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_the_tables_list_every_key_and_no_other():
    listed = re.findall(r"^\| `([^`]+)` \|", TEXT, re.MULTILINE)
    assert listed == [key.name.replace(ANY, "NAME") for key in KEYS]


def test_numbers_that_are_defaults_are_right():
    cells = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", TEXT, re.MULTILINE))
    for key in KEYS:
        if isinstance(key.default, float) and key.name not in {"wait", "objective", "alerts.at_least"}:
            assert float(cells[key.name]) == key.default
        if isinstance(key.default, bool):
            assert cells[key.name] == str(key.default).lower()


def test_the_example_works(write):
    (example,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    write(example)
    outcome = entro("config", "--pipeline", "backend")
    assert outcome.status == 0
    assert "Pipelines: frontend, backend" in outcome.out
