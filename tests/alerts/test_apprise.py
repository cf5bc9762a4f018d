"""Services reached through Apprise: an HTTP server stands for them, by a URL that must never be shown."""

import json
import sys

import pytest

from entro_cli.automation.alerts.alert import Alert, PartlyDeliveredError
from entro_cli.automation.alerts.apprise import Apprise
from entro_cli.core.secrets import SecretText, SecretVariable
from entro_engine import EntroError
from tests.running import entro


def url(server):
    return f"json://127.0.0.1:{server.server_address[1]}/s3cr3t"


@pytest.fixture
def failure(alert, around, caplog):
    """A way to send to services that fail; the message, which must not show a URL."""

    def send(text, kind=EntroError):
        with pytest.raises(kind) as raised:
            Apprise(SecretText(text)).send(alert, around.given())
        assert "s3cr3t" not in f"{raised.value}{raised.value.__cause__}{caplog.text}{Apprise(SecretText(text))}"
        return str(raised.value)

    return send


def test_an_alert_reaches_every_service(alert, around, hook):
    with hook((200, {})) as one, hook((200, {})) as two:
        Apprise(SecretVariable("URLS")).send(alert, around.given(URLS=f"{url(one)} {url(two)}"))
    for server in (one, two):
        posted = json.loads(server.posted[0].body)
        assert (posted["title"], posted["message"], posted["type"]) == (alert.subject, alert.text, "warning")


def test_what_a_log_says_mentions_nobody(around, hook):
    hostile = Alert("k", "p", "@here <!channel>", "<@U1> @everyone", "incident")
    with hook((200, {})) as server:
        Apprise(SecretText(url(server))).send(hostile, around.given())
    posted = server.posted[0].body.decode("unicode_escape")
    assert not [mention for mention in ("@here", "<!channel", "<@", "@everyone") if mention in posted]


@pytest.mark.parametrize("text", ["json://s3cr3t.invalid", "s3cr3t", "nosuchthing://s3cr3t", "tgram://s3cr3t"])
def test_urls_that_lead_nowhere_are_not_shown(failure, text):
    assert failure(text).startswith("[alerts] apprise: URL 1 of 1 ")


def test_services_that_fail(failure, hook):
    with hook((500, {}), (200, {})) as server:
        assert "URL 1 of 1 did not accept the alert (not shown, as it is a secret); try" in failure(url(server))
        error = failure(f"{url(server)}\nnone://s3cr3t", PartlyDeliveredError)
    assert "URL 2 of 2 is none that Apprise knows (not shown, as it is a secret); the other services have" in error


def test_without_the_extra(failure, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    error = "[alerts] apprise: needs a package that is not installed; pip install 'entro-cli[notify]'"
    assert failure("json://s3cr3t") == error


def test_the_configuration_shows_only_the_service(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text('[alerts]\napprise = ["tgram://s3cr3t/1", "json://s3cr3t"]\n')
    for form in ((), ("--json",)):
        outcome = entro("config", "--config", config, *form)
        assert "tgram://..." in outcome.out
        assert "s3cr3t" not in outcome.out + outcome.err
    config.write_text('[alerts]\napprise = ["s3cr3t"]\n')
    expected = "alerts.apprise: cannot be used; expected a list of Apprise URLs, each SERVICE://..."
    assert entro("config", "--config", config).error == f"{config}, line 2: {expected}"
