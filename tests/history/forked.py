"""`entro` run in forks of one process that has imported it: hundreds of runs, each killed at another operation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Forks for each line it reads, and says how the fork ended. One is killed right before the n-th of its operations that
# others could see, whose names are those of `os`: `Path` and `shutil` go through them.
_SERVER = """
import json, os, signal, sys
import duckdb, numpy
import entro_cli.workflows.settings, entro_cli.history.ingest.ingest, entro_cli.report.render.html
from entro_cli.app import main

done = 0

def counted(do):
    def now(*arguments, **options):
        global done
        done += 1
        if done == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*arguments, **options)
    return now

for line in sys.stdin:
    folder, arguments, kill_before, limit_s, count_in, streams = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sys.argv = ["entro", *arguments]
        signal.alarm(limit_s)
        for stream, path in enumerate(streams):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), stream)
        for name in ("replace", "rename", "unlink", "rmdir", "mkdir", "fsync"):
            setattr(os, name, counted(getattr(os, name)))
        status = 1
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        finally:
            if count_in:
                open(count_in, "w").write(str(done))
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """A way to run `entro` at once."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self.server = server

    def run(
        self,
        folder: Path,
        *arguments: str,
        kill_before: int = 0,
        limit_s: int = 60,
        count_in: str = "",
        out: str = os.devnull,
        err: str = os.devnull,
    ) -> int:
        """Run it in a folder, its output going to files; return its status, negative for a signal.

        Args:
            folder: where it runs.
            arguments: those of `entro`.
            kill_before: the number of the operation before which it is killed; 0 for none.
            limit_s: the longest that it may take; then SIGALRM ends it.
            count_in: the file for the number of its operations; empty for none.
            out: the file for its output.
            err: the file for its messages.
        """
        assert self.server.stdin
        assert self.server.stdout
        streams = [os.devnull, out, err]
        self.server.stdin.write(json.dumps([str(folder), arguments, kill_before, limit_s, count_in, streams]) + "\n")
        self.server.stdin.flush()
        ended = self.server.stdout.readline()
        assert ended, f"what forks has ended itself: {self.server.wait()}"
        return int(ended)


@contextmanager
def forks() -> Iterator[Forks]:
    """Run a server that forks `entro`, for the duration of a context."""
    quiet = {"PYTHONPATH": str(ROOT), "ENTRO_CONFIG": os.devnull, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | quiet,
    ) as server:
        yield Forks(server)
