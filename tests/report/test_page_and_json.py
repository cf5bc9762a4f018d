"""The numbers of a page equal those of the JSON document of the same report."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from entro_cli.core import formatting as numbers
from tests.running import entro

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
EXCLUDE = ("--exclude", "Sat 12:00-14:00")


class Tables(HTMLParser):
    """The rows of a page's tables: the texts of their cells, without the notes in small letters."""

    def __init__(self):
        super().__init__()
        self.rows, self._cell, self._small = [], None, False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self._cell = []
        self._small = self._small or tag == "small"

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self.rows[-1].append(" ".join("".join(self._cell).split()).replace("\N{MINUS SIGN}", "-"))
            self._cell = None
        self._small = self._small and tag != "small"

    def handle_data(self, data):
        if self._cell is not None and not self._small:
            self._cell.append(data)


def expected_figures(figures):
    """Return the expected rows of the table of all figures for a period."""
    seen, regimes, objective = figures["observed_steps"], figures["regimes"], figures["objective"]
    expected = figures["steps"] - figures["excluded_steps"]
    rows = {
        "Time over budget": numbers.duration(figures["violation_time_s"]),
        "Violations, share": numbers.share(figures["violations"] / seen),
        "Incidents": numbers.count(len(figures["incidents"])),
        "Excess (nat s)": numbers.quantity(figures["excess_nat_s"]),
        "Error budget used": numbers.share(objective["consumed"]),
        "Burn rate": numbers.quantity(objective["burn_rate"]),
        "Stable": numbers.share(regimes["stable"] / expected),
        "Stress": numbers.share(regimes["stress"] / expected),
        "Critical": numbers.share(regimes["critical"] / expected),
        "No data": numbers.share(regimes["no_data"] / expected),
        "Coverage": numbers.share(figures["coverage"]),
        "Transitions": numbers.count(figures["transitions"]),
        "Psi_total, mean (nat)": numbers.nats(figures["mean_psi_total"]),
        "Psi_total, peak (nat)": numbers.nats(figures["peak_psi_total"]),
        "Stability, mean": numbers.nats(figures["stability_mean"]),
        "Stability, lowest": numbers.nats(figures["stability_min"]),
        "Energy, mean (nat)": numbers.nats(figures["energy_mean"]),
        "Energy, highest (nat)": numbers.nats(figures["energy_max"]),
        "Memory, mean": numbers.nats(figures["memory_mean"]),
        "Memory, highest": numbers.nats(figures["memory_max"]),
    }
    for stage in figures["stages"]:
        rows[f"{stage['name']}, share of Psi"] = numbers.share(stage["mean_share"])
    return rows


@pytest.mark.parametrize("period", [("--daily", "2026-04-09"), ("--weekly", "2026-04-06"), ("--monthly", "2026-04")])
def test_the_page_says_what_the_document_says(period):
    kind, day = period
    command = ("report", kind, "--date", day, "--logs", SAMPLE, "--tz", "UTC", *EXCLUDE)
    document = json.loads(entro(*command, "--json").out)
    tables = Tables()
    tables.feed(entro(*command, "--format", "html", "--out", "-").out)
    rows = {tuple(row) for row in tables.rows}

    before = expected_figures(document["previous_figures"])
    for label, value in expected_figures(document["figures"]).items():
        (row,) = (row for row in rows if row[0] == label and len(row) == 4 and row[2] == before[label])
        assert row[1] == value, label
    for part in document["buckets"]:
        counts = [
            *(part["regimes"][name] for name in ("stable", "stress", "critical", "no_data")),
            part["excluded_steps"],
        ]
        counts = counts if document["maintenance"] else counts[:-1]
        (row,) = (row for row in rows if row[0] == part["label"])
        assert row[1 : len(counts) + 1] == tuple(map(numbers.count, counts))
    for rank, incident in enumerate(document["incidents"], 1):
        (row,) = (row for row in rows if row[0] == f"◆ {rank}")
        assert row[2:6] == (
            numbers.duration(incident["duration_s"]),
            incident["sentence"],
            incident["driver"],
            f"{numbers.quantity(incident['excess_nat_s'])} nat s",
        )
    coordination = document["coordination"]
    (row,) = (row for row in rows if row[0] == "Steps over the budget")
    courses = (coordination[name]["violations"] for name in ("measured", "uncontrolled", "coordinated"))
    assert row[1:] == tuple(map(numbers.count, courses))


@pytest.mark.parametrize("form", ["html", "terminal", "markdown", "json", "junit"])
def test_the_same_period_twice_is_the_same_bytes(form):
    command = (
        "report",
        "--weekly",
        "--date",
        "2026-04-06",
        "--logs",
        SAMPLE,
        "--tz",
        "UTC",
        "--format",
        form,
        "--out",
        "-",
    )
    first, second = entro(*command), entro(*command)
    assert first.out == second.out != ""


