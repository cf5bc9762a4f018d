"""A job as the text of two systemd units, and back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from entro_cli.automation.schedule.job import Frequency, InstalledJob, Job, when
from entro_cli.core.resources import bundled
from entro_engine import EntroError

NAME = "systemd"

MARK = "# Written by entro schedule; entro schedule remove takes it away."
"""The first line of every unit that is entro's."""

_CALENDAR = {
    Frequency.DAILY: "*-*-* {:02}:{:02}:00",
    Frequency.WEEKLY: "Mon *-*-* {:02}:{:02}:00",
    Frequency.MONTHLY: "*-*-01 {:02}:{:02}:00",
}
_BARE = re.compile(r"[\w@%+=:,./$-]+", re.ASCII)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


def unit_names(name: str) -> tuple[str, str]:
    """What the service and the timer of a job are called."""
    return f"entro-{name}.service", f"entro-{name}.timer"


def units(job: Job) -> dict[str, str]:
    """The texts of a job's service and timer, by their names.

    Raises:
        EntroError: when a unit cannot hold what the job is made of.
    """
    program, *arguments = job.command
    words = [_quoted(program), *(_quoted(word).replace("$", "$$") for word in arguments)]
    context = {
        "mark": MARK,
        "name": job.name,
        "when": job.when,
        "calendar": _CALENDAR[job.every].format(job.hour, job.minute),
        "environment": [_quoted(f"{name}={value}") for name, value in job.environment],
        "command": " ".join(words),
        "log": _unquoted(job.log),
    }
    templates = Environment(
        loader=FileSystemLoader(bundled("templates")),
        autoescape=False,  # noqa: S701 - a unit is no HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    texts = (templates.get_template(name).render(context) for name in ("entro.service", "entro.timer"))
    made = dict(zip(unit_names(job.name), texts, strict=True))
    _require_utf8(made.values())
    return made


def read_back(name: str, service: str, timer: str, enabled: bool) -> InstalledJob:
    """A job from the texts of its units.

    Args:
        name: the job's.
        service: the text of its service, empty when it is missing.
        timer: the text of its timer.
        enabled: whether systemd will start the timer.
    """
    calendar = _setting(timer, "OnCalendar")
    words = [_plain(match) for match in _WORD.finditer(_setting(service, "ExecStart"))]
    log = _setting(service, "StandardOutput").removeprefix("append:").replace("%%", "%")
    return InstalledJob(name, NAME, _when(calendar), calendar, shlex.join(words), log or None, enabled)


def _quoted(text: str) -> str:
    """A word of a command or an assignment; `$` needs more, but only in arguments."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if _BARE.fullmatch(escaped) else f'"{escaped}"'


def _unquoted(path: str) -> str:
    """A path that is the rest of a line, which knows no quotes."""
    if path.endswith(("\\", " ")):
        raise EntroError("ends in a backslash or a space, which no unit can say", where=f"--log {path}")
    return path.replace("%", "%%")


def _require_utf8(texts: Iterable[str]) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise EntroError(
            "a path in it is not UTF-8, which units have to be", where="--systemd", remedy="use --cron"
        ) from error


def _plain(word: re.Match[str]) -> str:
    """A word of a command without what `units` did to it."""
    text = word[2] if word[1] is None else word[1]
    return re.sub(r"\\(.)", r"\1", text).replace("%%", "%").replace("$$", "$")


def _setting(text: str, name: str) -> str:
    """The value of the last line that sets this, empty when there is none."""
    values = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return values[-1] if values else ""


def _when(calendar: str) -> str:
    """A calendar expression in words, or as it is where it is none of ours."""
    match = re.search(r"(\d\d):(\d\d):00$", calendar)
    for every, form in _CALENDAR.items():
        if match and form.format(int(match[1]), int(match[2])) == calendar:
            return when(every, int(match[1]), int(match[2]))
    return calendar
