import re
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from entro_cli.analysis.results import Recommendation
from entro_cli.report.periods import PeriodKind
from entro_cli.report.render.terminal import MOST_LINES, render, render_short
from entro_engine import Kind, Stage
from tests.report.runs import busy, calm, run_of, summary_of, three_phase
from tests.report.test_pages import HOSTILE, hostile_summary

ANSI = re.compile(r"\x1b\[\d*m")


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("kind", list(PeriodKind))
def test_no_line_is_wider_than_asked(kind, unicode):
    for width in (80, 100, 10):
        text = render(summary_of(busy(35), kind, "2026-03-04"), width, unicode)
        assert max(map(cell_len, text.splitlines())) <= max(width, 72)


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("name", [*HOSTILE, "x" * 200])
def test_names_from_a_log_are_shown_as_text_within_the_width(name, unicode):
    text = render(hostile_summary(name), unicode=unicode)

    assert max(map(cell_len, text.splitlines())) <= 80
    assert all(line.isprintable() for line in text.split("\n"))
    assert unicode or text.isascii()


def test_markup_of_rich_stays_as_it_is():
    assert "[bold red]x[/bold red]" in render(hostile_summary("[bold red]x[/bold red]"))


def test_colours_only_when_asked_and_nothing_else_differs():
    summary = summary_of(busy(7), PeriodKind.WEEK, "2026-03-03")

    plain, coloured = render(summary), render(summary, color=True)

    assert "\x1b" not in plain
    assert ANSI.search(coloured)
    assert [line.rstrip() for line in ANSI.sub("", coloured).splitlines()] == plain.splitlines()


def test_without_unicode_everything_is_ascii():
    assert render(summary_of(busy(7), PeriodKind.WEEK, "2026-03-03"), unicode=False).isascii()


def test_the_text_says_what_the_report_says():
    text = render(summary_of(busy(21), PeriodKind.WEEK, "2026-03-10"))

    for word in ("Weekly report: crawler", "Week 11, 9 to 15 March 2026", "previous week", "Coverage", "By day"):
        assert word in text


def test_the_worst_incident_and_the_alerts_are_listed():
    text = render(summary_of(busy(7), PeriodKind.DAY, "2026-03-03"))

    assert re.search(r"^  10:00 +2 h +[\d,]+ +llm$", text, re.MULTILINE)
    assert re.search(r"^  page +10:0\d", text, re.MULTILINE)


def test_an_incident_of_many_queues_is_shown_by_the_longest_wait():
    stages = tuple(Stage(f"q{number}", Kind.QUEUE, 10.0) for number in range(5))
    loads = np.full((5, 1440), 1.0)
    loads[1, 600:660], loads[2, 600:660], loads[3, 600:660] = 8.0, 2.0, 500.0
    summary = summary_of(run_of(loads, "2026-03-02", stages=stages), PeriodKind.DAY, "2026-03-02")

    (line,) = [line for line in render_short(summary).splitlines() if line.startswith("10:00 ")]
    assert line.split("  ")[-1] == "500 waiting at q3, up to 6 min 57 s"
    assert re.findall(r"waiting at (\w+)", summary.incidents[0].sentence) == ["q3", "q1", "q2"]


def test_a_period_without_data_still_makes_a_text():
    assert "NO DATA" in render(summary_of(calm(10, "2026-03-02"), PeriodKind.MONTH, "2026-07-01"))


def test_the_same_summary_gives_the_same_text():
    assert len({render(summary_of(three_phase(), PeriodKind.DAY, "2026-04-06")) for _ in range(2)}) == 1


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("name", ["crawler", *HOSTILE, "x" * 200])
def test_the_short_text_fits_a_terminal(name, unicode):
    summary, long = hostile_summary(name), f"{name} was slow. " * 40
    crowded = replace(
        summary,
        incidents=summary.incidents * 20,
        notes=(long, long),
        verdict=replace(summary.verdict, sentence=long),
        recommendations=(Recommendation(long, 1, "", "", "", ""),),
    )
    for width in (40, 57, 80, 140, 200):
        for one, page in ((summary, None), (crowded, Path("reports") / name.replace("/", "") / "page.html")):
            lines = render_short(one, width, unicode, page=page).splitlines()
            assert len(lines) <= MOST_LINES < 24
            assert max(map(cell_len, lines)) <= width
            assert all(line.isprintable() and (unicode or line.isascii()) for line in lines)
            assert any("Time over budget" in line for line in lines)


def test_the_short_text_has_the_figures_of_the_long_one():
    summary = summary_of(busy(21), PeriodKind.WEEK, "2026-03-10")
    short, long = render_short(summary, page=Path("week.html")), render(summary)

    labels = {"Longest wait": "llm, longest wait", "Most requests waiting": "llm, peak requests"}
    for label in ("Time over budget", *labels):
        figure, change = re.search(rf"^{label} +(.+?)  +([+-].+?|=)(?: |$)", short, re.MULTILINE).groups()
        longer = labels.get(label, label)
        assert re.search(rf"^  {longer} +{re.escape(figure)} .* {re.escape(change)}", long, re.MULTILINE)
    assert short.endswith("\n\nPage: week.html\n")


def test_the_strip_is_called_the_worst_and_notes_are_set_apart():
    """One Critical minute in each column fills the strip, whatever the share of the time."""
    rare = run_of([[0.3] * 1440, [30.0 * (minute % 15 == 0) for minute in range(1440)]], "2026-03-02")
    summary = replace(summary_of(rare, PeriodKind.DAY, "2026-03-02"), notes=("first", "second"))
    text = render_short(summary, 80)
    assert "█" * 80 in text
    assert " at worst: ░ Stable  ▒ Stress  █ Critical " in text
    assert "\nfirst; second\n" in text


def test_fewer_steps_than_columns_leave_no_gaps():
    run = calm(30, "2026-03-02")
    whole = summary_of(run, PeriodKind.DAY, "2026-03-02")
    assert f"  {'░' * 24}" in render(whole, 200)
    strip = next(line for line in render_short(whole, 200).splitlines() if "░░" in line)
    assert " " not in strip.strip()
