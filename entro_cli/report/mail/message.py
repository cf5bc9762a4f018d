"""Render a Summary as an e-mail."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from itertools import pairwise
from pathlib import Path

from entro_cli.core import formatting
from entro_cli.core.console import printable
from entro_cli.report.charts.sparkline import shown_span
from entro_cli.report.daily_report import Summary
from entro_cli.report.mail.pictures import COLOURS, load_pictures
from entro_cli.report.render import html, terminal
from entro_cli.report.render.page import render_template, template_environment
from entro_cli.report.render.values import common_values

LARGEST_PAGE = 1_000_000
"""A page of more bytes is not attached: many servers refuse large mails."""

_LARGEST_BODY = 100_000  # Gmail cuts off what is longer
_LONGEST_TEXT = 1000

_MOST_LABELS = 8
_MOST_INCIDENTS = 5
_LONGEST_NAME = 60  # leaves room for the period and the health in a subject
_TEXT_WIDTH = 76  # mail programs wrap at 78


def render(summary: Summary, page_name: str, address: str = "", template_dir: Path | None = None) -> EmailMessage:
    """Return the report as a mail with its subject and content, but without sender, recipients and date.

    Args:
        summary: the Summary to render.
        page_name: the file name of the attached page.
        address: the web address or the path of the page; empty if there is none.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Returns:
        The mail, with identical bytes for identical arguments.

    Raises:
        EntroError: if the templates are missing, or the user's template is faulty.
    """
    labels = _labels(summary)
    is_whole = shown_span(summary)[0] == summary.period.start
    pictures = load_pictures(summary, [start for _, start, _ in labels if is_whole])
    page = html.render(summary, self_contained=True, template_dir=template_dir).encode()
    is_attached = len(page) <= LARGEST_PAGE
    context = {
        **common_values(summary),
        "incidents": summary.incidents[:_MOST_INCIDENTS],
        "labels": labels,
        "is_whole": is_whole,
        "pictures": pictures,
        "colours": COLOURS,
        "address": address,
        "is_attached": is_attached,
    }
    text = terminal.render_short(summary, width=_TEXT_WIDTH, template_dir=template_dir)
    if address:
        text += f"\nThe report: {printable(address)}\n"

    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject(summary)
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    body = _body(context, template_dir)
    if len(body.encode()) > _LARGEST_BODY:  # a pipeline of many stages: the attached page has all of their figures
        body = _body(context | {"groups": ()}, template_dir)
    message.add_alternative(body, subtype="html", charset="utf-8", cte="quoted-printable")
    alternative = message.get_body(("html",))
    assert isinstance(alternative, EmailMessage)  # noqa: S101 - it was added above
    for picture in pictures:
        file = f"{picture.name}.png"
        alternative.add_related(
            picture.png, "image", "png", cid=f"<{picture.name}@entro>", filename=file, disposition="inline"
        )
    if is_attached:
        message.add_attachment(page, maintype="text", subtype="html", filename=page_name, params={"charset": "utf-8"})
    _set_boundaries(message, hashlib.sha256(page).hexdigest()[:24])
    return message


def _clean(text: str) -> str:
    return formatting.shortened(printable(text), _LONGEST_TEXT)


def _body(context: dict[str, object], template_dir: Path | None) -> str:
    templates = template_environment(escaping=True, clean=_clean, template_dir=template_dir)
    return render_template(templates, "mail.html", context, template_dir)


def subject(summary: Summary) -> str:
    """Return the subject: pipeline, period and health."""
    name = formatting.shortened(printable(summary.pipeline), _LONGEST_NAME)
    return f"entro: {name}, {summary.period.title}: {summary.verdict.health}"


def file_bytes(message: EmailMessage, date: datetime) -> bytes:
    """Return a mail as the bytes of an .eml file.

    Args:
        message: the mail.
        date: its date, instead of the time of writing.
    """
    message["Date"] = date
    message["X-Unsent"] = "1"  # mail programs open it as a draft, to be given recipients
    return bytes(message)


def _labels(summary: Summary) -> list[tuple[str, float, float]]:
    """Return the labels below the pictures, each with its beginning and end as shares of the width.

    They name the first part of every few, or the ends where only a stretch of the period is shown.
    """
    start, end = shown_span(summary)
    if start != summary.period.start:
        return [(f"{start:%-d %b %H:%M:%S}", 0.0, 0.5), (f"{end:%-d %b %H:%M:%S}", 0.5, 1.0)]
    named = summary.buckets[:: -(-len(summary.buckets) // _MOST_LABELS)]
    times = [*(bucket.start for bucket in named), end]
    shares = [(when.timestamp() - start.timestamp()) / summary.period.length_s for when in times]
    return [(bucket.label, *edges) for bucket, edges in zip(named, pairwise(shares), strict=True)]


def _set_boundaries(message: EmailMessage, key: str) -> None:
    """Set the boundaries between parts, which are random otherwise. No encoding of a part can produce `=_`."""
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_entro_{key}_{number}")
