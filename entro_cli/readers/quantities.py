"""Quantities of a log, and the choice of those that are stages: the last step of every reader but `table`.

A quantity is a series with the name to which `--stage NAME=COLUMN` refers as its column: `waiting`, `running`,
`requests`. Its stage is the one that it is by default; empty if it is a stage only when it is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from entro_cli.timeseries.observations import SIGNAL_SEPARATOR, ReadOptions, Series

RATE_STAGE, QUEUE_STAGE = "scraper", "llm"
"""The names of stages that the user did not name."""


def choose_stages(quantities: Sequence[Series], options: ReadOptions) -> tuple[Series, ...]:
    """Return the quantities that the user named as stages, or those that are stages by default.

    Args:
        quantities: of the log; those without samples are left out.
        options: how the log is read.
    """
    by_name = {part.column: part for part in quantities if len(part.times)}
    specs = [spec for spec in options.stages_for([*by_name]) if spec.column in by_name]
    if specs:
        found = ((spec, by_name[spec.column]) for spec in specs)
        return tuple(
            replace(part, stage=spec.name, kind=spec.kind or part.kind, full=spec.full) for spec, part in found
        )
    default = (part for part in by_name.values() if part.stage)
    return tuple(replace(part, kind=options.kind_of(part.stage) or part.kind) for part in default)


def with_owner(signals: Sequence[Series], options: ReadOptions, columns: Sequence[str], default: str) -> list[Series]:
    """Return signals as series of the stage that they are about.

    Args:
        signals: of a log, each with its name as its column; those without samples are left out.
        options: how the log is read.
        columns: the quantities of its format; the signals are about the stage that the user made of one of them.
        default: the stage without such a one.
    """
    owner = next((spec.name for column in columns for spec in options.stages if spec.column == column), default)
    return [replace(one, stage=f"{owner}{SIGNAL_SEPARATOR}{one.column}") for one in signals if len(one.times)]
