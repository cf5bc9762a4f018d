"""`entro history check`: every damage is found, nothing else is reported, and the rest can still be read."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.stored import HEADER, START, ingest, line
from tests.marks import slow
from tests.running import entro

DAY = 86400 * 10**9
ROWS = [line(START + minute * 600 * 10**9, (minute % 7) / 4, float(minute % 11)) for minute in range(144 * 4)]
"""A row every ten minutes, from 29 March to 2 April."""

DAYS = ["2026-03-29", "2026-03-30", "2026-03-31", "2026-04-01", "2026-04-02"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    (folder / "log.csv").write_text(HEADER + "".join(ROWS))
    ingest(folder / "history", folder / "log.csv")
    return folder


@pytest.fixture
def history(tmp_path, made):
    """A copy of the history, whose log is at hand beside it."""
    shutil.copy(made / "log.csv", tmp_path / "log.csv")
    return shutil.copytree(made / "history", tmp_path / "history")


def day_file(history, day=DAYS[1]):
    return history / "pipeline=default" / f"date={day}" / "steps.parquet"


def metadata(history, name):
    return history / "pipeline=default" / "_entro" / name


def check(history, *arguments):
    return entro("history", "check", "--history", history, *arguments)


def assert_damaged(history, *paths):
    """Assert that exactly these files are reported as damaged."""
    outcome = check(history)
    assert outcome.status == 1
    assert [row.partition(": ")[0] for row in outcome.out.splitlines()] == [str(path) for path in paths]
    is_are = "is" if len(paths) == 1 else "are"
    assert outcome.err.startswith(f"entro: {len(paths)} of 7 files {is_are} damaged or missing; `entro history repair")
    told = json.loads(check(history, "--json").out)
    assert told["schema"] == "entro/history-check/1"
    assert [one["path"] for one in told["pipelines"][0]["damaged"]] == [str(path) for path in paths]


def assert_clean(history, *notes, files=7):
    outcome = check(history)
    assert (outcome.status, outcome.err) == (0, "")
    first, *others = outcome.out.splitlines()
    assert first == f"1 pipeline, {files} files: nothing is damaged"
    assert others == [f"note: {note}" for note in notes]


def exported(history, *arguments, damaged=0):
    """By day, the exported rows with data; of each damaged file there is a warning."""
    outcome = entro("history", "export", "--history", history, "--tz", "UTC", *arguments)
    assert outcome.status == 0, outcome.err
    assert len(outcome.err.splitlines()) == damaged
    assert all(row.startswith("warning: ") and ": left out: " in row for row in outcome.err.splitlines())
    rows = {}
    for row in outcome.out.splitlines()[1:]:
        if row.endswith("true"):
            rows.setdefault(row[:10], []).append(row)
    return rows


def without(rows, *days):
    return {day: content for day, content in rows.items() if day not in days}


def test_a_history_that_is_as_it_should_be(history):
    assert_clean(history)
    assert json.loads(check(history, "--json").out)["pipelines"][0]["files"] == 7


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path):
    path.write_bytes(b"")


def of_another_day(path):
    shutil.copy(path.parent.parent / f"date={DAYS[2]}" / path.name, path)


def of_another_step(path):
    log = path.parents[3] / "other.csv"
    log.write_text(HEADER + "".join(ROWS))
    ingest(path.parents[3] / "other", log, "--step", "20min")
    shutil.copy(path.parents[3] / "other" / path.relative_to(path.parents[2]), path)


def made_text(path):
    path.write_text("time,load\n")


def made_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [truncated, emptied, of_another_day, of_another_step, made_text, made_a_folder]


@pytest.mark.parametrize("listed", [True, slow(False)])
@pytest.mark.parametrize(
    "damage",
    [truncated, emptied, of_another_day, of_another_step, made_text, made_a_folder],
    ids=lambda it: it.__name__,
)
def test_a_damaged_day(history, damage, listed):
    """It is found by its hash, and where that is not known by what it holds."""
    whole = exported(history)
    if not listed:
        metadata(history, "digests.json").unlink()
    damage(day_file(history))
    outcome = check(history)
    assert outcome.status == 1
    named = [row for row in outcome.out.splitlines() if not row.startswith("note: ")]
    assert named[-1].startswith(f"{day_file(history)}: ")
    assert len(named) == 2 - listed
    if listed:
        assert_damaged(history, day_file(history))
        assert exported(history, damaged=1) == without(whole, DAYS[1])


def test_several_damaged_days_of_several_pipelines(history, tmp_path):
    ingest(history, tmp_path / "log.csv", "--pipeline", "another")
    other = history / "pipeline=another" / f"date={DAYS[0]}" / "steps.parquet"
    emptied(other)
    truncated(day_file(history))
    outcome = check(history)
    assert outcome.err.startswith("entro: 2 of 14 files are damaged or missing; ")
    assert [row.partition(": ")[0] for row in outcome.out.splitlines()] == [str(other), str(day_file(history))]
    assert check(history, "--pipeline", "another").err.startswith("entro: 1 of 7 files is damaged or missing; ")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b"nonsense", b"[" * 100_000, None], ids=lambda each: repr(each)[:20]
)
def test_a_damaged_state(history, content):
    """The days are checked all the same."""
    state = metadata(history, "state.json")
    state.write_bytes(state.read_bytes().replace(b'"offset": ', b'"offset": 1') if content is None else content)
    assert_damaged(history, state)
    emptied(day_file(history))
    assert_damaged(history, state, day_file(history))


def test_a_state_whose_samples_are_damaged(history):
    state = metadata(history, "state.json")
    content = json.loads(state.read_bytes())
    content["logs"][0]["edges"][0]["times"] = "AAAA"
    state.write_text(json.dumps(content))
    assert_damaged(history, state)
    error = entro("ingest", "--history", history, history.parent / "log.csv", "--again").error
    assert error.startswith(f"{state}: the file is damaged: ")


def test_a_state_of_a_newer_version(history):
    state = metadata(history, "state.json")
    state.write_bytes(state.read_bytes().replace(b'"version": 2', b'"version": 3'))
    assert f"{state}: the history has version 3" in check(history).out


@pytest.mark.parametrize("content", [b"{", b"", b"{}", b'{"2026-03-29": []}', b'{"state.json": [], "x": []}'])
def test_damaged_hashes(history, content):
    metadata(history, "digests.json").write_bytes(content)
    outcome = check(history)
    assert outcome.status == 1
    assert outcome.out.splitlines()[0].startswith(f"{metadata(history, 'digests.json')}: the file is damaged: ")
    log = history.parent / "log.csv"
    for words in ("report --daily", "history export", f"ingest {log}", "history prune --before 2026-03-30"):
        outcome = entro(*words.split(), "--history", history)
        assert (outcome.status, "digests.json: the file is damaged" in outcome.err) == (1, True), outcome


def test_what_is_no_damage(history):
    """Foreign files, and leftovers of killed writers."""
    folder = history / "pipeline=default"
    (folder / "notes.txt").write_text("mine")
    (folder / f"date={DAYS[0]}" / "copy.parquet").write_text("mine")
    (folder / "date=2026-05-01").mkdir()
    (folder / "date=soon").mkdir()
    (folder / "date=soon" / "x").write_text("mine")
    staging = metadata(history, "staging")
    staging.mkdir()
    (staging / "2026-03-29.parquet").write_bytes(b"half")
    metadata(history, "committed").mkdir()
    metadata(history, ".state.json.entro-abc").write_bytes(b"half")
    assert_clean(
        history,
        f"{staging}: a write is running or was interrupted; the next write removes it",
        f"{metadata(history, 'committed')}: a write is running or was interrupted; the next write completes it",
        f"{folder / 'date=soon'} does not belong to the history",
        f"{folder / 'notes.txt'} does not belong to the history",
        f"{folder / f'date={DAYS[0]}' / 'copy.parquet'} does not belong to the history",
    )


def test_ingest_does_not_build_on_a_damaged_day(history):
    path = day_file(history, DAYS[4])
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    log = history.parent / "log.csv"
    log.write_text(HEADER + "".join([*ROWS, line(START + 144 * 4 * 600 * 10**9, 1.0, 2.0)]))
    error = entro("ingest", "--history", history, log).error
    assert error.startswith(f"{path}: its content has changed since it was written; run `entro history repair`")
    assert path.read_bytes() == content


@pytest.mark.parametrize("command", ["show", "list", "export", "report --daily --format json --date 2026-03-31"])
def test_every_reader_leaves_a_damaged_day_out_and_says_so(history, command):
    emptied(day_file(history))
    words = command.split() if command.startswith("report") else ["history", *command.split()]
    outcome = entro(*words, "--history", history)
    assert outcome.status == 0, outcome.err
    assert f"warning: {day_file(history)}: left out: " in outcome.err
    if command == "show":
        assert DAYS[1] not in outcome.out
        assert DAYS[2] in outcome.out


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_any_flipped_byte_and_any_truncation(made, data):
    """It is found, and the other days can still be exported."""
    history = made / "history"
    day = data.draw(st.sampled_from(DAYS))
    path = day_file(history, day)
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        damaged = content[:at]
    else:
        damaged = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
    whole = exported(history)
    try:
        path.write_bytes(damaged)
        assert_damaged(history, path)
        assert exported(history, damaged=1) == without(whole, day)
    finally:
        path.write_bytes(content)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 2)
def test_a_flipped_byte_where_no_hash_is_known(made, data):
    """Whatever DuckDB makes of it, no command ends in a surprise."""
    history = made / "history"
    path, digests = day_file(history), metadata(history, "digests.json")
    content, hashes = path.read_bytes(), digests.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    whole = exported(history)
    try:
        digests.unlink()
        path.write_bytes(content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :])
        assert check(history).status == 1
        assert entro("history", "repair", "--history", history).status == 0
        assert entro("history", "show", "--history", history).status == 0
        outcome = entro("history", "export", "--history", history, "--tz", "UTC", "--since", DAYS[2])
        rows = [row for row in outcome.out.splitlines()[1:] if row.endswith("true")]
        assert rows == [row for day in DAYS[2:] for row in whole[day]]
    finally:
        path.parent.mkdir(exist_ok=True)  # a repair moves a damaged day aside
        path.write_bytes(content)
        digests.write_bytes(hashes)
