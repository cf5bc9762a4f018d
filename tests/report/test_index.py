"""The index of a folder of reports."""

import html
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from entro_cli.report.navigation import PageMetadata
from entro_cli.report.render.index import update_index
from tests.browser_page import opened
from tests.running import entro, entro_process

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
BERLIN = ("--tz", "Europe/Berlin")
HOSTILE = "<b onclick=x>x</b>\"'&[red]"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    for name in ("default", HOSTILE):
        assert entro("ingest", FIVE_WEEKS, "--history", folder, "--pipeline", name).status == 0
    return folder


def write(history, out, *arguments):
    outcome = entro("report", *arguments, "--history", history, *BERLIN, "--format", "html", "--out", out)
    assert outcome.status == 0, outcome.err
    return outcome


def links(out):
    text = (out / "index.html").read_text()
    return [html.unescape(target) for target in re.findall(r'<a href="([^"]*)"', text)]


@pytest.mark.slow
def test_every_report_is_listed_the_latest_first(history, tmp_path):
    for day in ("2026-04-07", "2026-04-09", "2026-04-08"):
        write(history, tmp_path, "--daily", "--date", day)
    write(history, tmp_path, "--weekly")
    (tmp_path / "other.html").write_text("<title>not ours</title>")
    write(history, tmp_path, "--monthly")
    days = [f"default-day-2026-04-0{day}.html" for day in (9, 8, 7)]
    assert links(tmp_path) == ["default-month-2026-04.html", "default-week-2026-W15.html", *days]
    text = (tmp_path / "index.html").read_text()
    assert "Thursday 9 April 2026" in text
    assert "885 requests waiting at llm" in text


def test_somebody_elses_index_is_left_alone(history, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    assert "was not written by entro" in write(history, tmp_path, "--weekly").err
    assert (tmp_path / "index.html").read_text() == "mine"
    assert (tmp_path / "default-week-2026-W15.html").exists()


def test_reports_of_logs_and_of_other_names_keep_no_index(history, tmp_path):
    write(history, tmp_path / "page.html", "--weekly")
    assert entro("report", "--weekly", "--logs", FIVE_WEEKS, "--out", tmp_path, "-q").status == 0
    assert not (tmp_path / "index.html").exists()
    assert page_links(tmp_path, "page.html") == {}


def page_links(out, name):
    text = re.search(r"<!-- entro-pages -->(.*?)<!-- /entro-pages -->", (out / name).read_text(), re.DOTALL)[1]
    return {shown.strip("← →"): unquote(target) for target, shown in re.findall(r'<a href="(.*?)".*?>(.*?)</a>', text)}


@pytest.mark.slow
def test_pages_link_to_each_other_and_only_to_what_is_there(history, tmp_path):
    for name in ("a/b", "a_b"):
        assert entro("ingest", FIVE_WEEKS, "--history", history, "--pipeline", name).status == 0
    write(history, tmp_path, "--daily", "--date", "2026-03-31", "--pipeline", "a_b")
    days = {day: f"a%2Fb-day-2026-{day}.html" for day in ("03-31", "04-04", "04-01")}
    first = {}
    for day, page in days.items():
        write(history, tmp_path, "--daily", "--date", f"2026-{day}", "--pipeline", "a/b")
        first[day] = page_links(tmp_path, page)
    assert first["03-31"] == {"All reports": "index.html"}
    assert first["04-01"] == {
        "All reports": "index.html",
        "Tuesday 31 March 2026": days["03-31"],
        "Saturday 4 April 2026": days["04-04"],
    }
    assert page_links(tmp_path, days["03-31"])["Wednesday 1 April 2026"] == days["04-01"]  # it came later
    (tmp_path / "edited.html").write_text((tmp_path / days["03-31"]).read_text().replace("entro-pages", "mine"))
    untouched = (tmp_path / "edited.html").read_bytes()

    week = ("--weekly", "--date", "2026-04-01", "--pipeline", "a/b")
    write(history, tmp_path, *week)
    write(history, tmp_path, "--monthly", "--date", "2026-04-01", "--pipeline", "a/b")
    month, week_page = "a%2Fb-month-2026-04.html", "a%2Fb-week-2026-W14.html"
    days_of_week = {"Tue 31": days["03-31"], "Wed 1": days["04-01"], "Sat 4": days["04-04"]}
    assert page_links(tmp_path, week_page) == {"All reports": "index.html", "April 2026": month} | days_of_week
    up = page_links(tmp_path, days["04-01"])
    assert (up["Week 14"], up["April 2026"]) == (week_page, month)
    assert "April 2026" not in page_links(tmp_path, days["03-31"])
    assert page_links(tmp_path, month) == {
        "All reports": "index.html",
        "14": week_page,
        "1": days["04-01"],
        "4": days["04-04"],
    }
    assert (tmp_path / "edited.html").read_bytes() == untouched

    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.html")}
    write(history, tmp_path, *week)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.html")} == before
    (tmp_path / days["04-01"]).unlink()
    write(history, tmp_path, *week)
    assert "Wed 1" not in page_links(tmp_path, week_page)
    linked = [link for name in (*days.values(), month, week_page) if name != days["04-01"]
              for link in page_links(tmp_path, name).values()]  # fmt: skip
    assert all((tmp_path / link).exists() for link in linked)


@pytest.mark.browser
def test_names_are_inert_and_links_lead_there(browser, history, tmp_path):
    write(history, tmp_path, "--weekly", "--pipeline", HOSTILE)
    with opened(browser, tmp_path / "index.html", width=390, javascript=False) as page:
        assert page.page.locator("h2").inner_text() == HOSTILE
        assert page.page.locator("b").count() == 0
        assert page.overflow() <= 0
        assert page.faint() == []
        page.page.locator("a").first.click()
        page.page.wait_for_load_state()
        assert page.page.locator("h1").inner_text().startswith("Week 15")
        assert page.page.locator("b[onclick]").count() == 0
        page.page.emulate_media(media="print")
        assert not page.page.locator("nav").is_visible()
        page.page.emulate_media(media="screen")
        page.page.keyboard.press("Tab")
        assert page.page.evaluate("document.activeElement.innerText") == "All reports"
        page.page.keyboard.press("Enter")
        page.page.wait_for_url("**/index.html")
        assert page.page.locator("h1").inner_text() == "Reports"
    assert page.complaints == []


@pytest.mark.slow
def test_reports_written_at_once_are_all_listed(history, tmp_path):
    def one(day):
        arguments = ("--daily", "--date", f"2026-04-{day:02}", "--history", history, *BERLIN, "--out", tmp_path, "-q")
        return entro_process("report", *arguments).returncode

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(1, 9))) == {0}
    assert len(links(tmp_path)) == 8


