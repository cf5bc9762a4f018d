"""Times of a table, on whatever clock, converted to nanoseconds since the epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from entro_cli.readers.problems import Tally
from entro_cli.readers.timestamps import TimestampFormat, local_to_utc
from entro_cli.timeseries.observations import ReadOptions, TimeArray
from entro_cli.timeseries.problems import ProblemKind
from entro_engine import EntroError


def to_utc(
    label: str, times: TimeArray, zoned: NDArray[np.bool_], form: TimestampFormat, options: ReadOptions, tally: Tally
) -> tuple[TimeArray, str]:
    """Return times as nanoseconds since the epoch, and a description of how they were read.

    Args:
        label: the file, for messages.
        times: nanoseconds, as `timestamp_sql` defines them, shape (rows,), in the order of the file.
        zoned: whether each names its zone, shape (rows,).
        form: their format.
        options: how the log is read.
        tally: receives the warnings.

    Raises:
        EntroError: if only some of them name a zone, and the user named none.
    """
    if form.is_offset:
        if options.start_ns is None:
            tally.note(ProblemKind.NO_START)
            return times, "offsets, no date"
        return times + options.start_ns, "offsets from --start"
    if options.start_ns is not None:
        tally.note(ProblemKind.START_NOT_USED)
    if form.unit_ns:
        return times, form.name
    if zoned.all():
        return times, "as written"
    if zoned.any() and not options.zone_given:
        raise EntroError(
            f"{int((~zoned).sum())} of {len(zoned)} times name no zone while the others do",
            where=label,
            expected="a zone in all times or in none",
            remedy="name the zone of those with --tz",
        )
    naive = ~zoned
    local = local_to_utc(times[naive], options.zone)
    utc = times.copy()
    utc[naive] = local.times
    tally.clock(local)
    return utc, f"{options.zone} ({'--tz' if options.zone_given else 'this machine'})"
