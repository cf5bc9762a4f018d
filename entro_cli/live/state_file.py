"""The state of a coordinator in a file, from which it goes on after a restart."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.live.coordinator import CoordinatorState
from entro_engine import EntroError

_VERSION = 1
_FRESH_S = 3600.0
"""Chosen: with a state that is older, only the rates of the server are gone on from."""


def load_coordinator_state(path: Path, now_ns: int) -> CoordinatorState | None:
    """Return the stored state; None if there is none that this version can read.

    Args:
        path: the file.
        now_ns: the time, ns since the epoch. The clients and the regime of an old state are left out.
    """
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        state = msgspec.json.decode(path.read_bytes(), type=CoordinatorState)
        if state.version != _VERSION or not (0 < state.served_rate < 1e9 and 0 < state.usual_rate < 1e9):
            return None
        if not 0 <= now_ns - state.saved_ns <= _FRESH_S * NS:
            return msgspec.structs.replace(state, energy=0.0, memory=0.0, regime=0, clients={})
        return state
    return None


def save_coordinator_state(path: Path, state: CoordinatorState) -> None:
    """Store a state.

    Raises:
        EntroError: if it cannot be written.
    """
    replace_file(path, msgspec.json.encode(state))


def replace_file(path: Path, content: bytes) -> None:
    """Replace a small file that is written every few seconds: whole, but without waiting for the disk.

    Raises:
        EntroError: if it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise EntroError(f"cannot be written: {error.strerror or error}", where=printable(str(path))) from error
