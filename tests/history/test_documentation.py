"""docs/history.md: its example runs, its table is the columns there are, and its recipes hold."""

import re
import shutil
from pathlib import Path

import duckdb

from entro_cli.history.day_files import COLUMNS
from tests.history.stored import HEADER, ingest, regular
from tests.running import entro

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text()


def filled(folder):
    (folder / "log.csv").write_text(HEADER + "".join(regular(9000)))
    ingest(folder / "history", folder / "log.csv")
    return folder / "history"


def test_the_example(tmp_path, monkeypatch):
    filled(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    frame = names["frame"]
    assert list(frame.columns) == ["time", "stage", "load"]
    assert len(frame) == 18_000
    assert str(frame["time"].min()) == "2026-03-29 01:00:00"


def test_the_columns(tmp_path):
    file = next(filled(tmp_path).rglob("*.parquet"))
    there = {
        name: kind
        for name, kind, *_ in duckdb.sql(f"DESCRIBE FROM read_parquet('{file}', hive_partitioning=0)").fetchall()
    }
    rows = re.findall(r"^\| (`.*?) \| ([A-Z_]+) \|", PAGE, re.MULTILINE)
    documented = {name: kind for names, kind in rows for name in re.findall(r"`(\w+)`", names)}
    assert documented == COLUMNS
    assert documented == {**there, "age_s": "DOUBLE", "wait_s": "DOUBLE"}  # a day without single requests lacks them


def test_a_file_from_a_backup(tmp_path):
    history = filled(tmp_path)
    shutil.copytree(history, tmp_path / "backup")
    file = history / "pipeline=default" / "date=2026-03-29" / "steps.parquet"
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "".join(row.replace(",0.0,", ",9.0,") for row in regular(9000)))
    ingest(history, other)
    shutil.copy(tmp_path / "backup" / file.relative_to(history), file)
    assert entro("history", "check", "--history", history).status == 1
    (history / "pipeline=default" / "_entro" / "digests.json").unlink()
    assert entro("history", "repair", "--history", history).status == 0
    assert entro("history", "check", "--history", history).status == 0
    assert entro("history", "export", "--history", history).err == ""
