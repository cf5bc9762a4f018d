"""Logs of every format, wrapped by a container runtime or a journal: the same figures as without."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entro_cli.readers.inputs.unwrap import unwrap, wrapping_of
from tests.history.stored import days, ingest
from tests.running import entro

SAMPLES = Path(__file__).parents[1] / "sample_logs"
LOGS = ["vllm.log", "sglang.log", "scrapy.log", "celery.log", "requests.csv"]
BEGIN = datetime(2026, 4, 6, 8, 0, tzinfo=UTC)


def docker(line, at):
    entry = {"log": line + "\n", "stream": "stderr", "time": f"{at:%Y-%m-%dT%H:%M:%S}.123456789Z"}
    return json.dumps(entry, separators=(",", ":"))


def cri(line, at):
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.800215693Z stderr"
    return f"{stamp} F {line}" if len(line) < 60 else f"{stamp} P {line[:40]}\n{stamp} F {line[40:]}"


def journal_json(line, at):
    return json.dumps({"__REALTIME_TIMESTAMP": str(round(at.timestamp() * 10**6)), "PRIORITY": "6", "MESSAGE": line})


def journal_short(line, at):
    return f"{at:%b %d %H:%M:%S} host entro[123]: {line}"


def journal_iso(line, at):
    return f"{at:%Y-%m-%dT%H:%M:%S}+0000 host entro[123]: {line}"


def compose(line, at):
    return f"server-1  | {line}"


WRAPPED = {
    docker: "Docker",
    cri: "Kubernetes (CRI)",
    journal_json: "journald (JSON)",
    journal_short: "journald",
    journal_iso: "journald",
    compose: "docker compose",
}


def figures(path):
    outcome = entro("analyze", path, "--json", "--tz", "UTC", "--year", "2026", "--step", "10s")
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    del document["sources"], document["recommendations"]
    return document


def wrapped(text, how):
    return "".join(how(line, BEGIN + timedelta(seconds=at // 2)) + "\n" for at, line in enumerate(text.splitlines()))


@pytest.mark.parametrize("how", WRAPPED, ids=lambda how: how.__name__)
@pytest.mark.parametrize("name", LOGS)
def test_the_lines_inside_are_read(tmp_path, name, how):
    path = tmp_path / name
    text = wrapped((SAMPLES / "formats" / name).read_text(), how)
    if name == "vllm.log" and how not in {journal_short, compose}:
        text = "".join(stamped(line, how) for line in (SAMPLES / "formats" / name).read_text().splitlines())
    path.write_text(text)
    assert wrapping_of(path.read_bytes()[: 1 << 16]) == WRAPPED[how]
    assert figures(path) == figures(SAMPLES / "formats" / name)


LAST = [BEGIN]


def stamped(line, how):
    """A line of vLLM, whose own stamp has no year: the runtime's goes before it, and is the same here."""
    found = line.partition(" 04-06 ")[2][:8]
    if found:
        LAST[0] = datetime.fromisoformat(f"2026-04-06T{found}+00:00")
    return how(line, LAST[0]).replace(".123456789Z", "Z").replace(".800215693Z", "Z") + "\n"


def test_a_table_in_a_journal_keeps_its_rows_and_their_numbers(tmp_path):
    path = tmp_path / "table"
    rows = ["time,rate,queue", *(f"2026-04-06T00:{at:02}:00Z,{at % 3},{at % 5}" for at in range(40))]
    rows[20] = "2026-04-06T00:19:00Z,broken,1"
    path.write_text(wrapped("\n".join(rows), docker))
    outcome = entro("analyze", path, "--tz", "UTC")
    assert outcome.status == 0
    assert "line 21: not a number" in outcome.err


@pytest.mark.parametrize(
    "content",
    [
        b"time,rate,queue\n2026-04-06T00:00:00Z,1,2\n",
        b'{"time":"2026-04-06T00:00:00Z","rate":1,"queue":2}\n',
        b"time | rate | queue\n1775462400 | 1.0 | 2\n1775462410 | 1.0 | 2\n",
        (SAMPLES / "five-weeks.csv").read_bytes()[: 1 << 16],
        *((SAMPLES / "formats" / name).read_bytes()[: 1 << 16] for name in [*LOGS, "prometheus.json"]),
    ],
)
def test_what_is_not_wrapped_is_left_alone(content):
    assert wrapping_of(content) == ""


@pytest.mark.parametrize("how", [docker, cri, journal_json, compose], ids=lambda how: how.__name__)
def test_a_wrapped_log_that_grows_is_read_on(tmp_path, how):
    text = wrapped((SAMPLES / "formats" / "celery.log").read_text(), how)
    for cut in (len(text) // 3, len(text) // 2, len(text) - 7, len(text)):
        (tmp_path / "log").write_text(text[:cut])
        ingest(tmp_path / "parts", tmp_path / "log", "--tz", "UTC", "--step", "10s")
    ingest(tmp_path / "whole", tmp_path / "log", "--tz", "UTC", "--step", "10s")
    assert days(tmp_path / "parts") == days(tmp_path / "whole")


@pytest.mark.parametrize("seed", range(30))
def test_damage_never_breaks_it(tmp_path, seed):
    draw = random.Random(seed)
    how = draw.choice(list(WRAPPED))
    content = bytearray(wrapped("\n".join(["INFO something"] * 40), how).encode())
    for _ in range(draw.randrange(1, 20)):
        place = draw.randrange(len(content))
        what = draw.choice([b"\xff", b"\r\n", b'"', b"{", b"P ", b"[1, 999]", b""])
        content[place : place + draw.randrange(4)] = what
    (tmp_path / "log").write_bytes(bytes(content))
    unwrap(tmp_path / "log", bytes(content), tmp_path / "out")
