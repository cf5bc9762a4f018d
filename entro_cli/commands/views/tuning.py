"""The output of `entro tune`: a table of the best settings beside the present one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from entro_cli.analysis.tuning import BLOCKS, TriedSetting, Tuning
from entro_cli.core import formatting
from entro_cli.report.render.rich_table import grid

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHOWN = 5
"""Settings in the table besides the present one, so that everything fits into 24 lines."""


def evidence(tuning: Tuning) -> str:
    """Return the comment for the values of a proposal in entro.toml: the cost that they save, and of what."""
    cost = tuning.present.cost if tuning.present else None
    saved = formatting.quantity(tuning.tuning_gain)
    return f"entro tune: saves {saved} of {formatting.optional(formatting.quantity, cost)} in {BLOCKS} blocks"


def tuning_view(tuning: Tuning, step_s: float, written: str | None) -> Iterator[RenderableType]:
    """Yield the parts of the output. They fit into 80 columns and 24 lines.

    Args:
        tuning: the result.
        step_s: length of a step of the log, s.
        written: the file and the table that the changed values were written to; None if they were not.
    """
    from rich.text import Text

    if tuning.withheld is not None or tuning.present is None or tuning.capacity is None:
        yield Text(f"Not available: {tuning.withheld}.")
        return
    yield Text(
        f"Simulated server: {formatting.quantity(tuning.capacity)} req/s ({tuning.capacity_evidence}). The simulated "
        f"queue is {formatting.optional(formatting.share, tuning.model_error)} off the measured one.\n"
        f"Cost: violations + {tuning.weight:g} x service lost (requests), in {BLOCKS} blocks of "
        f"{formatting.duration(tuning.block_steps * step_s)}."
    )
    if tuning.left_out:
        yield Text(f"Left out: headroom {', '.join(f'{value:g}' for value in tuning.left_out)}, not below alpha.")
    yield ""
    table = grid(*((title, "right") for title in _TITLES))
    table.add_row("now", *_cells(tuning.present), "", "")
    for rank, setting in enumerate(tuning.tried, start=1):
        if rank <= _SHOWN or setting is tuning.proposed:
            saved = f"{formatting.quantity(setting.saved)} +/- {formatting.quantity(setting.standard_error)}"
            table.add_row(str(rank), *_cells(setting), saved, f"{setting.better_blocks} of {BLOCKS}")
    yield table
    yield ""
    gains = formatting.quantity(tuning.tuning_gain), formatting.quantity(tuning.held_out_gain)
    yield Text(
        f"Cost saved in all blocks: tuning gain {gains[0]} (the setting chosen on all of them), "
        f"held-out gain {gains[1]} (in each block the setting chosen on the others)."
    )
    yield Text(_conclusion(tuning, written))


_TITLES = ("", "Headroom", "Gain", "Guard", "Violations", "Lost", "Cost", "Saved a block", "Better")


def _cells(tried: TriedSetting) -> Iterator[str]:
    yield from (f"{value:g}" for value in tried.setting.values())
    yield formatting.count(tried.violations)
    yield from map(formatting.quantity, (tried.lost, tried.cost))


def _conclusion(tuning: Tuning, written: str | None) -> str:
    """Return what is proposed or was written, or why nothing is."""
    if tuning.proposed is None:
        return f"Nothing is proposed: {tuning.reason}."
    rank = tuning.tried.index(tuning.proposed) + 1
    changes = ", ".join(f"{key} = {value:g}" for key, value in tuning.changes.items())
    if written is not None:
        return f"Written to {written}: {changes}"
    return f"Proposed: number {rank}, {changes}. With --write it goes to entro.toml."
