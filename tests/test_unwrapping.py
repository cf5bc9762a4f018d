"""Logs of every format, wrapped by a container runtime or a journal: the same figures as without."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entro_cli.readers.inputs.streams import split_streams
from entro_cli.readers.inputs.wrappings import wrapping_of
from tests.history.stored import days, ingest
from tests.history.test_merging import recalled
from tests.marks import slow
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


@pytest.mark.parametrize("name", ["celery.log", "scrapy.log", "sglang.log"])
def test_a_log_with_the_newest_line_first_is_turned_round(tmp_path, name):
    lines = (SAMPLES / "formats" / name).read_text().splitlines()
    (tmp_path / name).write_text("\n".join(reversed(lines)))
    assert figures(tmp_path / name) == figures(SAMPLES / "formats" / name)


def test_bad_rows_of_a_log_with_the_newest_line_first_have_their_numbers(tmp_path):
    rows = [json.dumps({"time": f"2026-04-06T00:{at:02}:00Z", "rate": at % 3, "queue": at % 5}) for at in range(40)]
    rows[9] = rows[9].replace('"rate": 0', '"rate": "broken"')
    (tmp_path / "rows").write_text("\n".join(reversed(rows)) + "\n")
    assert "line 31: not a number" in entro("analyze", tmp_path / "rows", "--tz", "UTC").err


LAST = [BEGIN]


def stamped(line, how):
    """A line of vLLM, whose own stamp has no year: the runtime's goes before it, and is the same here."""
    found = line.partition(" 04-06 ")[2][:8]
    if found:
        LAST[0] = datetime.fromisoformat(f"2026-04-06T{found}+00:00")
    return how(line, LAST[0]).replace(".123456789Z", "Z").replace(".800215693Z", "Z") + "\n"


@pytest.mark.parametrize("how", [docker, cri, journal_json], ids=lambda how: how.__name__)
def test_json_without_a_time_gets_that_of_its_line(tmp_path, how):
    rows = [json.dumps({"rate": at % 3, "queue": at % 5}) for at in range(40)]
    (tmp_path / "wrapped").write_text(wrapped("\n".join(rows), how))
    timed = [
        json.dumps({"time": f"{BEGIN + timedelta(seconds=at // 2)}"} | json.loads(row)) for at, row in enumerate(rows)
    ]
    (tmp_path / "timed").write_text("\n".join(timed))
    assert figures(tmp_path / "wrapped") == figures(tmp_path / "timed")


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


@pytest.mark.parametrize("how", [docker, slow(cri), slow(journal_json), compose], ids=lambda how: how.__name__)
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
    split_streams(tmp_path / "log", bytes(content), tmp_path / "out")


NAMES = ["vllm-6d5f9c7b4-abcde", "scraper-1", "vllm-6d5f9c7b4-fghij"]


def framed(frame, name, line, at):
    """A line of one writer among several."""
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.5Z"
    labels = {"pod_name": name, "container_name": "main", "namespace_name": "ns"}
    return {
        "compose": f"{name}  | {line}",
        "compose in colours": f"\x1b[36m{name}  | \x1b[0m{line}",
        "compose in a journal": f"Apr  6 08:00:00 host docker-compose[7]: {name}  | {line}",
        "syslog": f"<14>1 {stamp} {name} spider 12 - - {line}",
        "fluent-bit to a file": f"kube.{name}: [1775462400.5, " + json.dumps({"log": line}) + "]",
        "fluent-bit to a terminal": f"[3] kube.{name}: [[1775462400.5, {{}}], " + f'{{"log"=>{json.dumps(line)}}}]',
        "short-unix": f"1775462400.500000 {name} spider[7]: {line}",
        "kubectl behind times": f"{stamp} [pod/{name}/main] {line}",
        "an actor of Ray behind times": f"{stamp} (Engine pid={len(name)}, ip=10.0.0.{ord(name[-1])}) {line}",
        "kubectl": f"[pod/{name}/main] {line}",
        "stern": f"{name} main {line}",
        "stern -o json": json.dumps({"message": line, "podName": name, "containerName": "main", "namespace": "ns"}),
        "docker": json.dumps({"log": line + "\n", "stream": "stdout", "attrs": {"tag": name}, "time": stamp}),
        "fluentd": f"{stamp}\tkube.{name}\t" + json.dumps({"log": line, "stream": "stderr"}),
        "fluent-bit": json.dumps({"time": stamp, "stream": "stdout", "log": line + "\n", "kubernetes": labels}),
        "stern -A": f"prod {name} main {line}",
        "kubetail": f"[{name}] {line}",
        "swarm": f"stack_{name}.1.k3jd83hf9sk2@node    | {line}",
        "filebeat": json.dumps({"@timestamp": stamp, "message": line, "kubernetes": {"pod": {"name": name}}}),
        "vector": json.dumps({"timestamp": stamp, "message": line, "host": name, "source_type": "docker_logs"}),
        "gelf": json.dumps(
            {"version": "1.1", "host": name, "short_message": line, "timestamp": 1775462400.5, "level": 6}
        ),
        "gcp": json.dumps({"textPayload": line, "timestamp": stamp, "resource": {"labels": {"pod_name": name}}}),
        "loki": json.dumps({"line": line, "timestamp": stamp, "labels": {"pod": name}}),
        "logcli": f'{stamp} {{pod="{name}"}} {line}',
        "cloudwatch": f"{stamp} {name}/main {line}",
        "journald": json.dumps({"__REALTIME_TIMESTAMP": "1775462400000000", "_HOSTNAME": name, "MESSAGE": line}),
    }[frame]


