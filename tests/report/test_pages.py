import json
import math
import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError

from entro_cli.report.charts.charts import load_chart, stage_colour
from entro_cli.report.daily_report import Summary
from entro_cli.report.periods import PeriodKind
from entro_cli.report.render import html, page
from entro_engine import EntroError, Stage
from entro_engine import Kind as StageKind
from tests.report.runs import busy, calm, run_of, summary_of, three_phase

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "[bold red]x[/bold red][/x]",
    "\x1b[31mred\x1b[0m\x07\r\n",
    '"><a href="javascript:alert(1)">=cmd()</a>',
    "{{ 7 * 7 }}{% raw %}",
    "\u202eright-to-left\u2028",
    "%{x}<br>%{customdata[0]}",
    "日本語" * 70,
]


def of_log(queue: list[float]) -> Summary:
    """Return the report on a day with a log of that queue, in minutes."""
    return summary_of(run_of([[0.3] * len(queue), queue], "2026-03-05T10:00"), PeriodKind.DAY, "2026-03-05")


def hostile_summary(name: str):
    stages = (Stage(name, StageKind.RATE), Stage(f"{name} queue", StageKind.QUEUE))
    return summary_of(busy(7, stages=stages), PeriodKind.WEEK, "2026-03-03", pipeline=name)


def test_the_same_summary_gives_the_same_page():
    pages = {html.render(summary_of(busy(7), PeriodKind.WEEK, "2026-03-03")) for _ in range(2)}

    assert len(pages) == 1


def test_a_page_does_not_grow_with_the_log():
    month = html.render(summary_of(busy(35), PeriodKind.MONTH, "2026-03-03"))

    assert len(month) < 600_000


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "days", "most"), [(PeriodKind.WEEK, 7, 1_000_000), (PeriodKind.MONTH, 31, 1_500_000)])
def test_a_page_with_everything_inside_stays_small(kind, days, most):
    noise = np.random.default_rng(1).lognormal(0.0, 0.3, (2, days * 86400))
    for begin in range(0, noise.shape[1], 30_000):
        noise[1, begin : begin + 600] *= 40
    summary = summary_of(run_of(noise, "2026-03-02" if days == 7 else "2026-03-01", 1.0), kind, "2026-03-03")
    assert len(summary.incidents) == 20
    assert len(summary.course.times) > 8000
    assert len(html.render(summary, self_contained=True)) < most


@pytest.mark.slow
@pytest.mark.parametrize("number", [3, 6, 20])
def test_the_page_of_a_week_of_many_stages_stays_small(number):
    random = np.random.default_rng(number)
    loads = 2 * random.lognormal(0.0, 0.3, (number, 7 * 8640))
    for stage in range(1, number):
        for begin in random.integers(0, loads.shape[1], 6).tolist():
            loads[stage, begin : begin + 700] += 90
    stages = (
        Stage("rate", StageKind.RATE, 9.0),
        *(Stage(f"q{each}", StageKind.QUEUE, 60.0) for each in range(1, number)),
    )
    summary = summary_of(run_of(loads, "2026-03-02", 10.0, stages), PeriodKind.WEEK, "2026-03-03")
    assert len(summary.incidents) == 20
    assert len(html.render(summary, self_contained=True)) < 1_000_000


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_a_log_are_text_and_nothing_else(name):
    text = html.render(hostile_summary(name))

    assert "<img" not in text
    assert "alert(1)</script" not in text
    assert all(link.startswith('<a href="#timeline" data-from="') for link in re.findall("<a [^>]*>", text))
    assert not set(text) & {"\x1b", "\x07", "\r", "\u202e", "\u2028"}
    assert text.count("<script") == 6  # three charts, their arrays, plotly.js and ours


def test_figures_are_valid_json_that_cannot_end_its_script():
    text = html.render(hostile_summary("</script>&\u2028"))

    found = re.findall(r'<script type="application/json" id="(\w+)-figure">(.*?)</script>', text, re.DOTALL)
    assert [name for name, _ in found] == ["load", "buckets", "psi", "arrays"]
    for _, figure in found:
        assert not set(figure) & set("<>&\u2028")
        assert json.loads(figure)


def test_a_page_allows_nothing_from_anywhere_else():
    text = html.render(summary_of(busy(7), PeriodKind.WEEK, "2026-03-03"))

    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    assert policy[1].startswith("default-src &#39;none&#39;")
    assert "http" not in policy[1]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)


