"""The configuration file that nobody named: it is found, and used only if it is the user's own work."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from entro_cli.core.console import printable
from entro_cli.core.files import open_nonblocking
from entro_engine import EntroError

try:
    import grp
    import pwd
except ImportError:  # on Windows
    pass

FILE_NAME = "entro.toml"
FILE_VARIABLE = "ENTRO_CONFIG"
"""The environment variable that names the configuration file."""

_OTHERS_CAN_WRITE = stat.S_IWGRP | stat.S_IWOTH


def find_file(folder: Path) -> Path | None:
    """Return the entro.toml in a folder or the nearest one above it; None if there is none."""
    here = folder.absolute()
    found = (above / FILE_NAME for above in (here, *here.parents))
    # os.path: Path.is_file raises in a folder without permission. A link that leads nowhere is somebody's mistake.
    return next((file for file in found if os.path.isfile(file)), None)  # noqa: PTH113


def open_own(file: Path) -> IO[bytes]:
    """Open a configuration that was found. It names commands to run and files to send, so it must be the user's own.

    The open file is checked, not its path: another user may replace it in between. A link is checked too, since it
    decides whose paths the file's relative paths are.

    Raises:
        EntroError: if others own the file or a link to it, or can write or replace it.
        OSError: if it cannot be opened.
    """
    opened = open(file, "rb", opener=open_nonblocking)  # noqa: SIM115 - the caller closes it
    has_owners = hasattr(os, "geteuid")  # Windows has other permissions
    found = _distrust(file, os.fstat(opened.fileno())) if has_owners else ""
    if found:
        opened.close()
        raise EntroError(
            f"is not used, as it {found}",
            where=printable(str(file)),
            remedy=f"name it to use it all the same: --config {printable(str(file))}, or {FILE_VARIABLE}",
        )
    return opened


def _distrust(file: Path, opened: os.stat_result) -> str:
    """Return why a file may be the work of others, as a predicate; empty if it is the user's own."""
    if opened.st_uid not in {os.geteuid(), 0}:
        return f"belongs to another user ({_user_name(opened.st_uid)})"
    if opened.st_mode & stat.S_IWOTH:
        return "can be written by every user"
    if opened.st_mode & stat.S_IWGRP and not _is_private_group(opened.st_gid):
        return "can be written by other users of its group"
    here, folder = file.lstat(), file.parent.stat()
    if not stat.S_ISLNK(here.st_mode):
        return "" if os.path.samestat(here, opened) else "was replaced while it was opened"
    if here.st_uid not in {os.geteuid(), 0}:
        return f"is a link of another user ({_user_name(here.st_uid)})"
    is_shared = folder.st_mode & _OTHERS_CAN_WRITE and not folder.st_mode & stat.S_ISVTX
    return "is a link in a folder that others can write" if is_shared else ""


def _user_name(number: int) -> str:
    try:
        return printable(pwd.getpwuid(number).pw_name)
    except KeyError:
        return str(number)


def _is_private_group(number: int) -> bool:
    """Return whether a group is the user's own, as many systems make one of the user's name, without other members."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(number)
    except KeyError:
        return False
    # By its name: a group such as `users`, which is the first one of many users, lists none of them as members.
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
