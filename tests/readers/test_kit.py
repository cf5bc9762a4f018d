"""The conformance kit finds what it is there for: readers with one fault each, made from the reader of the example."""

import json
import subprocess
import sys
from datetime import UTC
from pathlib import Path

import pytest
from entro_squid import SquidReader
from msgspec.structs import replace
from test_entro_squid import TestSquid as SquidKit

from entro_cli.readers import registry
from entro_cli.readers.reader import Reading
from entro_cli.readers.tables.reader import TableReader
from tests.readers.test_conformance import TestTable as TableKit

EXAMPLE = Path(__file__).parents[2] / "examples" / "entro-squid"


def fails_on(part):
    """A method `recognise` that does not know a log with some bytes in it."""
    return lambda self, log: 0.0 if part in log.head else SquidReader.recognise(self, log)


def reading(change):
    """A method `read` that changes what the good reader gives."""
    return lambda self, log, options: change(SquidReader.read(self, log, options))


def in_series(**changes):
    def change(found):
        (series,) = found.series
        return replace(found, series=(replace(series, **{name: of(series) for name, of in changes.items()}),))

    return reading(change)


def in_bad_rows(**changes):
    def change(found):
        return replace(found, bad_rows=tuple(replace(row, **changes) for row in found.bad_rows))

    return reading(change)


def lenient(self, log, options):
    return SquidReader.read(self, log, replace(options, strict=False))


def forgetful(self, log, options, state):
    """Begin every part anew, with a sample that the whole does not have."""
    found = in_series(values=lambda series: series.values + (series.times == series.times[0]))(self, log, options)
    return Reading(found if state else SquidReader.read(self, log, options), b"some")


def in_a_fault(self, log, options):
    return SquidReader.read(self, log, options) if b"\xff" not in log.head else 1 / 0


def without_end(self, log, options):
    while b"\xff" in log.head:
        pass
    return SquidReader.read(self, log, options)


FAULTS = [
    ("samples_are_the_truth", {"read": in_series(times=lambda series: series.times + 10**9)}),
    ("samples_are_the_truth", {"read": in_series(values=lambda series: series.values * 2)}),
    ("its_own_logs_are_recognised", {"recognise": fails_on(b"\r\n")}),
    ("its_own_logs_are_recognised", {"recognise": fails_on(b"\xef\xbb\xbf")}),
    ("its_own_logs_are_recognised", {"recognise": lambda self, log: 0.9 if log.head.endswith(b"\n") else 0.0}),
    ("its_own_logs_are_recognised", {"recognise": lambda self, log: 0.01}),
    ("other_logs_are_left_to_others", {"recognise": lambda self, log: 0.99}),
    ("other_logs_are_left_to_others", {"recognise": lambda self, log: 0.9 * (b"kid1|" in log.head)}),
    ("parts_give_the_whole", {"resume": forgetful}),
    ("a_history_of_parts_is_that_of_the_whole", {"resume": forgetful}),
    ("bad_lines_are_counted_and_shown", {"read": reading(lambda found: replace(found, rows_skipped=0))}),
    ("bad_lines_are_counted_and_shown", {"read": reading(lambda found: replace(found, bad_rows=()))}),
    ("bad_lines_are_counted_and_shown", {"read": in_bad_rows(line=1)}),
    ("bad_lines_are_counted_and_shown", {"read": in_bad_rows(text="x" * 500)}),
    ("bad_lines_are_counted_and_shown", {"read": in_bad_rows(text="\x1b[31m")}),
    ("strict_and_redact", {"read": in_bad_rows(text="10.0.0.7")}),
    ("strict_and_redact", {"read": lenient}),
    ("damaged_logs_are_read_or_refused", {"read": in_a_fault}),
    ("damaged_logs_are_read_or_refused", {"read": without_end}),
    ("damaged_logs_are_read_or_refused", {"read": in_series(times=lambda series: series.times[::-1])}),
    ("damaged_logs_are_read_or_refused", {"read": in_series(values=lambda series: -series.values)}),
]


def run(kit, name, reader, monkeypatch, folder):
    monkeypatch.setattr(registry, "our_readers", lambda readers=registry.our_readers: (*readers(), reader))
    monkeypatch.setattr(kit, "reader", reader)
    monkeypatch.setattr(kit, "cuts", 5)
    monkeypatch.setattr(kit, "damages", 40)
    monkeypatch.setattr(kit, "limit_s", 0.2)
    test = getattr(kit(), f"test_{name}")
    test(folder) if test.__code__.co_argcount > 1 else test()


@pytest.mark.parametrize("name", sorted({name for name, _ in FAULTS} - {"parts_give_the_whole"}))
def test_the_reader_of_the_example_passes(name, monkeypatch, tmp_path):
    run(SquidKit, name, SquidReader(), monkeypatch, tmp_path)


@pytest.mark.parametrize(("name", "methods"), FAULTS)
def test_a_fault_is_found(name, methods, monkeypatch, tmp_path):
    reader = type("Faulty", (SquidReader,), methods)()
    with pytest.raises((AssertionError, ZeroDivisionError, pytest.fail.Exception)):
        run(SquidKit, name, reader, monkeypatch, tmp_path)


def test_a_reader_without_an_entry_point_is_found():
    with pytest.raises(AssertionError, match="is the package of the entry point installed"):
        SquidKit().test_entro_knows_it()


def test_times_that_do_not_follow_the_zone_are_found(monkeypatch, tmp_path):
    read = TableReader.read
    monkeypatch.setattr(TableReader, "read", lambda self, log, options: read(self, log, replace(options, zone=UTC)))
    with pytest.raises(AssertionError):
        TableKit().test_times_follow_the_zone(tmp_path)


@pytest.mark.slow
def test_the_example_in_an_environment_of_its_own(tmp_path):
    """Installed beside entro, it passes its tests, and its log is analysed."""
    environment = tmp_path / "environment"
    python = environment / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, capture_output=True)
    projects = ["-e", EXAMPLE.parents[1], EXAMPLE, "pytest"]
    subprocess.run([python, "-m", "pip", "install", "-q", *projects], check=True, capture_output=True)
    tests = [python, "-m", "pytest", "-q", "-c", EXAMPLE / "pyproject.toml", EXAMPLE]
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run([*tests, "-p", "no:cacheprovider"], env=clean, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    command = [environment / "bin" / "entro", "analyze", EXAMPLE / "access.log", "--json"]
    ended = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [source["format"] for source in json.loads(ended.stdout)["sources"]] == ["squid"]