def test_every_colour_of_the_charts_is_one_of_the_styles():
    text = html.render(summary_of(busy(7), PeriodKind.WEEK, "2026-03-03"))

    defined = set(re.findall(r"^\s+(--[\w-]+):", text, re.MULTILINE))
    used = set(re.findall(r'"var\((--[\w-]+)\)"', text))
    assert {"--budget", "--critical-fill", "--stage-1"} <= used <= defined


def test_a_short_log_is_drawn_where_it_is():
    text = html.render(summary_of(three_phase(), PeriodKind.DAY, "2026-04-06"))

    assert "Shown: Mon 6 Apr 08:59:40 to 09:17:00" in text


def test_the_part_that_is_drawn_has_the_dates_of_both_ends():
    text = html.render(summary_of(calm(2880, "2026-03-05"), PeriodKind.MONTH, "2026-03-05"))

    assert "Shown: Wed 4 Mar 23:02:24 to Sat 7 Mar 00:57:36" in text


def test_the_picture_in_place_of_a_short_timeline_has_no_gaps():
    picture = re.search(r'<svg viewBox="0 0 1000 300".*?</svg>', html.render(of_log([1.0, 30.0] * 10)), re.DOTALL)[0]

    bars = [(float(x), float(width)) for x, width in re.findall(r' x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', picture)]
    assert len(bars) == 19  # of 20 steps and a margin
    assert all(x + width == pytest.approx(after, abs=0.2) for (x, width), (after, _) in pairwise(bars))


def test_marks_of_the_worst_of_many_incidents_are_called_so():
    """Where only some are marked, the rest of the period must not look as if it were calm."""
    few, many = (html.render(of_log([0.0, 90.0, 0.0, 0.0] * number)) for number in (20, 21))
    assert "over the budget, the worst with their rank" in few
    assert "over the budget: the 20 worst of 21 incidents, the worst with their rank" in many


@pytest.mark.parametrize(
    ("longest", "labels"),
    [(9e3, "0 1 10 100 1,000 10,000"), (9e8, "0 10 10^3 10^5 10^7 10^9"), (1e40, "0 10^6 10^13 10^20 10^27 10^34")],
)
@pytest.mark.filterwarnings("error")
def test_a_logarithmic_axis_has_few_short_labels(longest, labels):
    """At most seven, of at most six characters, for a queue of any length."""
    figure = load_chart(of_log([0.0, longest] * 10))
    ticks = figure.layout.yaxis3.ticktext
    assert " ".join(ticks).replace("<sup>", "^").replace("</sup>", "") == labels
    assert np.nanmax(figure.data[-2].y) == pytest.approx(math.log1p(longest), rel=1e-3)


def test_a_period_without_data_still_makes_a_page():
    assert "No data for this month" in html.render(summary_of(calm(10, "2026-03-02"), PeriodKind.MONTH, "2026-07-01"))


def test_plotly_is_written_once_and_again_only_when_it_differs(tmp_path):
    path = page.store_plotly(tmp_path)
    first = path.stat().st_mtime_ns

    page.store_plotly(tmp_path)
    assert path.stat().st_mtime_ns == first
    path.write_text("half of it")
    page.store_plotly(tmp_path)

    assert path.stat().st_size > 1_000_000
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert re.fullmatch(r"plotly-cartesian-[\d.]+\.min\.js", path.name)


def test_plotly_beside_an_unwritable_page_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(EntroError, match="cannot be written"):
        page.store_plotly(tmp_path / "file" / "folder")


def test_a_template_that_asks_for_what_it_does_not_get_is_an_error():
    with pytest.raises(UndefinedError):
        page.render_page("report.html", {})


def test_plotly_js_is_the_version_that_its_name_says_and_that_the_figures_are_made_for():
    from plotly.offline import get_plotlyjs_version

    content = page._plotly_source()
    version = page._plotly_file().removeprefix("plotly-cartesian-").removesuffix(".min.js")
    assert f"plotly.js (cartesian - minified) v{version}".encode() in content[:200]
    assert version.split(".")[0] == get_plotlyjs_version().split(".")[0]


def test_ten_stages_have_ten_colours_in_either_theme():
    style = (Path(__file__).parents[2] / "templates" / "style.css").read_text()
    for theme in style.split("@media (prefers-color-scheme: dark)")[:2]:
        colours = dict(re.findall(r"--(stage-\d+): #(\w{6});", theme))
        assert [*colours] == [f"stage-{number}" for number in range(1, 11)]
        levels = [np.frombuffer(bytes.fromhex(colour), np.uint8).astype(float) for colour in colours.values()]
        assert min(np.linalg.norm(one - other) for one, other in combinations(levels, 2)) > 40
    assert sorted({stage_colour(index) for index in range(30)}) == [*range(1, 11)]
