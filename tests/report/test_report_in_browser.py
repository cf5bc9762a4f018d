"""The page in a browser: opened from disk, offline, on a phone, in the dark theme, without scripts."""

import pytest

from entro_cli.report.periods import PeriodKind
from entro_cli.report.render import html
from entro_cli.report.render.page import store_plotly
from tests.browser_page import opened
from tests.marks import slow
from tests.report.runs import busy, calm, summary_of, three_phase
from tests.report.test_pages import HOSTILE, hostile_summary

pytestmark = pytest.mark.browser

SUMMARIES = {
    "month": lambda: summary_of(busy(35), PeriodKind.MONTH, "2026-03-03"),
    "week": lambda: summary_of(busy(21), PeriodKind.WEEK, "2026-03-10"),
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


@pytest.mark.parametrize("name", ["month", slow("week"), slow("day"), "hostile"])
def test_it_is_drawn_fits_and_can_be_read(browser, folder, name):
    with opened(browser, folder / f"{name}.html", width=390) as found:
        for width, dark in ((390, False), (390, True), (1440, True), (1440, False)):
            found.show(width, dark)
            assert found.undrawn() == []
            assert found.overflow() <= 0
            assert found.faint() == []
        assert found.complaints == []
        assert all(url.startswith("file:") for url in found.requests)
        assert len(found.requests) == 2


def test_names_from_a_log_make_no_elements(browser, folder):
    with opened(browser, folder / "hostile.html", width=390) as found:
        assert found.page.locator("main img, main a, main script:not([type='application/json'])").count() == 0
        assert found.page.locator(".chart").count() == 3


def test_it_can_be_read_without_scripts(browser, folder):
    with opened(browser, folder / "week.html", width=390, javascript=False) as found:
        tables = found.page.locator("table")
        assert tables.count() >= 6
        assert all(tables.nth(at).is_visible() for at in range(tables.count()))
        assert found.page.locator(".still svg").is_visible()
        assert found.page.locator(".chart:visible").count() == 0
        assert found.complaints == []


def test_paper_is_white_whatever_the_screen_is(browser, folder):
    ink = "document.querySelector('#course').layout.font.color"
    with opened(browser, folder / "week.html", dark=True) as found:
        dark = found.page.evaluate(ink)
        found.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        found.until(f"{ink} !== '{dark}'")
        found.page.evaluate("dispatchEvent(new Event('afterprint'))")
        found.until(f"{ink} === '{dark}'")
        assert found.complaints == []


def test_zooming_in_shows_finer_marks(browser, folder):
    marks = "document.querySelector('#course').layout.xaxis.tickvals.length"
    with opened(browser, folder / "week.html") as found:
        before = found.page.evaluate(marks)
        found.page.evaluate(
            "() => { const chart = document.querySelector('#course'); const [a, b] = chart.layout.xaxis.range;"
            " return Plotly.relayout(chart, {'xaxis.range': [a, a + (b - a) / 8]}); }"
        )
        found.until(f"{marks} > {before}")
        assert found.complaints == []


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
