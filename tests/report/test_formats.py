"""The report as Markdown, JUnit XML and metrics: the numbers of the JSON, escaped text, identical bytes each time."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from entro_cli.report.periods import PeriodKind
from entro_cli.report.render import junit, markdown
from entro_cli.report.render import openmetrics as metrics
from entro_engine import Kind as StageKind
from entro_engine import Stage
from tests.report.runs import busy, calm, summary_of
from tests.running import entro

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "| a | b |\n# heading\n- [x](javascript:alert(1))",
    "`code` **bold** ~~gone~~ @team #1 https://evil.example www.evil.example",
    '"\\\n{x="1"}',
    "\x1b[31mred\x1b[0m",
    "x" * 10_000,
]


def report(*arguments):
    return entro("report", *arguments, "--logs", FIVE_WEEKS, "--tz", "Europe/Berlin", "--weekly", "--out", "-")


def hostile(name):
    stages = (Stage(name, StageKind.RATE), Stage(f"{name} queue", StageKind.QUEUE))
    return summary_of(busy(7, stages=stages), PeriodKind.WEEK, "2026-03-03", pipeline=name)


@pytest.mark.parametrize("form", ["markdown", "junit", "terminal", "json"])
def test_the_same_report_twice_is_the_same_bytes(form):
    assert report("--format", form).out == report("--format", form).out != ""


def test_markdown_says_what_the_report_says():
    document = json.loads(report("--format", "json").out)
    text = report("--format", "markdown").out
    assert text.startswith("# Weekly report: default, Week 15, 6 to 12 April 2026\n")
    assert document["verdict"]["sentence"] in text
    assert text.count("| 1 | 2026-04-09 16:21:00 CEST | 29 min | 885 requests waiting at llm (full at") == 1
    tables = re.findall(r"(?m)^\|.*\|$", text)
    assert len(tables) > 30
    assert all(line.startswith("|") for line in tables)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_log_says_is_text_in_markdown(name):
    text = markdown.render(hostile(name))
    plain = markdown.render(hostile("name"))
    assert len(text.splitlines()) == len(plain.splitlines())
    assert [line.count("|") for line in text.splitlines()] == [line.count("|") for line in plain.splitlines()]
    for mark in ("<img", "](", "`", "~~", "@team", "https://", "www.", "\x1b"):
        assert mark not in text.replace("**", "")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_log_says_is_text_in_junit(name):
    suite = ElementTree.fromstring(junit.render(hostile(name))).find("testsuite")
    assert suite is not None
    assert suite.get("tests") == "3"


def test_junit_fails_for_what_is_wrong():
    outcome = report("--format", "junit", "--fail-on", "violations>10", "--fail-on", "incidents>5")
    assert outcome.status == 3
    suite = ElementTree.fromstring(outcome.out).find("testsuite")
    found = {case.get("name"): case.find("failure") for case in suite}
    assert list(found) == [
        *("objective 99%", "coverage of 90%", "data until the end", "gate violations>10", "gate incidents>5"),
    ]
    assert [name for name, failure in found.items() if failure is not None] == ["gate violations>10"]
    assert found["gate violations>10"].get("message") == "actual 29"
    assert suite.get("failures") == "1"
    nothing = ElementTree.fromstring(junit.render(summary_of(calm(10, "2026-03-02"), PeriodKind.MONTH, "2026-07-01")))
    assert nothing.find("testsuite").get("failures") == "2"


def sampled(text):
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_are_the_figures(tmp_path):
    path = tmp_path / "entro.prom"
    document = json.loads(report("--format", "json", "--metrics-file", path).out)
    found = sampled(path.read_text())
    labels = 'pipeline="default",period="week"'
    assert found[f"entro_violations_steps{{{labels}}}"] == document["figures"]["violations"]
    assert found[f"entro_psi_total_peak_nats{{{labels}}}"] == document["figures"]["peak_psi_total"]
    assert found[f'entro_regime_steps{{{labels},regime="critical"}}'] == document["figures"]["regimes"]["critical"]
    assert path.read_text().endswith("# EOF\n")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_metrics_are_accepted_by_prometheus(name):
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("ENTRO_REQUIRE_SYSTEM"):
            pytest.fail("promtool is missing: apt-get install prometheus")
        pytest.skip("promtool is not installed")
    text = metrics.render(metrics.figures_of(hostile(name)))
    result = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
