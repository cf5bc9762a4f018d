"""A job's line gives its command the arguments it was made with, however cron takes backslashes and percent signs."""

import re
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.automation.schedule.crontab import _parse_job, crontab_line
from entro_cli.automation.schedule.job import LOCALE, Frequency, Job
from entro_engine import EntroError

HOSTILE = (
    "",
    "100%",
    r"a\%b",
    "\\",
    "\\\\",
    r"%\\%",
    "it's",
    'say "hi"',
    "$HOME `id` ~",
    "*.csv",
    ">>",
    "é ü",
    "\udcff",
)
words = st.text(
    st.sampled_from("ab \\%'\"$`*?~;&|<>()#!={}[]-é\udcff") | st.characters(exclude_categories=["Cc", "Cs"])
)


def debian(command):
    r"""As Debian's cron does it: `\%` is a percent sign, an unescaped one ends the command."""
    kept = re.match(r"(?:\\.|[^%\\])*", command, re.DOTALL)[0]
    assert kept == command, "a percent sign that would be a newline"
    return re.sub(r"\\(.)", lambda pair: "%" if pair[1] == "%" else pair[0], command)


def isc(command):
    r"""As ISC's does it: `\\` becomes one backslash, too."""
    return re.sub(r"\\(.)", lambda pair: pair[1] if pair[1] in "%\\" else pair[0], command)


def plain(command):
    """As those do it that know no such thing and leave it to the shell."""
    return command


def job(*arguments, log="", environment=(LOCALE,)):
    return Job("daily", Frequency.DAILY, 6, 5, ("/bin/sh", *arguments), environment, log)


def given_to_the_shell(job, cron):
    """The arguments that the command gets, as the shell splits what cron hands to it."""
    fields = crontab_line(job).decode(errors="surrogateescape").split(" ", 6)
    assert fields[:6] == ["5", "6", "*", "*", "*", "LC_ALL=C.UTF-8"]
    script = cron(fields[6]).replace("/bin/sh", "printf '%s\\0'", 1)
    done = subprocess.run(["/bin/sh", "-c", script.encode(errors="surrogateescape")], capture_output=True, check=True)
    return done.stdout.decode(errors="surrogateescape").split("\0")[:-1]


@pytest.mark.parametrize("cron", [debian, isc, plain])
@given(arguments=st.lists(words, min_size=1, max_size=4))
@settings(max_examples=settings.default.max_examples // 2)
def test_arguments_arrive_unchanged(cron, arguments):
    assert given_to_the_shell(job(*arguments), cron) == arguments


@pytest.mark.parametrize("cron", [debian, isc, plain])
def test_hostile_arguments_arrive_unchanged(cron):
    assert given_to_the_shell(job(*HOSTILE), cron) == list(HOSTILE)


def test_it_is_one_line_with_the_days_of_its_period():
    fields = {every: crontab_line(Job("x", every, 23, 0, ("/x",))).decode() for every in Frequency}
    assert fields == {
        Frequency.DAILY: "0 23 * * * LC_ALL=C.UTF-8 /x",
        Frequency.WEEKLY: "0 23 * * 1 LC_ALL=C.UTF-8 /x",
        Frequency.MONTHLY: "0 23 1 * * LC_ALL=C.UTF-8 /x",
    }


@given(st.lists(words, max_size=4), st.sampled_from(["", "/var/log/a 100%.log"]))
def test_what_is_listed_is_what_was_written(arguments, log):
    made = job(*arguments, log=log, environment=(LOCALE, ("TZ", "Europe/Berlin")))
    found = _parse_job("daily", crontab_line(made).decode(errors="surrogateescape"))
    assert shlex.split(found.command) == list(made.command)
    assert (found.log, found.when) == (log or None, "every day at 06:05")


@pytest.mark.parametrize(
    ("text", "when", "command"),
    [
        ("*/5 * * * * /x 'a b'", "*/5 * * * *", "/x 'a b'"),
        ("@daily /x", "@daily", "/x"),
        ("0 6 * * * say 'half", "every day at 06:00", "'say '\"'\"'half'"),
        ("nonsense", "", "nonsense"),
    ],
)
def test_a_line_that_was_changed_by_hand_is_listed_too(text, when, command):
    found = _parse_job("daily", text)
    assert (found.when, found.command) == (when, command)


@pytest.mark.parametrize("text", ["two\nlines", "a\rb", "a\0b", "a\x1b[31m", "\x7f"])
def test_no_control_character_gets_in(text):
    for made in (lambda: job(text), lambda: job(log=text), lambda: job(environment=(("TZ", text),))):
        with pytest.raises(EntroError, match="contains a newline or another control character"):
            made()


def test_a_command_longer_than_cron_takes():
    fits = job("x" * (998 - len("LC_ALL=C.UTF-8 /bin/sh ")))
    assert len(crontab_line(fits).split(b" ", 5)[5]) == 998
    with pytest.raises(EntroError, match="999 bytes long; expected at most 998"):
        crontab_line(job(fits.command[1] + "x"))
