"""The output of `entro calibrate`: each number with the evidence for it, as a table and as an entro.toml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from entro_cli.analysis.results import Calibration
from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.render.rich_table import grid

if TYPE_CHECKING:
    from rich.console import RenderableType


def calibration_view(calibration: Calibration, written: str) -> Iterator[RenderableType]:
    """Yield the parts of a calibration, in the order they are printed. Every line fits into 80 columns.

    Args:
        calibration: the calibration.
        written: the file it was written to.
    """
    from rich.text import Text

    table = grid(("", "left"), ("Value", "right"), ("Evidence", "left"))
    for name, value, evidence in _rows(calibration):
        table.add_row(name, value, evidence)
    yield table
    yield ""
    yield Text(f"Written to {printable(written)}; `entro config` shows what is in force.")


def calibration_toml(calibration: Calibration, logs: Sequence[str]) -> str:
    """Return a calibration as an entro.toml.

    Args:
        calibration: the calibration.
        logs: the files it was made from.
    """
    named = ", ".join(printable(log) for log in logs[:3]) + (f" and {len(logs) - 3} more" if len(logs) > 3 else "")
    period = f"{calibration.start.isoformat()} to {calibration.end.isoformat()}"
    evidence = calibration.evidence + _reservation(calibration)
    lines = [
        f"# Measured by `entro calibrate` in {named},",
        f"# {period}, steps of {calibration.step_s:g} s.",
        "",
        f"capacity = {calibration.capacity!r}  # req/s when the server is busy: {evidence}",
        f"wait = {calibration.wait_s!r}  # s, the longest accepted wait: {calibration.wait_evidence}",
        f"gamma = {calibration.gamma!r}  # a budget of {calibration.budget:g} nat for two stages",
        "",
        "# The full loads follow from these values. Delete the tables to let them follow every change.",
    ]
    for stage in calibration.stages:
        lines += [
            f"[stages.{_key(stage.name)}]",
            f"full = {float(f'{stage.full:.3g}')!r}  # {stage.unit}: {stage.evidence}",
            "",
        ]
    return "\n".join(lines)


_RESERVATIONS = {
    "thin": "; THIN evidence: the server was busy for a short time only",
    "at least": "; AT LEAST that, because no queue ever formed",
}


def _reservation(calibration: Calibration) -> str:
    return _RESERVATIONS.get(calibration.mark, "")


def _rows(calibration: Calibration) -> Iterator[tuple[str, str, str]]:
    reservation = _reservation(calibration)
    yield "Capacity", f"{formatting.quantity(calibration.capacity)} req/s", calibration.evidence + reservation
    yield "Longest accepted wait", f"{calibration.wait_s:.3g} s", calibration.wait_evidence
    for stage in calibration.stages:
        yield f"{stage.name} is full at", f"{formatting.quantity(stage.full)} {stage.unit}", stage.evidence
    yield "Budget", f"{formatting.nats(calibration.budget)} nat", f"gamma {calibration.gamma:g} x 2 stages x Psi_c"


def _key(name: str) -> str:
    """Return the name of a stage as a TOML key, quoted if it must be."""
    if name.isascii() and name.replace("-", "").replace("_", "").isalnum():
        return name
    escaped = "".join(
        char if char.isprintable() and char not in {'"', "\\"} else f"\\u{ord(char):04X}" for char in name
    )
    return f'"{escaped}"'
