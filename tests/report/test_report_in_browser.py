"""The page in a browser: opened from disk, offline, on a phone, in the dark theme, without scripts."""

import re
from datetime import datetime

import pytest

from entro_cli.report.periods import PeriodKind
from entro_cli.report.render import html
from entro_cli.report.render.page import store_plotly
from tests.browser_page import opened
from tests.marks import slow
from tests.report.runs import ZONE, busy, calm, summary_of, three_phase
from tests.report.test_calendar import march
from tests.report.test_pages import HOSTILE, hostile_summary
from tests.running import entro

pytestmark = pytest.mark.browser

SUMMARIES = {
    "month": lambda: march("2026-03-05/1d"),
    "week": lambda: summary_of(busy(21), PeriodKind.WEEK, "2026-03-10"),
    "incident": lambda: summary_of(busy(7), PeriodKind.WEEK, "2026-03-03"),
    "day": lambda: summary_of(three_phase(), PeriodKind.DAY, "2026-04-06"),
    "hostile": lambda: hostile_summary("".join(HOSTILE)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pages = tmp_path_factory.mktemp("pages")
    store_plotly(pages)
    for name, summary in SUMMARIES.items():
        (pages / f"{name}.html").write_text(html.render(summary()), encoding="utf-8")
    return pages


_TOO_WIDE = """[...document.querySelectorAll('.calendar td, .week td')]
  .filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText)"""
# Words are never broken: a cell would be too small for one.


@pytest.mark.parametrize("name", ["month", slow("week"), slow("day"), "hostile"])
def test_it_is_drawn_fits_and_can_be_read(browser, folder, name):
    with opened(browser, folder / f"{name}.html", width=390) as found:
        for width, dark in ((390, False), (390, True), (1440, True), (1440, False)):
            found.show(width, dark)
            assert found.undrawn() == []
            assert found.overflow() <= 0
            assert found.page.evaluate(_TOO_WIDE) == []
            assert found.faint() == []
        assert found.complaints == []
        assert all(url.startswith("file:") for url in found.requests)
        assert len(found.requests) == 2


def test_names_from_a_log_make_no_elements(browser, folder):
    with opened(browser, folder / "hostile.html", width=390) as found:
        assert (
            found.page.locator("main img, main a:not([data-from]), main script:not([type='application/json'])").count()
            == 0
        )
        assert found.page.locator(".chart").count() == 3


def test_it_can_be_read_without_scripts(browser, folder):
    with opened(browser, folder / "week.html", width=390, javascript=False) as found:
        tables = found.page.locator("table")
        assert tables.count() >= 6
        assert all(tables.nth(at).is_visible() for at in range(tables.count()))
        assert found.page.locator(".still svg").is_visible()
        assert found.page.locator(".chart:visible").count() == 0
        assert found.complaints == []


@pytest.mark.slow
def test_without_scripts_nothing_explains_a_chart_that_is_not_there(browser, folder):
    with opened(browser, folder / "week.html", javascript=False) as found:
        timeline = found.page.locator("#timeline").inner_text()
        assert "Critical" in timeline
        assert not re.search(r"capacity|dotted|rank|Drag|most common regime", timeline)
    with opened(browser, folder / "week.html") as found:
        assert re.search(r"dotted.*Drag", found.page.locator("#timeline").inner_text(), re.DOTALL)


@pytest.mark.slow
def test_long_names_and_numbers_fit_a_phone(browser, tmp_path):
    """On all pages of a folder, with their tables unfolded."""
    name = f"deployment_whose_name_nobody_would_abbreviate_{'k' * 60}"
    rows = [f"2026-10-25T0{minute // 60}:{minute % 60:02}Z,2.5,{1e33 if minute < 90 else 0}" for minute in range(240)]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["time,r,q", *rows]) + "\n")
    reports = ["--history", tmp_path / "history", "--tz", "Europe/Berlin"]
    stages = ["--stage", f"a_{name}=r:rate", "--stage", f"b_{name}=q:queue"]
    assert entro("ingest", log, "--pipeline", name, *reports, *stages).status == 0
    for command in (["report", "--daily"], ["report", "--weekly"], ["report", "--monthly"], ["fleet", "--weekly"]):
        pipeline = [] if command[0] == "fleet" else ["--pipeline", name]
        assert entro(*command, *pipeline, *reports, "--out", tmp_path).status == 0
    pages = sorted(tmp_path.glob("*.html"))
    assert len(pages) == 5
    for path in pages:
        with opened(browser, path, width=390) as found:
            found.page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
            assert found.overflow() <= 0, path.name
            assert found.complaints == []


@pytest.mark.slow
def test_paper_is_white_whatever_the_screen_is(browser, folder):
    ink = "document.querySelector('#load').layout.font.color"
    with opened(browser, folder / "week.html", dark=True) as found:
        dark = found.page.evaluate(ink)
        found.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        found.until(f"{ink} !== '{dark}'")
        found.page.evaluate("dispatchEvent(new Event('afterprint'))")
        found.until(f"{ink} === '{dark}'")
        assert found.complaints == []


