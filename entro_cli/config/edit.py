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


def write_keys(path: Path, pipeline: str | None, values: Mapping[str, float]) -> None:
    """Set keys in a configuration file.

    Args:
        path: the file. It is created if it is missing.
        pipeline: the pipeline whose table gets the keys; None for the top of the file.
        values: the values, by key.

    Raises:
        EntroError: if the file cannot be read or written, or its layout cannot be edited.
    """
    shown = printable(str(path))
    if path.exists() and not path.is_file():
        raise EntroError("is not a file", where=shown, expected="a configuration file that can be replaced")
    text = read_text(path, shown) if path.exists() else ""
    edited = _edited(text, pipeline, values)
    if edited is None:
        lines = ", ".join(f"{key} = {value!r}" for key, value in values.items())
        raise EntroError("its layout cannot be edited", where=shown, remedy=f"put these into it: {lines}")
    write_whole(path, edited)


def _edited(text: str, pipeline: str | None, values: Mapping[str, float]) -> str | None:
    """Return the text of a file with the keys set; None if that would change anything else."""
    import tomlkit  # 20 ms, for one option of one command
    from tomlkit.exceptions import TOMLKitError

    expected = tomllib.loads(text)
    try:
        document: Any = tomlkit.parse(text)
        for tables in (expected, document):
            table = tables if pipeline is None else tables[PIPELINES][pipeline]
            for key, value in values.items():
                table[key] = value
        edited = tomlkit.dumps(document)
        return edited if tomllib.loads(edited) == expected else None
    except (TOMLKitError, tomllib.TOMLDecodeError):
        return None
