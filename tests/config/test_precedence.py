"""Precedence: default, file, its pipeline table, environment, option. The later wins, for every single-valued key."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entro_cli.config import OptionValue, load_config
from entro_cli.config.keys import KEYS
from entro_cli.core.secrets import SecretFile, SecretVariable
from tests.running import entro

# Values for each key as they are written, and as they are shown.
VALUES = {
    "history": [("/a", Path("/a")), ("/b", Path("/b"))],
    "reports": [("/a", Path("/a")), ("/b", Path("/b"))],
    "base_url": [("https://a.example/r/", "https://a.example/r"), ("http://b:8080", "http://b:8080")],
    "browser": [("/a", Path("/a")), ("/b", Path("/b"))],
    "zone": [("UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin")],
    "step": [("10s", "10s"), ("1min", "1min")],
    "gamma": [(0.5, 0.5), (1, 1.0), (2.25, 2.25)],
    "alpha": [(0.25, 0.25), (1, 1.0)],
    "beta": [(1.5, 1.5), (3, 3.0)],
    "headroom": [(0.05, 0.05), (0.2, 0.2)],
    "gain": [(0.6, 0.6), (1, 1.0)],
    "guard": [(0, 0.0), (0.75, 0.75)],
    "objective": [("95%", 0.95), (0.999, 0.999), (1, 1.0)],
    "capacity": [(2.6, 2.6), (3, 3.0)],
    "full_loads": [("published", "published"), ("learned", "learned")],
    "wait": [("8s", 8.0), (2.5, 2.5), ("1min", 60.0)],
    "retention": [("400d", 400 * 86400.0), ("2w", 14 * 86400.0)],
    "silence": [("2h", 7200.0), ("usual", "usual")],
    "time": [("ts", "ts"), ("when", "when")],
    "start": [("2026-04-06", "2026-04-06"), ("2026-04-07T01:00:00Z", "2026-04-07T01:00:00Z")],
    "year": [(2025, 2025), (2026, 2026)],
    "input_format": [("table", "table"), ("other", "other")],
    "aggregate": [("sum", "sum"), ("max", "max")],
    "decimal": [("comma", "comma"), ("point", "point")],
    "strict": [(True, True), (False, False)],
    "redact": [(True, True), (False, False)],
    "report.email.from": [("a@b", "a@b"), ("c@d", "c@d")],
    "report.email.host": [("mail", "mail"), ("192.0.2.1", "192.0.2.1")],
    "report.email.port": [(26, 26), (587, 587)],
    "report.email.security": [("tls", "tls"), ("starttls", "starttls")],
    "report.email.user": [("me", "me"), ("you", "you")],
    "report.email.password_env": [("A", "A"), ("B", "B")],
    "report.email.password_file": [("/a", Path("/a")), ("/b", Path("/b"))],
    "report.email.when": [("always", "always"), ("problems", "problems")],
    "alerts.at_least": [("0s", 0.0), ("5min", 300.0)],
    "alerts.email.from": [("a@b", "a@b"), ("c@d", "c@d")],
    "alerts.email.host": [("mail", "mail"), ("192.0.2.1", "192.0.2.1")],
    "alerts.email.port": [(26, 26), (587, 587)],
    "alerts.email.security": [("tls", "tls"), ("starttls", "starttls")],
    "alerts.email.user": [("me", "me"), ("you", "you")],
    "alerts.email.password_env": [("A", "A"), ("B", "B")],
    "alerts.email.password_file": [("/a", Path("/a")), ("/b", Path("/b"))],
    "alerts.webhook.url": [("https://a.example/x", "https://a.example/..."), ("http://b/", "http://b/...")],
    "alerts.webhook.url_env": [("A", "A"), ("B", "B")],
    "alerts.webhook.url_file": [("/a", Path("/a")), ("/b", Path("/b"))],
    "alerts.apprise_env": [("A", "A"), ("B", "B")],
    "alerts.apprise_file": [("/a", Path("/a")), ("/b", Path("/b"))],
}
ORIGINS = ("entro.toml", "entro.toml [pipelines.one]")


def variable(key):
    return f"ENTRO_{key.replace('.', '_').upper()}"


def as_toml(key, value):
    return f"{key} = {json.dumps(value)}\n"


def as_text(value):
    return json.dumps(value) if isinstance(value, bool) else str(value)


def test_every_key_that_is_one_value_is_tried():
    assert set(VALUES) == {key.name for key in KEYS if key.variable}


@pytest.mark.parametrize("key", VALUES)
@settings(max_examples=settings.default.max_examples // 2)
@given(data=st.data())
def test_the_later_wins(key, data):
    value = st.none() | st.sampled_from(VALUES[key])
    shared, own, environment, option = (data.draw(value) for _ in range(4))
    text = as_toml(key, shared[0]) if shared else ""
    text += 'alerts.email.to = ["a@b"]\n'
    text += "[pipelines.one]\n" + (as_toml(key, own[0]) if own else "")
    environ = {variable(key): as_text(environment[0])} if environment else {}
    options = {key: OptionValue(option[0], "--option")} if option else {key: OptionValue(None, "--option")}
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "entro.toml").write_text(text)
        config = load_config(None, environ, folder)
        found = {entry.key: entry for entry in config.entries("one")}[key]
        origin = config.settings("one", options).origins[key]
    layers = list(zip((*ORIGINS, variable(key)), (shared, own, environment), strict=True))
    expected = next(((made[1], place) for place, made in reversed(layers) if made), (None, "default"))
    assert found.origin == expected[1]
    assert found.value == expected[0] or found.origin == "default"
    assert origin == ("--option" if option else expected[1])


@pytest.mark.parametrize("key", [key for key in VALUES if "." not in key])
def test_an_option_reaches_the_settings(settings, key):
    written, made = VALUES[key][-1]
    found = settings(as_toml(key, VALUES[key][0][0]), **{key: OptionValue(written, "--option")})
    name = f"{key}_s" if key in {"wait", "retention"} else key
    assert getattr(found, name) == made


def test_where_each_value_is_from(write, shown, monkeypatch):
    write('gamma = 0.5\nbeta = 3\nstep = "2s"\n[pipelines.one]\nbeta = 4\nstep = "3s"\n')
    monkeypatch.setenv("ENTRO_STEP", "4s")
    monkeypatch.setenv("ENTRO_BETA", "")
    values = shown("--pipeline", "one")
    assert values["alpha"] == (0.5, "default")
    assert values["gamma"] == (0.5, "entro.toml")
    assert values["beta"] == (4.0, "entro.toml [pipelines.one]")
    assert values["step"] == ("4s", "ENTRO_STEP")
    assert shown()["beta"] == (3.0, "entro.toml")


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("GAMMA", "-1", "is '-1'; expected a number above 0"),
        ("GAMMA", "half", "is 'half'; expected a number above 0"),
        ("STRICT", "perhaps", "is 'perhaps'; expected true or false"),
        ("STEP", "10", "'10' is not a duration; expected a number above 0 with ms, s, min, h, d or w: 10s"),
        ("ALERTS_EMAIL_PORT", "0", "is '0'; expected a whole number from 1 to 65535"),
    ],
)
def test_a_variable_that_cannot_be(folder, monkeypatch, name, text, error):
    monkeypatch.setenv(f"ENTRO_{name}", text)
    assert entro("config").error == f"ENTRO_{name}: {error}"


def test_a_variable_that_is_nearly_called_like_one_is_warned_of(write, monkeypatch):
    write('[alerts.email]\nto = ["a@b"]\npassword_env = "ENTRO_ALERTS_EMAIL_PASSWORD_EN"\n')
    for name in (
        "ENTRO_GAMA",
        "ENTRO_SMTP_PASSWORD",
        "ENTRO_ALERTS_EMAIL_PASSWORD_EN",
        "ENTRO_PIPELINE",
        "ENTRO_REQUIRE_BROWSER",
    ):
        monkeypatch.setenv(name, "x")
    outcome = entro("config")
    assert (outcome.status, outcome.err) == (0, "warning: ENTRO_GAMA has no effect: did you mean ENTRO_GAMMA?\n")


def test_stages_are_merged_key_by_key(settings):
    text = """
        [stages.scraper]
        column = "r"
        full = 3.0
        [stages.llm]
        column = "q"
        kind = "queue"
        [pipelines.one.stages.llm]
        full = 22.0
        [pipelines.one.stages.gpu]
        kind = "generic"
    """
    one = settings(text, "one")
    assert [(spec.name, spec.column, spec.kind, spec.full) for spec in one.stages] == [
        ("scraper", "r", None, 3.0),
        ("llm", "q", "queue", 22.0),
        ("gpu", "", "generic", None),
    ]
    assert one.origins["stages.llm.full"] == "entro.toml [pipelines.one]"
    assert one.origins["stages.llm.column"] == "entro.toml"
    assert [spec.full for spec in settings(text).stages] == [3.0, None]


def test_a_later_way_to_a_secret_takes_the_place_of_the_earlier_one(settings):
    text = '[alerts.webhook]\nurl = "https://a/x"\n[pipelines.one.alerts.webhook]\nurl_env = "HOOK"\n'
    webhook = settings(text, "one").alerts.webhook
    assert webhook == SecretVariable("HOOK")
    webhook = settings(text, "one", {"ENTRO_ALERTS_WEBHOOK_URL": "https://b/y"}).alerts.webhook
    assert webhook.reveal({}) == "https://b/y"


def test_alerts(settings):
    text = """
        [alerts]
        command = "notify -x 'two words'"
        at_least = "0s"
        [alerts.email]
        to = ["a@example.org"]
        security = "tls"
        password_file = "secret"
        [pipelines.quiet.alerts.email]
        to = []
    """
    found = settings(text)
    assert found.alerts.command == ("notify", "-x", "two words")
    email = found.alerts.email
    assert (email.to, email.sender, email.host) == (("a@example.org",), "entro@localhost", "localhost")
    assert (email.port, email.security, email.password.path.name) == (465, "tls", "secret")
    assert email.password.path.is_absolute()
    assert settings(text, "quiet").alerts.email is None
    assert settings(text.replace("tls", "none")).alerts.email.port == 25
    assert settings().alerts.email is settings().alerts.webhook is None


def test_the_mail_of_reports_is_that_of_alerts_with_what_is_set_for_reports(settings):
    alerts = '[alerts.email]\nto = ["a@b"]\nhost = "mail"\nsecurity = "starttls"\nuser = "me"\npassword_env = "A"\n'
    assert settings(alerts).report_email is None
    one = settings(f'{alerts}[report.email]\nwhen = "always"\n')
    assert (one.report_email.email, one.report_email.when) == (one.alerts.email, "always")
    one = settings(f'{alerts}[report.email]\nto = ["c@d"]\npassword_file = "/a"\n').report_email
    assert (one.email.to, one.email.host, one.email.port, one.when) == (("c@d",), "mail", 587, "problems")
    assert (one.email.user, one.email.password) == ("me", SecretFile(Path("/a")))
    other = settings(f'{alerts}[report.email]\nhost = "other"\n').report_email.email
    assert (other.to, other.port, other.security, other.user, other.password) == (("a@b",), 25, "none", None, None)
    assert settings(f"{alerts}[report.email]\nto = []\n").report_email is None
