"""`entro schedule` end to end, on a crontab that is a file."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.running import COMMAND, entro, entro_process

MINE = b"# mine\r\n\xff 100%\nMAILTO=me\n0 3 * * * backup"  # its last line is unfinished


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("ENTRO_FULL_LOADS")


def added(*options):
    outcome = entro("schedule", "add", *options)
    assert (outcome.status, outcome.out) == (0, ""), outcome.err
    return outcome.err


def listed():
    outcome = entro("schedule", "list", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    document = json.loads(outcome.out)
    assert document["schema"] == "entro/schedule/1"
    return document["jobs"]


def arguments(job):
    """What a listed job hands to `entro schedule run`."""
    words = shlex.split(job["command"])
    assert words[:3] == [COMMAND, "schedule", "run"]
    return words[3:]


def test_the_three_periods(user):
    assert added("--daily") == "added daily (cron): every day at 06:00\n"
    assert added("--weekly", "--at", "7:30") == "added weekly (cron): every Monday at 07:30\n"
    assert added("--monthly", "--at", "23:59") == "added monthly (cron): the first of the month at 23:59\n"
    assert user.crontab.decode().splitlines()[1:] == [
        "# daily",
        f"0 6 * * * LC_ALL=C.UTF-8 {COMMAND} schedule run --daily",
        "# weekly",
        f"30 7 * * 1 LC_ALL=C.UTF-8 {COMMAND} schedule run --weekly",
        "# monthly",
        f"59 23 1 * * LC_ALL=C.UTF-8 {COMMAND} schedule run --monthly",
        "# <<< entro <<<",
    ]


def test_everything_it_hands_on_is_absolute_and_in_order(user):
    (user.work / "entro.toml").touch()
    (user.work / "logs").mkdir()
    added(
        *("--daily", "--ingest", "logs/*.csv", "--ingest", "/var/log/100%/**/*.gz", "--ingest", "~/x.csv"),
        *("--pipeline", "a", "--pipeline", "it's b", "--history", "h", "--out", "reports", "--tz", "Europe/Berlin"),
        *("--fail-on", "violations>1%", "--fail-on", "coverage<90%", "--log", "logs/entro.log"),
    )
    (job,) = listed()
    assert arguments(job) == [
        *("--daily", "--ingest", f"{user.work}/logs/*.csv", "--ingest", "/var/log/100%/**/*.gz"),
        *("--ingest", f"{user.home}/x.csv", "--pipeline", "a", "--pipeline", "it's b"),
        *("--config", f"{user.work}/entro.toml", "--history", f"{user.work}/h", "--out", f"{user.work}/reports"),
        *("--tz", "Europe/Berlin", "--fail-on", "violations>1%", "--fail-on", "coverage<90%"),
    ]
    assert (job["name"], job["kind"], job["log"]) == ("daily", "cron", f"{user.work}/logs/entro.log")
    assert user.crontab.splitlines()[2].endswith(f">> {user.work}/logs/entro.log 2>&1".encode())


def test_what_the_user_has_set_holds_for_the_job_too(user, monkeypatch):
    (user.home / "mine.toml").touch()
    (user.home / "entro.toml").touch()
    added("--daily")
    monkeypatch.setenv("ENTRO_CONFIG", "../mine.toml")
    monkeypatch.setenv("ENTRO_HISTORY", "../history")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("XDG_DATA_HOME", "/data of mine")
    added("--weekly")
    added("--monthly", "--history", "/h", "--config", str(user.home / "entro.toml"))
    daily, weekly, monthly = map(arguments, listed())
    assert daily == ["--daily", "--config", f"{user.home}/entro.toml"]
    assert weekly == ["--weekly", "--config", f"{user.work}/../mine.toml", "--history", f"{user.work}/../history"]
    assert monthly == ["--monthly", "--config", f"{user.home}/entro.toml", "--history", "/h"]
    lines = user.crontab.decode().splitlines()
    assert lines[2].split(" ", 5)[5].startswith("LC_ALL=C.UTF-8 /")
    assert lines[4].split(" ", 5)[5].startswith("LC_ALL=C.UTF-8 TZ=Asia/Tokyo XDG_DATA_HOME='/data of mine' /")


def test_variables_that_the_job_will_not_see_get_a_warning(user, monkeypatch):
    monkeypatch.setenv("ENTRO_ALPHA", "0.4")
    assert added("--daily", "--quiet") == (
        "warning: ENTRO_ALPHA is set here, but not where the job runs: set it in entro.toml\n"
    )


def test_the_folder_of_a_pattern_is_no_pattern(user, monkeypatch):
    odd = user.work / "run [1]*"
    odd.mkdir()
    (odd / "log.csv").touch()
    monkeypatch.chdir(odd)
    added("--daily", "--ingest", "*.csv", "--ingest", "log.csv")
    from entro_cli.readers.inputs.log_file import find_logs

    _, _, pattern, _, plain = arguments(listed()[0])
    assert list(find_logs([pattern])) == list(find_logs([plain])) == [str(odd / "log.csv")]


def test_logs_that_do_not_exist_yet_get_a_warning(user):
    (user.work / "[1].csv").touch()
    assert added("--daily", "--ingest", "[1].csv", "--ingest", "*.csv", "--quiet") == ""
    assert added("--daily", "--ingest", "*.gz", "--quiet") == "warning: --ingest *.gz: there is no such file yet\n"


def test_a_job_of_that_name_is_replaced(user):
    added("--daily", "--pipeline", "shop")
    added("--weekly")
    assert added("--daily", "--pipeline", "shop", "--at", "9:00").startswith("replaced daily-shop (cron): ")
    assert added("--monthly", "--name", "weekly").startswith("replaced weekly (cron): the first of the month")
    assert [(job["name"], job["when"]) for job in listed()] == [
        ("daily-shop", "every day at 09:00"),
        ("weekly", "the first of the month at 06:00"),
    ]


@pytest.mark.parametrize("before", [None, b"", MINE, MINE + b"\n"])
def test_the_crontab_is_what_it_was_when_the_last_job_is_gone(user, before):
    if before is not None:
        user.crontab = before
    added("--daily")
    added("--weekly")
    assert user.crontab.startswith(before or b"")
    assert entro("schedule", "remove", "daily").err.startswith("removed daily (cron, every day at 06:00): ")
    assert [job["name"] for job in listed()] == ["weekly"]
    assert entro("schedule", "remove", "--all").status == 0
    assert user.crontab == before
    assert entro("schedule", "remove", "--all") == (0, "", "no job is scheduled\n")


def test_a_dry_run_shows_what_would_be_written_and_touches_nothing(user):
    user.crontab = MINE
    shown = entro("schedule", "add", "--daily", "--dry-run")
    assert (shown.status, shown.err, user.crontab) == (0, "", MINE)
    added("--daily")
    assert user.crontab == MINE + b"\n" + shown.out.encode()
    written = user.crontab
    gone = entro("schedule", "remove", "--all", "--dry-run")
    assert gone.out == f"would remove daily (cron, every day at 06:00): {COMMAND} schedule run --daily\n"
    assert user.crontab == written
    units = entro("schedule", "add", "--weekly", "--systemd", "--dry-run")
    assert (units.status, units.err, user.units.exists()) == (0, "", False)
    added("--weekly", "--systemd", "--quiet")
    texts = [f"# {path}\n{path.read_text()}" for path in sorted(user.units.iterdir()) if path.is_file()]
    assert units.out == "\n".join(texts)


def test_the_list_for_people(user):
    assert entro("schedule", "list") == (0, "", "no job is scheduled\n")
    assert listed() == []
    added("--daily", "--ingest", "/logs/[a]*.csv")
    shown = "Job Kind When Runs daily cron every day at 06:00 entro schedule run --daily --ingest '/logs/[a]*.csv'"
    assert " ".join(entro("schedule", "list").out.split()) == shown
    user.crontab = user.crontab.replace(b"0 6 * * *", b"*/5 * * * *").replace(b"[a]", b"\x1b[31m")
    shown = entro("schedule", "list").out
    assert "*/5 * * * *" in shown
    assert "\x1b" not in shown


@pytest.mark.slow
def test_eight_at_once_are_all_there(user):
    user.crontab = MINE
    user.make_crontab("slow")
    command = [COMMAND, "schedule", "add", "--daily", "--quiet", "--name"]
    processes = [subprocess.Popen([*command, f"job-{number}"]) for number in range(8)]
    assert [process.wait() for process in processes] == [0] * 8
    assert sorted(job["name"] for job in listed()) == [f"job-{number}" for number in range(8)]


NO_CRON = "crontab: cannot be {}: {}; nothing was changed; edit it with crontab -e"


@pytest.mark.parametrize("command", [["add", "--daily"], ["remove", "--all"], ["list"]])
def test_a_crontab_that_cannot_be_read_is_not_written(user, command):
    user.crontab = MINE
    user.make_crontab("broken", "You (me) are not\nallowed to use this program")
    error = entro("schedule", *command).error
    assert error == NO_CRON.format("read", "You (me) are not allowed to use this program")
    assert user.crontab == MINE


def test_a_crontab_that_is_refused_stays_as_it_was(user):
    user.crontab = MINE
    user.make_crontab("refuse", "bad minute\n")
    assert entro("schedule", "add", "--daily").error == NO_CRON.format("written", "bad minute")
    assert user.crontab == MINE


def test_a_long_crontab_is_refused_before_it_is_read(user):
    """A signal ended the command without a word."""
    user.crontab = MINE.replace(b"# mine", b"# mine" * 100_000)
    user.make_crontab("refuse", "not allowed\n")
    done = entro_process("schedule", "add", "--daily")
    assert (done.returncode, done.stderr) == (1, "entro: " + NO_CRON.format("written", "not allowed") + "\n")


def test_an_unclosed_block_is_left_alone(user):
    added("--daily")
    user.crontab = broken = user.crontab.replace(b"# <<< entro <<<\n", b"")
    for command in (["add", "--daily"], ["remove", "daily"], ["list"]):
        assert (
            "crontab, line 1: the block of entro is incomplete or there are several"
            in entro("schedule", *command).error
        )
    assert user.crontab == broken


def test_without_crontab_it_is_systemd_and_without_both_an_error(user, monkeypatch):
    monkeypatch.setenv("PATH", str(user.programs))
    (user.programs / "crontab").unlink()
    assert entro("schedule", "add", "--daily", "--cron").error == (
        "crontab: cannot be started: No such file or directory"
    )
    assert entro("schedule", "add", "--daily").error == (
        "entro schedule: neither crontab nor systemctl is on the PATH; install cron (Debian: apt-get install cron)"
    )
    user.program("systemctl", "#!/bin/sh\nexit 1\n")
    assert added("--daily").startswith("added daily (systemd): every day at 06:00\n")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--at", "24:00"], "--at: '24:00' is not a time of day; expected HH:MM, from 00:00 to 23:59"),
        (["--at", "6"], "--at: '6' is not a time of day"),
        (["--ingest", "-"], "--ingest -: a job has no standard input or output; expected a path"),
        (["--out", "-"], "--out -: a job has no standard input or output"),
        (["--ingest", "a\nb"], "contains a newline or another control character; expected text of one line"),
        (["--pipeline", "a b"], "--name: 'daily-a b' is not a valid job name; expected at most 100 letters, digits"),
        (["--name", ""], "--name: '' is not a valid job name"),
        (["--name", "-x"], "--name: '-x' is not a valid job name"),
        (["--name", "x\n"], "--name: 'x\\n' is not a valid job name"),
        (["--tz", "Mars"], "--tz: unknown time zone 'Mars'"),
        (["--fail-on", "lots"], "--fail-on: 'lots' is not a gate"),
        (["--config", "none.toml"], "none.toml: cannot be read: No such file or directory"),
        (["--config", "broken.toml"], "broken.toml: is not TOML"),
        (["--config", "named.toml", "--pipeline", "other"], "unknown pipeline 'other' in named.toml"),
        (["--log", "no/such.log"], "no: no such folder; create it first, or the job will fail"),
        (["--log", "."], "is a folder; expected a file to append to"),
        (["--ingest", "x" * 1000], "bytes long; expected at most 998, the limit of cron"),
    ],
)
def test_what_no_job_can_be_made_of(user, options, error):
    (user.work / "broken.toml").write_text("[")
    (user.work / "named.toml").write_text("[pipelines.shop]\n")
    assert error in entro("schedule", "add", "--daily", *options).error
    assert user.crontab is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["add"],
        ["add", "--daily", "--weekly"],
        ["add", "--daily", "--cron", "--systemd"],
        ["remove"],
        ["remove", "daily", "--all"],
    ],
)
def test_wrong_usage(user, arguments):
    assert entro("schedule", *arguments).status == 2
    assert user.crontab is None


def test_the_shell_completes_the_names_of_jobs(user):
    added("--daily")
    added("--weekly", "--name", "mine")
    complete = {"_ENTRO_COMPLETE": "complete_bash", "COMP_WORDS": "entro schedule remove ", "COMP_CWORD": "3"}
    process = subprocess.run([COMMAND], env=os.environ | complete, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["daily", "mine"]


def test_a_name_that_is_not_there(user):
    assert entro("schedule", "remove", "daily").error == (
        "entro schedule remove: no job named 'daily'; no job is scheduled"
    )
    added("--daily")
    assert entro("schedule", "remove", "dayly").error == (
        "entro schedule remove: no job named 'dayly'; expected one of daily; did you mean daily?"
    )


def test_an_installation_without_its_script_is_started_by_its_python(monkeypatch, tmp_path):
    from entro_cli.automation.schedule.command_line import program

    python = tmp_path / "python"
    monkeypatch.setattr("sys.executable", str(python))
    assert program() == (str(python), "-m", "entro_cli.app")
    (tmp_path / "entro").touch(mode=0o755)
    assert program() == (str(tmp_path / "entro"),)
    assert Path(COMMAND).is_absolute()