def page_of(mark):
    return f'<meta name="entro-report" content="{html.escape(mark.text)}"><title>x</title>'


def test_many_days_are_calendars_and_only_the_latest_are_listed(tmp_path):
    first = date(2026, 1, 20)
    for number in range(20):
        day = first + timedelta(days=number)
        mark = PageMetadata("shop", "day", f"{day}", f"Day {day}", f"{day}T00:00:00+00:00", "bad", "It was.")
        (tmp_path / f"shop-day-{day}.html").write_text(page_of(mark))
    assert update_index(tmp_path) == ""
    text = (tmp_path / "index.html").read_text()
    listed, calendars = text.split("All days")
    assert re.findall(r"<a href=\"shop-day-([^\"]*).html\"", listed)[:2] == ["2026-02-08", "2026-02-07"]
    assert "Latest days (7)" in listed
    assert re.findall(r"<caption>([^<]*)<", calendars) == ["February 2026", "January 2026"]
    linked = re.findall(r"<a href=\"shop-day-([^\"]*).html\" title=\"Bad: It was.\">(\d+) ", calendars)
    days = sorted(date.fromisoformat(name) for name, _ in linked)
    assert days == [first + timedelta(days=number) for number in range(20)]
    assert all(int(number) == date.fromisoformat(name).day for name, number in linked)


def test_a_page_whose_head_lies_about_its_day_is_listed_all_the_same(tmp_path):
    for number in range(16):
        mark = PageMetadata("shop", "day", "<nonsense>", f"Day {number}", f"{number:02}", "good", "It was.")
        (tmp_path / f"{number}.html").write_text(page_of(mark))
    assert update_index(tmp_path) == ""
    assert "Day 15" in (tmp_path / "index.html").read_text()


@pytest.mark.slow
def test_many_pipelines_can_be_jumped_to(history, tmp_path):
    for name in ("default", HOSTILE):
        write(history, tmp_path, "--weekly", "--pipeline", name)
    assert "<nav" not in (tmp_path / "index.html").read_text()
    mark = PageMetadata("", "week", "2026-W15", "Week 15", "2026-04-05T22:00:00+00:00", "watch", "2 pipelines: ...")
    (tmp_path / "week-2026-W15.html").write_text(page_of(mark))
    write(history, tmp_path, "--weekly")
    text = (tmp_path / "index.html").read_text()
    anchors = re.findall(r'<section class="index" id="(\w+)">', text)
    assert re.findall(r'<a class="name" href="#(\w+)">', text) == anchors
    assert HOSTILE not in text
