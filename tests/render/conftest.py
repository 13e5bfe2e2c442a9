"""One browser for all tests of this folder, and the sample reports as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from nfvcert.record import Record
from nfvcert.render import acceptance
from tests.render import sample, screenshot

RECORDS = (
    *("accepted", "rejected", "inconclusive", "interrupted", "killed"),
    *("two_streams", "campaign", "hostile", "released", "absent"),
)


@pytest.fixture(scope="session")
def records() -> dict[str, Record]:
    return {name: getattr(sample, name)() for name in RECORDS}


@pytest.fixture(scope="session")
def pages(records: dict[str, Record]) -> dict[str, str]:
    """Name of a sample → its report."""
    return {name: acceptance.html(record) for name, record in records.items()}


@pytest.fixture(scope="session")
def files(pages: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name of a sample → the file of its report."""
    folder = tmp_path_factory.mktemp("reports")
    found = {}
    for name, page in pages.items():
        found[name] = folder / f"{name}.html"
        found[name].write_text(page, encoding="utf-8")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        with screenshot.chromium() as browser:
            yield browser
    except screenshot.NoChromium as error:
        pytest.fail(str(error))
