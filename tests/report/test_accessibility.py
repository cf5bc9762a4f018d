"""All kinds of pages pass the rules of axe (WCAG 2 A and AA, and good practice)."""

from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace

from entro_cli.report import comparison
from entro_cli.report.daily_report import ReportContext
from entro_cli.report.fleet import Missing, fleet_of, member_of
from entro_cli.report.periods import PeriodKind, period_of
from entro_cli.report.render import html
from entro_cli.report.render.fleet import render_page_of
from entro_cli.report.render.index import update_index
from entro_cli.report.render.page import store_plotly
from entro_cli.timeseries.maintenance import parse_maintenance
from tests.browser_page import opened
from tests.report.runs import ZONE, busy, calm, summarised, summary_of, three_phase, without
from tests.running import entro

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"


def with_maintenance():
    terms = ReportContext("crawler", parse_maintenance(["daily 03:00-03:30"], ZONE, "exclude"))
    run = without(busy(20), terms.maintenance)
    return summarised(run, period_of(PeriodKind.MONTH, date(2026, 3, 2), ZONE), terms)


def fleet():
    members = [
        member_of(replace(summary_of(run, PeriodKind.DAY, "2026-03-03"), pipeline=name), f"{name}.html")
        for name, run in (("calm", calm(1440, "2026-03-03")), ("busy", busy(7)), ("silent", calm(9, "2026-03-09")))
    ]
    return fleet_of(
        summary_of(busy(7), PeriodKind.DAY, "2026-03-03").period, members, [Missing("gone", "nothing stored")]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pages = tmp_path_factory.mktemp("pages")
    store_plotly(pages)
    for day in range(1, 17):  # so many that the index has calendars
        page = html.render(summary_of(busy(3), PeriodKind.DAY, f"2026-03-{day:02}"))
        (pages / f"crawler-day-2026-03-{day:02}.html").write_text(page)
    (pages / "month.html").write_text(html.render(with_maintenance()))
    (pages / "day.html").write_text(html.render(summary_of(three_phase(), PeriodKind.DAY, "2026-04-06")))
    (pages / "fleet.html").write_text(render_page_of(fleet()))
    sides = [summary_of(busy(7), PeriodKind.DAY, f"2026-03-0{day}") for day in (2, 3)]
    (pages / "compare.html").write_text(comparison.render_page_of(comparison.ReportPair(*sides), ("day.html", "")))
    update_index(pages)
    report = ("report", "--weekly", "--date", "2026-04-06", "--logs", SAMPLE, "--tz", "UTC", "-q")
    assert entro(*report, "--out", pages / "week.html").status == 0
    assert (
        entro(*report[:1], "--daily", "--date", "2026-04-09", *report[4:], "--out", pages / "long-day.html").status == 0
    )
    assert entro("simulate", "--out", pages / "simulation.html", "-q").status == 0
    assert entro("simulate", "--scenario", "chain", "--out", pages / "graph.html", "-q").status == 0
    return pages


@pytest.mark.slow
@pytest.mark.parametrize("name", ["day", "week", "month", "simulation", "graph", "fleet", "compare", "index"])
def test_axe_finds_nothing(browser, folder, name):
    with opened(browser, folder / f"{name}.html", width=390) as found:
        for width, scheme in ((390, "light"), (1440, "dark")):
            found.page.set_viewport_size({"width": width, "height": 900})
            found.page.emulate_media(color_scheme=scheme)
            result = Axe().run(found.page).response
            assert len(result["passes"]) > 20
            assert [(one["id"], one["nodes"][0]["html"]) for one in result["violations"]] == []
        assert found.complaints == []
        assert all(url.startswith(("file:", "data:")) for url in found.requests)
