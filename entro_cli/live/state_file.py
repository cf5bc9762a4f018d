"""The state of a coordinator in a file, from which it goes on after a restart."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from entro_cli.core.clock import NS
from entro_cli.core.console import printable
from entro_cli.core.files import read_regular, write_whole
from entro_cli.core.json_document import sealed, unsealed
from entro_cli.live.clients import ClientReport
from entro_cli.live.coordinator import CoordinatorState
from entro_engine import EntroError, Regime

_VERSION = 1
_FRESH_S = 3600.0
"""Chosen: with a state that is older, only the rates of the server are gone on from."""


def hold_lock(path: Path) -> None:
    """Lock the state for this process, until it ends in whatever way.

    Raises:
        EntroError: if another process coordinates with this state.
    """
    lock = path.with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise EntroError(
            "another coordinator runs for this pipeline",
            where=printable(str(path.parent)),
            remedy="two would allow twice as much; coordinate another pipeline with --pipeline NAME",
        ) from error


def load_coordinator_state(path: Path, now_ns: int) -> CoordinatorState | None:
    """Return the stored state; None if there is none.

    Args:
        path: the file.
        now_ns: the time, ns since the epoch. The clients and the regime of an old state are left out.

    Raises:
        EntroError: if it is damaged, or of a version that this one does not know.
    """
    try:
        state = msgspec.convert(unsealed(read_regular(path)), CoordinatorState)
        for name, weight in state.clients.items():
            ClientReport(name, weight)  # refuses what no client could have sent
        if state.version != _VERSION:
            raise ValueError(f"it has version {state.version}, and this is {_VERSION}")
        if not (0 < state.served_rate < 1e9 and 0 < state.usual_rate < 1e9):
            raise ValueError("its rates are none that a server could have")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EntroError) as error:
        found = str(getattr(error, "strerror", None) or getattr(error, "found", error))
        raise EntroError(
            f"the stored state cannot be used: {printable(found)}",
            where=printable(str(path)),
            remedy="the coordinator begins anew, without its clients and without what it knew of the server",
        ) from error
    if not 0 <= now_ns - state.saved_ns <= _FRESH_S * NS:
        return msgspec.structs.replace(state, energy=0.0, memory=0.0, regime=Regime.STABLE, clients={})
    return state


def save_coordinator_state(path: Path, state: CoordinatorState) -> None:
    """Store a state.

    Raises:
        EntroError: if it cannot be written.
    """
    write_whole(path, sealed(msgspec.to_builtins(state)), is_durable=False)
