"""A history at a URL has the same content as one in a folder, with kills and with other writers."""

import json
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from entro_cli.core.remote_folder import RemoteFolder
from entro_cli.history import remote_copy
from entro_cli.history.digests import read_digests
from entro_cli.history.paths import pipeline_paths
from entro_cli.history.remote_copy import working_copy
from entro_engine import EntroError
from tests.history.stored import HEADER, ingest, regular
from tests.marks import slow
from tests.remote.conftest import environment
from tests.running import entro

ROWS = regular(240, step_s=900)  # of two and a half days, which three of UTC have a part in
WEEK = ("--weekly", "--tz", "UTC", "--format", "json")


class Killed(BaseException):
    """Ends a command as a kill does: nothing that it would do at its end is done."""


@pytest.fixture(autouse=True)
def machine(tmp_path):
    """A machine whose copies of histories are its own."""
    with on_machine(tmp_path / "machine"):
        yield


@contextmanager
def on_machine(folder):
    with environment(XDG_CACHE_HOME=str(folder)):
        yield


@pytest.fixture(params=[slow("s3"), "file"])
def history(request, tmp_path):
    """The URL of a history that is not there yet."""
    if request.param == "file":
        return f"file://{tmp_path}/far away/history"
    request.getfixturevalue("bucket")
    return "s3://logs/the history/here"


@pytest.fixture
def log(tmp_path):
    return grown(tmp_path, len(ROWS))


def grown(tmp_path, rows):
    path = tmp_path / "llm.csv"
    path.write_text(HEADER + "".join(ROWS[:rows]))
    return path


def stored_at(url, pipeline="default"):
    """The bytes of the files of a pipeline at a URL."""
    remote = RemoteFolder(f"{url}/pipeline={pipeline}")
    return {name: remote.read(name) for name in remote.files()}


def stored_in(folder, pipeline="default"):
    """The same of one in a folder, without its locks."""
    top = folder / f"pipeline={pipeline}"
    named = {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in named.items() if not name.endswith("lock")}


def without_metadata(stored):
    return {name: content for name, content in stored.items() if not name.startswith("_entro/")}


def test_it_holds_what_a_folder_holds(history, log, tmp_path):
    ingest(history, log)
    ingest(tmp_path / "folder", log)
    there, here = stored_at(history), stored_in(tmp_path / "folder")
    assert there.keys() == here.keys()
    assert without_metadata(there) == without_metadata(here)
    assert there["_entro/digests.json"].count(b"date") == here["_entro/digests.json"].count(b"date")
    for command in (("report", *WEEK), ("compare", "2026-W13", "2026-W14", "--tz", "UTC", "--json")):
        found, expected = (entro(*command, "--history", place) for place in (history, tmp_path / "folder"))
        assert found == expected
        assert found.status == 0, found.err


def test_another_machine_reads_on(history, tmp_path):
    ingest(history, grown(tmp_path, 120))
    with on_machine(tmp_path / "other"):
        assert '"read on"' in ingest(history, grown(tmp_path, 240), "--json").out
    assert '"nothing new"' in ingest(history, tmp_path / "llm.csv", "--json").out
    ingest(tmp_path / "folder", tmp_path / "llm.csv")
    assert without_metadata(stored_at(history)) == without_metadata(stored_in(tmp_path / "folder"))


def test_only_what_changed_is_fetched(history, log, tmp_path):
    ingest(history, log)
    with on_machine(tmp_path / "other"):
        entro("report", *WEEK, "--history", history)
        with patch.object(RemoteFolder, "fetch", side_effect=AssertionError):
            assert entro("report", *WEEK, "--history", history).status == 0


