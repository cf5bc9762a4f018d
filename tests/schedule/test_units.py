"""Jobs as systemd's units: what they say, what systemd says of them, and what is left when it does not answer."""

import json
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.automation.schedule.job import LOCALE, Frequency, Job
from entro_cli.automation.schedule.systemd_units import parse_units, render_units, unit_names
from entro_engine import EntroError
from tests.running import COMMAND, entro
from tests.schedule.system import require_program

HOSTILE = ("", "100%", "%h $HOME ${HOME} $$", "\\", r"a\x41\n", "it's", 'say "hi"', ";", "-", "*.csv", "é ü", "#")
words = st.text(st.sampled_from("ab \\%'\"$;{}#h-é") | st.characters(exclude_categories=["Cc", "Cs"]))


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("ENTRO_FULL_LOADS")


def job(*arguments, every=Frequency.DAILY, program="/bin/echo", environment=(LOCALE,), log=""):
    return Job("nightly", every, 6, 5, (program, *arguments), environment, log)


def lines(text):
    return [line for line in text.splitlines() if line and line[0] not in "#["]


def test_what_they_say():
    service, timer = render_units(
        job("run", "100% of $x", every=Frequency.WEEKLY, log="/var/log/100% mine.log")
    ).values()
    assert lines(service) == [
        "Description=entro: nightly, every Monday at 06:05",
        "Type=oneshot",
        "Environment=LC_ALL=C.UTF-8",
        'ExecStart=/bin/echo run "100%% of $$x"',
        "StandardOutput=append:/var/log/100%% mine.log",
        "StandardError=append:/var/log/100%% mine.log",
    ]
    assert lines(timer) == [
        "Description=entro: nightly, every Monday at 06:05",
        "OnCalendar=Mon *-*-* 06:05:00",
        "Persistent=true",
        "WantedBy=timers.target",
    ]


@given(st.lists(words, max_size=4), st.sampled_from(Frequency), st.sampled_from(["", "/log of 100%"]))
def test_what_is_listed_is_what_was_written(arguments, every, log):
    made = job(*arguments, every=every, log=log)
    found = parse_units("nightly", *render_units(made).values(), enabled=True)
    assert shlex.split(found.command) == list(made.command)
    assert (found.when, found.log) == (made.when, log or None)


def test_units_that_were_changed_by_hand_are_listed_too():
    found = parse_units("x", "ExecStart=/bin/true 'a b'\n", "OnCalendar=*:0/5\n", enabled=False)
    assert (found.when, found.command, found.log) == ("*:0/5", "/bin/true ''\"'\"'a' 'b'\"'\"''", None)
    assert parse_units("x", "", "", enabled=False).command == ""


def test_what_no_unit_can_say():
    with pytest.raises(EntroError, match=r"not UTF-8.*use --cron"):
        render_units(job("\udcff"))
    for log in ("/x/ ", "/x\\"):
        with pytest.raises(EntroError, match="ends in a backslash or a space"):
            render_units(job(log=log))


@pytest.mark.parametrize("every", Frequency)
def test_systemd_finds_no_fault_with_them(tmp_path, every):
    require_program("/usr/bin/systemd-analyze", "systemd")
    made = job(*HOSTILE, every=every, environment=(LOCALE, ("TZ", ':"%$\\')), log="/tmp/100% of it.log")
    for name, text in render_units(made).items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--user", *(tmp_path / name for name in unit_names("nightly"))]
    judged = subprocess.run(command, capture_output=True, env={"XDG_RUNTIME_DIR": str(tmp_path)}, check=False)
    assert (judged.returncode, judged.stderr) == (0, b"")


def test_nothing_is_installed_that_systemd_finds_fault_with(user, monkeypatch):
    require_program("/usr/bin/systemd-analyze", "systemd")
    monkeypatch.setattr("entro_cli.automation.schedule.command_line.program", lambda: ("/no/such/entro",))
    error = entro("schedule", "add", "--daily", "--systemd").error
    assert error.startswith("entro-daily: systemd-analyze rejects it: entro-daily.service: Command /no/such")
    assert not user.units.exists()


def test_where_no_manager_answers_the_units_are_written_with_a_note(user):
    user.program("systemd-analyze", "#!/bin/sh\n")
    outcome = entro("schedule", "add", "--daily", "--systemd")
    assert outcome.err == (
        "added daily (systemd): every day at 06:00\n"
        "warning: no systemd user manager answers here; where one runs, start the timer with "
        "`systemctl --user daemon-reload` and "
        "`systemctl --user enable --now entro-daily.timer`\n"
    )
    assert sorted(path.name for path in user.units.iterdir()) == ["entro-daily.service", "entro-daily.timer"]
    (found,) = json.loads(entro("schedule", "list", "--json").out)["jobs"]
    assert (found["kind"], found["enabled"]) == ("systemd", False)
    assert found["command"] == f"{COMMAND} schedule run --daily"
    assert "(not enabled)" in " ".join(entro("schedule", "list").out.split())
    assert entro("schedule", "remove", "daily").status == 0
    assert list(user.units.iterdir()) == []


def test_without_systemd_analyze_and_where_it_judges_others(user, monkeypatch):
    user.program("systemctl", "#!/bin/sh\nexit 1\n")
    user.program("systemd-analyze", "#!/bin/sh\necho other.service: is bad >&2; exit 1\n")
    outcome = entro("schedule", "add", "--daily", "--systemd")
    assert "warning: the units could not be verified: other.service: is bad\n" in outcome.err
    (user.programs / "systemd-analyze").unlink()
    monkeypatch.setenv("PATH", str(user.programs))
    outcome = entro("schedule", "add", "--daily", "--systemd")
    assert outcome.err.startswith("replaced daily (systemd)")
    assert "warning: systemd-analyze is not installed: the units were not verified\n" in outcome.err


def test_another_kind_of_the_same_name_goes(user):
    assert entro("schedule", "add", "--daily", "--cron").status == 0
    assert entro("schedule", "add", "--daily", "--systemd").err.startswith("replaced daily (systemd)")
    assert user.crontab is None
    assert entro("schedule", "add", "--daily", "--cron").err.startswith("replaced daily (cron)")
    assert list(user.units.iterdir()) == []


def test_what_others_wrote_is_neither_listed_nor_touched(user):
    user.units.mkdir(parents=True)
    theirs = user.units / "entro-daily.timer"
    theirs.write_text("[Timer]\nOnCalendar=daily\n")
    assert entro("schedule", "list", "--json").out.endswith('"jobs": []\n}\n')
    assert entro("schedule", "add", "--daily", "--systemd").error == (
        f"{theirs}: already exists and was not written by entro; give the job another name with --name"
    )
    assert entro("schedule", "remove", "--all").status == 0
    assert [path.read_text() for path in user.units.iterdir()] == ["[Timer]\nOnCalendar=daily\n"]


def test_a_refusing_manager(user):
    user.program("systemctl", '#!/bin/sh\n[ "$2" = show ] || { echo no way >&2; exit 1; }\n')
    assert entro("schedule", "add", "--daily", "--systemd").error == ("systemctl --user daemon-reload: failed: no way")


def test_units_are_at_hand_where_cron_is_not(user):
    assert entro("schedule", "add", "--daily", "--systemd").status == 0
    user.make_crontab("broken", "not allowed")
    outcome = entro("schedule", "list")
    assert outcome.status == 0
    assert "daily" in outcome.out
    assert "warning: crontab: cannot be read: not allowed" in outcome.err
    assert entro("schedule", "remove", "daily").status == 0
