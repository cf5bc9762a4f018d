"""Recognition of URLs, and the parts of one that are shown and stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.core.console import printable
from entro_cli.core.urls import has_ambiguous_user, is_url, masked, scheme_of, shown_url


@pytest.mark.parametrize("name", ["s3://bucket/x.csv", "HTTPS://host/x", "file:///x", "git+ssh://host/x"])
def test_a_url(name):
    assert is_url(name)


@pytest.mark.parametrize("name", ["-", "x.csv", "/a://b", "C:\\logs", "s3:x", "://x", "logs/http://x", "2s://x"])
def test_no_url(name):
    assert not is_url(name)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@host/x.csv", "https://host/x.csv"),
        ("https://host/a@b.csv", "https://host/a@b.csv"),
        ("https://host/x?file=a@b", "https://host/x?file=a@b"),
        ("https://host/x?X-Amz-Date=1&X-Amz-Signature=ab%2F", "https://host/x"),
        ("https://host/x?file=a.csv&token=t&part=2", "https://host/x?file=a.csv&part=2"),
        ("https://host/x?sig=ab&se=2026&sp=r", "https://host/x"),
        ("https://host/x?design=1&user=2", "https://host/x?design=1&user=2"),
        ("https://host/x?max_tokens=5&author=a&key=a.csv", "https://host/x?max_tokens=5&author=a&key=a.csv"),
        ("https://host/x?key=AIzaSyD4k3Jx9Qw", "https://host/x"),
        ("https://host/x?apiKey=t&access_token=t&password=t&n=1#id_token=t", "https://host/x?n=1#"),
        ("https://127.0.0.1:8080/a@b.csv", "https://127.0.0.1:8080/a@b.csv"),
        ("https://[::1]:8080/a@b.csv", "https://[::1]:8080/a@b.csv"),
        ("https://me:p@ss/w#o?r:d@host/x.csv", "https://host/x.csv"),
        ("https://token@host/x.csv", "https://host/x.csv"),
        ("s3://key:se/cret@bucket/llm-*.csv", "s3://bucket/llm-*.csv"),
        ("s3://bucket/me@example.org/llm-*.csv", "s3://bucket/me@example.org/llm-*.csv"),
    ],
)
def test_what_is_shown_lets_nobody_in(url, shown):
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("401, message='No', url='https://me:p@ss@host/x?token=t'", "401, message='No', url='https://host/x"),
        ("GET https://a/x?sig=s, then http://u:p@b/y", "GET https://a/x then http://b/y"),
        ("https://hooks.slack.com/services/T0/B0/abc: gone", "https://hooks.slack.com/... gone"),
        ("https://discord.com/api/webhooks/1/abc", "https://discord.com/..."),
        ("https://x.webhook.office.com/webhookb2/abc", "https://x.webhook.office.com/..."),
        ("https://mattermost.example.org/hooks/abc", "https://mattermost.example.org/..."),
        ("https://ntfy.sh/topic", "https://ntfy.sh/..."),
        ("no://thing to hide", "no://thing to hide"),
    ],
)
def test_text_with_urls(text, shown):
    assert masked(text) == shown


PIECES = st.lists(st.from_regex("[A-Z]{4}", fullmatch=True), min_size=1, max_size=4)
BETWEEN = st.sampled_from(["@", "/", ":", "#", "?", "&", "=", "%40", "%2F", "'", "\\", "é", "\x1b"])


@given(PIECES, st.lists(BETWEEN, min_size=3, max_size=3), st.sampled_from(["", "user", "12"]), st.data())
def test_no_password_and_no_token_is_shown(pieces, between, user, data):
    secret = (
        "".join(piece + mark for piece, mark in zip(pieces, [*between, ""], strict=False))[: -len(between[0])] or "ABCD"
    )
    name = data.draw(
        st.sampled_from(["token", "api_key", "X-Amz-Signature", "sig", "access_token", "client_secret", "pwd"])
    )
    token = data.draw(st.from_regex("[a-z]{4}%2F[0-9]{4}", fullmatch=True))
    for url in (f"https://{user}:{secret}@host/x.csv", f"s3://{user}:{secret}@bucket/x"):
        for text in (f"{url}?{name}={token}", f"{url}?part=2&{name}={token}&day=1", f"it's '{url}', or not"):
            assert not [piece for piece in [*pieces, token] if piece in printable(text)]
        assert not [piece for piece in pieces if piece in shown_url(url)]


def test_an_at_that_is_not_escaped():
    assert has_ambiguous_user("https://u:a/b@host")
    assert not has_ambiguous_user("https://u:a%2Fb@host")


def test_the_scheme():
    assert scheme_of("HTTPS://host/x://y") == "https"
