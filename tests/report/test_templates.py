"""Custom templates: one by one, with a documented context, and errors that name the mistake."""

from pathlib import Path

import pytest
from msgspec.structs import fields

from entro_cli.core.files import bundled
from tests.running import entro
from tests.template_fields import PAGE, brought_up_to_date, documented, sentences

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"


def report(folder, form, *more):
    options = ("--logs", FIVE_WEEKS, "--tz", "Europe/Berlin", "--out", "-", "--format", form)
    return entro("report", "--weekly", *options, "--template-dir", folder, *more)


@pytest.mark.parametrize("kind", documented(), ids=lambda kind: kind.__name__)
def test_every_field_of_the_context_has_its_sentence(kind):
    assert list(sentences(kind)) == [field.name for field in fields(kind)]
    assert all(len(text) > 2 for text in sentences(kind).values())


def test_the_page_that_lists_them_is_up_to_date():
    assert PAGE.read_text() == brought_up_to_date(PAGE.read_text())


def test_one_template_is_replaced_and_the_others_stay(tmp_path):
    (tmp_path / "report.md").write_text("{{ summary.pipeline }}: {{ n.count(summary.figures.violations) }}\n")
    assert report(tmp_path, "markdown").out == "default: 29\n"
    assert report(tmp_path, "terminal").out.startswith("Weekly report: default, Week")
    (tmp_path / "report.txt").write_text("{{ summary.verdict.sentence }}")
    # A folder with a text from before there was a short one replaces both.
    assert report(tmp_path, "terminal").out.startswith("Thu 9 Apr 16:21, 29 min: 885 requests")
    (tmp_path / "report-short.txt").write_text("{{ headline[0].trend }} at {{ most }}")
    assert report(tmp_path, "terminal").out == "worse at 5\n"
    assert report(tmp_path, "terminal", "--long").out.startswith("Thu 9 Apr 16:21, 29 min: 885 requests")


def test_the_looks_of_the_page(tmp_path):
    (tmp_path / "style.css").write_text(":root { --budget-of-mine: red; }")
    assert "--budget-of-mine" in report(tmp_path, "html").out
    blocks = '{% block title %}x{% endblock %}{% block main %}<p>{{ "<b>" }}</p>{% endblock %}'
    (tmp_path / "report.html").write_text('{% extends "page.html" %}' + blocks)
    assert "<p>&lt;b&gt;</p>" in report(tmp_path, "html").out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ summary.violation }}", "has no attribute 'violation'"),
        ("one\n{% if %}", "line 2: cannot render the template"),
        ("{% include 'none.md' %}", "none.md"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ n.share() }}", "missing 1 required positional argument"),
        ("{% include 'report.md' %}", "recursion"),
        (b"\xff", "can't decode byte 0xff"),
        ("{{ n.duration.__globals__ }}", "'__globals__' of 'function' object is unsafe"),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "is unsafe"),
    ],
)
def test_an_error_in_a_template_is_named(tmp_path, text, message):
    (tmp_path / "report.md").write_bytes(text if isinstance(text, bytes) else text.encode())
    outcome = report(tmp_path, "markdown")
    assert outcome.status == 1
    assert message in outcome.error
    assert f"compare it with {bundled('templates') / 'report.md'}" in outcome.error


def test_a_folder_that_is_not_there(tmp_path):
    assert report(tmp_path / "none", "markdown").status == 2
