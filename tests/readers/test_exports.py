"""Documents that hold a table, and packed logs, give what the plain table gives."""

import csv
import io
import json
import tarfile

import pytest

from tests.running import entro

TIMES = [f"2026-11-26T12:{minute:02}:00" for minute in range(20)]
LOADS = [(minute % 4, 3 * minute) for minute in range(20)]
PLAIN = "time,scraper_rate,llm_queue\n" + "".join(
    f"{time}Z,{rate},{queue}\n" for time, (rate, queue) in zip(TIMES, LOADS, strict=True)
)


def steps(path, *options):
    outcome = entro("analyze", path, "--steps-csv", "-", "--tz", "UTC", *options)
    assert outcome.status == 0, outcome.err
    return [row.split(",")[:3] for row in outcome.out.splitlines()[1:]]


@pytest.fixture
def expected(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text(PLAIN)
    return steps(path)


def array():
    rows = csv.DictReader(io.StringIO(PLAIN))
    return json.dumps([{**row, "scraper_rate": float(row["scraper_rate"])} for row in rows], indent=1)


def cloudwatch_console():
    head = [
        "Full label,ApproximateNumberOfMessagesVisible,NumberOfMessagesSent",
        "Account ID,,",
        "Id,m1,m2",
        "Label,ApproximateNumberOfMessagesVisible,NumberOfMessagesSent",
        "Period,60,60",
        "Statistic,Average,Sum",
        "Timestamps,,",
    ]
    rows = [
        f"{time.replace('-', '/').replace('T', ' ')},{queue},{60 * rate}"
        for time, (rate, queue) in zip(TIMES, LOADS, strict=True)
    ]
    return "\n".join([*head, *rows, ""])


def cloudwatch_answer():
    times = [f"{time}+00:00" for time in TIMES][::-1]
    metrics = {
        "ApproximateNumberOfMessagesVisible": [queue for _, queue in LOADS][::-1],
        "NumberOfMessagesSent": [60 * rate for rate, _ in LOADS][::-1],
    }
    found = [{"Id": "m", "Label": label, "Timestamps": times, "Values": values} for label, values in metrics.items()]
    return json.dumps({"MetricDataResults": found, "Messages": []}, indent=4)


def cloudwatch_statistics(label, statistic, values):
    points = [
        {"Timestamp": f"{time}Z", statistic: value, "Unit": "Count"} for time, value in zip(TIMES, values, strict=True)
    ]
    return json.dumps({"Label": label, "Datapoints": points[::2] + points[1::2]})


def test_answers_to_get_metric_statistics_of_two_metrics(tmp_path, expected):
    queue = cloudwatch_statistics("ApproximateNumberOfMessagesVisible", "Average", [queue for _, queue in LOADS])
    rate = cloudwatch_statistics("NumberOfMessagesSent", "Sum", [60 * rate for rate, _ in LOADS])
    (tmp_path / "queue.json").write_text(queue)
    (tmp_path / "rate.json").write_text(rate)
    outcome = entro("analyze", tmp_path / "queue.json", tmp_path / "rate.json", "--steps-csv", "-", "--tz", "UTC")
    assert [row.split(",")[:3] for row in outcome.out.splitlines()[1:]] == expected


def test_metrics_of_two_periods(tmp_path, expected):
    sent = [sum(60 * rate for rate, _ in LOADS[begin : begin + 5]) for begin in range(0, 20, 5)]
    answer = json.loads(cloudwatch_answer())
    answer["MetricDataResults"][1] |= {"Timestamps": [f"{time}+00:00" for time in TIMES[::5]], "Values": sent}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    rates = [float(row[1]) for row in steps(tmp_path / "answer.json")]
    assert rates == [total / 300 for total in sent]


@pytest.mark.parametrize(("unit", "factor"), [("Count/Second", 1), ("Count/Minute", 60), ("None", 1)])
def test_units_of_get_metric_statistics(unit, factor, tmp_path, expected):
    answer = cloudwatch_statistics("CrawlerRate", "Average", [factor * rate for rate, _ in LOADS])
    (tmp_path / "rate.json").write_text(answer.replace('"Count"', f'"{unit}"'))
    assert [row[1] for row in steps(tmp_path / "rate.json")] == [row[1] for row in expected]
    answer = cloudwatch_statistics("QueueOfCrawler", "Average", [0.5 for _ in LOADS])
    (tmp_path / "queue.json").write_text(answer.replace('"Count"', '"Percent"'))
    outcome = entro("analyze", tmp_path / "queue.json")
    assert "QueueOfCrawler Average percent: by name something else" in outcome.error


def influx(pods=1):
    text = ""
    for place, field in enumerate(["scraper_rate", "llm_queue"]):
        for pod in range(pods):
            text += "#group,false,false,true,false,false,true,true,true\n#datatype,string,long,string,...\n"
            text += "#default,_result,,,,,,,\n,result,table,_start,_time,_value,_field,_measurement,pod\n"
            for time, load in zip(TIMES, LOADS, strict=True):
                text += f",,{place},2026-11-26T12:00:00Z,{time}Z,{load[place] / pods},{field},pipe,pod-{pod}\n"
            text += "\n"
    return text


def packed(names):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in names:
            part = tarfile.TarInfo(name)
            part.size = len(PLAIN)
            archive.addfile(part, io.BytesIO(PLAIN.encode()))
    return out.getvalue()


EXPORTS = {
    "array": array(),
    "cloudwatch console": cloudwatch_console(),
    "cloudwatch answer": cloudwatch_answer(),
    "influx": influx(),
    "influx, two pods": influx(2),
    "tar.gz": packed(["logs/._log.csv", "logs/log.csv"]),
}


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_export_gives_what_the_plain_table_gives(tmp_path, expected, kind):
    content = EXPORTS[kind]
    path = tmp_path / "export"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert steps(path) == expected


def test_an_archive_of_several_logs_is_refused(tmp_path):
    path = tmp_path / "logs.tgz"
    path.write_bytes(packed(["a.csv", "b.csv"]))
    outcome = entro("analyze", path)
    assert outcome.status == 1
    assert "the tar archive has 2 files; expected one log; unpack it" in outcome.err


def test_a_damaged_archive_is_refused(tmp_path):
    import gzip

    path = tmp_path / "logs.tgz"
    path.write_bytes(gzip.compress(gzip.decompress(packed(["a.csv"]))[:700]))
    outcome = entro("analyze", path)
    assert outcome.status == 1
    assert "the tar archive is damaged" in outcome.err


@pytest.mark.parametrize(
    "content", ["[{", '[{"a": 1}, 2]', "[" * 100_000, '{"MetricDataResults": 3}', "#group,false\n", "Full label,x\n"]
)
def test_other_documents_are_refused_in_words(tmp_path, content):
    path = tmp_path / "document"
    path.write_text(content)
    outcome = entro("analyze", path)
    assert outcome.status == 1
    assert "Traceback" not in outcome.err


def test_messages_that_are_not_visible_are_no_queue(tmp_path):
    path = tmp_path / "export"
    path.write_text(cloudwatch_console().replace("MessagesVisible", "MessagesNotVisible"))
    outcome = entro("analyze", path)
    assert "not a queue by name: ApproximateNumberOfMessagesNotVisible" in outcome.err


LINES = [
    f"INFO 11-26 12:00:{second:02} [loggers.py:1] Engine 000: Avg prompt throughput: 5.0 tokens/s, Avg generation "
    f"throughput: 5.0 tokens/s, Running: 1 reqs, Waiting: {second} reqs, GPU KV cache usage: 0.7%"
    for second in range(0, 60, 10)
]


def exported(header, row):
    """A CSV of lines, the newest first."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *reversed([row(f"2026-11-26T12:00:{line[17:19]}", line) for line in LINES])])
    return text.getvalue()


LOGGED = {
    "Grafana": exported(["Time", "Line"], lambda time, line: [time.replace("T", " "), line]),
    "Loki": exported(["timestamp", "labels", "Line"], lambda time, line: [f"{time}Z", '{"pod": "vllm-0"}', line]),
    "Datadog": exported(["Date", "Host", "Service", "Message"], lambda time, line: [f"{time}.000Z", "h", "vllm", line]),
    "Splunk": exported(["_time", "host", "_raw"], lambda time, line: [f"{time}.000+0000", "h", line]),
}


@pytest.mark.parametrize("kind", LOGGED)
def test_lines_of_a_log_in_a_column_are_read_as_that_log(tmp_path, kind):
    plain, path = tmp_path / "plain.log", tmp_path / "export.csv"
    plain.write_text("".join(f"{line}\n" for line in LINES))
    path.write_text(LOGGED[kind])
    assert steps(path) == steps(plain, "--year", "2026")
    assert "clock" not in entro("analyze", path, "--tz", "UTC").err


def test_lines_of_two_services_are_two_sources(tmp_path):
    path = tmp_path / "export.csv"
    rows = [("12:00", line) for line in LINES]
    text = io.StringIO()
    csv.writer(text).writerows(
        [
            ["Date", "Service", "Message"],
            *([f"2026-11-26T{time}", f"vllm-{at}", line] for time, line in rows for at in "ab"),
        ]
    )
    path.write_text(text.getvalue())
    assert [row[1] for row in steps(path)] == [f"{2.0 * second}" for second in range(0, 60, 10)]


def test_a_table_with_a_column_of_messages_is_a_table(tmp_path, expected):
    path = tmp_path / "table.csv"
    head, *rows = PLAIN.splitlines()
    path.write_text(f"{head},message\n" + "".join(f"{row},fine\n" for row in rows))
    assert steps(path) == expected
