"""Compiled templates are kept; whatever lies in their place, a page is the one that they give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

from nfvcert.render import acceptance, page
from tests.render import sample

RECORD = sample.accepted()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for what is kept, which is not there yet."""
    monkeypatch.setenv("NFVCERT_CACHE_DIR", str(tmp_path / "cache"))
    page.environment.cache_clear()
    yield tmp_path / "cache"
    page.environment.cache_clear()


def in_a_new_process() -> str:
    page.environment.cache_clear()
    return acceptance.html(RECORD)


def test_the_second_page_compiles_nothing(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = in_a_new_process()
    assert {file.suffix for file in kept.rglob("*") if file.is_file()} == {".cache"}
    monkeypatch.setattr(jinja2.Environment, "compile", None)
    assert in_a_new_process() == first


@pytest.mark.parametrize(
    ("kept_bytes", "then"),
    [(0, b""), (40, b""), (0, b"j2 something else entirely"), (-40, bytes(40))],
    ids=["empty", "broken off", "something else", "its end is lost"],
)
def test_what_is_no_compiled_template_is_made_anew(kept: Path, kept_bytes: int, then: bytes) -> None:
    first = in_a_new_process()
    files = list(kept.rglob("*.cache"))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:kept_bytes] + then)
    assert in_a_new_process() == first


def test_a_place_that_takes_nothing_is_no_obstacle(kept: Path) -> None:
    first = in_a_new_process()
    for file in kept.rglob("*.cache"):
        file.unlink()
        file.mkdir()
    assert in_a_new_process() == first


def test_a_place_that_cannot_be_made_is_no_obstacle(kept: Path) -> None:
    kept.write_text("a file")
    assert "accepted" in in_a_new_process().lower()
