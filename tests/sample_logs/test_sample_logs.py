"""The sample logs are what the script makes, and what truth.json says of them is true.

What is over the budget is worked out here from the raw files with the standard library alone.
"""

import csv
import gzip
import importlib
import itertools
import json
import math
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest

from entro_engine import LLM, SCRAPER, Regime, replay_loads

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FOLDER = Path(__file__).parents[2] / "sample_logs"
TRUTH = json.loads((FOLDER / "truth.json").read_text())
COLUMNS = tuple(stage["column"] for stage in TRUTH["stages"])


def lines_of(path):
    """The text of a file, whatever it is packed with."""
    unpack = {".gz": gzip.decompress, ".zst": zstd.decompress}.get(path.suffix, bytes)
    return unpack(path.read_bytes()).decode().splitlines()


def rows_of(path):
    """Every row as a dict; values as text or numbers, as the format has them."""
    if ".parquet" in path.suffixes:
        return parquet_rows(path)
    if ".jsonl" in path.suffixes:
        return [json.loads(line) for line in lines_of(path)]
    return list(csv.DictReader(lines_of(path), delimiter="\t" if ".tsv" in path.suffixes else ","))


def parquet_rows(path):
    with duckdb.connect() as database:
        steps = database.execute(
            "SELECT epoch_ns(timestamp), scraper_rate, llm_queue FROM read_parquet(?)", [str(path)]
        )
        return [
            {
                "timestamp": datetime.fromtimestamp(ns // 10**9, UTC).isoformat(),
                "scraper_rate": rate,
                "llm_queue": queue,
            }
            for ns, rate, queue in steps.fetchall()
        ]


def wide(rows):
    """Long rows as wide ones; wide ones as they are."""
    if "stage" not in rows[0]:
        return rows
    pairs = itertools.groupby(rows, key=lambda row: row["time"])
    return [{"time": time, **{row["stage"]: row["value"] for row in group}} for time, group in pairs]


def time_of(cell, entry):
    """A time cell as a moment, with what the entry's options say of it."""
    options = dict(zip(entry["options"][::2], entry["options"][1::2], strict=True))
    if "--start" in options:
        return datetime.fromisoformat(options["--start"]) + timedelta(seconds=int(cell))
    if str(cell).isdigit():
        return datetime.fromtimestamp(int(cell) / (1000 if len(str(cell)) == 13 else 1), UTC)
    time = datetime.fromisoformat(cell)
    return time if time.tzinfo else time.replace(tzinfo=ZoneInfo(options["--tz"]))


def steps_of(name):
    """(moment, rate, queue) of each row of a log."""
    entry = TRUTH["logs"][name]
    return [
        (time_of(next(iter(row.values())), entry), *(float(row[column]) for column in COLUMNS))
        for row in wide(rows_of(FOLDER / name))
    ]


def psi(step):
    return [math.log1p(load) for load in step[1:]]


def incidents_of(name):
    """Groups of steps over the budget; one step between two of them does not part them."""
    step_s = TRUTH["logs"][name]["step_s"]
    groups = []
    for step in steps_of(name):
        if sum(psi(step)) > TRUTH["budget"]:
            if groups and (step[0] - groups[-1][-1][0]).total_seconds() <= 2 * step_s:
                groups[-1].append(step)
            else:
                groups.append([step])
    return groups


def driver_of(group):
    shares = [[part / sum(psi(step)) for part in psi(step)] for step in group]
    means = [sum(column) / len(group) for column in zip(*shares, strict=True)]
    return TRUTH["stages"][means.index(max(means))]["name"]


@pytest.fixture(scope="module")
def made_again(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made again")
    subprocess.run([sys.executable, FOLDER / "generate.py", folder], check=True)
    return folder


@pytest.fixture
def scripts(monkeypatch):
    """The modules `generate` and `signals`, which find each other as in a run of the script."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module("generate"), importlib.import_module("signals")
    for name in ("generate", "signals"):
        sys.modules.pop(name)


def files_in(folder):
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    others = "formats/"  # server_logs.py makes those
    return {path for path in paths if not path.endswith((".py", ".pyc", ".md")) and not path.startswith(others)}


def test_the_script_makes_the_same_files_again(made_again):
    assert files_in(made_again) == files_in(FOLDER) == {"truth.json", *TRUTH["logs"]}
    for name in files_in(FOLDER):
        if name.endswith(".parquet"):
            assert parquet_rows(made_again / name) == parquet_rows(FOLDER / name)
        elif name.endswith((".gz", ".zst")):  # what they unpack to: another version of the packer packs otherwise
            assert lines_of(made_again / name) == lines_of(FOLDER / name)
        else:
            assert (made_again / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_they_stay_small():
    assert sum((FOLDER / name).stat().st_size for name in files_in(FOLDER)) <= 3e6


@pytest.mark.parametrize("name", TRUTH["logs"])
def test_rows_span_and_gaps_are_as_told(name):
    entry = TRUTH["logs"][name]
    step = timedelta(seconds=entry["step_s"])
    start, end = (datetime.fromisoformat(entry[key]).astimezone(UTC) for key in ("start", "end"))
    missing = [[datetime.fromisoformat(gap[key]).astimezone(UTC) for key in ("start", "end")] for gap in entry["gaps"]]
    expected = [start + step * index for index in range(entry["steps"])]
    expected = [time for time in expected if not any(first <= time < after for first, after in missing)]
    assert [time.astimezone(UTC) for time, *_ in steps_of(name)] == expected
    assert len(expected) == entry["observed_steps"]
    assert start + step * entry["steps"] == end
    assert len(rows_of(FOLDER / name)) == entry["rows"]


@pytest.mark.parametrize("name", TRUTH["logs"])
def test_the_incidents_are_the_ones_told_and_there_are_no_others(name):
    entry = TRUTH["logs"][name]
    step = timedelta(seconds=entry["step_s"])
    groups = incidents_of(name)
    found = [(group[0][0], group[-1][0] + step, driver_of(group)) for group in groups]
    told = [
        (*(datetime.fromisoformat(each[key]) for key in ("start", "end")), each["driver"])
        for each in entry["incidents"]
    ]
    assert [(a.timestamp(), b.timestamp(), c) for a, b, c in found] == [
        (a.timestamp(), b.timestamp(), c) for a, b, c in told
    ]
    assert sum(len(group) for group in groups) == entry["violations"]
    assert all(end - start == step * len(group) for group, (start, end, _) in zip(groups, found, strict=True))


def test_the_three_phase_log_counts_as_published():
    entry = TRUTH["logs"]["three-phase.csv"]
    _, *loads = zip(*steps_of("three-phase.csv"), strict=True)
    run = replay_loads((SCRAPER, LLM), np.array(loads), 1.0)
    assert entry["violations"] == int(run.violated.sum()) == 312
    counts = [int((run.trace.regime == regime).sum()) for regime in (Regime.STABLE, Regime.STRESS, Regime.CRITICAL)]
    assert list(entry["regimes"].values()) == counts == [656, 7, 337]


@pytest.mark.parametrize("name", [name for name in TRUTH["logs"] if name.startswith("shapes/")])
def test_every_shape_holds_the_same_steps(name):
    assert steps_of(name) == steps_of("shapes/wide.csv")


def test_the_five_weeks_are_whole_and_told_in_local_time():
    stamps = [row["timestamp"] for row in rows_of(FOLDER / "five-weeks.csv")]
    berlin = ZoneInfo("Europe/Berlin")
    assert all(datetime.fromisoformat(stamp).astimezone(berlin).isoformat() == stamp for stamp in stamps)
    assert {datetime.fromisoformat(stamp).isocalendar().week for stamp in stamps} == {11, 12, 13, 14, 15}
    spring = stamps.index("2026-03-29T03:00:00+02:00")
    assert stamps[spring - 1] == "2026-03-29T01:59:00+01:00"
    assert {each["driver"] for each in TRUTH["logs"]["five-weeks.csv"]["incidents"]} == {"scraper", "llm"}


def test_nothing_is_written_when_a_signal_is_not_as_planned(scripts, monkeypatch, tmp_path):
    generate, signals = scripts
    monkeypatch.setattr(generate, "five_weeks", lambda: replace(signals.five_weeks(), incidents=()))
    with pytest.raises(generate.PlanBrokenError, match="2026-03-18 13:42:00"):
        generate.generate(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_driver_than_planned_is_told(scripts):
    generate, signals = scripts
    stretch = signals.short_stretch()
    wrong = replace(stretch, incidents=(replace(stretch.incidents[0], driver="scraper"),))
    with pytest.raises(generate.PlanBrokenError, match="llm drives"):
        generate.check("a stretch", wrong)


def test_other_regimes_than_published_are_told(scripts):
    generate, signals = scripts
    wrong = replace(signals.three_phase(), regimes={"stable": 1000, "stress": 0, "critical": 0})
    with pytest.raises(generate.PlanBrokenError, match="regimes"):
        generate.check("three-phase", wrong)


def test_a_step_at_the_budget_is_told(scripts):
    generate, signals = scripts
    stretch = signals.short_stretch()
    loads = stretch.loads.copy()
    loads[:, 0] = math.expm1(1.5)
    with pytest.raises(generate.PlanBrokenError, match="of the budget"):
        generate.check("a stretch", replace(stretch, loads=loads * (1 - 1e-9)))


@pytest.mark.parametrize("utilisation", [0.3, 0.6, 0.9])
def test_the_server_settles_at_the_mean_of_an_m_d_1_queue(scripts, utilisation):
    _, signals = scripts
    arrivals, capacity = np.full(3000, 60 * 1.2 * utilisation), np.full(3000, 1.2)
    settled = signals.waiting(arrivals, capacity, 60, 6, np.random.default_rng(1))[500:].mean()
    assert settled == pytest.approx(utilisation**2 / (2 * (1 - utilisation)), rel=0.05)


def test_a_stalled_server_loses_no_request(scripts):
    _, signals = scripts
    queue = signals.waiting(np.full(10, 60.0), np.zeros(10), 60, 6, np.random.default_rng(1))
    assert queue[-1] == pytest.approx(575, abs=1.5)  # the mean of six readings in the last minute of 600 requests
