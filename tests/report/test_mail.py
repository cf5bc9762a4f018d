"""The report as a mail: in a mail program on a phone and a desk, light and dark, complete, small, safe."""

import io
import json
import re
from email.policy import SMTP
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from entro_cli.core import formatting
from entro_cli.core.files import bundled
from entro_cli.report.mail import message, pictures
from entro_cli.report.mail.pictures import COLOURS
from entro_cli.report.periods import PeriodKind
from entro_engine import Kind, Stage
from tests.browser_page import browser, opened
from tests.mail_client import read_mail
from tests.report.runs import busy, calm, summary_of
from tests.running import COMMAND, entro, entro_process

__all__ = ["browser"]

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
OPTIONS = ("--logs", FIVE_WEEKS, "--tz", "Europe/Berlin", "--date", "2026-04-09")
EMAIL = ("--format", "email", *OPTIONS)
HOSTILE = '</title><script>alert(1)</script>\r\nBcc: x@example.org\x1b[31m{{ 7 }}" onload="x'


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    """The mail of a day, a week and a month, as files."""
    folder = tmp_path_factory.mktemp("mails")
    for kind in ("daily", "weekly", "monthly"):
        assert entro("report", f"--{kind}", *EMAIL, "--out", folder / f"{kind}.eml").status == 0
    return folder


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly"])
def test_what_a_mail_holds(mails, kind):
    raw = (mails / f"{kind}.eml").read_bytes()
    mail = read_mail(raw)
    assert [part.get_content_type() for part in mail.message.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html"),
        *("image/png", "image/png", "text/html"),
    ]
    assert max(map(len, raw.splitlines())) <= 998
    assert len(mail.html) < 100_000
    assert "llm" in mail.text
    for picture in mail.pictures.values():
        assert len(picture) < 30_000
        assert len(Image.open(io.BytesIO(picture)).convert("RGBA").getcolors()) > 4
    (page,) = mail.attached.values()
    assert len(page) <= message.LARGEST_PAGE
    assert b"plotly-packed" in page
    assert "is attached as a page" in mail.html


def test_the_figures_are_those_of_the_report(mails):
    mail = read_mail((mails / "weekly.eml").read_bytes())
    document = json.loads(entro("report", "--weekly", *OPTIONS, "--json", "--out", "-").out)
    figures = dict(re.findall(r'<th scope="row".*?>(.*?)</th><td.*?>(.*?)</td>', mail.html))
    assert document["verdict"]["sentence"] in mail.html
    assert figures["Time over budget"] == formatting.duration(document["figures"]["violation_time_s"])
    assert figures["Critical"] == formatting.share(document["figures"]["regimes"]["critical"] / 10080)
    assert len(figures) > 20


def test_the_subject_names_pipeline_period_and_health(mails):
    subjects = [read_mail((mails / f"{kind}.eml").read_bytes()).message["Subject"] for kind in ("daily", "weekly")]
    assert subjects == [
        "entro: default, Thursday 9 April 2026: bad",
        "entro: default, Week 15, 6 to 12 April 2026: watch",
    ]


def test_the_same_period_twice_gives_the_same_bytes(mails, tmp_path):
    ended = entro_process("report", "--weekly", *EMAIL, "--out", tmp_path / "again.eml")
    assert ended.returncode == 0, COMMAND
    assert (tmp_path / "again.eml").read_bytes() == (mails / "weekly.eml").read_bytes()


def test_with_a_web_address_it_links_to_the_page_and_its_incidents(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text('base_url = "https://reports.example.org/r/"\n')
    entro("report", "--daily", *EMAIL, "--config", config, "--out", tmp_path / "mail.eml")
    mail = read_mail((tmp_path / "mail.eml").read_bytes())
    page = "https://reports.example.org/r/default-day-2026-04-09.html"
    assert set(re.findall('href="(.*?)"', mail.html)) == {page, f"{page}#incident-20260409T142100Z"}
    assert mail.text.endswith(f"The report: {page}\r\n") or mail.text.endswith(f"The report: {page}\n")


def test_a_page_that_is_too_large_is_left_out(monkeypatch):
    monkeypatch.setattr(message, "LARGEST_PAGE", 1000)
    summary = summary_of(busy(7), PeriodKind.WEEK, "2026-03-03")
    mail = read_mail(bytes(message.render(summary, "page.html", "/srv/reports/page.html")))
    assert mail.attached == {}
    assert "too large to be attached" in mail.html
    assert "It is stored as /srv/reports/page.html." in mail.html
    assert "href" not in mail.html


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "\udcff\u202e"], ids=["markup", "long", "no text"])
def test_what_a_log_says_is_text(name):
    stages = (Stage(name, Kind.RATE), Stage(f"{name} queue", Kind.QUEUE))
    summary = summary_of(busy(7, stages=stages), PeriodKind.WEEK, "2026-03-03", pipeline=name)
    made = message.render(summary, "page.html")
    mail = read_mail(made.as_bytes(policy=SMTP))
    assert "Bcc" not in mail.message
    assert mail.message["Subject"].isprintable()
    assert len(mail.message["Subject"]) < 150
    assert len(mail.html) < 100_000
    for mark in ("<script", "</title><", "\x1b", "\u202e", '" onload="'):
        assert mark not in mail.html
    assert "\x1b" not in mail.text


@pytest.mark.parametrize("day", ["2026-03-03", "2026-07-01"], ids=["calm", "no data"])
def test_periods_with_nothing_to_draw(day):
    mail = read_mail(bytes(message.render(summary_of(calm(10, "2026-03-02"), PeriodKind.MONTH, day), "page.html")))
    assert "None: no step was over the budget." in mail.html
    assert mail.message["Subject"].endswith(": no data" if day == "2026-07-01" else ": watch")


def test_a_short_log_has_no_gaps_between_its_steps():
    picture = pictures.timeline_picture(summary_of(calm(7, "2026-03-02T12:00"), PeriodKind.DAY, "2026-03-02"), ())
    image = Image.open(io.BytesIO(picture.png)).convert("RGBA")
    row = [image.getpixel((x, image.height - 1))[3] > 0 for x in range(image.width)]
    assert all(row[row.index(True) : image.width - row[::-1].index(True)])


def test_the_colours_are_those_of_pages():
    style = (bundled("templates") / "style.css").read_text()
    assert {f"--{name.replace(' ', '-')}-bar: {colour};" in style for name, colour in COLOURS.items()} == {True}


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["daily", "monthly"])
def test_in_a_mail_program(browser, mails, tmp_path, kind):
    mail = read_mail((mails / f"{kind}.eml").read_bytes())
    for forbidden in ("<script", "<svg", "http:", "https:", "@import", "url("):
        assert forbidden not in mail.html
    (tmp_path / "mail.html").write_text(mail.shown)
    for width in (390, 800):
        for dark in (False, True):
            with opened(browser, tmp_path / "mail.html", width, dark) as found:
                assert found.overflow() <= 0
                assert found.faint() == []
                assert [url for url in found.requests if not url.startswith(("data:", "file:"))] == []
                pictures = "[...document.images].every((one) => one.naturalWidth === 1200 && one.clientWidth > 300)"
                assert found.page.evaluate(pictures)
                assert found.page.evaluate("document.images.length") == 2
                violations = Axe().run(found.page).response["violations"]
                assert [one["id"] for one in violations] == []
                assert found.complaints == []
