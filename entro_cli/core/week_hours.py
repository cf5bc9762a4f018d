"""The hours of the week by the clock of a zone, for many moments at once."""

from __future__ import annotations

from datetime import tzinfo

import numpy as np
from numpy.typing import NDArray

from entro_cli.core.clock import NS, moment

_QUARTER_NS = 900 * NS


def hours_of_week(times_ns: NDArray[np.int64], zone: tzinfo) -> NDArray[np.int64]:
    """In which of the 168 hours of the week each moment lies, the first of them Monday's first.

    Clocks differ from UTC by whole quarters of an hour, so one look at the calendar serves a quarter.

    Args:
        times_ns: shape (n,), nanoseconds since the epoch.
        zone: whose clock counts; an hour that it shows twice is one.

    Returns:
        Shape (n,), 24 * weekday + hour.
    """
    quarters, of_moment = np.unique(times_ns // _QUARTER_NS, return_inverse=True)
    locals_ = (moment(quarter * _QUARTER_NS, zone) for quarter in quarters.tolist())
    return np.array([24 * local.weekday() + local.hour for local in locals_], dtype=np.int64)[of_moment]
