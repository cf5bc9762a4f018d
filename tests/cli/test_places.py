"""Without room, rights, readers or patience `entro` says so in a line, and leaves nothing half-written."""

import gzip
import os
import signal
import subprocess
import threading
import time

import pytest

from tests.marks import slow
from tests.running import COMMAND, entro, entro_process

ROWS = [
    f"2026-04-06T{index // 3600:02}:{index // 60 % 60:02}:{index % 60:02}Z,1.5,{index % 7}\n" for index in range(30_000)
]
LOG = "time,rate,queue\n" + "".join(ROWS)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("logs") / "log.csv"
    path.write_text(LOG)
    return path


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def one_line(process):
    assert process.returncode == 1
    lines = [line for line in process.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, process.stderr
    return lines[0]


def test_a_full_disk_keeps_what_was_there(log, small_disk):
    steps = small_disk / "steps.csv"
    error = entro("analyze", log, "--steps-csv", steps).error
    assert error.startswith(f"{steps}: cannot be written: No space left on device; nothing was left half-written")
    assert list(small_disk.iterdir()) == []
    steps.write_text("what was there")
    assert entro("analyze", log, "--steps-csv", steps).status == 1
    assert [path.read_text() for path in small_disk.iterdir()] == ["what was there"]


def test_no_room_to_unpack(tmp_path, small_disk):
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(LOG.encode()))
    process = entro_process("analyze", packed, env=os.environ | {"TMPDIR": str(small_disk)})
    assert "log.csv.gz: there is no room to decompress it in" in one_line(process)
    assert "TMPDIR" in process.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("options", [slow([]), slow(["--json"]), ["--steps-csv", "-"]])
def test_standard_output_is_full(log, options):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        process = subprocess.run(
            [COMMAND, "analyze", log, *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert one_line(process) == "entro: standard output cannot be written: No space left on device"


@pytest.mark.parametrize("options", [slow([]), ["--steps-csv", "-"]])
def test_a_reader_that_has_enough(log, options):
    command = [COMMAND, "analyze", log, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, -signal.SIGPIPE)


def test_control_c(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen([COMMAND, "analyze", pipe], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process, pipe.open("wb"):  # it reads by now, and waits for more
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert err == b"entro: interrupted: nothing was stored or written\n"


def test_a_named_pipe_and_standard_input(log, tmp_path):
    expected = entro("analyze", log, "--steps-csv", "-").out
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=[LOG])
    writer.start()
    assert entro("analyze", pipe, "--steps-csv", "-").out == expected
    writer.join()
    assert entro("analyze", "-", "--steps-csv", "-", stdin=LOG.encode()).out == expected


def test_what_may_not_be_read_or_written(log, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read and write everything")
    closed = tmp_path / "closed"
    closed.mkdir()
    (tmp_path / "log").write_text(LOG)
    (tmp_path / "log").chmod(0)
    closed.chmod(0o500)
    assert "log: cannot be read: Permission denied" in entro("analyze", tmp_path / "log").error
    assert "cannot be written: Permission denied" in entro("analyze", log, "--steps-csv", closed / "steps.csv").error


def test_a_link_stays_a_link_and_a_file_keeps_its_rights(log, tmp_path):
    steps, link = tmp_path / "steps.csv", tmp_path / "link.csv"
    steps.write_text("old")
    steps.chmod(0o640)
    link.symlink_to(steps)
    assert entro("analyze", log, "--steps-csv", link).status == 0
    assert link.is_symlink()
    assert steps.stat().st_mode & 0o777 == 0o640
    assert steps.read_text().startswith(
        "time,load_scraper,load_llm,psi_scraper,psi_llm,psi_total,coupled_load,wait_s,regime,energy,memory,"
    )


def test_no_folder_for_temporary_files(log, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert "no writable folder for temporary files" in entro("analyze", log).error


def test_a_closed_standard_input():
    process = entro_process("analyze", "-", preexec_fn=lambda: os.close(0))
    assert one_line(process).startswith("entro: -: standard input is closed")


def test_a_terminal_of_another_alphabet(log):
    process = entro_process("analyze", log, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert process.returncode == 0, process.stderr
    assert "Stable" in process.stdout


def test_a_traceback_only_for_those_who_ask(log, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("division by [/x] zero")

    monkeypatch.setattr("entro_cli.workflows.analyze.replay_steps", broken)
    outcome = entro("analyze", log)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.splitlines()[-1] == (
        "entro: unexpected error (ZeroDivisionError: division by [/x] zero); "
        "run again with --debug and report the traceback"
    )
    outcome = entro("analyze", log, "--debug")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("Traceback (most recent call last):")
    assert outcome.err.endswith("ZeroDivisionError: division by [/x] zero\n")
