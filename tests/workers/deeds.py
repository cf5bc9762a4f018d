"""Work that processes of their own can be given."""

import os
import signal
from pathlib import Path


def doubled(number):
    return 2 * number, os.getpid()


def die_while_there_are_lives(folder):
    """End this process for want of nothing, as often as there are files in a folder; then say who lived."""
    for life in Path(folder).iterdir():
        life.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return Path(folder).name


def refuse(number):
    from entro_engine import EntroError

    raise EntroError("is refused", where=str(number), expected="another", remedy="none")
