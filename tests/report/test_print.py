"""Pages on paper: nothing lies over anything else or is cut, and headings stay with what they are about."""

import re

import numpy as np
import pypdfium2
import pytest
from pypdfium2.raw import FPDF_PAGEOBJ_TEXT

from tests.browser_page import opened
from tests.marks import slow
from tests.report.test_accessibility import folder  # noqa: F401 - a fixture
from tests.report.test_report_in_browser import folder as few_pages  # noqa: F401 - a fixture, made sooner

pytestmark = pytest.mark.browser

MARGIN = 12 / 25.4 * 72  # of style.css, in points
TOUCHING = 2  # points by which the boxes of letters reach into the line above
WIDTHS = {"A4": 703, "Letter": 725}  # px, without the margins
MOST_PAGES = {"week": 2, "long-day": 2, "month": 3, "fleet": 1, "index": 1, "simulation": 3, "hostile": 6}

HEADINGS = "[...document.querySelectorAll('h1, h2, h3')].map((one) => one.textContent.trim())"
OVERLAPPING = """() => {
  const boxes = [...document.querySelectorAll('h1, h2, h3, p, tr, dl > div, .frame')]
    .map((one) => [one.textContent.trim().slice(0, 30) || one.className, one.getBoundingClientRect()])
    .filter(([, box]) => box.width && box.height);
  return boxes.flatMap(([name, a], at) => boxes.slice(at + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1)
    .map(([other]) => `${name} and ${other}`));
}"""
OUTSIDE = """() => [...document.querySelectorAll('.chart')].flatMap((chart) => {
  const box = chart.getBoundingClientRect();
  return [...chart.querySelectorAll('.main-svg, .main-svg path, .main-svg text')]
    .map((one) => one.getBoundingClientRect()).filter((one) => one.width && one.height)
    .filter((one) => one.top < box.top - 4 || one.bottom > box.bottom + 4 || one.right > box.right + 4)
    .map((one) => `${chart.id}: ${JSON.stringify(one)} is outside of ${JSON.stringify(box)}`);
})"""


@pytest.fixture
def path(request, name):
    return request.getfixturevalue("few_pages" if name in {"month", "hostile"} else "folder") / f"{name}.html"


@pytest.mark.slow
@pytest.mark.parametrize("paper", ["A4", slow("Letter")])
@pytest.mark.parametrize("event", ["beforeprint", slow("none")])
@pytest.mark.parametrize("name", ["month", *map(slow, ("week", "long-day", "simulation", "hostile"))])
def test_no_chart_is_larger_than_its_box(browser, path, event, paper):
    with opened(browser, path, width=1000, dark=True) as found:
        found.page.evaluate(f"dispatchEvent(new Event('{event}'))")
        found.page.set_viewport_size({"width": WIDTHS[paper], "height": 900})
        found.page.emulate_media(media="print")
        assert found.page.evaluate(OUTSIDE) == []
        assert found.page.evaluate(OVERLAPPING) == []
        assert found.overflow() <= 0
        assert found.complaints == []


@pytest.mark.parametrize("name", ["month"])
@pytest.mark.slow
def test_a_chart_has_its_size_and_zoom_again_after_printing(browser, path):
    state = "[load.querySelector('.main-svg').clientWidth, load.clientWidth, ...load.layout.xaxis.range]"
    with opened(browser, path) as found:
        found.page.evaluate("Plotly.relayout(load, {'xaxis.range': [1000, 9000]})")
        before = found.page.evaluate(state)
        assert before[0] == before[1]
        found.page.pdf()
        found.until(f"JSON.stringify({state}) === '{str(before).replace(' ', '')}'")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "paper"), [("month", "Letter"), *(slow(name, paper) for name in MOST_PAGES for paper in WIDTHS)]
)
def test_nothing_is_cut_or_covered_on_paper(browser, path, name, paper):
    with opened(browser, path) as found:
        document = pypdfium2.PdfDocument(found.page.pdf(format=paper, prefer_css_page_size=True))
        headings = {re.sub(r"\W", "", text) for text in found.page.evaluate(HEADINGS)}

    assert len(document) <= MOST_PAGES[name]
    for page in document:
        width, _ = page.get_size()
        boxes = np.array([one.get_bounds() for one in page.get_objects([FPDF_PAGEOBJ_TEXT])])
        assert boxes[:, 0].min() >= MARGIN - 1
        assert boxes[:, 2].max() <= width - MARGIN + 1
        assert covered(boxes) == 0
        lowest = boxes[:, 1].min()
        last_line = page.get_textpage().get_text_bounded(0, lowest - 1, width, lowest + 6)
        assert re.sub(r"\W", "", last_line) not in headings


def covered(boxes):
    """The number of pairs of boxes (left, bottom, right, top) that lie over each other."""
    least, most = boxes[:, None], boxes[None, :]
    overlap = np.minimum(least[..., 2:], most[..., 2:]) - np.maximum(least[..., :2], most[..., :2])
    return int(np.triu((overlap > TOUCHING).all(axis=-1), 1).sum())
