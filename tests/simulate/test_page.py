"""The page of the runs: its content, and its charts in a browser without a network."""

import json
import re

import pytest

from tests.browser_page import opened
from tests.marks import slow

_LINES_OF_ROWS = """[...document.querySelectorAll('.comparison tbody tr')].map(
  (row) => new Set([...row.cells].slice(1).map((cell) => cell.offsetTop)).size)"""
CHARTS = ["psi-uncontrolled", "psi-static", "psi-eq14", "psi-v9", "rate", "queue", "frontier"]


@pytest.fixture(scope="module")
def folder(entro, tmp_path_factory):
    """Return three pages: with plotly.js in a file, self-contained, and of a scenario whose names are markup."""
    folder = tmp_path_factory.mktemp("pages")
    assert entro("simulate", "--stall", "320:380", "--out", str(folder / "stall.html")).status == 0
    noisy = ("--scenario", "v9-reference", "--noise", "0.3", "--runs", "3")
    assert entro("simulate", *noisy, "--self-contained", "--out", str(folder / "noisy.html")).status == 0
    own = folder / "own.toml"
    own.write_text('name = "<img src=x onerror=alert(1)>"\n[[phases]]\nname = "<b>"\nsteps = 9\ndemand = 5\n')
    assert entro("simulate", "--scenario", str(own), "--out", str(folder / "own.html")).status == 0
    return folder


def figures(page):
    return {
        name: json.loads(text)
        for name, text in re.findall(r'<script type="application/json" id="([\w-]+)-figure">(.*?)</script>', page, re.S)
    }


def test_every_chart_is_there(folder):
    drawn = figures((folder / "stall.html").read_text())
    assert list(drawn) == CHARTS
    for name in CHARTS[4:]:
        lines = [trace["name"] for trace in drawn[name]["data"]]
        assert lines[:4] == ["uncontrolled", "static", "eq14", "v9"]
    assert {"Psi_total", "Stress from", "Critical from"} <= {trace.get("name") for trace in drawn["psi-v9"]["data"]}


def test_the_table_is_there_with_the_published_figures(entro, tmp_path):
    entro("simulate", "--out", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert re.search(r"312 <small>published 312</small>.*2\.064 <small>published 23\.4</small>", page, re.S)
    assert "10.5281/zenodo.19441032" in page


def test_text_from_a_file_is_no_markup(folder):
    page = (folder / "own.html").read_text()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_same_twice(entro, folder, tmp_path):
    entro("simulate", "--stall", "320:380", "--out", str(tmp_path / "again.html"))
    assert (tmp_path / "again.html").read_bytes() == (folder / "stall.html").read_bytes()


def test_a_page_does_not_grow_with_the_scenario(entro, folder, tmp_path):
    own = tmp_path / "long.toml"
    own.write_text("[wave]\namplitude = 0.5\nperiod = 700\n[[phases]]\nsteps = 5000\ndemand = 1.2\n")
    entro("simulate", "--scenario", str(own), "--out", str(tmp_path / "long.html"))
    assert (tmp_path / "long.html").stat().st_size < 1_000_000


def test_plotly_is_beside_the_page_or_inside_it(entro, folder, tmp_path):
    assert len(list(folder.glob("plotly-*.js"))) == 1
    entro("simulate", "--self-contained", "--out", str(tmp_path / "alone.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["alone.html"]


def test_a_page_that_cannot_be_written(entro, tmp_path):
    outcome = entro("simulate", "--out", str(tmp_path))
    assert (outcome.status, outcome.out) == (1, "")
    assert f"{tmp_path}: cannot be written: Is a directory" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_json_and_page_together(entro, tmp_path):
    outcome = entro("simulate", "--json", "--out", str(tmp_path / "page.html"))
    assert json.loads(outcome.out)["schema"] == "entro/simulation/1"
    assert outcome.err == f"wrote {tmp_path / 'page.html'}\n"


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [slow("stall", 1100, "light"), ("stall", 390, "dark"), slow("noisy", 390, "light"), ("own", 390, "light")],
)
def test_a_browser_draws_it_without_a_network(browser, folder, name, width, scheme):
    with opened(browser, folder / f"{name}.html", width, dark=scheme == "dark") as found:
        assert found.page.evaluate("document.documentElement.dataset.charts") == "drawn"
        assert found.page.locator(".chart:has(path.js-line)").count() == len(CHARTS)
        assert found.overflow() <= 0
        assert found.page.evaluate(_LINES_OF_ROWS) == [1] * 20  # the controllers are side by side
        assert found.complaints == []
        assert all(url.startswith(folder.as_uri()) for url in found.requests)


@pytest.mark.browser
def test_without_javascript_tables_and_pictures_remain(browser, folder):
    with opened(browser, folder / "stall.html", javascript=False) as found:
        assert found.page.locator("table.comparison tbody tr").count() == 20
        assert [found.page.locator(".still svg").nth(number).is_visible() for number in range(4)] == [True] * 4
