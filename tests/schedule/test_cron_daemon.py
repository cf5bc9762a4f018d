"""A job's line under Debian's cron: taken by its crontab, run by its daemon, and no trace left."""

import subprocess

import pytest

from entro_cli.automation.schedule import crontab
from entro_cli.automation.schedule.job import LOCALE, Frequency, Job, parse_time_of_day
from tests.running import entro
from tests.schedule.cron_daemon import next_minute, wait_for
from tests.schedule.test_crontab_line import HOSTILE

MINE = b"# DO NOT EDIT\n# mine \xff 100%\n\nMAILTO=\"\"\nX = 'a b'\n0 3 1 1 * true \\% \\\\\n"


@pytest.mark.slow
def test_the_daemon_runs_it_with_the_arguments_it_was_made_with(cron_daemon, tmp_path):
    got, log = tmp_path / "got", tmp_path / "a 100% log"
    script = tmp_path / "stand in 100%"
    script.write_text(f'#!/bin/sh\nprintf "%s\\0" "$TZ" "$LC_ALL" "$@" >"{got}"\necho said; echo complained >&2\n')
    script.chmod(0o755)
    environment = (LOCALE, ("TZ", r"it's 100\%"))
    subprocess.run(["crontab", "-"], input=MINE, check=True)
    crontab.add(
        Job("x", Frequency.DAILY, *parse_time_of_day(next_minute()), (str(script), *HOSTILE), environment, str(log))
    )
    got_bytes = wait_for(got)
    assert got_bytes.decode(errors="surrogateescape").split("\0") == [r"it's 100\%", "C.UTF-8", *HOSTILE, ""]
    assert wait_for(log) == b"said\ncomplained\n"
    (found,) = crontab.installed()
    assert (found.name, found.log) == ("x", str(log))
    crontab.remove(["x"])
    assert subprocess.run(["crontab", "-l"], capture_output=True, check=True).stdout == MINE


@pytest.mark.slow
def test_the_real_crontab_takes_the_longest_command_and_keeps_no_trace(cron_daemon, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    subprocess.run(["crontab", "-r"], capture_output=True, check=False)
    longest = Job("long", Frequency.DAILY, 6, 0, ("/bin/true", "x" * (998 - len("LC_ALL=C.UTF-8 /bin/true "))))
    crontab.add(longest)
    assert entro("schedule", "add", "--weekly", "--cron").status == 0
    assert [job.name for job in crontab.installed()] == ["long", "weekly"]
    assert entro("schedule", "remove", "--all").status == 0
    gone = subprocess.run(["crontab", "-l"], capture_output=True, check=False)
    assert (gone.returncode, gone.stderr) == (1, b"no crontab for root\n")
