"""The mail of a scheduled report: once per period, tried again until it is accepted, safe from a kill."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.alerts.conftest import Mailbox, mail_server, no_proxy
from tests.mail_client import read_mail
from tests.running import COMMAND, entro, entro_process

__all__ = ["mail_server", "no_proxy"]

LINES = (Path(__file__).parents[2] / "sample_logs" / "five-weeks.csv").read_text().splitlines(keepends=True)
CONFIG = """
history = "history"
reports = "reports"
zone = "Europe/Berlin"
logs = ["log.csv"]
base_url = "https://reports.example.org"
[alerts]
at_least = "9d"
email = {{ to = ["ops@example.org"], from = "entro@example.org", host = "127.0.0.1", port = {port} }}
"""
PROBLEMS = '[report.email]\nto = ["team@example.org"]\n'
ALWAYS = '[report.email]\nwhen = "always"\n'


@pytest.fixture
def run(tmp_path):
    """A way to run the daily job as if it were another moment, with a mail server at a port."""
    (tmp_path / "log.csv").write_text("".join([LINES[0], *(line for line in LINES[1:] if line > "2026-04-08T")]))

    def run(as_of, port, keys, by=entro):
        (tmp_path / "entro.toml").write_text(CONFIG.format(port=port) + keys)
        return by("schedule", "run", "--daily", "--config", tmp_path / "entro.toml", "--as-of", as_of)

    return run


@pytest.mark.slow
def test_it_arrives_once_however_often_the_job_runs(run, mail_server):
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        for hour in ("06:00", "23:00"):
            assert run(f"2026-04-10T{hour}", port, PROBLEMS) == (0, "", "")
    (session,), (raw,) = mailbox.sessions, mailbox.raw
    mail = read_mail(raw)
    assert session.recipients == ["team@example.org"]
    assert mail.message["Subject"] == "entro: default, Thursday 9 April 2026: bad"
    assert (mail.message["To"], mail.message["From"]) == ("team@example.org", "entro@example.org")
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert list(mail.attached) == ["default-day-2026-04-09.html"]
    assert 'href="https://reports.example.org/default-day-2026-04-09.html#incident-20260409T142100Z"' in mail.html


@pytest.mark.slow
def test_good_periods_are_mailed_if_wanted(run, mail_server):
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        assert run("2026-04-12T06:00", port, PROBLEMS) == (0, "", "")
        assert mailbox.raw == []
        assert run("2026-04-12T06:00", port, ALWAYS) == (0, "", "")
    (message,) = mailbox.messages
    assert message["Subject"] == "entro: default, Saturday 11 April 2026: good"
    assert message["To"] == "ops@example.org"


@pytest.mark.slow
def test_what_was_not_accepted_is_tried_again_by_later_runs(run, mail_server, tmp_path):
    mailbox = Mailbox(reply="451 try later")
    with mail_server(mailbox) as port:
        outcome = run("2026-04-10T06:00", port, ALWAYS)
        assert outcome.error.startswith("report email: not delivered (entro: default, Thursday 9 April 2026: bad): ")
        assert outcome.error.endswith("answered 451 try later; check host, port and security of [report.email]")
        assert run("2026-04-11T06:00", port, ALWAYS).status == 1
        mailbox.reply = "250 OK"
        for hour in ("06:00", "07:00"):
            assert run(f"2026-04-12T{hour}", port, ALWAYS) == (0, "", "")
    subjects = [message["Subject"] for message in mailbox.messages]
    assert [re.search(r"\d+ April", subject)[0] for subject in subjects] == ["9 April", "10 April", "11 April"]
    assert len(list((tmp_path / "reports").glob("default-day-*.html"))) == 3


@pytest.mark.slow
def test_a_kill_after_the_mail_was_accepted_repeats_it_with_the_same_bytes(run, mail_server):
    processes = []

    class Killer(Mailbox):
        async def handle_DATA(self, server, session, envelope):  # noqa: N802
            answer = await super().handle_DATA(server, session, envelope)
            if len(self.raw) == 1:
                os.kill(processes[0].pid, signal.SIGKILL)
            return answer

    def killed(*arguments):
        with subprocess.Popen([COMMAND, *map(str, arguments)]) as process:
            processes.append(process)
        return process

    mailbox = Killer()
    with mail_server(mailbox) as port:
        assert run("2026-04-10T06:00", port, ALWAYS, by=killed).returncode == -signal.SIGKILL
        for _ in range(2):
            assert run("2026-04-10T06:00", port, ALWAYS, by=entro_process).returncode == 0
    first, second = mailbox.raw
    assert first == second


def test_a_damaged_ledger_keeps_no_report_from_being_written(run, tmp_path):
    books = tmp_path / "history" / "pipeline=default" / "_entro"
    books.mkdir(parents=True)
    (books / "told.json").write_text("{")
    assert "told.json: is damaged" in run("2026-04-10T06:00", 1, ALWAYS).err
    assert (tmp_path / "reports" / "default-day-2026-04-09.html").exists()
