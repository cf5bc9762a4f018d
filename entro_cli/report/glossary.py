"""The words of a report, in plain words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word of a report.

    Attributes:
        word: as it is written there.
        meaning: what it says, in plain words.
    """

    word: str
    meaning: str


GLOSSARY = (
    Term(
        "Psi",
        "How loaded a stage is, on a logarithmic scale (nats): 0 when idle; each further unit takes about 2.7 "
        "times the load. Psi_total adds up the stages of the pipeline.",
    ),
    Term(
        "Budget",
        "What the stages may carry together. A step whose Psi_total is above it is a violation; excess adds up by"
        " how much and for how long (nat s).",
    ),
    Term(
        "Stable, Stress, Critical",
        "How a step is, from Psi_total and what came before it. In Stress the pipeline is filling up; Critical "
        "means at the budget or about to be. No data is none of them.",
    ),
    Term(
        "Energy",
        "Pressure that has built up: sustained load charges it, rest discharges it. A charged pipeline turns "
        "Critical at a lower load.",
    ),
    Term(
        "Memory",
        "How stressed the recent steps were, from 0 to 1. It lowers both thresholds, so that a regime is left at "
        "a lower load than it was entered at.",
    ),
    Term(
        "Stability",
        "Room left below the budget: 1 with plenty, 0.05 (the least) with none.",
    ),
    Term(
        "Incident",
        "Steps over the budget without a pause longer than one step. Its driver is the stage with the largest "
        "part in Psi_total.",
    ),
    Term(
        "Objective",
        "The share of observed steps that should be within the budget. A burn rate of 1 uses up exactly what that"
        " allows; alerts fire when it burns faster over a long and a short window at once.",
    ),
    Term(
        "Coverage",
        "Steps with data of their own among all steps of the period that are not left out.",
    ),
)
"""In the order in which a reader needs them."""
