"""Logs of workers are split by one expression where most lines are usual, and say the same as read line by line."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entro_cli.readers.inputs.log_file import EmptyLogError
from entro_cli.readers.workers.celery import CeleryReader
from entro_cli.readers.workers.jobs import WorkerReader
from tests.readers.text_logs import entries, named, observed

OTHERS = b"nothing of interest\n" * 300
"""More than the bytes of a block that show which lines it has, so that it is read line by line."""

BEGIN = datetime(2026, 4, 6, 23, 59, tzinfo=UTC)


def celery(at, number, start):
    stamp = f"[{BEGIN + timedelta(seconds=at):%Y-%m-%d %H:%M:%S},{number:03}: INFO/ForkPoolWorker-1] "
    return f"{stamp}Task app.fetch[{number:08x}] " + (
        "received\n" if start else "succeeded in 1.2345678s: {'x': [1]}\n"
    )


def sidekiq(at, number, start):
    stamp = f"{BEGIN + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S}.{number:03}Z pid=1 tid=go class=App::Fetch "
    return f"{stamp}jid={number:024x}" + (" INFO: start\n" if start else " elapsed=1.2345678 INFO: fail\n")


def rq(at, number, start):
    stamp, job = f"{BEGIN + timedelta(seconds=at):%H:%M:%S} ", f"({number:08x}-0000-4000-8000-000000000000)\n"
    call = f"{stamp}default: app.fetch('https://x.example/?page=1', 'two words', last=True) {job}"
    quiet = call.replace("two words", "one")
    return (
        (call if number % 4 == 0 else quiet)
        if start
        else f"{stamp}default: Job OK {job}{stamp}Result is kept for 5 seconds\n"
    )


ODD = {
    celery: (
        *(
            "Traceback (most recent call last):\n",
            "\n",
            "Task app.fetch[7] received\n",
            " .> concurrency: 2 (prefork)\n",
        ),
        "[2026-13-06 08:00:00,000: INFO/MainProcess] Task app.fetch[8] received\n",
        "[2026-04-06 23:59:31,000: INFO/MainProcess] Task app.fetch[00000003] retry: Retry in 3s: Broken()\n",
        "[2026-04-06 23:59:31,000: INFO/MainProcess] a@host ready.\n",
        "\x1b[32m[2026-04-06 23:59:32,000: INFO/MainProcess] Task app.fetch[9] received\x1b[0m\n",
        "[2026-04-06 23:59:33,000: INFO/MainProcess] Task app.fetch[00000004] succeeded in 2.5e-05s: None\r\n",
        "[2026-04-06 23:59:33,000: INFO/MainProcess] Task handler raised error: WorkerLostError()\n",
        "[2026-04-06 23:59:34,000: INFO/04-05 10:00:00] Task app.fetch[10] received\n",
        "[2026-04-06 23:59:34,000: INFO/MainProcess] Task app.fetch[11] receivedness\n",
    ),
    sidekiq: (
        *("   from app.rb:3\n", "\n", "2026-04-06T23:59:30.000Z pid=1 tid=go INFO: Booting Sidekiq 7.2\n"),
        "2026-13-06T23:59:30.000Z pid=1 tid=go class=Fetch jid=a INFO: start\n",
        "2026-04-06T23:59:31.000Z pid=1 tid=go class=Fetch tags=jid=b jid=c INFO: start\n",
        "2026-04-06T23:59:31.000Z pid=1 tid=go class=Fetch jid=d elapsed=0.5 INFO: done\r\n",
        "2026-04-06T23:59:31.000Z pid=1 tid=go class=Fetch jid=b elapsed=0.5 INFO: done\n",
        "\x1b[1m2026-04-06T23:59:32.000Z pid=1 tid=go class=Fetch jid=e INFO: start\n",
    ),
    rq: (
        *("Traceback\n", "\n", "23:59:30 Result is kept for 5 seconds\n", "99:59:30 default: Job OK (a)\n"),
        "23:59:31 default: f('jid=a', 'Completed after 3.0ms.') (00000001-0000-4000-8000-000000000000)\n",
        "23:59:31 default: [Job b]: exception raised while executing (f)\n",
        "23:59:32 Work-horse terminated unexpectedly; waitpid returned 9\n",
        "2026-04-06 23:59:32 default: Job OK (00000002-0000-4000-8000-000000000000)\r\n",
        "23:59:33 default: f(x) (no id)\n",
    ),
}


def outcome(reader, content, passed):
    """The result of reading a log whose line numbers begin behind some that it has passed."""
    try:
        found = observed(reader, content, stages=named("requests", "starts", "in_flight", "waiting"))
    except EmptyLogError as error:
        return str(error)
    bad = [(row.line - passed, row.reason, row.text) for row in found.bad_rows]
    return entries(found), found.rows_read, found.rows_skipped, found.problems, found.zone, bad


@pytest.mark.parametrize("usual", ODD, ids=lambda usual: usual.__name__)
@given(data=st.data())
def test_usual_lines_say_the_same_as_read_one_by_one(usual, data):
    lines = [usual(at // 3, data.draw(st.integers(0, 30)), data.draw(st.booleans())) for at in range(40)]
    for odd in data.draw(st.lists(st.sampled_from(ODD[usual]), max_size=9)):
        lines.insert(data.draw(st.integers(0, len(lines))), odd)
    content = "".join(lines).encode()[: None if data.draw(st.booleans()) else -5]
    reader = CeleryReader() if usual is celery else WorkerReader()
    assert outcome(reader, content, 0) == outcome(reader, OTHERS + content, OTHERS.count(b"\n"))
