"""A history whose files are damaged or gone: every command refuses it or warns first, and a repair keeps the rest."""

import errno
import json
import shutil

import pytest

from entro_cli.history import digests
from tests.history.stored import HEADER, START, days, ingest, line
from tests.running import entro

DAY_NS = 86_400 * 10**9
DAYS = ["2026-03-29", "2026-03-30", "2026-03-31"]
ROWS = [line(START + index * 600 * 10**9, (index % 7) / 4, float(index % 11)) for index in range(300)]
OPTIONS = ["--step", "10min", "--stage", "llm=llm_queue:queue:20", "--stage", "scraper=scraper_rate:rate"]
PIPELINE = "pipeline=default"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repair")
    for name, shift in (("a.csv", 0.0), ("b.csv", 3.0)):
        rows = [line(START + at * 600 * 10**9, (at % 7) / 4, at % 11 + shift) for at in range(300)]
        (folder / name).write_text(HEADER + "".join(rows))
        ingest(folder / "h", folder / name, "--source", name[0], *OPTIONS)
    return folder


@pytest.fixture
def history(made, tmp_path):
    return shutil.copytree(made / "h", tmp_path / "h")


def metadata(history, name):
    return history / PIPELINE / "_entro" / name


def day_file(history, day=DAYS[1]):
    return history / PIPELINE / f"date={day}" / "steps.parquet"


def run(history, *words):
    return entro(*words, "--history", history)


def repaired(history):
    outcome = run(history, "history", "repair")
    assert (outcome.status, outcome.err) == (0, "")
    assert run(history, "history", "check").status == 0
    assert run(history, "history", "repair").out == "default: nothing is damaged\n"
    return outcome.out


def figures(history):
    outcome = run(history, "report", "--since", DAYS[0], "--until", "2026-04-02", "--tz", "UTC", "--json")
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)["figures"]


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [flipped, folder])
def test_the_copy_of_the_state_is_made_anew(history, made, damage):
    """The check named it, and the repair found nothing."""
    damage(metadata(history, "state-copy.json"))
    assert f"{metadata(history, 'state-copy.json')}: " in run(history, "history", "check").out
    assert "the copy of the state, which is damaged: it is made anew" in repaired(history)
    assert metadata(history, "state-copy.json").read_bytes() == metadata(history, "state.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flipped, folder, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_the_state_comes_back_from_its_copy(history, made, damage):
    before = figures(history)
    damage(metadata(history, "state.json"))
    outcome = run(history, "ingest", made / "a.csv", *OPTIONS)
    if metadata(history, "state.json").exists():
        assert (outcome.status, "state.json: " in outcome.err) == (1, True)
        assert "from its copy: nothing of it is lost" in repaired(history)
    assert figures(history) == before
    assert "nothing new" in ingest(history, made / "a.csv", *OPTIONS).out


@pytest.mark.slow
@pytest.mark.parametrize("gone", [["state.json", "state-copy.json"], ["state.json", "state-copy.json", "digests.json"]])
def test_a_state_from_the_days_counts_nothing_twice(history, made, gone):
    """Two logs side by side keep their sources, in whatever order they are read again."""
    before, stored = figures(history), days(history)
    for name in gone:
        metadata(history, name).unlink()
    for words in (["report", "--daily", "--json"], ["history", "export"], ["ingest", made / "a.csv"]):
        assert "entro history repair" in run(history, *words).error
    text = repaired(history)
    assert "default: kept: of the state" in text
    assert "default: lost: how far each log was read" in text
    assert "ingest the logs again" in run(history, "report", "--daily", "--json").err
    for name in ("b.csv", "a.csv"):
        ingest(history, made / name, *OPTIONS)
    assert figures(history) == before
    assert days(history) == stored
    assert run(history, "report", "--daily", "--json").err == ""


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flipped, lambda path: path.unlink()])
def test_a_lost_day(history, made, damage):
    before, stored = figures(history), days(history)
    damage(day_file(history))
    for words in (["--daily", "--date", DAYS[1]], ["--weekly"], ["--monthly", "--date", "2026-03"]):
        for form in ("terminal", "json", "markdown", "junit"):
            text = run(history, "report", *words, "--tz", "UTC", "--format", form).out
            assert "The history has lost Mon 30 Mar (UTC)" in " ".join(text.split()), (words, form)
    other = run(history, "report", "--daily", "--date", DAYS[2], "--tz", "UTC", "--json").out
    assert "lost" not in json.loads(other)["verdict"]["sentence"]
    gate = run(history, "report", "--weekly", "--json", "--fail-on", "violations>100000")
    assert (gate.status, "lost_days>0 (actual 1)" in gate.err) == (3, True)
    fleet = json.loads(run(history, "fleet", "--weekly", "--date", DAYS[1], "--json").out)
    assert fleet["verdict"]["sentence"].startswith("The history has lost days of 1 pipeline, such as default. ")
    late = made / "late.csv"
    late.write_text(HEADER + line(START + DAY_NS + 10**9, 1.0, 5.0))
    assert f"{day_file(history)}: " in run(history, "ingest", late, *OPTIONS).error
    dry = run(history, "history", "repair", "--dry-run").out
    assert "to bring it back, run entro ingest --again with" in dry
    assert repaired(history) == dry
    ingest(history, made / "a.csv", made / "b.csv", "--again", *OPTIONS)
    assert (figures(history), days(history)) == (before, stored)


def test_a_lost_last_day_is_what_the_report_is_about(history):
    day_file(history, DAYS[2]).unlink()
    outcome = run(history, "report", "--daily", "--tz", "UTC", "--json")
    assert json.loads(outcome.out)["verdict"]["sentence"].startswith("The history has lost Tue 31 Mar (UTC)")


def test_a_day_that_was_put_there_by_hand_is_not_used(history):
    before = figures(history)
    shutil.copytree(day_file(history).parent, day_file(history, "2026-03-28").parent)
    assert figures(history) | {"lost_days": []} == before
    assert "2026-03-28: it has steps of another day" in repaired(history)


def text(content):
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [("gone", b"\xff"), ("gone", b'["0"]'), ("after", b"{"), ("either", b"[]"), ("x.parquet", b""), ("2026-3-1", b"")],
)
@pytest.mark.parametrize("is_file", [False, True])
def test_garbage_in_an_interrupted_write(history, made, name, content, is_file):
    before, committed = figures(history), metadata(history, "committed")
    if is_file:
        committed.write_bytes(content)
    else:
        committed.mkdir()
        (committed / name).write_bytes(content)
    error = run(history, "ingest", made / "a.csv", *OPTIONS).error
    assert error.startswith(f"{committed}: an interrupted write is damaged: ")
    assert "a write that was interrupted" in repaired(history)
    assert figures(history) == before


@pytest.mark.parametrize(
    "words", ["history check", "history export", "report --daily --date 2026-03-30", "history repair"]
)
def test_a_day_that_this_user_must_not_read_is_not_lost(history, monkeypatch, words):
    """A report called it lost, and recommended a repair, which refuses it."""
    read = digests.read_regular

    def refused(path):
        if path == day_file(history):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(digests, "read_regular", refused)
    error = run(history, *words.split()).error
    assert error == f"{day_file(history)}: cannot be read: Permission denied; run it as a user who may read the history"
