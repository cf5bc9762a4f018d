"""Recognition of URLs, and the parts of one that are shown and stored."""

import pytest

from entro_cli.core.urls import is_url, scheme_of, shown_url


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
        ("s3://bucket/llm-*.csv", "s3://bucket/llm-*.csv"),
    ],
)
def test_what_is_shown_lets_nobody_in(url, shown):
    assert shown_url(url) == shown


def test_the_scheme():
    assert scheme_of("HTTPS://host/x://y") == "https"