@pytest.mark.slow
@pytest.mark.parametrize("calls", range(1, 10))
def test_a_kill_during_the_upload_loses_nothing(bucket, tmp_path, quick, calls):
    history = "s3://logs/history"
    ingest(history, grown(tmp_path, 120))
    before = without_metadata(stored_at(history))
    log = grown(tmp_path, 240)
    with killed_at_change(calls), pytest.raises(Killed):
        entro("ingest", "--history", history, log)
    with on_machine(tmp_path / "reader"):
        seen = read_at(history)
    ingest(tmp_path / "folder", log)
    after = without_metadata(stored_in(tmp_path / "folder"))
    assert seen in (before, after)
    with on_machine(tmp_path / "other"):
        ingest(history, log)
        assert entro("history", "check", "--history", history).status == 0
    there = stored_at(history)
    assert without_metadata(there) == after
    assert there.keys() == stored_in(tmp_path / "folder").keys()


@contextmanager
def killed_at_change(calls):
    """Be killed before so many changes at the URL."""
    left = [calls]

    def counted(change):
        def changing(self, name, *arguments, **options):
            if name != remote_copy._LEASE:  # which a thread of its own writes, too
                left[0] -= 1
                if left[0] <= 0:
                    raise Killed
            return change(self, name, *arguments, **options)

        return changing

    names = ("put", "write", "copy")
    with (
        patch.multiple(RemoteFolder, **{name: counted(getattr(RemoteFolder, name)) for name in names}),
        patch.object(RemoteFolder, "remove", lambda self, names: None),
    ):
        yield


def read_at(url):
    place = pipeline_paths(url, "default")
    with working_copy(place):
        return without_metadata(stored_in(place.history))


@pytest.fixture
def quick():
    """Seconds are tenths of them."""
    with patch.multiple(remote_copy, HEARTBEAT_S=0.1, LEASE_TIMEOUT_S=1.0, _POLL_S=0.05):
        yield


@pytest.mark.slow
def test_a_writer_waits_for_another_one(history, log, quick):
    place = pipeline_paths(history, "default")
    ingest(history, log)
    with (
        working_copy(place, writes=True),
        patch.object(remote_copy, "LOCK_TIMEOUT_S", 2.0),
        on_machine(log.parent / "other"),
    ):
        assert "another entro process has been writing there" in entro("ingest", "--history", history, log).error
        assert entro("report", *WEEK, "--history", history).status == 0, "who only reads waits for nobody"


@pytest.mark.slow
def test_an_expired_lease_is_taken_over(history, log, quick):
    RemoteFolder(f"{history}/pipeline=default").write(remote_copy._LEASE, b"{}")
    ingest(history, log)
    assert remote_copy._LEASE not in stored_at(history)


def test_a_writer_that_lost_its_lease_stores_nothing(history, log):
    ingest(history, log)
    before, place = stored_at(history), pipeline_paths(history, "default")
    remote, theirs = RemoteFolder(f"{history}/pipeline=default"), b"{}"

    def overtaken():
        with working_copy(place, writes=True):
            place.state.write_text("{}")
            remote.write(remote_copy._LEASE, theirs)

    with pytest.raises(EntroError, match="did not renew its lease for 30 s, and another one writes there now"):
        overtaken()
    assert remote.read(remote_copy._LEASE) == theirs
    remote.remove([remote_copy._LEASE])
    ingest(history, log)
    assert stored_at(history) == before


@pytest.mark.parametrize("content", [b"x", b'{"writer": "w", "files": [], "gone": ["../../llm.csv"]}'])
def test_a_damaged_commit_is_reported(history, log, content):
    ingest(history, log)
    RemoteFolder(f"{history}/pipeline=default").write(remote_copy._COMMIT, content)
    error = (
        f"{history}/pipeline=default/{remote_copy._COMMIT}: the file is damaged; remove it: its changes were not stored"
    )
    assert entro("report", *WEEK, "--history", history).error == error
    assert entro("ingest", "--history", history, log).error == error


