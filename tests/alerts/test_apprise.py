"""Services reached through Apprise: an HTTP server stands for them, by a URL that must never be shown."""

import json
import sys

import pytest

from entro_cli.automation.alerts.alert import Alert, PartlyDeliveredError
from entro_cli.automation.alerts.apprise import Apprise
from entro_cli.core.secrets import SecretText, SecretVariable
from entro_engine import EntroError
from tests.running import entro

# Apprise looks for a module of the standard library that newer versions of Python lack.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def url(server, path="s3cr3t"):
    return f"json://127.0.0.1:{server.server_address[1]}/{path}"


def failure(text, alert, around, caplog, kind=EntroError):
    with pytest.raises(kind) as raised:
        Apprise(SecretText(text)).send(alert, around.given())
    assert "s3cr3t" not in f"{raised.value}{raised.value.__cause__}{caplog.text}{Apprise(SecretText(text))}"
    return str(raised.value)


def test_an_alert_reaches_every_service(alert, around, hook):
    with hook((200, {}), (200, {})) as server:
        Apprise(SecretVariable("URLS")).send(alert, around.given(URLS=f"{url(server, 'one')} {url(server, 'two')}"))
    posted = [json.loads(one.body) for one in server.posted]
    assert sorted(one.path for one in server.posted) == ["/one", "/two"]
    assert {(one["title"], one["message"], one["type"]) for one in posted} == {(alert.subject, alert.text, "warning")}


def test_what_a_log_says_mentions_nobody(around, hook):
    hostile = Alert("k", "p", "@here <!channel>", "<@U1> @everyone", "incident")
    with hook((200, {})) as server:
        Apprise(SecretText(url(server))).send(hostile, around.given())
    (posted,) = server.posted
    for mention in ("@here", "<!channel", "<@", "@everyone"):
        assert mention not in json.loads(posted.body)["title"] + json.loads(posted.body)["message"]


@pytest.mark.parametrize("answer", [(500, {}), (404, {})])
def test_a_service_that_fails_is_an_error_without_its_url(alert, around, hook, caplog, answer):
    with hook(answer) as server:
        error = failure(url(server), alert, around, caplog)
    assert error.startswith("[alerts] apprise: URL 1 of 1 did not accept the alert (not shown, as it is a secret); ")


@pytest.mark.parametrize("text", ["json://s3cr3t.invalid", "s3cr3t", "nosuchthing://s3cr3t", "tgram://s3cr3t"])
def test_urls_that_lead_nowhere(alert, around, caplog, text):
    assert "URL 1 of 1 " in failure(text, alert, around, caplog)


def test_some_services_fail(alert, around, hook, caplog):
    with hook((200, {})) as server:
        error = failure(f"{url(server)}\nnone://s3cr3t", alert, around, caplog, PartlyDeliveredError)
    assert "URL 2 of 2 is none that Apprise knows (not shown, as it is a secret); the other services have" in error


def test_without_the_extra(alert, around, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "apprise", None)
    error = failure("json://s3cr3t", alert, around, caplog)
    assert error == "[alerts] apprise: needs a package that is not installed; pip install 'entro-cli[notify]'"


def test_the_configuration_shows_only_the_service(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text('[alerts]\napprise = ["tgram://s3cr3t/1", "json://s3cr3t"]\n')
    for form in ((), ("--json",)):
        outcome = entro("config", "--config", config, *form)
        assert outcome.status == 0
        assert "tgram://..." in outcome.out
        assert "s3cr3t" not in outcome.out + outcome.err
    config.write_text('[alerts]\napprise = ["s3cr3t"]\n')
    expected = "alerts.apprise: cannot be used; expected a list of Apprise URLs, each SERVICE://..."
    assert entro("config", "--config", config).error == f"{config}, line 2: {expected}"
