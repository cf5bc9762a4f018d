"""`entro schedule run`: quiet when all is well, one message per failed gate, missed reports made up, alerts once."""

import json
import os
import shlex
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from entro_cli.automation.alerts import email, webhook
from entro_cli.automation.alerts.apprise import Apprise
from entro_cli.core import http
from entro_cli.workflows import scheduled_run
from tests.alerts.conftest import Mailbox, hook, mail_server, no_proxy
from tests.alerts.dripping import dripping
from tests.running import COMMAND, entro
from tests.schedule.cron_daemon import next_minute, wait_for

__all__ = ["hook", "mail_server", "no_proxy"]

FIVE_WEEKS = Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv"


@pytest.fixture
def job(tmp_path):
    """A way to run the daily job of Berlin as if it were another moment."""

    def run(as_of, *arguments, kind="--daily", ingest=FIVE_WEEKS):
        places = ("--history", tmp_path / "history", "--out", tmp_path / "reports", "--tz", "Europe/Berlin")
        logs = ("--ingest", ingest) if ingest else ()
        return entro("schedule", "run", kind, *logs, *places, "--as-of", as_of, *arguments)

    return run


def reports(folder):
    return sorted(path.name for path in (folder / "reports").glob("*-*-*.html"))


def test_it_is_quiet_when_all_is_well(job, tmp_path):
    assert job("2026-04-07T06:00") == (0, "", "")
    assert reports(tmp_path) == ["default-day-2026-04-06.html"]
    assert (tmp_path / "reports" / "index.html").exists()
    before = {path: path.read_bytes() for path in (tmp_path / "reports").iterdir()}
    assert job("2026-04-07T06:10") == (0, "", "")
    assert {path: path.read_bytes() for path in (tmp_path / "reports").iterdir()} == before


@pytest.mark.slow
def test_rows_that_were_mended_are_no_news_and_bad_ones_are(job, tmp_path):
    lines = FIVE_WEEKS.read_text().splitlines(keepends=True)[:3000]
    log = tmp_path / "log.csv"
    log.write_text("".join([*lines, lines[-1]]))
    assert job("2026-03-11T06:00", ingest=log) == (0, "", "")
    with log.open("a") as file:
        file.write("broken\n")
    outcome = job("2026-03-11T06:10", ingest=log)
    assert (outcome.status, outcome.out) == (0, "")
    assert "line 3002: 1 cell instead of 3: broken" in outcome.err
    assert job("2026-03-11T06:20", ingest=log) == (0, "", "")


@pytest.mark.slow
def test_what_was_missed_is_made_up(job, tmp_path):
    job("2026-04-04T06:00")
    job("2026-04-07T09:30")
    assert reports(tmp_path) == [f"default-day-2026-04-0{day}.html" for day in (3, 4, 5, 6)]
    job("2026-04-14T06:00", kind="--weekly")
    job("2026-05-01T06:00", kind="--monthly")
    assert reports(tmp_path)[-2:] == ["default-month-2026-04.html", "default-week-2026-W15.html"]


def test_what_is_missed_after_a_clock_was_wrong_is_made_up(job, tmp_path):
    """Nothing was until 2099."""
    job("2099-04-04T06:00")
    job("2026-04-04T06:00")
    job("2026-04-06T06:00", ingest=None)
    assert reports(tmp_path)[:3] == [f"default-day-2026-04-0{day}.html" for day in (3, 4, 5)]


def test_a_failed_gate_is_one_message_and_status_3(job, tmp_path):
    outcome = job("2026-04-10T06:00", "--fail-on", "violations>10", "--fail-on", "coverage<90%")
    page = tmp_path / "reports" / "default-day-2026-04-09.html"
    assert outcome == (3, "", f"entro: gate failed: default, day 2026-04-09: violations>10 (actual 29); see {page}\n")
    assert page.exists()


@pytest.mark.slow
def test_what_cannot_be_read_keeps_no_report_from_being_written(job, tmp_path):
    job("2026-04-07T06:00")
    outcome = job("2026-04-08T06:00", ingest=tmp_path / "gone-*.csv")
    assert "there is no such file" in outcome.error
    assert reports(tmp_path)[-1] == "default-day-2026-04-07.html"


def test_without_any_data(job):
    assert "nothing is stored of pipeline default" in job("2026-04-08T06:00", ingest=None).error


def test_a_day_in_which_nothing_came_is_reported_as_that(job, tmp_path):
    job("2026-04-14T06:00")
    assert "No data for this day" in (tmp_path / "reports" / "default-day-2026-04-13.html").read_text()