def test_pruned_days_are_gone_there(history, log):
    ingest(history, log)
    outcome = entro("history", "prune", "--before", "2026-03-31", "--history", history)
    assert outcome.status == 0, outcome.err
    dates = [name for name in stored_at(history) if name.startswith("date=")]
    assert dates == ["date=2026-03-31/steps.parquet"]
    with working_copy(place := pipeline_paths(history, "default")):
        assert [*read_digests(place)] == ["2026-03-31", "state.json"]


@pytest.mark.slow
def test_all_pipelines_and_a_scheduled_run(history, tmp_path):
    for name in ("a b", "c/d"):
        grown(tmp_path, 240).rename(tmp_path / f"{name[0]}.csv")
    (tmp_path / "entro.toml").write_text(
        f'history = "{history}"\nreports = "{tmp_path}/reports"\nzone = "UTC"\n'
        '[pipelines."a b"]\nlogs = ["a.csv"]\n[pipelines."c/d"]\nlogs = ["c.csv"]\n'
    )
    config = ("--config", tmp_path / "entro.toml")
    command = ("schedule", "run", "--daily", "--as-of", "2026-03-31T00:30", *config)
    assert entro(*command).status == 0
    assert json.loads(stored_at(history, "a b")["_entro/reported.json"])
    assert entro(*command).status == 0, "done already"
    listed = json.loads(entro("history", "list", *config, "--json").out)["pipelines"]
    assert [(one["pipeline"], one["history"]) for one in listed] == [("a b", history), ("c/d", history)]
    fleet = json.loads(entro("fleet", "--daily", "--history", history, "--tz", "UTC", "--json").out)
    assert sorted(one["pipeline"] for one in fleet["members"]) == ["a b", "c/d"]


def test_what_is_not_of_a_history_is_left_alone(bucket, log):
    ingest("s3://logs/h", log)
    for name in ("../escaped", "_entro/../../escaped.json", "notes.txt", "date=2026-03-29/other"):
        bucket.pipe_file(f"logs/h/pipeline=default/{name}", b"x")
    ingest("s3://logs/h", log)
    copies = pipeline_paths("s3://logs/h", "default").history
    assert not [*copies.parent.rglob("escaped*")]
    assert bucket.exists("logs/h/pipeline=default/notes.txt")


def test_a_web_server_s_is_only_read(web, log):
    url, folder = f"{web.url}/history", web.folder / "history"
    for name in ("default", "50 %/ü"):
        ingest(folder, log, "--pipeline", name)
        found, expected = (entro("report", *WEEK, "--pipeline", name, "--history", place) for place in (url, folder))
        assert found == expected
        assert found.status == 0, found.err
    assert entro("history", "list", "--history", url).out.count("scraper") == 2
    assert entro("ingest", "--history", url, log).error == (
        f"{url}/pipeline=default: files of a web server are read-only; expected s3://, gs:// or file://"
    )


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("s3://nowhere/history", "no such object"),
        ("nix://there/history", "the scheme nix:// is not supported"),
    ],
)
def test_what_may_be_wrong_with_it(bucket, log, url, error):
    assert error in entro("ingest", "--history", url, log).error
    expected = error if url.startswith("nix") else "nothing is stored of pipeline default"
    assert expected in entro("report", *WEEK, "--history", url).error


def test_nothing_is_stored_there(history):
    assert "nothing is stored of pipeline default" in entro("report", *WEEK, "--history", history).error
    assert entro("history", "list", "--history", history).status == 0


def test_counts_of_steps_go_to_the_url(tmp_path, history):
    """Another machine goes on from them after the days were removed."""
    log, file = grown(tmp_path, 60), tmp_path / "entro.prom"
    ingest(history, log, "--metrics-file", file, "--quiet")
    written = file.read_text()
    assert 'entro_observed_steps_total{pipeline="default"} 60.0' in written
    assert entro("history", "prune", "--before", "2027-01-01", "--history", history).status == 0
    file.unlink()
    with on_machine(tmp_path / "another"):
        ingest(history, log, "--metrics-file", file, "--quiet")
    assert file.read_text() == written
