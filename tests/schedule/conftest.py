"""A user of their own for every test: a home, a folder to work in, a crontab, and no systemd that answers."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.schedule.cron_daemon import cron_daemon
from tests.schedule.user_manager import user_manager

__all__ = ["cron_daemon", "user_manager"]

# Keeps a table in a file. `refuse` and `broken` beside it make it fail, `slow` makes it take its time.
CRONTAB = """\
#!/bin/sh
table=$(dirname "$0")/../crontab
fails() { if [ -e "$table.$1" ]; then cat "$table.$1" >&2; exit 1; fi }
case "$1" in
-l) fails broken
    if [ -e "$table" ]; then cat "$table"; else echo "no crontab for you" >&2; exit 1; fi
    if [ -e "$table.slow" ]; then sleep 0.2; fi ;;
-r) rm "$table" ;;
-)  fails refuse
    cat >"$table.new" && mv "$table.new" "$table" ;;
*)  exit 2 ;;
esac
"""


@dataclass
class User:
    """Whoever runs `entro` in a test.

    Attributes:
        home: their home; they work in `home / "work"`.
        programs: the only folder of programs that comes before the system's.
    """

    home: Path
    programs: Path

    @property
    def work(self):
        return self.home / "work"

    @property
    def units(self):
        return self.home / ".config" / "systemd" / "user"

    @property
    def crontab(self):
        """The bytes of their crontab, None when they have none."""
        table = self.home / "crontab"
        return table.read_bytes() if table.exists() else None

    @crontab.setter
    def crontab(self, content):
        (self.home / "crontab").write_bytes(content)

    def make_crontab(self, how, words=""):
        """Let every crontab command from now on be `broken` (-l), `refuse` (-) or `slow`."""
        (self.home / f"crontab.{how}").write_text(words)

    def program(self, name, script):
        """Put a program before those of the system."""
        path = self.programs / name
        path.write_text(script)
        path.chmod(0o755)
        return path


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user with a crontab that is a file."""
    user = User(tmp_path / "home", tmp_path / "home" / "programs")
    user.work.mkdir(parents=True)
    user.programs.mkdir()
    user.program("crontab", CRONTAB)
    for name in ("TZ", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_DATA_HOME", "ENTRO_HISTORY", "ENTRO_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.setenv("PATH", f"{user.programs}:{os.environ['PATH']}")
    monkeypatch.chdir(user.work)
    return user