def test_while_another_run_is_at_work_nothing_is_done(job, tmp_path):
    books = tmp_path / "history" / "pipeline=default" / "_entro"
    books.mkdir(parents=True)
    with FileLock(books / "run-day.lock"):
        assert job("2026-04-07T06:00") == (0, "", "")
    assert not (tmp_path / "reports").exists()


@pytest.mark.slow
def test_one_file_of_several_pipelines_is_one_line(tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text(
        'history = "history"\nreports = "reports"\nzone = "Europe/Berlin"\n'
        f"[pipelines.shop]\nlogs = [{json.dumps(str(FIVE_WEEKS))}]\nfail_on = ['violations>10']\n"
        f"[pipelines.news]\nlogs = [{json.dumps(str(FIVE_WEEKS))}]\n[pipelines.news.stages.llm]\nfull = 5000.0\n"
    )
    outcome = entro("schedule", "run", "--daily", "--config", config, "--as-of", "2026-04-10T06:00")
    assert outcome.status == 3
    assert len(outcome.err.splitlines()) == 1
    assert "shop, day 2026-04-09" in outcome.err
    assert reports(tmp_path) == ["day-2026-04-09.html", "news-day-2026-04-09.html", "shop-day-2026-04-09.html"]
    assert "--pipeline" in entro("schedule", "run", "--daily", "--config", config, "--ingest", FIVE_WEEKS).error


@pytest.mark.slow
def test_retention_is_kept(job, tmp_path):
    config = tmp_path / "entro.toml"
    config.write_text('retention = "10d"\n')
    job("2026-04-10T06:00", "--config", config)
    days = sorted(path.parent.name for path in (tmp_path / "history").rglob("*.parquet"))
    assert days[0] == "date=2026-03-31"
    job("2026-04-12T06:00", "--config", config)
    days = sorted(path.parent.name for path in (tmp_path / "history").rglob("*.parquet"))
    assert days[0] == "date=2026-04-02"


def alerting(tmp_path, text):
    path = tmp_path / "entro.toml"
    path.write_text(text)
    return "--config", path


@pytest.mark.slow
def test_each_incident_and_each_silence_is_one_alert(job, tmp_path):
    script = tmp_path / "pager"
    script.write_text(f'#!/bin/sh\necho "$ENTRO_ALERT_SUBJECT" >>{shlex.quote(str(tmp_path / "alerts"))}\n')
    script.chmod(0o755)
    config = alerting(tmp_path, f'silence = "2h"\n[alerts]\ncommand = [{json.dumps(str(script))}]\n')

    def subjects():
        return (tmp_path / "alerts").read_text().splitlines() if (tmp_path / "alerts").exists() else []

    assert job("2026-04-09T06:00", *config).status == 0  # the log goes on to the 13th, beyond then
    assert subjects() == []
    job("2026-04-10T06:00", *config)
    job("2026-04-11T06:00", *config)
    assert subjects() == ["entro: default over its budget for 29 min, driven by llm"]
    job("2026-04-13T06:00", *config)
    job("2026-04-14T06:00", *config)
    assert subjects()[1:] == ["entro: default silent for 6 h"]
    job("2026-04-14T06:00", *config, "--fail-on", "coverage<50%")
    assert len(subjects()) == 3
    assert "failed 1 gate in day 2026-04-13" in subjects()[2]


@pytest.mark.parametrize("silence", ["2h", "usual"])
def test_a_scraper_that_never_sent_anything_is_one_alert(job, tmp_path, silence):
    config = alerting(
        tmp_path, f'silence = "{silence}"\n[alerts]\ncommand = ["sh", "-c", "echo x >>{tmp_path}/alerts"]\n'
    )
    for _ in range(2):
        assert job("2026-04-09T06:00", *config, ingest=None).status == 1
    assert (tmp_path / "alerts").read_text() == "x\n"


def test_servers_that_drip_do_not_hold_a_run_and_its_lock(job, tmp_path, monkeypatch):
    monkeypatch.setattr(scheduled_run, "Apprise", partial(Apprise, timeout_s=0.1))
    monkeypatch.setattr(email, "Email", partial(email.Email, timeout_s=0.1))  # these are loaded when they are used
    monkeypatch.setattr(webhook, "Webhook", partial(webhook.Webhook, timeout_s=0.1))
    monkeypatch.setitem(http.send.__kwdefaults__, "pauses_s", ())
    with dripping() as port:
        config = alerting(
            tmp_path,
            f'silence = "2h"\n[alerts]\napprise = ["json://127.0.0.1:{port}/x"]\n'
            f'email = {{ to = ["ops@example.org"], host = "127.0.0.1", port = {port} }}\n'
            f'webhook = {{ url = "http://127.0.0.1:{port}/x" }}\n',
        )
        for _ in range(2):  # the second one finds no lock
            outcome = job("2026-04-09T06:00", *config, ingest=None)
            assert outcome.status == 1
            assert outcome.err.count("within 0.1 s") == 3


@pytest.mark.slow
def test_a_silence_that_is_not_usual_is_one_alert(job, tmp_path):
    script = f"echo $ENTRO_ALERT_KIND >>{tmp_path}/alerts"
    config = alerting(tmp_path, f'silence = "usual"\n[alerts]\nat_least = "9d"\ncommand = ["sh", "-c", "{script}"]\n')
    job("2026-04-12T06:00", *config)  # the log goes on to the 13th
    assert not (tmp_path / "alerts").exists()
    for _ in range(2):
        job("2026-04-13T06:00", *config)
    assert (tmp_path / "alerts").read_text() == "silence\n"


@pytest.mark.slow
def test_by_mail_and_by_webhook_with_secrets_that_are_not_shown(job, tmp_path, mail_server, hook):
    mailbox = Mailbox()
    secret = tmp_path / "address"
    with mail_server(mailbox) as port, hook((200, {})) as server:
        secret.write_text(f"http://127.0.0.1:{server.server_address[1]}/services/T0/s3cr3t\n")
        secret.chmod(0o600)
        config = alerting(
            tmp_path,
            f'base_url = "https://reports.example.org/entro/"\n'
            f'[alerts.email]\nto = ["ops@example.org"]\nfrom = "entro@example.org"\nhost = "127.0.0.1"\n'
            f'port = {port}\nsecurity = "none"\n[alerts.webhook]\nurl_file = "{secret}"\n',
        )
        outcomes = [job("2026-04-10T06:00", *config), job("2026-04-10T06:00", *config)]
        shown = entro("config", *config).out
    assert outcomes == [(0, "", "")] * 2
    (message,) = mailbox.messages
    assert message["Subject"] == "entro: default over its budget for 29 min, driven by llm"
    link = "https://reports.example.org/entro/default-day-2026-04-09.html#incident-20260409T142100Z"
    assert f"\nReport: {link}" in message.get_content().replace("\r\n", "\n")
    assert f"\nReport: {link}" in json.loads(server.posted[0].body)["text"]
    assert 'id="incident-20260409T142100Z"' in (tmp_path / "reports" / "default-day-2026-04-09.html").read_text()
    assert len(server.posted) == 1
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != secret)
    assert b"s3cr3t" not in everything
    assert "s3cr3t" not in shown


