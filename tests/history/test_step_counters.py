"""`entro ingest --metrics-file`: counters of all steps that were ever stored, which never fall."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.history.stored import HEADER, START, ingest, line, regular, stamp
from tests.running import entro
from tests.schedule.system import require_program

STEPS = 240
STEP_NS = 900 * 10**9
ROWS = regular(STEPS, step_s=900)  # two and a half days, which three of UTC have a part in
FULL = ("--stage", "scraper=scraper_rate:rate:1.2", "--stage", "llm=llm_queue:queue:3")
PROMTOOL = shutil.which("promtool") or "/usr/bin/promtool"


def counters(file):
    """Observed and violating steps by pipeline, as a scrape reads them."""
    families = {family.name: family for family in text_string_to_metric_families(file.read_text())}
    assert {family.type for family in families.values()} == {"counter"}
    observed, violating = (
        {sample.labels["pipeline"]: sample.value for sample in families[f"entro_{name}_steps"].samples}
        for name in ("observed", "violating")
    )
    assert observed.keys() == violating.keys()
    return {name: (observed[name], violating[name]) for name in observed}


def counted(folder, *arguments, status=0):
    """The counters of a pipeline after an ingest."""
    ingest(folder / "h", *arguments, "--metrics-file", folder / "entro.prom", "--quiet", status=status)
    return counters(folder / "entro.prom")["default"]


def analyzed(log, *options):
    outcome = entro("analyze", log, "--json", *options)
    assert outcome.status == 0, outcome.err
    document = json.loads(outcome.out)
    return document["observed_steps"], document["violations"]


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=settings.default.max_examples // 10)
def test_they_grow_to_the_figures_of_the_whole_whatever_is_removed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("counted")
    cuts = data.draw(st.lists(st.integers(20, STEPS - 1), min_size=1, max_size=3, unique=True))
    log, before = folder / "log.csv", (0, 0)
    for cut in [*sorted(cuts), STEPS]:
        log.write_text(HEADER + "".join(ROWS[:cut]))
        after = counted(folder, log, *FULL, "--step", "15min")
        assert after >= before
        assert after[1] >= before[1]
        before = after
        if data.draw(st.booleans()):
            entro("history", "prune", "--before", stamp(START + (cut - 1) * STEP_NS)[:10], "--history", folder / "h")
            assert counted(folder, log, *FULL, "--step", "15min") == after
    assert before == analyzed(log, *FULL, "--step", "15min")
    assert 0 < before[1] < before[0] == STEPS


@pytest.mark.slow
def test_all_days_may_be_removed(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(ROWS))
    whole = counted(tmp_path, log, *FULL)
    assert entro("history", "prune", "--before", "2027-01-01", "--history", tmp_path / "h").status == 0
    assert counted(tmp_path, log, *FULL) == whole == analyzed(log, *FULL)


@pytest.mark.slow
def test_a_late_log_of_an_old_day_counts(tmp_path):
    whole, late, new = tmp_path / "whole.csv", tmp_path / "late.csv", tmp_path / "new.csv"
    whole.write_text(HEADER + "".join(ROWS))
    late.write_text(HEADER + "".join(ROWS[:100]))
    new.write_text(HEADER + "".join(ROWS[100:]))
    assert counted(tmp_path, new, *FULL) == (140, analyzed(new, *FULL)[1])
    assert counted(tmp_path, late, *FULL) == analyzed(whole, *FULL)


def test_a_day_is_judged_anew_only_when_it_changes(tmp_path):
    """Other full loads and maintenance windows do not reach back to days that were counted."""
    log, config = tmp_path / "log.csv", tmp_path / "entro.toml"
    log.write_text(HEADER + "".join(ROWS[:192]))  # until 2026-03-31T01:00Z
    options = ("--config", config, *FULL)
    config.write_text("")
    observed, violating = counted(tmp_path, log, *options)
    config.write_text('gamma = 0.01\nexclude = ["daily 12:00-24:00"]\nzone = "UTC"\n')
    assert counted(tmp_path, log, *options) == (observed, violating)
    log.write_text(HEADER + "".join(ROWS))
    grown = counted(tmp_path, log, *options)
    assert grown[0] == observed + 44  # of the last day, until noon
    assert grown[1] > violating + 35  # with so small a budget nearly every step is over it


def test_what_was_judged_by_published_full_loads_does_not_fall(tmp_path, monkeypatch):
    monkeypatch.delenv("ENTRO_FULL_LOADS")
    log = tmp_path / "log.csv"
    rows = [line(START + second * 10**9, 6.0, 30.0 + second % 3) for second in range(600)]
    log.write_text(HEADER + "".join(rows[:20]))
    assert counted(tmp_path, log, "--step", "1s") == (20, 20)
    log.write_text(HEADER + "".join(rows))
    assert counted(tmp_path, log, "--step", "1s") == (600, 20)
    assert analyzed(log) == (600, 0)


def test_one_file_for_all_pipelines(tmp_path):
    config, file = tmp_path / "entro.toml", tmp_path / "entro.prom"
    for name, rows in (("front", 40), ("back", 60)):
        (tmp_path / f"{name}.csv").write_text(HEADER + "".join(ROWS[:rows]))
    config.write_text("".join(f'[pipelines.{name}]\nlogs = ["{name}.csv"]\n' for name in ("front", "back", "missing")))
    arguments = ("--config", config, "--metrics-file", file, "--jobs", "1", "--quiet")
    ingest(tmp_path / "h", *arguments, status=1)
    assert {name: observed for name, (observed, _) in counters(file).items()} == {"front": 40, "back": 60}
    (tmp_path / "back.csv").unlink()
    ingest(tmp_path / "h", *arguments, status=1)
    assert counters(file)["back"][0] == 60  # of what is stored, though nothing came


def test_a_file_that_prometheus_accepts(tmp_path):
    require_program(PROMTOOL, "prometheus")
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(ROWS[:40]))
    name = 'a"b\\c\n{x="1"}'
    ingest(tmp_path / "h", log, "--pipeline", name, "--metrics-file", tmp_path / "entro.prom", "--quiet")
    text = (tmp_path / "entro.prom").read_text()
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_errors(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(HEADER + "".join(ROWS[:40]))
    before = log.read_bytes()
    refused = ingest(tmp_path / "h", log, "--metrics-file", log, "--quiet", status=1)
    assert "log.csv: is an input file, and would be overwritten" in refused.error
    assert log.read_bytes() == before
    for content in ("{", '{"version": 2, "days": {}}'):
        next(tmp_path.glob("h/*/_entro/counts.json")).write_text(content)
        damaged = ingest(tmp_path / "h", log, "--metrics-file", tmp_path / "entro.prom", "--quiet", status=1)
        assert "counts.json: the file cannot be used; move it away: the days that are stored are" in damaged.error
