"""A Summary as JUnit XML: what a CI server shows beside its tests, a case for everything that can be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from entro_cli.analysis.gates import FailedGate
from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.daily_report import Summary
from entro_cli.report.verdict import LOW_COVERAGE, NO_DATA

Case = tuple[str, str]
"""What is checked, and what is wrong with it, in a sentence; empty where nothing is."""


def render(summary: Summary, gates: Sequence[str] = (), failed: Sequence[FailedGate] = ()) -> str:
    """The report as one test suite.

    Args:
        summary: what it says.
        gates: those that the user set, as they were written.
        failed: the failed ones among them, as `failed_gates` returns them.

    Returns:
        The document; the same for the same arguments.
    """
    cases = [*_cases(summary), *_gate_cases(gates, failed)]
    failures = sum(bool(wrong) for _, wrong in cases)
    name = printable(f"entro: {summary.pipeline}, {summary.period.label}")
    suites = Element("testsuites")
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "skipped": "0"}
    suite = SubElement(suites, "testsuite", {"name": name, "timestamp": summary.period.start.isoformat(), **counts})
    for what, wrong in cases:
        case = SubElement(suite, "testcase", name=printable(what), classname=name, time="0")
        if wrong:
            SubElement(case, "failure", message=printable(wrong), type="entro").text = printable(
                summary.verdict.sentence
            )
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _cases(summary: Summary) -> Iterator[Case]:
    figures = summary.figures
    objective = figures.objective
    over = figures.violations > objective.allowed_steps
    allowed = formatting.quantity(objective.allowed_steps)
    used = f"{formatting.count(figures.violations)} violations where {allowed} are allowed"
    yield f"objective {100 * objective.target:g}%", used if over else ""
    little = figures.coverage < LOW_COVERAGE
    yield f"coverage of {LOW_COVERAGE:.0%}", f"data for only {formatting.share(figures.coverage)}" if little else ""
    silent = summary.verdict.sentence.startswith(NO_DATA)
    yield "data until the end", summary.verdict.sentence.partition(":")[0] if silent else ""


def _gate_cases(gates: Sequence[str], failed: Sequence[FailedGate]) -> Iterator[Case]:
    wrong = {failure.gate: f"actual {failure.actual}" for failure in failed}
    for gate in gates:
        yield f"gate {gate.strip()}", wrong.get(gate.strip(), "")
