"""The glossary of a report: its terms explained for readers who see a report for the first time."""

from __future__ import annotations

from msgspec import Struct


class Term(Struct, frozen=True):
    """A term of the glossary.

    Attributes:
        word: the term, spelled as in the report.
        meaning: the explanation, in one or a few sentences.
    """

    word: str
    meaning: str


# Ordered so that each term is explained before another one uses it.
GLOSSARY = (
    Term(
        "Psi",
        "The load of a stage on a logarithmic scale, in nats. An idle stage has 0; each further nat takes about 2.7 "
        "times the load. Psi_total is the sum over the stages of the pipeline.",
    ),
    Term(
        "Budget",
        "The load that the stages may reach together: of two stages the Psi_total; of more, the larger of the Psi of "
        "two neighbours and of the sum as two stages would have it. A step above it is a violation. Excess is how far "
        "and for how long the load was above the budget (nat s).",
    ),
    Term(
        "Stable, Stress, Critical",
        "The regime of a step, derived from the load and the steps before it. Stress: the pipeline is filling up. "
        "Critical: it has reached the budget or is about to. Steps without data have no regime.",
    ),
    Term(
        "Energy",
        "Accumulated pressure: sustained load raises it, rest lowers it. With high energy, the pipeline turns Critical "
        "at a lower load.",
    ),
    Term(
        "Memory",
        "How stressed the recent steps were, from 0 to 1. Memory lowers both thresholds, so a regime is left at a "
        "lower load than it was entered at.",
    ),
    Term(
        "Stability",
        "The room left below the budget, from 1 (plenty) down to 0.05 (none).",
    ),
    Term(
        "Incident",
        "A run of steps over the budget, interrupted for at most one step at a time. Its driver is the stage with the "
        "largest share of the load.",
    ),
    Term(
        "Objective",
        "The share of observed steps that should be within the budget. The rest is the error budget. A burn rate of 1 "
        "uses it up exactly; an alert fires when it burns faster over a long and a short window at once.",
    ),
    Term(
        "Coverage",
        "The share of steps with measured data, out of all steps of the period that are not excluded.",
    ),
)