class Words(HTMLParser):
    """The text of a page, a space between any two elements."""

    def __init__(self):
        super().__init__()
        self.parts, self._hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self._hidden += tag in {"script", "style"}
        self.parts.append(" ")

    def handle_endtag(self, tag):
        self._hidden -= tag in {"script", "style"}
        self.parts.append(" ")

    def handle_data(self, data):
        if not self._hidden:
            self.parts.append(data)

    @property
    def text(self):
        return " ".join("".join(self.parts).split())


NUMBER = r"([\d,]+(?:\.\d+)?)"
LENGTH = r"((?:\d+ (?:d|h|min|s|ms) ?)+)"


def quantities(document):
    """Return what a page may say of each quantity: every place where it stands, and what it has to say there."""
    figures, made, loads = document["figures"], document["made"], document["made"]["full_loads"]
    rate, queue = figures["stages"]
    coordination = document["coordination"]
    measured = coordination["measured"]
    over = numbers.duration(figures["violation_time_s"])
    used = numbers.share(figures["objective"]["consumed"])
    return {
        "time over the budget": (rf"Over the budget for {LENGTH} ", rf"Time over budget {LENGTH} \d", over),
        "violations": (
            rf"Time over budget [\w ]*? {NUMBER} steps",
            rf"Steps over the budget {NUMBER} ",
            numbers.count(figures["violations"]),
        ),
        "excess": (
            rf"Excess \(nat s\) {NUMBER}",
            rf"Excess, nat s {NUMBER}",
            numbers.quantity(figures["excess_nat_s"]),
        ),
        "budget used": (r"Error budget used ([\d,.]+%)", used),
        "budget": (
            rf"budget {NUMBER} nat",
            rf"Psi_total budget {NUMBER}",
            rf"\(nat\) [\d.]+ budget {NUMBER}",
            numbers.nats(made["budget"]),
        ),
        "capacity": (
            rf"(?:learned from|Simulated server:) {NUMBER} req/s \(",
            rf"to {NUMBER} req/s, the rate",
            *([rf"capacity {NUMBER} req/s"] if loads["origin"] == "learned" else []),
            numbers.quantity(loads["capacity"]),
        ),
        "accepted wait": (rf"accepted wait (?:of )?{NUMBER} s", f"{loads['wait_s']:.3g}"),
        "full rate": (rf"full at {NUMBER} req/s", rf" {rate['name']} rate {NUMBER}", numbers.quantity(rate["full"])),
        "full queue": (
            rf"req/s and {NUMBER} requests",
            rf" {queue['name']} queue {NUMBER}",
            rf"waiting at {queue['name']} \(full at {NUMBER}\)",
            numbers.quantity(queue["full"]),
        ),
        "longest queue": (
            rf"Longest queue {NUMBER} ",
            rf"\(was {NUMBER}\)\.",
            rf"(?:Watch|Bad) .{{0,200}}?{NUMBER} requests waiting at {queue['name']} \(full",
            numbers.quantity(measured["peak_queue"]),
        ),
        "queue with coordination": (
            rf"with at most {NUMBER} requests waiting",
            rf"Longest queue [\d,.]+ [\d,.]+ {NUMBER} ",
            numbers.quantity(coordination["coordinated"]["peak_queue"]),
        ),
        "critical": (
            r"([\d.]+%) of observed time",
            numbers.share(figures["regimes"]["critical"] / figures["observed_steps"]),
        ),
        "time critical": (
            rf"Time Critical {LENGTH} [\d.]+%",
            numbers.duration(figures["regimes"]["critical"] * figures["step_s"]),
        ),
    }


@pytest.mark.parametrize("full_loads", ["learned", "published"])
@pytest.mark.parametrize("log", ["five-weeks.csv", "formats/requests.csv"])
def test_a_page_never_shows_two_values_of_one_quantity(log, full_loads):
    command = ("report", "--daily", "--logs", SAMPLE.parent / log, "--tz", "UTC", "--full-loads", full_loads)
    if log == "five-weeks.csv":
        command += ("--date", "2026-04-09")
    document = json.loads(entro(*command, "--json").out)
    words = Words()
    words.feed(entro(*command, "--format", "html", "--out", "-").out)
    document["made"]["full_loads"]["capacity"] = document["coordination"]["capacity"]
    for name, (*places, expected) in quantities(document).items():
        found = [[value.strip() for value in re.findall(place, words.text)] for place in places]
        assert all(found), (name, found)
        assert {value for values in found for value in values} == {expected}, name
    assert f"Full at ({full_loads})" in words.text
