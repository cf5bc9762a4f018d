"""A mail as a mail program shows it: its HTML with the pictures in their places, and what else it carries."""

import base64
from email import message_from_bytes, policy
from types import SimpleNamespace


def read_mail(raw):
    """Parse a mail: its message, plain text, HTML as sent and as shown, pictures and attached files by name."""
    message = message_from_bytes(raw, policy=policy.default)
    assert not [part.defects for part in message.walk() if part.defects]
    html = shown = message.get_body(("html",)).get_content()
    pictures = {part["Content-ID"].strip("<>"): part.get_content() for part in message.walk() if part["Content-ID"]}
    for name, png in pictures.items():
        assert html.count(f"cid:{name}") == 1
        shown = shown.replace(f"cid:{name}", f"data:image/png;base64,{base64.b64encode(png).decode()}")
    attached = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}
    text = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
    return SimpleNamespace(message=message, text=text, html=html, shown=shown, pictures=pictures, attached=attached)
