"""`entro formats --explain`: which format a log is recognised as, why, and how its rows are understood."""

import json

import pytest

from tests.running import entro

TABLE = (
    "time,scraper_rate,llm_queue,note\n"
    "2026-04-06T12:00:00,1.5,3,a\n"
    "2026-04-06T12:00:10,2.5,4,b\n"
    "2026-04-06T12:00:20,many,5,c\n"
    "2026-04-06T12:00:30,3.5,6,d\n"
)
NONE = ("--config", "/dev/null", "--tz", "Europe/Berlin")


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def written(content, name="a.log"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return written


def explained(*arguments):
    outcome = entro("formats", "--explain", *arguments, *NONE, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    document = json.loads(outcome.out)
    assert document["schema"] == "entro/explanation/1"
    return document["logs"]


def test_a_table(log):
    (found,) = explained(log(TABLE))
    assert (found["path"], found["format"], found["error"]) == ("a.log", "table", None)
    assert found["candidates"][0]["format"] == "table"
    assert found["candidates"][0]["confidence"] > 0.5
    assert found["zone"] == "Europe/Berlin (--tz)"
    assert (found["rows_read"], found["rows_skipped"]) == (3, 1)
    assert [row.partition(": 2026")[0] for row in found["bad_rows"]] == ["line 4: not a number"]
    rate, queue = found["stages"]
    assert (rate["name"], rate["kind"], rate["column"], rate["samples"]) == ("scraper", "rate", "scraper_rate", 3)
    assert [sample["value"] for sample in queue["first"]] == [3.0, 4.0, 6.0]
    assert queue["first"][0]["start"] == "2026-04-06T12:00:00+02:00"
    text = entro("formats", "--explain", "a.log", *NONE).out
    for part in ("table", "read as Europe/Berlin (--tz)", "3 read, 1 skipped", "line 4: not a number"):
        assert part in text
    assert "llm, a queue from llm_queue: 3 samples" in text


def test_options_are_respected(log):
    name = log(TABLE)
    (found,) = explained(name, "--stage", "depth=llm_queue:queue")
    assert {stage["name"] for stage in found["stages"]} == {"depth", "scraper"}
    (found,) = explained(name, "--input-format", "vllm")
    assert found["format"] == "vllm"
    assert found["error"]
    assert [one["format"] for one in found["candidates"]] == ["table"]
    (found,) = explained(name, "--strict")
    assert found["error"].startswith("a.log: line 4: not a number")
    (found,) = explained(name, "--redact")
    assert found["lines"][1] == "xxxx-xx-xxxxx:xx:xx,x.x,x,x"


def test_the_runner_up_is_named(log):
    requests = "id,arrival_time,finished_at\n" + "".join(
        f"{at},2026-04-06T12:00:{at:02d},2026-04-06T12:00:{at + 5:02d}\n" for at in (1, 2, 9, 30)
    )
    (found,) = explained(log(requests))
    assert [(one["format"], one["confidence"]) for one in found["candidates"]] == [("events", 0.95), ("table", 0.7)]
    arrivals, waiting = found["stages"]
    assert (arrivals["measure"], waiting["measure"]) == ("events", "spans")
    assert waiting["first"][0]["end"] == "2026-04-06T12:00:02+02:00"


def test_a_declared_format_says_how_many_lines_match(log, tmp_path):
    (tmp_path / "entro.toml").write_text("[formats.mine]\npattern = '^(?P<time>\\S+) depth=(?P<queue>\\d+)'\n")
    name = log("start\n2026-04-06T12:00:00Z depth=3\n2026-04-06T12:00:10Z depth=4\n")
    outcome = entro("formats", "--explain", name, "--config", "entro.toml", "--json")
    (found,) = json.loads(outcome.out)["logs"]
    assert found["candidates"][0] == {
        "format": "mine",
        "confidence": 1.0,
        "reason": "2 of the first 3 lines match its pattern",
    }
    assert found["problems"] == ["1 line does not match the pattern of mine: left out"]


@pytest.mark.parametrize("content", ["what is this\nand this\n", "\x1b[31mred\x1b[0m [bold]x[/bold]\n" * 3])
def test_a_log_that_nothing_recognises(log, content):
    (found,) = explained(log(content))
    assert found["format"] is None
    assert "the format is not known" in found["error"]
    outcome = entro("formats", "--explain", "a.log", *NONE, columns=100)
    assert outcome.status == 0
    assert "not recognised" in outcome.out
    assert "[formats.my-log]" in outcome.out
    assert "\x1b" not in outcome.out
    if "bold" in content:
        assert "[bold]x[/bold]" in outcome.out


def test_files_that_are_no_logs_and_several_logs(log):
    names = [log(b"\0\1\2" * 50, "a.bin"), log("", "b.log"), log(TABLE, "c.csv")]
    found = explained(*names)
    assert [one["format"] for one in found] == [None, None, "table"]
    assert "binary" in found[0]["error"]
    assert "empty" in found[1]["error"]


def test_usage(log):
    name = log(TABLE)
    for arguments in (("--explain",), (name,)):
        outcome = entro("formats", *arguments)
        assert outcome.status == 2
        assert "--explain and LOGS need each other" in outcome.err
    assert "there is no such file" in entro("formats", "--explain", "nope.log").error
    assert "unknown format 'nope'" in entro("formats", "--explain", name, "--input-format", "nope").error
