"""Make the pictures of the documentation from the sample logs.

`python docs/pictures.py` writes NAME-light.png and NAME-dark.png into docs/pictures. It needs the extra `dev` and a
Chromium at /usr/bin/chromium. Fonts are those of the machine, so other machines give slightly different pictures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = "/usr/bin/chromium"
LARGEST_BYTES = 200_000
WIDTH_PX = 1160
MARGIN_PX = 12

# The command that writes a page, and the first and the last element that its picture shows.
PAGES = {
    "week": (
        ["report", "--weekly", "--logs", "sample_logs/five-weeks.csv", "--tz", "Europe/Berlin"],
        "body",
        "#load",
    ),
    "simulation": (
        ["simulate", "--controller", "uncontrolled", "--controller", "v9"],
        "section:has(#psi-v9)",
        "section:has(#psi-v9)",
    ),
}


def main() -> None:
    """Make all pictures anew."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, (arguments, first, last) in PAGES.items():
            page = Path(folder) / f"{name}.html"
            entro = Path(sys.executable).with_name("entro")
            subprocess.run([entro, *arguments, "--out", page], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            for scheme in ("light", "dark"):
                take_picture(browser, page, (first, last), scheme, PICTURES / f"{name}-{scheme}.png")
        browser.close()


def take_picture(browser: Any, page: Path, ends: tuple[str, str], scheme: str, out: Path) -> None:
    """Draw a page from one element to another, in light or dark colours, and print how large the picture is."""
    context = browser.new_context(viewport={"width": WIDTH_PX, "height": 900}, color_scheme=scheme, offline=True)
    view = context.new_page()
    view.goto(page.as_uri())
    view.wait_for_selector("html[data-charts]")  # page.js sets it once the charts are drawn
    first, last = (view.locator(selector).bounding_box() for selector in ends)
    top = max(0, first["y"] - MARGIN_PX)
    clip = {"x": 0, "y": top, "width": WIDTH_PX, "height": last["y"] + last["height"] + MARGIN_PX - top}
    view.screenshot(path=out, clip=clip, full_page=True)
    context.close()
    size = out.stat().st_size
    print(f"{out.relative_to(ROOT)}: {size:,} bytes")
    if size > LARGEST_BYTES:
        sys.exit(f"{out.name} is larger than {LARGEST_BYTES:,} bytes: show less of the page")


if __name__ == "__main__":
    main()
