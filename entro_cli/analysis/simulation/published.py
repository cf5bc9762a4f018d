"""The figures published for the simulated runs, to show beside ours, and remarks on the differences.

They were published with the ENTRO-ENGINE documentation. The published simulator and v9 engine were never released, so
each row is shown only under the conditions that it was published for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields

from msgspec import Struct

from entro_cli.analysis.simulation.parameters import DEFAULT_BUDGET, SimulationParameters
from entro_engine import SCENARIOS
from entro_engine.baselines import STATIC_LIMIT
from entro_engine.controller import ALPHA, BETA

SOURCE = "DOI 10.5281/zenodo.19441032"


class PublishedFigures(Struct, frozen=True):
    """A published row, as printed there; None for figures that were not published.

    `violations` and regimes are steps, `peak_queue` requests, `peak_psi_total` nats.
    """

    violations: int | None = None
    peak_queue: float | None = None
    peak_psi_total: float | None = None
    stable: int | None = None
    stress: int | None = None
    critical: int | None = None

    def text(self, figure: str) -> str:
        """Return a figure as it was printed; empty if it was not published."""
        value = getattr(self, figure, None)
        return "" if value is None else repr(value)


PUBLISHED: dict[str, dict[str, PublishedFigures]] = {
    "three-phase": {
        "uncontrolled": PublishedFigures(violations=312, peak_queue=87.6, peak_psi_total=5.84),
        "static": PublishedFigures(violations=187, peak_queue=45.2, peak_psi_total=4.21),
        "v9": PublishedFigures(violations=12, peak_queue=23.4, peak_psi_total=3.31),
    },
    "v9-reference": {"uncontrolled": PublishedFigures(stable=24, stress=19, critical=37)},
}
"""The published rows, by scenario and controller."""


class Comparison(Struct, frozen=True):
    """The published figures that apply to a simulation.

    Attributes:
        rows: the published figures by controller, only those published for the same conditions.
        notes: sentences on what is published, how and why ours differ, and which rows are left out.
    """

    rows: dict[str, PublishedFigures]
    notes: tuple[str, ...]


def compare(parameters: SimulationParameters) -> Comparison:
    """Return the published figures that apply to a simulation."""
    name = parameters.scenario.name
    published = PUBLISHED.get(name, {})
    known = {controller: published[controller] for controller in published if controller in parameters.controllers}
    differences = {controller: list(_differences(parameters, controller)) for controller in known}
    rows = {controller: row for controller, row in known.items() if not differences[controller]}
    notes = (*_legend(name, rows), *_left_out(differences))
    return Comparison(rows, notes or ("Nothing is published for these runs.",))


def _differences(parameters: SimulationParameters, controller: str) -> Iterator[str]:
    """Yield the differences between the parameters and those that a controller's row was published for."""
    if parameters.scenario != SCENARIOS.get(parameters.scenario.name):
        yield from _scenario_differences(parameters)
    if parameters.budget != DEFAULT_BUDGET:
        yield f"budget {parameters.budget:g}"
    if parameters.noise is not None:
        yield "noise"
    if controller == "static" and parameters.limit != STATIC_LIMIT:
        yield f"limit {parameters.limit:g}"
    if controller == "v9":
        yield from _law_differences(parameters)


def _scenario_differences(parameters: SimulationParameters) -> Iterator[str]:
    """Yield the parts of a scenario that differ from the built-in one of its name."""
    built_in = SCENARIOS[parameters.scenario.name]
    for field in fields(built_in):
        if getattr(parameters.scenario, field.name) != getattr(built_in, field.name):
            yield f"other {field.name.replace('_', ' ')}"


def _law_differences(parameters: SimulationParameters) -> Iterator[str]:
    for name, value, published in (
        ("alpha", parameters.alpha, ALPHA),
        ("beta", parameters.beta, BETA),
        ("lag", parameters.lag, 1),
    ):
        if value != published:
            yield f"{name} {value:g}"
    yield from (f"{name} {value:g}" for name, value in parameters.tuned.items())


def _legend(name: str, rows: dict[str, PublishedFigures]) -> Iterator[str]:
    """Yield an explanation of the figures in brackets, and remarks on how ours compare."""
    if rows:
        yield f"In brackets: the published figures ({SOURCE}). No others were published."
    for controller in rows:
        yield f"{controller}: {_REMARKS[name, controller]}"


def _left_out(differences: dict[str, list[str]]) -> Iterator[str]:
    """Yield a sentence on each reason for which published rows are not shown."""
    reasons = {controller: ", ".join(found) for controller, found in differences.items() if found}
    for reason in dict.fromkeys(reasons.values()):
        names = ", ".join(controller for controller, found in reasons.items() if found == reason)
        yield f"{names}: the published figures are not shown, as they are for other settings (here: {reason})."


def _least_psi_of_static() -> float:
    """Return a lower bound of Psi_total while the published static queue still grows.

    The rate is then above what the server serves.
    """
    peak_queue = PUBLISHED["three-phase"]["static"].peak_queue or 0.0
    return math.log1p(SCENARIOS["three-phase"].capacity) + math.log1p(peak_queue)


_REMARKS = {
    ("three-phase", "uncontrolled"): "matched; the scenario is calibrated to it.",
    ("three-phase", "static"): (
        "measured, not matched. No limit can give the published row here: a queue that grows to 45.2 "
        f"means more than 1.2 req/s, so Psi_total above {_least_psi_of_static():.2f}, not 4.21."
    ),
    ("three-phase", "v9"): (
        "not the published code, which was never released. This one acts in the middle of the Stress band and stays "
        "below the published row."
    ),
    ("v9-reference", "uncontrolled"): "matched; the parameters that the publication leaves open are calibrated to it.",
}
