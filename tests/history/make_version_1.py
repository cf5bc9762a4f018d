"""Makes the histories of version 1 in `version_1/`, with a release of entro that wrote that version.

    python -m tests.history.make_version_1 ENTRO

ENTRO is the command of release 0.6.0 or 0.7.0. Each history has the first part of a sample log.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

FOLDER = Path(__file__).parent / "version_1"
LOGS = Path(__file__).parents[2] / "sample_logs" / "formats"
NAMES = ("celery.log", "requests.csv", "scrapy.log", "sglang.log", "vllm.log")
OPTIONS = ("--tz", "UTC", "--year", "2026", "--step", "10s")


def first_part(name):
    """The beginning of a log that ends within a line."""
    content = (LOGS / name).read_bytes()
    return content[: len(content) // 2 + 17]


def make(entro):
    for name in NAMES:
        history = FOLDER / name
        shutil.rmtree(history, ignore_errors=True)
        log = Path(gettempdir()) / name  # its path is stored
        log.write_bytes(first_part(name))
        subprocess.run([entro, "ingest", "--history", history, log, *OPTIONS], check=True)
        log.unlink()


if __name__ == "__main__":
    make(*sys.argv[1:])