@pytest.mark.slow
def test_zooming_in_shows_finer_marks(browser, folder):
    marks = "document.querySelector('#load').layout.xaxis.tickvals.length"
    with opened(browser, folder / "week.html") as found:
        before = found.page.evaluate(marks)
        found.page.evaluate(
            "() => { const chart = document.querySelector('#load'); const [a, b] = chart.layout.xaxis.range;"
            " return Plotly.relayout(chart, {'xaxis.range': [a, a + (b - a) / 8]}); }"
        )
        found.until(f"{marks} > {before}")
        assert found.complaints == []


RANGES = "[...document.querySelectorAll('.chart')].map((chart) => chart.layout.xaxis.range.map(Math.round).join())"


@pytest.mark.slow
def test_all_time_axes_move_together_and_back(browser, folder):
    with opened(browser, folder / "incident.html") as found:
        whole = found.page.evaluate(RANGES)
        assert found.page.locator(".reset").is_hidden()
        found.page.locator("a[data-from]").first.click()
        found.until(f"new Set({RANGES}).size === 1 && {RANGES}[0] !== '{whole[0]}'")
        found.page.locator(".reset").click()
        found.until(f"{RANGES}.join() === '{','.join(whole)}'")
        box = found.page.locator("#load").bounding_box()
        middle = box["y"] + box["height"] / 2
        found.page.mouse.move(box["x"] + 300, middle)
        found.page.mouse.down()
        found.page.mouse.move(box["x"] + 500, middle, steps=4)
        found.page.mouse.up()
        found.until(f"new Set({RANGES}).size === 1 && {RANGES}[0] !== '{whole[0]}'")
        found.page.locator("#psi").dblclick(position={"x": 300, "y": 100})
        found.until(f"{RANGES}.join() === '{','.join(whole)}'")
        assert found.page.locator(".reset").is_hidden()
        assert found.complaints == []


def test_a_point_shows_its_local_time_and_its_loads_in_their_units(browser, folder):
    with opened(browser, folder / "incident.html") as found:
        found.page.locator("a[data-from]").first.click()
        found.until(f"new Set({RANGES}).size === 1")
        text = "document.querySelector('#load .hovertext')?.textContent ?? ''"
        box = found.page.locator("#load").bounding_box()
        found.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8)
        found.until(f"{text}.length > 0")
        assert re.fullmatch(
            r"Tue 3 Mar 1[01]:\d\d, Criticalscraper: [\d.]+ req/s \(capacity 1\.2\)"
            r"llm: 6\d\.?\d* requests \(full at 10\)"
            r"longest wait: 5\d\.?\d* sPsi_total: [\d.]+ nat \(budget 3\.000\)",
            found.page.evaluate(text),
        )
        assert found.page.locator("#load .axistext:visible").count() == 0


@pytest.mark.parametrize(("day", "times"), [("2026-03-29", 0), ("2026-10-25", 2)])
@pytest.mark.slow
def test_marks_follow_the_clock_when_it_changes(browser, tmp_path, day, times):
    store_plotly(tmp_path)
    path = tmp_path / "day.html"
    path.write_text(html.render(summary_of(calm(1440, day), PeriodKind.DAY, day)), encoding="utf-8")
    with opened(browser, path) as found:
        found.page.evaluate("Plotly.relayout(load, {'xaxis.range': [0, 18000]})")
        found.until("load.layout.xaxis.tickvals.length > 8")
        texts, seconds = found.page.evaluate("[load.layout.xaxis.ticktext, load.layout.xaxis.tickvals]")
    assert texts.count("02:00") == times
    assert seconds == sorted(seconds)
    start = datetime.fromisoformat(day).replace(tzinfo=ZONE)
    for text, second in zip(texts, seconds, strict=True):
        local = datetime.fromtimestamp(start.timestamp() + second, ZONE)
        assert text in {f"{local:%H:%M}", f"{local:%a} {local.day}"}


@pytest.mark.slow
def test_a_page_with_plotly_inside_needs_no_other_file(browser, tmp_path):
    path = tmp_path / "alone.html"
    path.write_text(
        html.render(summary_of(busy(7), PeriodKind.WEEK, "2026-03-03"), self_contained=True), encoding="utf-8"
    )

    with opened(browser, path) as found:
        assert found.complaints == []
        assert len(found.requests) == 1
        assert found.undrawn() == []


def test_a_page_that_lost_its_plotly_still_shows_a_picture(browser, tmp_path):
    path = tmp_path / "lost.html"
    path.write_text(html.render(summary_of(busy(7), PeriodKind.WEEK, "2026-03-03")), encoding="utf-8")

    with opened(browser, path) as found:
        assert found.page.evaluate("document.documentElement.dataset.charts") == "failed"
        assert found.page.locator(".still svg").is_visible()
        assert found.page.locator(".chart:visible").count() == 0


def test_an_empty_period_draws_without_complaint(browser, tmp_path):
    store_plotly(tmp_path)
    path = tmp_path / "empty.html"
    path.write_text(html.render(summary_of(calm(10, "2026-03-02"), PeriodKind.MONTH, "2026-07-01")), encoding="utf-8")

    with opened(browser, path, width=390) as found:
        assert found.complaints == []
        assert found.overflow() <= 0
