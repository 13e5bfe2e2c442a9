"""A picture of a report's first screen: `python -m tests.render.screenshot REPORT.html OUT.png`.

Without a report (`-`), the accepted sample is rendered and pictured.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, sync_playwright

from nfvcert.render import acceptance
from tests.render import sample

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class NoChromium(Exception):
    """There is no browser to look with."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless. Raises NoChromium where it is not installed."""
    path = shutil.which("chromium")
    if path is None:
        raise NoChromium("chromium is not installed, and the report must be looked at: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def picture(
    browser: Browser,
    report: Path,
    target: Path,
    *,
    width: int = 1280,
    height: int | None = 900,
    scheme: Literal["light", "dark"] = "light",
) -> None:
    """Save what a reader sees first; with ``height`` None, the whole page."""
    page = browser.new_page(viewport={"width": width, "height": height or 900}, color_scheme=scheme)
    page.goto(report.resolve().as_uri())
    page.screenshot(path=target, full_page=height is None)
    page.close()


def main(report: str, target: str) -> None:
    """Picture one report."""
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        path = Path(report)
        if report == "-":
            path = Path(folder) / "acceptance.html"
            path.write_text(acceptance.html(sample.accepted()), encoding="utf-8")
        picture(browser, path, Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
