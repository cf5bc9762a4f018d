"""README.md and two pages of docs show only what works: their commands are run and print what the pages show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.marks import slow
from tests.readme import PAGES, README, ROOT, with_real_output


@pytest.mark.slow
@pytest.mark.parametrize("page", [page if page == README else slow(page) for page in PAGES], ids=lambda page: page.name)
def test_the_console_blocks_print_what_a_page_shows(page: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_logs", tmp_path / "sample_logs")
    text = page.read_text(encoding="utf-8")
    assert text.count("```console") >= {"README.md": 3, "tour.md": 7, "tuning.md": 2}[page.name]
    assert with_real_output(text, tmp_path) == text


@pytest.mark.parametrize("page", PAGES[:2], ids=lambda page: page.name)
def test_the_python_lines_print_what_a_page_shows(page: Path) -> None:
    code = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert code
    expected = code[1].rpartition("# ")[2].strip()
    result = subprocess.run([sys.executable, "-c", code[1]], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == expected


@pytest.mark.parametrize(
    "page",
    [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "sample_logs" / "README.md"],
    ids=lambda page: page.name,
)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#") for link in re.findall(r"\]\(([^):]+)\)", text)]
    links += [(picture, "", "") for picture in re.findall(r'(?:src|srcset)="([^":]+)"', text)]
    for target, _, heading in links:
        linked = page.parent / target if target else page
        assert linked.exists(), target
        assert not heading or heading in headings(linked), f"{target}#{heading}"


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
