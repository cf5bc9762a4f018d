"""A mail as a mail program shows it: its HTML with the pictures in their places, and what else it carries."""

import base64
from dataclasses import dataclass
from email import message_from_bytes, policy


@dataclass
class Mail:
    """A parsed mail.

    Attributes:
        message: the message.
        text: its plain text.
        html: its page as it was sent.
        shown: its page with the pictures in their places.
        pictures: the pictures, by their name in the page.
        attached: the attached files, by name.
    """

    message: object
    text: str
    html: str
    shown: str
    pictures: dict
    attached: dict


def read_mail(raw):
    message = message_from_bytes(raw, policy=policy.default)
    assert not [part.defects for part in message.walk() if part.defects]
    html = shown = message.get_body(("html",)).get_content()
    pictures = {part["Content-ID"].strip("<>"): part.get_content() for part in message.walk() if part["Content-ID"]}
    for name, png in pictures.items():
        assert f"cid:{name}" in html
        shown = shown.replace(f"cid:{name}", f"data:image/png;base64,{base64.b64encode(png).decode()}")
    attached = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}
    return Mail(message, message.get_body(("plain",)).get_content(), html, shown, pictures, attached)
