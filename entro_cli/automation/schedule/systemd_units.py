"""Conversion of a job to the text of two systemd units, and back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from entro_cli.automation.schedule.job import Frequency, InstalledJob, Job, schedule_text
from entro_cli.core.files import bundled
from entro_engine import EntroError

NAME = "systemd"

MARK = "# Written by entro schedule; entro schedule remove takes it away."
"""The first line of every unit that entro writes. Installed units are recognised by it, so it must not change."""

_CALENDAR = {
    Frequency.DAILY: "*-*-* {:02}:{:02}:00",
    Frequency.WEEKLY: "Mon *-*-* {:02}:{:02}:00",
    Frequency.MONTHLY: "*-*-01 {:02}:{:02}:00",
}
_NEEDS_NO_QUOTES = re.compile(r"[\w@%+=:,./$-]+", re.ASCII)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


def unit_names(name: str) -> tuple[str, str]:
    """Return the names of the service and the timer of a job."""
    return f"entro-{name}.service", f"entro-{name}.timer"


def render_units(job: Job) -> dict[str, str]:
    """Return the texts of the service and the timer of a job, by their names.

    Raises:
        EntroError: if a unit cannot hold a path of the job.
    """
    program, *arguments = job.command
    # systemd expands `$` in arguments, but not in the program's path.
    words = [_quote(program), *(_quote(word).replace("$", "$$") for word in arguments)]
    context = {
        "mark": MARK,
        "name": job.name,
        "when": job.when,
        "calendar": _CALENDAR[job.every].format(job.hour, job.minute),
        "environment": [_quote(f"{name}={value}") for name, value in job.environment],
        "command": " ".join(words),
        "log": _escape_path(job.log),
    }
    templates = Environment(
        loader=FileSystemLoader(bundled("templates")),
        autoescape=False,  # noqa: S701 - a unit is not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    texts = (templates.get_template(name).render(context) for name in ("entro.service", "entro.timer"))
    units = dict(zip(unit_names(job.name), texts, strict=True))
    _require_utf8(units.values())
    return units


def parse_units(name: str, service: str, timer: str, enabled: bool) -> InstalledJob:
    """Return a job from the texts of its units.

    Args:
        name: the job's name.
        service: the text of its service; empty if it is missing.
        timer: the text of its timer.
        enabled: whether systemd will start the timer.
    """
    calendar = _setting(timer, "OnCalendar")
    words = [_unquote(match) for match in _WORD.finditer(_setting(service, "ExecStart"))]
    log = _setting(service, "StandardOutput").removeprefix("append:").replace("%%", "%")
    return InstalledJob(name, NAME, _describe(calendar), calendar, shlex.join(words), log or None, enabled)


def _quote(text: str) -> str:
    """Quote a word of a command or an assignment (systemd.service(5), "Command lines")."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return escaped if _NEEDS_NO_QUOTES.fullmatch(escaped) else f'"{escaped}"'


def _escape_path(path: str) -> str:
    """Escape a path that fills the rest of a line, where systemd knows no quotes."""
    if path.endswith(("\\", " ")):
        raise EntroError("ends in a backslash or a space, which a systemd unit cannot hold", where=f"--log {path}")
    return path.replace("%", "%%")


def _require_utf8(texts: Iterable[str]) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise EntroError("a path is not UTF-8, as systemd requires", where="--systemd", remedy="use --cron") from error


def _unquote(word: re.Match[str]) -> str:
    """Undo the quoting of a word by `render_units`."""
    text = word[2] if word[1] is None else word[1]
    return re.sub(r"\\(.)", r"\1", text).replace("%%", "%").replace("$$", "$")


def _setting(text: str, name: str) -> str:
    """Return the value of the last line that sets a key; empty without one."""
    values = re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)
    return values[-1] if values else ""


def _describe(calendar: str) -> str:
    """Describe a calendar expression, or return it unchanged if entro did not write it."""
    match = re.search(r"(\d\d):(\d\d):00$", calendar)
    for every, template in _CALENDAR.items():
        if match and template.format(int(match[1]), int(match[2])) == calendar:
            return schedule_text(every, int(match[1]), int(match[2]))
    return calendar
