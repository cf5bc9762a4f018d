"""Editing of the configuration file: keys of a pipeline are set, and everything else stays as it is."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entro_cli.config.toml_file import PIPELINES, read_text
from entro_cli.core.console import printable
from entro_cli.core.files import write_whole
from entro_engine import EntroError


def write_keys(path: Path, pipeline: str | None, values: Mapping[str, float], comment: str) -> None:
    """Set keys in a configuration file.

    Args:
        path: the file. It is created if it is missing.
        pipeline: the pipeline whose table gets the keys; None for the top of the file.
        values: the values, by key.
        comment: put after each value. A comment that a user wrote there stays.

    Raises:
        EntroError: if the file cannot be read or written, or its layout cannot be edited.
    """
    shown = printable(str(path))
    if path.exists() and not path.is_file():
        raise EntroError("is not a file", where=shown, expected="a configuration file that can be replaced")
    text = read_text(path, shown) if path.exists() else ""
    edited = _edited(text, pipeline, values, comment)
    if edited is None:
        lines = ", ".join(f"{key} = {value!r}" for key, value in values.items())
        raise EntroError("its layout cannot be edited", where=shown, remedy=f"put these into it: {lines}")
    write_whole(path, edited)


def _edited(text: str, pipeline: str | None, values: Mapping[str, float], comment: str) -> str | None:
    """Return the text of a file with the keys set; None if that would change anything else."""
    import tomlkit  # 20 ms, for one option of one command
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    expected = tomllib.loads(text)
    try:
        document: Any = tomlkit.parse(text)
        for tables in (expected, document):
            table = tables if pipeline is None else tables[PIPELINES][pipeline]
            for key, value in values.items():
                has_lines = tables is document and not isinstance(table, InlineTable)  # a comment ends a line
                table[key] = _commented(value, table.get(key), comment) if has_lines else value
        edited = tomlkit.dumps(document)
        return edited if tomllib.loads(edited) == expected else None
    except (TOMLKitError, tomllib.TOMLDecodeError):
        return None


def _commented(value: float, earlier: Any, comment: str) -> Any:
    """Return a value for tomlkit with a comment, unless the earlier value has one of another origin, up to a colon."""
    import tomlkit

    item = tomlkit.item(value)
    kept = earlier is not None and earlier.trivia.comment
    if not kept or kept.startswith(f"# {comment.partition(':')[0]}:"):
        item.comment(comment)
    return item
