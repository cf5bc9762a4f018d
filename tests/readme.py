"""Console blocks of the README and of two pages of docs: run their commands, and put what they print below them.

`python -m tests.readme` brings the pages up to date; the test compares.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, ROOT / "docs" / "tour.md", ROOT / "docs" / "tuning.md")
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def with_real_output(text: str, folder: Path) -> str:
    """The text with every console block's output replaced by what its commands print now.

    Args:
        text: a page.
        folder: where the commands run; it has the sample logs.
    """
    return _BLOCK.sub(lambda block: f"```console\n{_run_block(block[1], folder)}```", text)


def _run_block(block: str, folder: Path) -> str:
    commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {command}\n{_output(command, folder)}" for command in commands)


def _output(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8", "ENTRO_CONFIG": os.devnull}
    result = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


if __name__ == "__main__":
    for page in PAGES:
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(ROOT / "sample_logs", Path(scratch) / "sample_logs")
            page.write_text(with_real_output(page.read_text(encoding="utf-8"), Path(scratch)), encoding="utf-8")
