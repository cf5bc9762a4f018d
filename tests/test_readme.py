"""The README shows only what works: its commands are run and print what it says they print."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readme import README, ROOT, with_real_output


def test_the_console_blocks_print_what_the_readme_shows(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_logs", tmp_path / "sample_logs")
    text = README.read_text(encoding="utf-8")
    assert text.count("```console") >= 4
    assert with_real_output(text, tmp_path) == text


def test_the_python_lines_print_what_the_readme_shows() -> None:
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    expected = code[1].rpartition("# ")[2].strip()
    result = subprocess.run([sys.executable, "-c", code[1]], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == expected


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "sample_logs" / "README.md"])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
