"""Pages in headless Chromium, for tests marked `browser`.

A test module takes the fixture by importing it, or a conftest.py does: `from tests.browser_page import browser`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; the test is skipped where there is none, unless ENTRO_REQUIRE_BROWSER is set: then it fails."""
    if not CHROMIUM.exists():
        reason = f"no browser at {CHROMIUM} (Debian: apt-get install chromium)"
        if os.environ.get("ENTRO_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Opened:
    """A page in the browser, what it complained about and what it asked for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def until(self, expression: str) -> None:
        """Wait until an expression is true of the page; its policy forbids the browser's own way to wait for one."""
        for _ in range(100):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never true: {expression}")

    def show(self, width: int, dark: bool) -> None:
        """Give the window another width, px, and the user another taste, and wait until the charts have followed."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.until(_FOLLOWED)

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return self.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")

    def undrawn(self) -> list[str]:
        """The charts without a picture of each of their traces that holds anything."""
        return self.page.evaluate(_UNDRAWN)

    def faint(self, least: float = 4.5) -> list[str]:
        """The texts whose contrast with what is behind them is less than that (WCAG 2), with the contrast."""
        return self.page.evaluate(_FAINT, least)


@contextmanager
def opened(
    browser: Any, path: Path, width: int = 1440, dark: bool = False, javascript: bool = True
) -> Iterator[Opened]:
    """Open a page from disk, unfold its charts and wait until they are drawn.

    Args:
        browser: the fixture's.
        path: the page.
        width: of the window, px.
        dark: whether the user likes it dark.
        javascript: whether scripts run.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
        offline=True,
    )
    page = context.new_page()
    found = Opened(page)
    page.on("console", lambda message: found.complaints.append(message.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.resolve().as_uri())
    if javascript and page.locator(".chart").count():
        page.wait_for_selector("html[data-charts]")
        page.evaluate("for (const part of document.querySelectorAll('details.charts')) part.open = true")
        found.until(_OPENED)
    try:
        yield found
    finally:
        context.close()


_OPENED = """document.documentElement.dataset.charts === 'failed'
  || [...document.querySelectorAll('.chart')].every((chart) => chart.layout)"""

_FOLLOWED = """[...document.querySelectorAll('.chart')].every((chart) =>
  chart.layout.font.color === getComputedStyle(document.documentElement).getPropertyValue('--soft').trim()
  && Math.abs(chart.querySelector('.main-svg').clientWidth - chart.clientWidth) < 2)"""

_UNDRAWN = """() => [...document.querySelectorAll('.chart')].filter((chart) => {
  const box = chart.getBoundingClientRect();
  const pictures = chart.querySelectorAll('.scatterlayer .trace, .barlayer .trace').length;
  const filled = chart._fullData.filter((trace) => trace.visible === true && trace._length > 0).length;
  const all = [...chart.querySelectorAll('.cartesianlayer path')];
  const paths = all.filter((path) => (path.getAttribute('d') || '').length > 8);
  return !(box.width > 100 && box.height > 100 && filled > 0 && pictures >= filled && paths.length > 0);
}).map((chart) => chart.id)"""

_FAINT = """(least) => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
  const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = (c) => 0.2126 * part(c.r) + 0.7152 * part(c.g) + 0.0722 * part(c.b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a > 0) return colour;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const ownText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const seen = [...document.body.querySelectorAll('*')].filter(
    (element) => !element.closest('script, style') && ownText(element) && element.getClientRects().length,
  );
  return seen.flatMap((element) => {
    const style = getComputedStyle(element);
    const ink = parse(element instanceof SVGElement ? style.fill : style.color);
    const [high, low] = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    return contrast < least ? [`${element.textContent.trim().slice(0, 40)}: ${contrast.toFixed(2)}`] : [];
  });
}"""