OTHERS = "kube.{}", "Engine", "stack_{}.1.k3jd83hf9sk2@node", "{}/main", 'pod="{}"'
STAMPLESS = ["stern -A", "kubetail", "swarm"]
STAMPED = [
    "fluent-bit to a terminal",
    "short-unix",
    "kubectl behind times",
    "an actor of Ray behind times",
    "filebeat",
    "vector",
    "gelf",
    "gcp",
    "loki",
    "logcli",
    "cloudwatch",
]
FRAMES = [
    "compose",
    "compose in colours",
    "compose in a journal",
    "syslog",
    "fluent-bit to a file",
    "kubectl",
    "stern",
    "stern -o json",
    "docker",
    "fluentd",
    "fluent-bit",
    "journald",
    *STAMPLESS,
    *STAMPED,
]
SEEN_DAILY = {"compose", "kubectl", "stern -o json", "fluentd", "journald", "syslog"}
"""Framings that are tested on a developer's machine, too: one of each shape."""
OPTIONS = ("--json", "--tz", "UTC", "--year", "2026", "--step", "10s")


def mixed(logs, frame, seed):
    """The lines of several logs in one file, each log's in their order."""
    draw = random.Random(seed)
    left = {name: log.splitlines() for name, log in logs.items()}
    lines = []
    while left:
        name = draw.choice(list(left))
        count = draw.randrange(1, 30)
        lines += [framed(frame, name, line, BEGIN) for line in left[name][:count]]
        del left[name][:count]
        left = {key: value for key, value in left.items() if value}
    return "".join(line + "\n" for line in lines)


def sample_of(name):
    """A log of vLLM that differs from the other by its queues, or one of Scrapy."""
    if name == NAMES[1]:
        return (SAMPLES / "formats" / "scrapy.log").read_text()
    text = (SAMPLES / "formats" / "vllm.log").read_text()
    return text if name == NAMES[0] else text.replace("Waiting: ", "Waiting: 1")


@pytest.mark.parametrize("frame", [frame if frame in SEEN_DAILY else slow(frame) for frame in FRAMES])
def test_several_logs_in_one_file_give_what_their_files_give(tmp_path, frame):
    logs = {name: sample_of(name) for name in NAMES}
    if frame not in {
        "compose",
        "compose in colours",
        "compose in a journal",
        "kubectl",
        "stern",
        "stern -o json",
        *STAMPLESS,
    }:  # their stamp has the year, which vLLM's lacks
        logs = {NAMES[1]: sample_of(NAMES[1]), "celery-1": (SAMPLES / "formats" / "celery.log").read_text()}
    (tmp_path / "mixed.log").write_text(mixed(logs, frame, 1))
    for name, log in logs.items():
        (tmp_path / f"{name}.log").write_text(log)
    whole = entro("analyze", tmp_path / "mixed.log", *OPTIONS)
    parts = entro("analyze", *(tmp_path / f"{name}.log" for name in logs), *OPTIONS)
    assert (whole.status, parts.status) == (0, 0), whole.err
    one, several = json.loads(whole.out), json.loads(parts.out)
    identities = [source["identity"] for source in one["sources"]]
    assert len(identities) == len(logs)
    summed = {stage["name"]: stage["summed_sources"] for stage in one["stages"]}
    assert summed == ({"scraper": 1, "llm": 2} if NAMES[0] in logs else {"scraper": 2, "llm": 1})
    assert {name for identity in identities for name in identity.values()} & {
        *logs,
        *(part.format(name) for name in logs for part in OTHERS),
    }
    for document in (one, several):
        del document["sources"], document["recommendations"]
    assert one == several


def test_a_writer_of_unknown_lines_is_named_with_their_number(tmp_path):
    lines = mixed({"scraper-1": sample_of(NAMES[1]), "db-1": "ready\nstopped\n"}, "compose", 2)
    (tmp_path / "mixed.log").write_text(lines)
    outcome = entro("analyze", tmp_path / "mixed.log", *OPTIONS)
    assert "mixed.log (db-1): 2 lines are left out: no column is a time" in outcome.err
    assert [source["identity"] for source in json.loads(outcome.out)["sources"]] == [{"service": "scraper-1"}]


