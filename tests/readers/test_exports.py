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
