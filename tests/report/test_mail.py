"""The report as a mail: in a mail program on a phone and a desk, light and dark, complete, small, safe."""

import io
import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from entro_cli.core import formatting
from entro_cli.core.files import bundled
from entro_cli.report.mail import message, pictures
from entro_cli.report.periods import PeriodKind
from entro_engine import Kind, Stage
from tests.browser_page import opened
from tests.mail_client import read_mail
from tests.report.runs import busy, calm, summary_of
from tests.running import entro, entro_process

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"
OPTIONS = ("--logs", FIVE_WEEKS, "--tz", "Europe/Berlin", "--date", "2026-04-09")
HOSTILE = '</title><script>alert(1)</script>\r\nBcc: x@example.org\x1b[31m{{ 7 }}" onload="x'


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    """The mail of a day and of a month, as bytes."""
    folder = tmp_path_factory.mktemp("mails")
    for kind in ("daily", "monthly"):
        assert entro("report", f"--{kind}", *OPTIONS, "--format", "email", "--out", folder / f"{kind}.eml").status == 0
    return {file.stem: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("kind", ["daily", "monthly"])
def test_what_a_mail_holds(mails, kind):
    mail = read_mail(mails[kind])
    assert [part.get_content_type() for part in mail.message.walk()] == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html"),
        *(["image/png"] * 3),
        "text/html",
    ]
    assert list(mail.pictures) == ["regimes@entro", "rate@entro", "queue@entro"]
    for picture in mail.pictures.values():
        assert len(picture) < 30_000
        assert len(Image.open(io.BytesIO(picture)).convert("RGBA").getcolors()) > 3
    (page,) = mail.attached.values()
    assert b"plotly-packed" in page
    assert len(page) <= message.LARGEST_PAGE
    document = json.loads(entro("report", f"--{kind}", *OPTIONS, "--json", "--out", "-").out)
    figures = dict(re.findall(r'<th scope="row".*?>(.*?)</th><td.*?>(.*?)</td>', mail.html))
    assert figures["Time over budget"] == formatting.duration(document["figures"]["violation_time_s"])
    assert len(figures) > 20
    for sentence in (document["verdict"]["sentence"], document["incidents"][0]["sentence"]):
        assert sentence in mail.html
        assert " ".join(sentence.split()[:3]) in mail.text


def test_the_same_period_twice_gives_the_same_bytes(mails, tmp_path):
    assert entro_process("report", "--daily", *OPTIONS, "--format", "email", cwd=tmp_path).stdout == ""
    assert (tmp_path / "default-day-2026-04-09.eml").read_bytes() == mails["daily"]


@pytest.mark.parametrize("address", ["https://reports.example.org/r/page.html", "/srv/reports/page.html"])
def test_links_and_a_page_that_is_too_large(monkeypatch, address):
    monkeypatch.setattr(message, "LARGEST_PAGE", 1000)
    summary = summary_of(busy(7), PeriodKind.WEEK, "2026-03-03")
    mail = read_mail(bytes(message.render(summary, "page.html", address)))
    assert mail.attached == {}
    assert "too large to be attached" in mail.html
    assert mail.text.endswith(f"The report: {address}\n")
    in_web = address.startswith("https")
    links = {address, *(f"{address}#{incident.anchor}" for incident in summary.incidents)} if in_web else set()
    assert set(re.findall('href="(.*?)"', mail.html)) == links
    assert ("It is stored as /srv/reports/page.html." in mail.html) != in_web


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "\udcff\u202e"], ids=["markup", "long", "no text"])
def test_what_a_log_says_is_text(name):
    stages = (Stage(name, Kind.RATE), Stage(f"{name} queue", Kind.QUEUE))
    summary = summary_of(busy(7, stages=stages), PeriodKind.WEEK, "2026-03-03", pipeline=name)
    mail = read_mail(bytes(message.render(summary, "page.html")))
    assert "Bcc" not in mail.message
    assert mail.message["Subject"].isprintable()
    assert mail.message["Subject"].endswith(", Week 10, 2 to 8 March 2026: bad")
    assert len(mail.message["Subject"]) < 150
    assert len(mail.html) < 100_000
    for mark in ("<script", "</title><", "\x1b", "\u202e", '" onload="'):
        assert mark not in mail.html
    assert "\x1b" not in mail.text


def test_a_month_without_data():
    mail = read_mail(bytes(message.render(summary_of(calm(9, "2026-03-02"), PeriodKind.MONTH, "2026-07-01"), "p.html")))
    assert "None: no step was over the budget." in mail.html
    assert mail.message["Subject"] == "entro: crawler, July 2026: no data"


def test_a_short_log_has_no_gaps_between_its_steps():
    summary = summary_of(calm(7, "2026-03-02T12:00"), PeriodKind.DAY, "2026-03-02")
    image = Image.open(io.BytesIO(pictures.load_pictures(summary, ())[1].png)).convert("RGBA")
    row = [image.getpixel((x, image.height - 1))[3] > 0 for x in range(image.width)]
    assert all(row[row.index(True) : image.width - row[::-1].index(True)])


def test_the_colours_are_those_of_pages():
    style = (bundled("templates") / "style.css").read_text()
    assert all(f"--{name.replace(' ', '-')}-bar: {colour};" in style for name, colour in pictures.COLOURS.items())


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["daily", "monthly"])
@pytest.mark.slow
def test_in_a_mail_program(browser, mails, tmp_path, kind):
    mail = read_mail(mails[kind])
    assert not [mark for mark in ("<script", "<svg", "http:", "https:", "@import", "url(") if mark in mail.html]
    (tmp_path / "mail.html").write_text(mail.shown)
    for width, dark in ((390, False), (390, True), (800, False), (800, True)):
        with opened(browser, tmp_path / "mail.html", width, dark) as found:
            assert found.overflow() <= 0
            assert found.faint() == []
            assert [url for url in found.requests if not url.startswith(("data:", "file:"))] == []
            assert found.page.evaluate(
                "[...document.images].filter((one) => one.naturalWidth === 1200 && one.clientWidth > 300).length === 3"
            )
            assert [one["id"] for one in Axe().run(found.page).response["violations"]] == []
            assert found.complaints == []