@pytest.mark.slow
def test_a_channel_that_fails_is_a_message_and_is_tried_again(job, tmp_path):
    failing = tmp_path / "fail"
    failing.write_text("#!/bin/sh\necho not today >&2; exit 1\n")
    failing.chmod(0o755)
    config = alerting(tmp_path, f"[alerts]\ncommand = [{json.dumps(str(failing))}]\n")
    for _ in range(2):
        assert "not today" in job("2026-04-10T06:00", *config).error
    assert reports(tmp_path) == ["default-day-2026-04-09.html"]


@pytest.mark.slow
def test_the_real_daemon_makes_the_report_at_the_next_minute(cron_daemon, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    mine = b"# mine, 100% \xff\n17 3 1 1 * true\n"
    subprocess.run(["crontab", "-"], input=mine, check=True)
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
    log = tmp_path / "logs 100%" / "log.csv"
    log.parent.mkdir()
    log.write_text("time,rate,queue\n" + "".join(f"{yesterday}T12:{minute:02}:00Z,1,0\n" for minute in range(60)))
    places = ("--history", tmp_path / "h", "--out", tmp_path / "reports", "--log", tmp_path / "log.txt", "--tz", "UTC")
    added = subprocess.run(
        [
            COMMAND,
            "schedule",
            "add",
            "--daily",
            "--at",
            next_minute(),
            "--cron",
            "--ingest",
            "logs 100%/*.csv",
            *places,
        ],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )
    assert added.returncode == 0, added.stderr
    page = wait_for(tmp_path / "reports" / f"default-day-{yesterday}.html")
    assert b"never over the budget" in page
    assert entro("schedule", "remove", "--all").status == 0
    assert subprocess.run(["crontab", "-l"], capture_output=True, check=True).stdout == mine
    assert (tmp_path / "log.txt").read_text() == ""
