"""Labs of this folder's tests live in a run directory of their own: labs that are up elsewhere are left alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nfvcert import embedded
from nfvcert.embedded import EmbeddedLab
from nfvcert.embedded.removal import remove
from nfvcert.embedded.rundir import Process
from tests.embedded.machine import KINDS, inventory

PREFIX = "nfvcert-test-"


@pytest.fixture(scope="session")
def _root() -> Iterator[Path]:
    """A folder for run directories, outside of pytest's own: pytest could not delete the namespaces' mounts.

    A session that was killed leaves its folder; the next one removes it.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if Process.of(int(old.name.split("-")[2])) is None:
            for run_dir in old.iterdir():
                _take_down_all(run_dir)
            shutil.rmtree(old)
    root = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    yield root
    for run_dir in root.iterdir():
        _take_down_all(run_dir)
    shutil.rmtree(root)


@pytest.fixture
def run_dir(_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty run directory; whatever a test leaves in it goes down."""
    folder = _root / "one"
    monkeypatch.setenv("NFVCERT_RUN_DIR", str(folder))
    yield folder
    _take_down_all(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _take_down_all(root: Path) -> None:
    for folder in root.iterdir() if root.exists() else ():
        if folder.is_dir():
            remove(folder)


@contextmanager
def _shared(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedLab]:
    """The lab of that name for many tests; each leaves it as well as it found it, by the check of `up`."""
    monkeypatch.setenv("NFVCERT_RUN_DIR", str(root / "shared"))
    lab = embedded.up(inventory(name))
    yield lab
    assert not embedded.up(inventory(name)).created, "the test left the lab unwell"


@pytest.fixture
def opco_ru(_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedLab]:
    with _shared("opco-ru", _root, monkeypatch) as lab:
        yield lab


@pytest.fixture
def opco_kz(_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedLab]:
    with _shared("opco-kz", _root, monkeypatch) as lab:
        yield lab


@pytest.fixture
def vendor_a(_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedLab]:
    with _shared("vendor-a", _root, monkeypatch) as lab:
        yield lab


@pytest.fixture(params=KINDS)
def any_lab(request: pytest.FixtureRequest, _root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedLab]:
    with _shared(request.param, _root, monkeypatch) as lab:
        yield lab
