"""Timers under a real systemd: enabled, started, replaced and gone."""

import json
import re

import pytest

from entro_cli.automation.schedule import systemd
from entro_cli.automation.schedule.job import LOCALE, Frequency, Job
from tests.schedule.test_units import HOSTILE


@pytest.mark.slow
def test_a_timer_is_enabled_moved_and_removed(user, user_manager):
    done = user_manager(
        """
        state() {
          echo $(systemctl --user show entro-daily.timer --value --property=ActiveState,UnitFileState,TimersCalendar)
        }
        entro schedule add --daily --systemd && state &&
        entro schedule list --json >list.json &&
        entro schedule add --daily --systemd --at 07:30 && state &&
        entro schedule remove daily && state
        """
    )
    assert done.returncode == 0, done.stderr
    first, moved, gone = done.stdout.splitlines()
    assert re.match(r".*\bOnCalendar=\*-\*-\* 06:00:00 ; next_elapse=\w.* active enabled$", first)
    assert re.match(r".*\bOnCalendar=\*-\*-\* 07:30:00 ; next_elapse=\w.* active enabled$", moved)
    assert gone == "inactive"
    (job,) = json.loads((user.work / "list.json").read_text())["jobs"]
    assert (job["kind"], job["enabled"]) == ("systemd", True)
    assert [path for path in user.units.rglob("*") if path.is_file() or path.is_symlink()] == []
    assert "loginctl enable-linger" in done.stderr


def test_its_command_gets_the_arguments_it_was_made_with(user, user_manager):
    got, log = user.home / "got", user.home / "a 100% log"
    script = user.program("stand in", f'#!/bin/sh\nprintf "%s\\0" "$TZ" "$LC_ALL" "$@" >"{got}"\necho said\nexit 3\n')
    environment = (LOCALE, ("TZ", '%h "x" $y \\'))
    systemd.add(Job("x", Frequency.DAILY, 6, 0, (str(script), *HOSTILE), environment, str(log)))
    done = user_manager(
        "systemctl --user start entro-x.service; systemctl --user show entro-x.service --property=Result,ExecMainStatus"
    )
    assert got.read_text().split("\0") == [environment[1][1], "C.UTF-8", *HOSTILE, ""]
    assert log.read_text() == "said\n"
    assert done.stdout.split() == ["Result=exit-code", "ExecMainStatus=3"]  # a broken gate is not hidden
