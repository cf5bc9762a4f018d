"""`[formats.NAME]` in entro.toml, and readers of other packages."""

import json
import sys

import pytest

from entro_cli.readers import registry
from tests.running import entro, entro_process

DECLARED = """
[formats.depth]
pattern = '^(?P<time>\\S+) depth=(?P<queue>\\d+)'
description = "depth of [bold]our[/bold] queue"
"""
LOG = "2026-04-06T12:00:00Z depth=3\n2026-04-06T12:00:10Z depth=5\n"


def test_a_declared_format_is_listed_and_read(write):
    write(DECLARED)
    write(LOG, "a.log")
    listed = entro("formats", columns=160)
    assert "depth of [bold]our[/bold] queue" in listed.out
    names = [one["name"] for one in json.loads(entro("formats", "--json").out)["formats"]]
    assert names[:2] == ["depth", "table"]
    for arguments in ((), ("--input-format", "depth")):
        outcome = entro("analyze", "a.log", "--json", *arguments)
        assert [source["format"] for source in json.loads(outcome.out)["sources"]] == ["depth"]
    assert "one of depth, table" in entro("analyze", "a.log", "--input-format", "nope").error


def test_a_format_of_a_pipeline_is_merged_key_by_key(settings):
    text = DECLARED + "[pipelines.other.formats.depth]\nunit = 'ms'\n"
    (found,) = settings(text, "other").formats
    assert (found.name, found.unit, found.description) == ("depth", "ms", "depth of [bold]our[/bold] queue")
    assert settings(text).formats[0].unit == ""
    assert settings("").formats == ()


def test_every_command_reports_a_pattern_that_cannot_be_used(write):
    write("[formats.x]\npattern = '(?P<time>\\S+) (?P<queue>\\d+)(?!s)'\n")
    for arguments in (("config",), ("formats",), ("analyze", "a.log"), ("report", "--daily")):
        assert entro(*arguments).error.startswith(
            "entro.toml: formats.x.pattern: cannot be used: invalid perl operator"
        )


def test_a_declaration_is_part_of_what_a_log_is(write, folder):
    write(DECLARED)
    write(LOG, "a.log")
    assert entro("ingest", "a.log", "--history", "h").status == 0
    assert "nothing new" in entro("ingest", "a.log", "--history", "h").out
    write(DECLARED.replace("<queue>", "<backlog>"))
    assert "nothing new" not in entro("ingest", "a.log", "--history", "h").out


def test_a_log_in_which_no_line_matches_yet(write, folder):
    write(DECLARED)
    log = write("starting\n", "a.log")
    arguments = ("ingest", "a.log", "--history", "h", "--input-format", "depth")
    assert "nothing in it yet" in entro(*arguments).out
    log.write_text("starting\n" + LOG)
    assert "nothing" not in entro(*arguments).out


READER = """
from entro_cli.timeseries.observations import Observations

class Moon:
    name = "moon"
    description = "the log of the moon"
    gives = "nothing"

    def recognise(self, log):
        return 0.9 if log.head.startswith(b"moon") else 0.0

    def read(self, log, options):
        from entro_cli.readers.tables.reader import TableReader
        from entro_cli.readers.inputs.log_file import excerpt
        return TableReader().read(excerpt(log, 5, len(log.head)), options)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package with a reader in the path of Python, for this process or another."""

    def install(code, target="moon_logs:Moon"):
        info = tmp_path / "site" / "moon_logs-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moon-logs\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[entro.readers]\nmoon = {target}\n")
        (info.parent / "moon_logs.py").write_text(code)
        monkeypatch.syspath_prepend(info.parent)
        registry._installed.cache_clear()
        return info.parent

    yield install
    sys.modules.pop("moon_logs", None)
    registry._installed.cache_clear()


def test_a_reader_of_another_package(package, write):
    package(READER)
    write("moon\ntime,queue\n2026-04-06T12:00:00Z,3\n", "a.log")
    write("time,queue\n2026-04-06T12:00:00Z,3\n", "b.csv")
    assert "the log of the moon" in entro("formats", columns=160).out
    for arguments in ((), ("--input-format", "moon")):
        assert json.loads(entro("analyze", "a.log", "--json", *arguments).out)["rows_read"] == 1
    assert json.loads(entro("analyze", "b.csv", "--json").out)["rows_read"] == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_like_this", "the reader cannot be loaded: ModuleNotFoundError: No module named"),
        ("class Moon:\n    name = 'moon'", "the reader has no description and no gives and no recognise and no read"),
    ],
)
def test_a_reader_that_cannot_be_used_names_its_package(package, write, code, reason):
    package(code)
    write("what is this\n", "a.log")
    error = entro("analyze", "a.log").error
    assert error.startswith(f"package moon-logs, entry point moon: {reason}")
    assert "pip uninstall moon-logs" in error


def test_a_log_that_is_certain_loads_no_other_package(package, write, folder):
    site = package("raise SystemExit('loaded')")
    write("time,queue\n2026-04-06T12:00:00Z,3\n", "b.csv")
    outcome = entro_process("analyze", "b.csv", "--json", cwd=folder, env={"PYTHONPATH": str(site), "PATH": "/usr/bin"})
    assert outcome.returncode == 0, outcome.stderr
