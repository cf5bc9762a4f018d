"""Secrets in every place that may hold one: nothing that a command prints or writes has a part of them."""

from contextlib import ExitStack
from itertools import count
from time import sleep
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from tests.fake_llm import serving
from tests.history.stored import HEADER
from tests.live.coordinating import coordinating
from tests.marks import slow
from tests.remote.conftest import ROWS
from tests.running import entro

PIECES = ("Pq7xW", "Zk9bT", "Nn4cL")
TOKEN, KEY = "tok3nRxVb8", "sIg7naTuReQ"


PASSWORDS = ["@/".join(PIECES), ":#".join(PIECES)]


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Run commands in an empty home, and find what they printed and wrote."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("ENTRO_CONFIG")
    work, printed, numbers = tmp_path / "work", [], count()
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*arguments, status=None, config=None):
        named = tmp_path / f"config-{next(numbers)}.toml"
        named.write_text(config or "")
        outcome = entro(*arguments, *([] if config is None else ["--config", named]), columns=200)
        if status is not None:
            assert outcome.status == status, (arguments, outcome.err)
        printed.append((arguments, outcome.out + outcome.err))
        return outcome

    def leaks(secrets):
        files = [path for folder in (work, tmp_path / "home") for path in folder.rglob("*") if path.is_file()]
        kept = ((path, path.read_bytes().decode(errors="replace")) for path in files)
        return [
            (where, secret, text[-2000:]) for where, text in [*printed, *kept] for secret in secrets if secret in text
        ]

    return SimpleNamespace(run=run, leaks=leaks, work=work, printed=printed)


@pytest.fixture
def locked(web):
    """A log behind a password; its URLs, each with secrets."""
    (web.folder / "secret.csv").write_text(HEADER + "".join(ROWS))
    host = web.url.removeprefix("http://")
    return [
        f"http://me:{quote(password, safe='')}@{host}/secret.csv?access_token={TOKEN}&X-Amz-Signature={KEY}"
        for password in PASSWORDS
    ]


def test_a_log_at_a_url_with_secrets(ran, locked):
    for url in locked:
        ran.run("analyze", url, "--verbose", status=0)
    url = locked[0]
    ran.run("analyze", url, "--json", "--debug", "--history", "h", status=0)
    ran.run("calibrate", url, "--out", "-", status=0)
    ran.run("ingest", url, "--history", "h", "--verbose", "--json", status=0)
    ran.run("ingest", url, "--history", "h", "--verbose", status=0)
    for command in (["list"], ["list", "--json"], ["check"]):
        ran.run("history", *command, "--history", "h", status=0)
    ran.run("formats", "--explain", url, status=0)
    assert ran.leaks([*PIECES, TOKEN, KEY]) == []


@pytest.mark.parametrize("form", ["html", *map(slow, ("json", "markdown", "junit", "email", "terminal"))])
def test_a_report_of_a_log_at_a_url_with_secrets(ran, locked, form):
    options = ("--format", form, "--out", "report", "--metrics-file", "report.prom", "--verbose")
    ran.run("report", "--daily", "--logs", locked[0], *options, status=0)
    assert (ran.work / "report").exists()
    assert (ran.work / "report.prom").exists()
    assert ran.leaks([*PIECES, TOKEN, KEY]) == []


CONFIG = """
history = {history}
reports = "r"
logs = [{url}]

[alerts]
command = ["curl", "-H", "Authorization: Bearer {token}", {hook}]
apprise = ["tgram://{token}/1"]

[alerts.email]
to = ["ops@example.org"]
host = "127.0.0.1"
port = 1
security = "tls"
user = "me"
password_env = "MAIL_PASSWORD"

[alerts.webhook]
url = {hook}
"""


