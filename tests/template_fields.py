"""What templates get, from the dataclasses: `python -m tests.template_fields` brings docs/templates.md up to date."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from pathlib import Path

from entro_cli.report.daily_report import Summary
from entro_cli.report.fleet import Fleet

PAGE = Path(__file__).parents[1] / "docs" / "templates.md"
_MARK = "<!-- what follows is written by tests/template_fields.py -->\n"


def reached(kind: type, found: dict[type, None] | None = None) -> dict[type, None]:
    """A dataclass and all that its fields lead to, in that order."""
    found = {} if found is None else found
    if kind not in found:
        found[kind] = None
        for hint in typing.get_type_hints(kind).values():
            parts = [hint]
            while parts:
                part = parts.pop()
                parts += typing.get_args(part)
                if dataclasses.is_dataclass(part):
                    reached(part, found)
    return found


def documented() -> dict[type, None]:
    """All that a template gets: what reports lead to, then what fleets do besides."""
    return reached(Fleet, reached(Summary))


def sentences(kind: type) -> dict[str, str]:
    """What the docstring of a dataclass says of each of its fields."""
    told = re.search(r"(?ms)^Attributes:\n(.*?)(?:\n\n|\Z)", inspect.getdoc(kind) or "")
    entries = re.findall(r"(?ms)^    (\w+): (.*?)(?=^    \w+: |\Z)", told[1] if told else "")
    return {name: " ".join(text.split()) for name, text in entries}


def tables() -> str:
    """Every dataclass as a table of its fields."""
    parts = []
    for kind in documented():
        first = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
        rows = "".join(f"| `{name}` | {text.replace('|', '/')} |\n" for name, text in sentences(kind).items())
        parts.append(f"\n## {kind.__name__}\n\n{first}\n\n| field | is |\n|---|---|\n{rows}")
    return "".join(parts)


def brought_up_to_date(text: str) -> str:
    """The page with its tables as they are now."""
    return text.partition(_MARK)[0] + _MARK + tables()


if __name__ == "__main__":
    PAGE.write_text(brought_up_to_date(PAGE.read_text()))