def test_the_only_log_that_can_be_read_in_a_file_with_several_is_stored(tmp_path):
    rows = [f'vllm-1  | {{"time": {1_795_694_400 + row}, "rate": 1, "queue": {row}}}\n' for row in range(30)]
    path = tmp_path / "compose.log"
    path.write_text("".join(f"{row}app-1   | hello\n" for row in rows))
    for _ in range(2):
        outcome = entro("ingest", path, "--history", tmp_path / "history")
        assert outcome.status == 0, outcome.err
    stored = entro("history", "export", "--history", tmp_path / "history").out
    assert len(stored.splitlines()) == 31


def test_bad_lines_of_a_writer_have_their_numbers_in_the_file(tmp_path):
    rows = ["time,rate,queue", *(f"2026-04-06T00:{at:02}:00Z,{at % 3},{at % 5}" for at in range(40))]
    rows[20] = "2026-04-06T00:19:00Z,broken,1"
    content = mixed({"table-1": "\n".join(rows), "scraper-1": sample_of(NAMES[1])}, "kubectl", 3)
    (tmp_path / "mixed.log").write_text(content)
    (number,) = (at for at, line in enumerate(content.splitlines(), 1) if "broken" in line)
    assert f"line {number}: not a number" in entro("analyze", tmp_path / "mixed.log", *OPTIONS).err


@pytest.mark.parametrize(
    "line",
    [
        '[GIN] 2026/04/06 - 08:00:{at:02} | 200 |   6.166414261s |       10.0.0.3 | POST     "/api/chat"',
        "2026-04-06 08:00:{at:02}.000 | INFO     | scrapy.extensions.logstats:log:54 - Crawled {at} pages",
        "slot launch_slot_: id  0 | task {at} | processing task",
    ],
)
def test_lines_with_bars_in_them_are_no_rows_of_a_table(line):
    lines = [f"{name}  | {line.format(at=at)}\n" for at in range(50) for name in NAMES]
    assert wrapping_of("".join(lines).encode()) == "docker compose"


def test_log_events_that_the_tools_of_aws_print_are_lines(tmp_path):
    events = [
        {"logStreamName": f"vllm/{name}", "timestamp": 1775462400000 + 10000 * at, "message": line, "eventId": f"{at}"}
        for name in NAMES
        for at, line in enumerate(sample_of(NAMES[0]).splitlines())
    ]
    (tmp_path / "events.json").write_text(json.dumps({"events": events}, indent=4))
    outcome = entro("analyze", tmp_path / "events.json", *OPTIONS)
    assert {source["identity"]["stream"] for source in json.loads(outcome.out)["sources"]} == {
        f"vllm/{name}" for name in NAMES
    }


@pytest.mark.slow
@pytest.mark.parametrize("frame", ["compose", slow("kubectl")])
def test_a_file_with_several_logs_that_grows_is_read_on(tmp_path, frame):
    content = mixed({name: sample_of(name) for name in NAMES}, frame, 4)
    options = ("--tz", "UTC", "--year", "2026", "--step", "10s")
    for cut in (len(content) // 3, len(content) // 2 + 7, len(content)):
        (tmp_path / "log").write_text(content[:cut])
        ingest(tmp_path / "parts", tmp_path / "log", *options)
    ingest(tmp_path / "whole", tmp_path / "log", *options)
    assert days(tmp_path / "parts") == days(tmp_path / "whole")
    assert "nothing new" in ingest(tmp_path / "parts", tmp_path / "log", *options).out


def test_a_file_that_was_stored_as_one_log_is_split_from_the_next_step_on(tmp_path):
    lines = [f"2026-04-06T08:{at // 6:02}:{at % 6}0Z,{at % 3},7" for at in range(240)]
    log, options = tmp_path / "log", ("--tz", "UTC", "--step", "10s")
    log.write_text("\n".join(["time,rate,queue", *lines[:120], ""]))  # as releases did that dropped the writers
    ingest(tmp_path / "h", log, *options)
    writers = {name: "\n".join(["time,rate,queue", *lines]) for name in ("a-1", "b-1")}
    log.write_text(mixed(writers, "kubectl", 5))
    ingest(tmp_path / "h", log, *options)
    (queue,) = (
        values
        for stage, values in zip(("scraper", "llm"), recalled(tmp_path / "h").loads, strict=True)
        if stage == "llm"
    )
    assert queue.tolist() == [7.0] * 120 + [14.0] * 120


@pytest.mark.parametrize(
    "line",
    [
        "{number} | 2026-04-06 | 4.5 | 3",
        "scraper | 177546{number} | 1.0 | 2",
        "2026-04-06 info message {number}",
        "{number}: a numbered line",
        '{{"message": "served", "pod_name": "a", "status": {number}}}',
    ],
)
def test_what_only_looks_like_a_writer_is_left_alone(line):
    assert wrapping_of("".join(line.format(number=at) + "\n" for at in range(50)).encode()) == ""
