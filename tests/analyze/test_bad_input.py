"""Input that cannot be read gives one line: what, where, what was expected, how to fix it. Status 1, no output."""

import gzip
import io
import os
import re
import sys
import zipfile

import pytest

from tests.running import entro

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD = "time,scraper_rate,llm_queue\n"
GOOD = HEAD + "".join(f"2026-04-06T12:00:{second:02}Z,1.1,{second}\n" for second in range(50))


def rows(*texts, head=HEAD):
    return (head + "".join(f"{text}\n" for text in texts)).encode()


def with_bad(cell):
    """A log most of whose rows are bad."""
    return rows(*(f"2026-04-06T12:00:{second:02}Z,{cell},1" for second in range(9)))


def packed_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("log.csv", GOOD)
    return out.getvalue()


BAD = {
    "empty": (b"", r"is empty; expected a log with at least one row"),
    "blank": (b" \n\n\t\n", r"is empty"),
    "empty, packed": (gzip.compress(b""), r"is empty"),
    "header only": (
        HEAD.encode(),
        r"header but no rows that fit it; expected rows of 3 cells \(time, scraper_rate, llm_q",
    ),
    "header only, no end of line": (HEAD.strip().encode(), r"header but no rows"),
    "no time column": (rows("a,1,2", "b,1,3", head="host,scraper_rate,llm_queue\n"), r"no column is a time; .*--time"),
    "two time columns": (
        rows("2026-04-06,2026-04-06,1", "2026-04-07,2026-04-07,1", head="time,timestamp,queue\n"),
        r"2 columns may be the time: time, timestamp; .*add --time time; the columns are time, timestamp, queue",
    ),
    "two unnamed times": (
        rows("2026-04-06,2026-04-06,1", "2026-04-07,2026-04-07,1", head="begun,ended,queue\n"),
        r"2 columns may be the time: begun, ended; .*--time begun",
    ),
    "a time that is none": (rows("yesterday,1,2", "today,1,3"), r"column time does not hold times but yesterday"),
    "two rates": (
        rows("2026-04-06,1,2", head="time,rps,scraper_rate\n"),
        r"2 columns may be the rate: rps, scraper_rate; expected one; add --stage scraper=rps or another, or A.B "
        r"to add two; the columns",
    ),
    "two queues of one name": (rows("2026-04-06,1,2", head="time,queue,queue\n"), r"2 columns may be the queue"),
    "no stage": (
        rows("2026-04-06,1,2", head="time,cpu,memory\n"),
        r"no column is recognised as a rate or a queue; .*--stage llm=COLUMN:queue; the columns are time, cpu, memory",
    ),
    "one column": (rows("2026-04-06", "2026-04-07", head="time\n"), r"no column is recognised|header but no rows"),
    "text in numbers": (
        with_bad("fast"),
        r"9 of 9 rows cannot be read \(line 2: not a number: .*,fast,1\); the file beg",
    ),
    "infinities": (with_bad("inf"), r"9 of 9 rows .*line 2: infinite"),
    "numbers too large": (with_bad("1e300"), r"9 of 9 rows .*line 2: infinite"),
    "negative loads": (with_bad("-1"), r"9 of 9 rows .*line 2: negative"),
    "mostly ragged": (
        rows(*["2026-04-06,1,2", "2026-04-06,1", "2026-04-06,1,2,3"] * 3),
        r"6 of 9 rows .*line 3: 2 cells instead of 3",
    ),
    "mixed zones": (
        rows("2026-04-06T12:00:00Z,1,2", "2026-04-06T12:00:01,1,3"),
        r"1 of 2 times name no zone while the others do; expected a zone in all times or in none; .*--tz",
    ),
    "only empty cells": (rows("2026-04-06T12:00:00Z,,"), r"has no sample, only rows with empty cells"),
    "zeros": (b"\0" * 5000, r"this is a binary file"),
    "binary": (os.urandom(64).replace(b"\x1f", b"x") + b"\0\1\2" * 500, r"this is a binary file|damaged"),
    "an ELF": (b"\x7fELF\2\1\1" + b"\0" * 100, r"this is a binary file"),
    "zip": (packed_zip(), r"this is a zip archive; .*unpack it first"),
    "pdf": (b"%PDF-1.7\n", r"this is a PDF"),
    "truncated gzip": (
        gzip.compress(GOOD.encode())[:-9],
        r"the gzip file is cut short; expected a complete file; copy it",
    ),
    "gzip cut in its header": (gzip.compress(GOOD.encode())[:5], r"the gzip file is cut short"),
    "damaged gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\3" + b"\xff" * 50, r"the gzip file is damaged"),
    "gzip with a tail": (gzip.compress(GOOD.encode()) + b"tail", r"the gzip file is damaged"),
    "truncated zstd": (
        zstd.compress(GOOD.encode())[:-5],
        r"the zstd file is cut short; expected a complete file; copy it",
    ),
    "damaged zstd": (b"\x28\xb5\x2f\xfd" + b"\xff" * 50, r"the zstd file is damaged"),
    "truncated parquet": (b"PAR1" + b"\x15\0" * 500, r"the file is damaged or cut short"),
    "prose": (b"It was a dark night.\nThe rain fell.\n", r"the format is not known; it begins with: It was a dark"),
    "a server's log": (
        b"2026-04-06 12:00:00,123 INFO started, listening\n2026-04-06 12:00:01,123 INFO ready, waiting\n" * 20,
        r"the format is not known|does not hold times|no column|cannot be read",
    ),
    "JSON that is cut": (b'{"time": "2026-04-06T12:00:00Z", "queue"\n' * 5, r"not known|no rows|no column"),
    "a JSON array that is cut": (
        b'[{"time": 1, "queue": 2},\n {"time": 2, "queue": 2}',
        r"the format is not known; .*JSON lines",
    ),
    "deep JSON": (b'{"a":' + b"[" * 60000, r"not known|no rows|no column"),
    "long, no stages known": (
        rows("2026-04-06,cpu,1", "2026-04-06,disk,2", head="time,stage,value\n"),
        r"nothing says what the column cpu measures; .*--stage cpu=cpu:queue",
    ),
    "long, too many stages": (
        rows(*(f"2026-04-06,queue{number},1" for number in range(100)), head="time,stage,value\n"),
        r"the stage column holds 100 different names; expected at most 64",
    ),
    "long, two kinds": (
        rows("2026-04-06,a,1,rate", "2026-04-07,a,1,queue", head="time,stage,value,kind\n"),
        r"stage a is a queue and a rate; expected one kind",
    ),
    "stray dates": (
        GOOD.encode() + b"".join(b"2062-04-06T12:00:0%dZ,1,2\n" % second for second in range(3)),
        r"106 samples span 1,136,073,603 steps .* no sample between 2026-04-06T12:00:49.* and 2062-04-06.*is probably",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_one_line_and_status_1(tmp_path, case):
    content, message = BAD[case]
    log = tmp_path / "a log"
    log.write_bytes(content)
    error = entro("analyze", log).error
    assert re.search(message, error), error
    if case != "stray dates":
        assert str(log) in error
    assert len(error) < 1000


@pytest.mark.parametrize("case", ["text in numbers", "prose", "a time that is none"])
def test_what_a_log_holds_is_masked_when_asked(tmp_path, case):
    (tmp_path / "log").write_bytes(BAD[case][0])
    error = entro("analyze", tmp_path / "log", "--redact").error
    assert not re.search("fast|dark|yesterday", error)
    assert re.search("x{4}", error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], r"nowhere.csv: there is no such file; expected a log, a folder"),
        (["no*where.csv"], r"there is no such file"),
        (["{folder}/none"], r"none: the folder contains no files; expected logs"),
        (["{folder}/other"], r"other: none of the 2 files is a log"),
        (["-", "{log}"], r"standard input cannot be read together with other logs"),
        (["{log}", "--tz", "Mars/Olympus"], r"--tz: unknown time zone 'Mars/Olympus'"),
        (["{log}", "--step", "soon"], r"--step: 'soon' is not a duration; expected a number above 0 with"),
        (["{log}", "--step", "0s"], r"--step: '0s' is not a duration"),
        (["{log}", "--stage", "llm"], r"--stage: 'llm' is not a stage; expected NAME=COLUMN"),
        (["{log}", "--stage", "llm=nothing"], r"--stage llm: no log has samples of nothing"),
        (["{log}", "--stage", "llm=llm_queue:queue:0"], r"full load of stage llm: is 0.0; expected a number above 0"),
        (["{log}", "--stage", "llm=llm_queue:queue:big"], r"'big' is not a full load"),
        (["{log}", "--stage", "a=llm_queue", "--stage", "a=scraper_rate"], r"stage a is given twice"),
        (["{folder}/twice", "--stage", "llm=queue"], r"two columns are called queue"),
        (["{log}", "--time", "when"], r"no column is called when; .*the columns are time, scraper_rate, llm_queue"),
        (["{log}", "--input-format", "excel"], r"--input-format: unknown format 'excel'; expected one of table"),
        (["{log}", "--start", "noon"], r"--start: 'noon' is not a date or time"),
        (["{log}", "--since", "2030-01-01"], r"--since/--until: the log has no step in this period"),
        (["{log}", "--offset", "log=soon"], r"--offset"),
        (["{log}", "--offset", "other.csv=1s"], r"--offset: no log is called other.csv; expected .*log.csv"),
        (["{log}", "--budget", "-1"], r"psi_budget: is -1.0"),
        (["{log}", "--objective", "often"], r"--objective: 'often' is not an objective"),
        (["{log}", "--fail-on", "violations"], r"--fail-on: 'violations' is not a gate; expected NAME>NUMBER"),
        (["{log}", "--fail-on", "joy>1"], r"--fail-on joy>1: no number is named joy, .* expected a number of the JSON"),
        (["{log}", "--steps-csv", "/dev/null/steps.csv"], r"/dev/null/steps.csv: cannot be written"),
        (["{log}", "{folder}/later.csv"], r"stage llm begins 23 h 59 min after stage scraper ends; .*--offset"),
    ],
)
def test_options_that_do_not_fit(tmp_path, arguments, message):
    (tmp_path / "none").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("To whom it may concern\n")
    (tmp_path / "other" / "empty").touch()
    log = tmp_path / "log.csv"
    log.write_text(GOOD if "later" not in arguments[-1] else GOOD.replace(",llm_queue", ""))
    if "later" in arguments[-1]:
        log.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in GOOD.splitlines()))
    (tmp_path / "twice").write_text("time,queue,queue\n2026-04-07,1,2\n")
    (tmp_path / "later.csv").write_text("time,queue\n2026-04-07T12:00:00Z,1\n2026-04-07T12:00:01Z,2\n")
    error = entro("analyze", *(part.format(folder=tmp_path, log=log) for part in arguments)).error
    assert re.search(message, error), error


@pytest.mark.parametrize("arguments", [[], ["log", "--no-such-option"], ["log", "--budget", "much"]])
def test_wrong_usage(arguments):
    outcome = entro("analyze", *arguments)
    assert (outcome.status, outcome.out) == (2, "")


def test_the_first_bad_row_ends_a_strict_run(tmp_path):
    (tmp_path / "log").write_text(GOOD + "2026-04-06T12:01:00Z,1,many\n")
    assert entro("analyze", tmp_path / "log").status == 0
    error = entro("analyze", tmp_path / "log", "--strict").error
    assert error.endswith(
        "log: line 52: not a number: 2026-04-06T12:01:00Z,1,many; expected good rows only, with --strict"
    )


def test_nothing_is_left_half_written(tmp_path):
    (tmp_path / "log").write_text(HEAD)
    assert entro("analyze", tmp_path / "log", "--steps-csv", tmp_path / "steps.csv").status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
