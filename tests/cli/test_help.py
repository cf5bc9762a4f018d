"""The help of every command: whole paragraphs, the same panels, no types that say nothing, every valid name."""

import re
import sys
from itertools import pairwise

import pytest
from typer.main import get_command

from entro_cli.analysis.simulation.parameters import CONTROLLERS
from entro_cli.analysis.simulation.scenario_file import BUILT_IN
from entro_cli.commands.cli import app_for
from entro_cli.commands.options import PANELS
from entro_cli.readers.formats import FORMATS
from entro_cli.readers.registry import our_readers
from entro_cli.workflows.query_prometheus import PRESETS
from tests.running import entro


def paths(group, above=()):
    for name, command in group.commands.items():
        path = (*above, name)
        yield from paths(command, path) if hasattr(command, "commands") else [path]


COMMANDS = list(paths(get_command(app_for([]))))
GROUPS = [(), ("history",), ("schedule",)]


def help_of(path, columns=80):
    outcome = entro(*path, "--help", columns=columns)
    assert (outcome.status, outcome.err) == (0, "")
    return outcome.out


def words_of(path):
    """The help of a command as one line, without the frames of its panels."""
    return " ".join(re.sub("[│╭╰╮╯─]", " ", help_of(path, 200)).split())


@pytest.mark.parametrize("path", [*COMMANDS, *GROUPS], ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_and_shows_no_type_beside_a_flag(path, columns):
    text = help_of(path, columns)
    assert max(map(len, text.splitlines())) == columns
    assert not re.search(r"<(bool|str|path|list)|BOOLEAN", text)


@pytest.mark.parametrize("path", [*COMMANDS, *GROUPS], ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_a_line_of_a_paragraph_ends_only_where_the_next_word_does_not_fit(path, columns):
    lines = [line.strip() for line in help_of(path, columns).splitlines() if not re.match("[│╭╰]", line)]
    for line, after in pairwise(lines):
        if line and after:
            assert len(line) + 1 + len(after.split()[0]) > columns - 2, line


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_is_in_one_of_the_same_panels(path):
    titles = re.findall("^╭─ (.+?) ─", help_of(path), re.MULTILINE)
    assert titles == [title for title in ("Arguments", *PANELS) if title in titles]
    assert {"Output", "Advanced"} <= set(titles)


def test_the_formats_are_those_of_the_registry():
    assert tuple(reader.name for reader in our_readers()) == FORMATS
    for command in ("analyze", "report", "ingest", "calibrate"):
        assert f"Format of the logs: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}." in words_of([command])


@pytest.mark.parametrize(
    ("command", "names"), [("simulate", CONTROLLERS), ("simulate", BUILT_IN), ("analyze", PRESETS)]
)
def test_every_name_is_in_the_help(command, names):
    text = words_of([command])
    assert all(name in text for name in names)


@pytest.mark.slow
def test_a_process_may_run_more_commands_than_its_stack_is_deep():
    for _ in range(sys.getrecursionlimit() + 100):
        outcome = entro("analyze", "none.csv", "--step", "10s")
    assert outcome.error.startswith("none.csv: there is no such file")