@pytest.mark.parametrize("password", [*PASSWORDS, slow(quote("@/#".join(PIECES), safe=""))])
def test_a_configuration_with_secrets(ran, password, monkeypatch):
    monkeypatch.setenv("MAIL_PASSWORD", password)
    monkeypatch.setenv("ENTRO_PROMETHEUS_TOKEN", TOKEN)
    monkeypatch.setenv("ENTRO_TOKEN", TOKEN)
    url = f"http://me:{password}@127.0.0.1:1/x.csv?sig={KEY}"
    texts = {"url": url, "history": f"s3://me:{password}@bucket/h", "hook": f"http://127.0.0.1:1/services/{KEY}"}
    config = CONFIG.format(token=TOKEN, **{name: f'"{text}"' for name, text in texts.items()})
    ran.run("config", config=config, status=0)
    ran.run("config", "--json", config=config, status=0)
    ran.run("ingest", "--history", "h", config=config, status=1)
    ran.run("schedule", "run", "--daily", "--history", "h", "--debug", "--verbose", config=config)
    for name in ("base_url", "browser", "step", "stages", "zone", "alerts.webhook.port"):
        ran.run("config", config=f'{name} = "{url}"\n')
    ran.run("config", config=f'logs = [1, "{url}"]\n')
    ran.run("config", config=f'"{url}" = 1\n', status=1)
    for option in (["--ingest"], ["--history"]):
        assert ran.run("schedule", "add", "--daily", *option, url, "--cron", "--dry-run", status=1).out == ""
    monkeypatch.setenv("ENTRO_HISTORY", url)
    ran.run("config", status=0)
    ran.run("schedule", "add", "--daily", "--cron", "--dry-run", status=1)
    ran.run("history", "list")
    monkeypatch.setenv("ENTRO_ALERTS_WEBHOOK_URL", f"ftp://{KEY}")
    ran.run("config", status=1)
    assert ran.leaks([*PIECES, TOKEN, KEY]) == []


@pytest.mark.parametrize("password", PASSWORDS)
def test_an_option_with_secrets(ran, password, web):
    for host in ("127.0.0.1:1", "nowhere.invalid", web.url.removeprefix("http://")):
        url = f"http://me:{password}@{host}/x.csv?token={TOKEN}&n=1"
        ran.run("analyze", url, status=1)
        ran.run("analyze", f"gopher://me:{password}@x/y", "--debug", status=1)
        ran.run("ingest", url, "--history", "h", "--verbose", status=1)
        ran.run("report", "--daily", "--logs", url, status=1)
        for option in ("--prometheus", "--metrics"):
            ran.run("analyze", option, url, "--rate", "up")
        ran.run("analyze", "--tz", url)
        ran.run("analyze", "--step", url, "x.csv")
        ran.run("coordinate", "--listen", url, "x.csv")
        ran.run("report", url)
        ran.run("simulate", "--scenario", url)
    assert ran.leaks([*PIECES, TOKEN]) == []


@pytest.mark.slow
def test_what_runs_live_with_secrets(ran, monkeypatch):
    """The server answers at first, and then is gone; the coordinator's own answers are searched, too."""
    monkeypatch.setenv("ENTRO_TOKEN", TOKEN)
    monkeypatch.setenv("ENTRO_METRICS_USER", "me")
    monkeypatch.setenv("ENTRO_METRICS_PASSWORD", PASSWORDS[0])
    with ExitStack() as until_gone:
        server = until_gone.enter_context(serving())
        source = ("--metrics", f"{server.url}/metrics")
        ran.run("watch", *source, "--once", "--verbose", "--html", "page.html", status=0)
        ran.run("watch", *source, "--once", "--json", "--debug", status=0)
        with coordinating(*source, "--verbose", history=ran.work / "h") as running:
            running.wait_for(lambda cap: cap["queue"] == 0.0, token=TOKEN)
            answers = [running.ask(path, token=token) for path in ("/cap", "/metrics") for token in (TOKEN, "no")]
            answers += [running.ask("/clients", {"id": "a"}, token=token) for token in (TOKEN, "no")]
            until_gone.close()
            sleep(2.5)
            running.process.terminate()
            ran.printed.append(("coordinate", running.printed + running.process.stderr.read() + str(answers)))
    assert "/metrics" in ran.printed[-1][1]
    ran.run("watch", *source, "--once", "--debug")
    assert ran.leaks([*PIECES, TOKEN]) == []


def test_a_traceback_of_a_library(ran, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError(f"https://me:{PIECES[0]}@host/?token={TOKEN}")

    monkeypatch.setattr("entro_cli.core.remote_files.find", broken)
    for option in ([], ["--debug"]):
        assert "ZeroDivisionError: https://host/" in ran.run("analyze", "https://host/x.csv", *option, status=1).err
    assert ran.leaks([PIECES[0], TOKEN]) == []
