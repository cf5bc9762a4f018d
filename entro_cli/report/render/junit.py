"""Render a Summary as JUnit XML, which CI servers show beside their tests: one test case per check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from entro_cli.analysis.gates import FailedGate
from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.daily_report import Summary
from entro_cli.report.verdict import LOW_COVERAGE, NO_DATA, has_low_coverage

Case = tuple[str, str]
"""Name of a check, and its failure; empty if it passed."""


def render(summary: Summary, gates: Sequence[str] = (), failed: Sequence[FailedGate] = ()) -> str:
    """Return the report as one test suite.

    Args:
        summary: the Summary to render.
        gates: the gates set by the user, as written.
        failed: the failed gates, as `failed_gates` returns them.

    Returns:
        The XML document, identical for identical arguments.
    """
    cases = [*_cases(summary), *_gate_cases(gates, failed)]
    failures = sum(bool(failure) for _, failure in cases)
    name = printable(f"entro: {summary.pipeline}, {summary.period.label}")
    suites = Element("testsuites")
    counts = {"tests": str(len(cases)), "failures": str(failures), "errors": "0", "skipped": "0"}
    suite = SubElement(suites, "testsuite", {"name": name, "timestamp": summary.period.start.isoformat(), **counts})
    sentence = printable(summary.verdict.sentence)
    for check, failure in cases:
        case = SubElement(suite, "testcase", name=printable(check), classname=name, time="0")
        if failure:
            SubElement(case, "failure", message=printable(failure), type="entro").text = sentence
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _cases(summary: Summary) -> Iterator[Case]:
    figures = summary.figures
    objective = figures.objective
    over = figures.violations > objective.allowed_steps
    allowed = formatting.quantity(objective.allowed_steps)
    used = f"{formatting.counted(figures.violations, 'violation')}, {allowed} allowed"
    yield f"objective {100 * objective.target:g}%", used if over else ""
    low = has_low_coverage(figures, summary.usual_gap_s)
    yield f"coverage of {LOW_COVERAGE:.0%}", f"data for only {formatting.share(figures.coverage)}" if low else ""
    at = summary.verdict.sentence.find(NO_DATA)
    yield "data until the end", summary.verdict.sentence[at:].partition(":")[0] if at >= 0 else ""
    if figures.lost_days:
        yield "all days of the history", f"lost: {', '.join(figures.lost_days)}"


def _gate_cases(gates: Sequence[str], failed: Sequence[FailedGate]) -> Iterator[Case]:
    failures = {failure.gate: f"actual {failure.actual}" for failure in failed}
    for gate in gates:
        yield f"gate {gate.strip()}", failures.get(gate.strip(), "")
