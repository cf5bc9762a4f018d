"""The page of a simulated graph: the drawing of the stages, and every queue over time in a browser."""

import json
import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.report.graph.drawing import draw_graph
from entro_engine import GraphQueue, GraphSource, StageGraph
from tests.browser_page import opened
from tests.engine.strategies import graphs
from tests.marks import slow

HOSTILE = "<img src=x onerror=alert(1)> and a name without an end in sight"


def chain_of(stages):
    """A source and many queues, each feeding the next, and some of them the last one too."""
    last = stages - 2
    lines = ["steps = 50", f"[stages.'{HOSTILE}']", 'kind = "rate"', "demand = 0.7", 'feeds = "q0"', "weight = 2"]
    for at in range(stages - 1):
        feeds = [f"q{one}" for one in sorted({at + 1, last if at % 3 == 0 else at + 1}) if at < one <= last]
        lines += [f"[stages.q{at}]", 'kind = "queue"', f"capacity = {1 - 0.5 * (at == 3)}", f"feeds = {feeds}"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def folder(entro, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "large.toml").write_text(chain_of(20))
    assert entro("simulate", "--scenario", folder / "large.toml", "--out", folder / "large.html").status == 0
    assert entro("simulate", "--scenario", "chain", "--out", folder / "chain.html").status == 0
    return folder


def figures(page):
    found = re.findall(r'<script type="application/json" id="([\w-]+)-figure">(.*?)</script>', page, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def test_every_queue_has_a_chart_with_a_line_for_each_controller(folder):
    drawn = figures((folder / "chain.html").read_text())
    assert list(drawn) == ["queue-0", "queue-1", "queue-2", "queue-3", "frontiers"]
    for figure in drawn.values():
        assert [trace["name"] for trace in figure["data"]] == ["uncontrolled", "v9"]
    grey = [shape["x1"] - shape["x0"] for shape in drawn["queue-1"]["layout"]["shapes"] if shape["type"] == "rect"]
    assert grey == [100]


def test_the_tables_are_on_the_page(folder):
    page = (folder / "chain.html").read_text()
    assert re.search(r">embed</th>\s*<td [^>]*>2</td>\s*<td [^>]*>107</td>\s*<td [^>]*>46\.020</td>", page)
    assert re.search(r"<text [^>]*>over: 307, 0</text>", page)


def test_names_are_no_markup_and_short_in_the_drawing(folder):
    page = (folder / "large.html").read_text()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; and a name without an end in sight</title>" in page
    labels = re.findall(r'<text [^>]*class="label">(.*?)</text>', page)
    assert len(labels) == 2 * 20
    assert max(len(label.replace("&lt;", "<")) for label in labels[:20]) == 14  # 20 boxes from left to right


@given(st.integers(1, 36))
def test_a_name_is_cut_only_where_the_boxes_would_not_fit(length):
    graph = StageGraph(
        (GraphSource("n" * length, ("llm",)),), (GraphQueue("llm", 1.0, ("store",)), GraphQueue("store", 1.0))
    )
    drawing = draw_graph(graph)
    assert drawing.boxes[0].label == "n" * length
    assert drawing.width <= 1020
    tall = draw_graph(graph, is_tall=True)
    assert tall.width <= 340
    assert tall.boxes[0].label == "n" * length


def test_the_same_twice(entro, folder, tmp_path):
    entro("simulate", "--scenario", "chain", "--out", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (folder / "chain.html").read_bytes()


def test_a_scenario_is_not_overwritten_by_its_page(entro, folder):
    path = folder / "large.toml"
    assert "large.toml" in entro("simulate", "--scenario", path, "--out", path).error
    assert path.read_text() == chain_of(20)


@given(graphs(), st.booleans())
def test_edges_lead_onward_and_boxes_stand_apart(graph, is_tall):
    drawing = draw_graph(graph, is_tall)
    assert [box.name for box in drawing.boxes] == [stage.name for stage in graph.stages]
    assert len(drawing.paths) == len(graph.edges)
    corners = [(box.x, box.y) for box in drawing.boxes]
    size = (drawing.box_width, drawing.box_height)
    for giver, taker in graph.edges:
        assert corners[taker][is_tall] > corners[giver][is_tall] + size[is_tall]
    for one, other in combinations(corners, 2):
        assert any(abs(one[axis] - other[axis]) > size[axis] for axis in (0, 1))
    for x, y in corners:
        assert 0 <= x <= drawing.width - drawing.box_width
        assert 0 <= y <= drawing.height - drawing.box_height


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("large", 390, "dark"), slow("chain", 1100, "light"), slow("chain", 390, "light"), slow("large", 710, "dark")],
)
def test_a_browser_draws_it_without_a_network(browser, folder, name, width, scheme):
    with opened(browser, folder / f"{name}.html", width, dark=scheme == "dark") as found:
        assert found.page.evaluate("document.documentElement.dataset.charts") == "drawn"
        assert found.overflow() <= 0
        assert found.undrawn() == []
        assert found.faint() == []
        assert found.complaints == []
        assert all(url.startswith(folder.as_uri()) for url in found.requests)
        shown = [form for form in ("wide", "tall") if found.page.locator(f".graph.{form}").is_visible()]
        assert shown == ["tall" if width < 700 else "wide"]
        beyond = """(form) => [...document.querySelectorAll(`.graph.${form} svg svg`)].filter((box) =>
          [...box.querySelectorAll('text')].some((text) =>
            text.getComputedTextLength() > box.getAttribute('width') - 24)).length"""
        assert found.page.evaluate(beyond, shown[0]) == 0
