"""`entro report` and `entro demo` in a folder: in this process, and for a few of them through the installed command."""

from __future__ import annotations

import json
import os
import re
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest

from tests import running

ROOT = Path(__file__).parents[2]
FIVE_WEEKS = ROOT / "sample_logs" / "five-weeks.csv"
SERVER_GAUGES = ROOT.parent / "shared" / "data" / "requests" / "timeseries.csv"
BERLIN = ("--tz", "Europe/Berlin")


def installed(*arguments: str | Path, cwd: Path, status: int = 0) -> running.Outcome:
    """Run the installed command in a folder and check its status."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LC_ALL": "C.UTF-8"}
    process = running.entro_process(*arguments, cwd=cwd, env=environment, timeout=120)
    assert process.returncode == status, process.stderr
    return running.Outcome(process.returncode, process.stdout, process.stderr)


def entro(*arguments: str | Path, cwd: Path, status: int = 0) -> running.Outcome:
    """Run the same in this process, which needs no imports for it."""
    with chdir(cwd), patch.dict(os.environ, {"HOME": str(cwd)}):
        outcome = running.entro(*arguments)
    assert outcome.status == status, outcome.err
    return outcome


def test_a_week_is_a_page_in_this_folder_and_text_on_the_terminal(tmp_path: Path) -> None:
    result = installed("report", "--weekly", "--logs", FIVE_WEEKS, *BERLIN, cwd=tmp_path)
    assert "Week 15, 6 to 12 April 2026" in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    assert "\x1b" not in result.out
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert names[0] == "default-week-2026-W15.html"
    assert names[1].startswith("plotly-")
    assert len(names) == 2


def test_logs_without_a_period_are_one_page_without_a_column_of_what_was_before(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("".join(FIVE_WEEKS.read_text().splitlines(keepends=True)[:2001]))
    text = entro("report", log, *BERLIN, "--long", cwd=tmp_path).out
    page = (tmp_path / "default-range-2026-03-09T000000_2026-03-10T092000.html").read_text(encoding="utf-8")
    markdown = entro("report", log, *BERLIN, "--format", "markdown", cwd=tmp_path).out
    document = json.loads(entro("report", "--logs", log, *BERLIN, "--json", cwd=tmp_path).out)
    for report in (text, page, markdown):
        assert "this range" in report
        assert "previous range" not in report
    assert document["previous_figures"] is None
    assert document["silences"] == []
    assert (document["figures"]["steps"], document["figures"]["coverage"]) == (2000, 1)
    assert document["period"]["end"] == document["made"]["log_end"] == "2026-03-10T09:20:00+01:00"
    cut = json.loads(entro("report", log, *BERLIN, "--until", "2026-03-10", "--json", cwd=tmp_path).out)
    assert (cut["period"]["label"], cut["figures"]["steps"]) == ("2026-03-09_2026-03-10", 1440)


@pytest.mark.slow
def test_quiet_prints_nothing_but_a_text_that_is_asked_for(tmp_path: Path) -> None:
    command = ("report", FIVE_WEEKS, "--weekly", *BERLIN, "--quiet")
    assert entro(*command, cwd=tmp_path)[1:] == ("", "")
    assert (tmp_path / "default-week-2026-W15.html").is_file()
    asked = installed(*command, "--format", "terminal", cwd=tmp_path)
    assert asked.err == ""
    installed(*command, "--format", "terminal", "--out", "week.txt", cwd=tmp_path)
    assert (tmp_path / "week.txt").read_text(encoding="utf-8") == asked.out
    assert len(entro(*command, "--long", cwd=tmp_path).out.splitlines()) > 100


@pytest.mark.slow
def test_a_terminal_gets_its_width_and_colours_for_better_and_worse(tmp_path: Path) -> None:
    command = ("report", FIVE_WEEKS, "--weekly", *BERLIN, "--format", "terminal")
    # More time over the budget is worse, and less is better.
    for columns, week, change in (
        (40, "2026-W15", r"\x1b\[31m +\+11 min\x1b"),
        (132, "2026-W13", r"\x1b\[32m +-[\w ]+ min\x1b"),
    ):
        status, shown = running.entro_terminal(*command, "--date", week, cwd=tmp_path, columns=columns)
        assert status == 0
        assert re.search(change, shown)
        # On a busy machine there is progress first, which the report overwrites.
        lines = re.sub(r"\x1b\[\d*m", "", shown).rpartition("\x1b[2K")[2].removeprefix("\x1b[?25h").splitlines()
        assert len(lines) <= 24
        assert max(map(len, lines)) == columns


@pytest.mark.slow
def test_the_page_is_opened_in_the_browser_or_the_reason_is_said(tmp_path: Path) -> None:
    opened = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BROWSER": "echo"}
    command = ("report", FIVE_WEEKS, *BERLIN, "--format", "html", "--out", "a page.html", "--open", "--quiet")
    browser = running.entro_process(*command, cwd=tmp_path, env=opened)
    assert (browser.returncode, browser.stdout) == (0, f"{(tmp_path / 'a page.html').as_uri()}\n")
    assert "there is no display; open" in installed(*command, cwd=tmp_path).err
    for wrong in (("--json",), ("--out", "-")):
        assert "--open needs a page" in entro("report", FIVE_WEEKS, "--open", *wrong, cwd=tmp_path, status=2).err


@pytest.mark.slow
def test_the_same_report_twice_is_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        installed(
            "report", "--monthly", "--logs", FIVE_WEEKS, *BERLIN, "--format", "html", "--out", folder, cwd=tmp_path
        )
    (first,), (second,) = (list((tmp_path / folder).glob("*.html")) for folder in ("first", "second"))
    assert first.name == second.name == "default-month-2026-04.html"
    assert first.read_bytes() == second.read_bytes()


def test_the_json_document_is_the_page_s_period(tmp_path: Path) -> None:
    arguments = ("report", "--daily", "--date", "2026-03-31", "--logs", FIVE_WEEKS, *BERLIN, "--json")
    document = json.loads(entro(*arguments, cwd=tmp_path).out)
    assert document["schema"] == "entro/report/1"
    assert document["period"]["label"] == "2026-03-31"
    assert [incident["driver"] for incident in document["incidents"]] == ["scraper"]
    assert document["figures"]["steps"] == 1440


def test_the_day_the_clock_is_set_forward_has_23_hours(tmp_path: Path) -> None:
    arguments = ("report", "--daily", "--date", "2026-03-29", "--logs", FIVE_WEEKS, *BERLIN, "--json")
    document = json.loads(entro(*arguments, cwd=tmp_path).out)
    assert document["figures"]["steps"] == 23 * 60
    assert len(document["buckets"]) == 23


def test_the_previous_figures_are_those_of_the_previous_report(tmp_path: Path) -> None:
    def document(date: str) -> dict[str, object]:
        arguments = ("report", "--weekly", "--date", date, "--logs", FIVE_WEEKS, *BERLIN, "--json")
        return dict(json.loads(entro(*arguments, cwd=tmp_path).out))

    assert document("2026-04-12")["previous_figures"] == document("2026-04-05")["figures"]


def test_a_period_without_data_says_so(tmp_path: Path) -> None:
    arguments = ("report", "--weekly", "--date", "2027-01-01", "--logs", FIVE_WEEKS, *BERLIN, "--format", "terminal")
    result = entro(*arguments, cwd=tmp_path)
    assert "no data" in result.out.lower()


def test_logs_may_follow_the_option_as_a_shell_writes_them(tmp_path: Path) -> None:
    lines = FIVE_WEEKS.read_text().splitlines(keepends=True)
    (tmp_path / "a.csv").write_text("".join(lines[:20000]))
    (tmp_path / "b.csv").write_text("".join([lines[0], *lines[20000:]]))
    parts = entro("report", "--weekly", "--logs", "a.csv", "b.csv", *BERLIN, "--json", cwd=tmp_path)
    whole = entro("report", "--weekly", "--logs", FIVE_WEEKS, *BERLIN, "--json", cwd=tmp_path)
    assert json.loads(parts.out)["figures"] == json.loads(whole.out)["figures"]


def test_a_broken_gate_is_status_3_and_the_report_is_there(tmp_path: Path) -> None:
    arguments = ("report", "--weekly", "--logs", FIVE_WEEKS, *BERLIN, "--out", "page.html")
    result = installed(*arguments, "--fail-on", "violations>10", cwd=tmp_path, status=3)
    assert "gate failed: violations>10" in result.err
    assert (tmp_path / "page.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--weekly",), 1, "`entro ingest LOGS` fills it"),
        ((), 2, "--weekly"),
        ((FIVE_WEEKS, "--date", "2026-04-06"), 2, "need one of --daily"),
        (("--weekly", "--daily", "--logs", FIVE_WEEKS), 2, "choose one"),
        (("--weekly", "--logs", FIVE_WEEKS, "--date", "today"), 1, "is not a date"),
        (("--weekly", "--logs", FIVE_WEEKS, "--format", "docx"), 2, "html, terminal, markdown"),
        (("--weekly", "--logs", "nowhere.csv"), 1, "nowhere.csv"),
        (("--weekly", "--logs", FIVE_WEEKS, "--out", "/proc/nowhere/x.html"), 1, "cannot be written"),
        (("--weekly", "--logs", FIVE_WEEKS, "--tz", "Mars/Olympus"), 1, "unknown time zone"),
    ],
)
def test_wrong_use_says_what_to_do(tmp_path: Path, arguments: tuple[str, ...], status: int, says: str) -> None:
    result = entro("report", *arguments, cwd=tmp_path, status=status)
    assert says in " ".join(result.err.split())
    assert "Traceback" not in result.err
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".html"]


def test_the_tour_begins_with_a_page_and_ends_with_its_path(tmp_path: Path) -> None:
    result = installed("demo", cwd=tmp_path)
    assert result.out.splitlines()[2].startswith("   $ entro report ")
    last = result.out.splitlines()[-1]
    assert last.startswith("Open this page: ")
    page = Path(last.removeprefix("Open this page: "))
    assert page.is_file()
    assert page.is_relative_to(tmp_path)


def test_the_main_job_on_a_real_server_s_gauges(tmp_path: Path) -> None:
    if not SERVER_GAUGES.is_file():
        pytest.skip(f"the server's gauges are not at {SERVER_GAUGES}")
    reading = ("--stage", "llm=waiting:queue:22", "--start", "2026-04-25T18:49:44Z", "--tz", "UTC")
    analysis = json.loads(entro("analyze", SERVER_GAUGES, *reading, "--json", cwd=tmp_path).out)
    assert analysis["start"] == "2026-04-25T18:49:45+00:00"
    assert analysis["steps"] == analysis["observed_steps"] == analysis["rows_read"] == 160
    assert [incident["driver"] for incident in analysis["incidents"]] == ["llm"]
    result = entro("report", "--daily", "--logs", SERVER_GAUGES, *reading, "--out", "reports", cwd=tmp_path)
    assert "Saturday 25 April 2026" in result.out
    page = (tmp_path / "reports" / "default-day-2026-04-25.html").read_text(encoding="utf-8")
    assert "Saturday 25 April 2026" in page


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("".join(FIVE_WEEKS.read_text().splitlines(keepends=True)[:2000]))
    before = log.read_bytes()
    scenario = tmp_path / "own.toml"
    scenario.write_text("[[phases]]\nsteps = 5\ndemand = 1.0\n")
    for arguments in (
        ("analyze", log, "--steps-csv", log),
        ("report", "--daily", "--logs", log, "--format", "html", "--out", log),
        ("simulate", "--scenario", scenario, "--out", scenario),
    ):
        assert "would be overwritten" in entro(*arguments, cwd=tmp_path, status=1).err
    assert log.read_bytes() == before
    assert scenario.read_text().startswith("[[phases]]")


def test_a_column_passed_over_beside_a_lone_stage_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("time,fetched,queue\n2026-01-01T00:00:00Z,5,1\n2026-01-01T00:00:01Z,5,1\n")
    assert "fetched" in entro("analyze", "log.csv", cwd=tmp_path).err
    asked = entro("analyze", "log.csv", "--stage", "scraper=fetched:rate", cwd=tmp_path)
    assert asked.err == ""
