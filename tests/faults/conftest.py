"""The lab in which faults are seeded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest

from nfvcert import embedded
from nfvcert.files import read_lab
from tests.certify import ROOT


@pytest.fixture(scope="module")
def lab() -> Iterator[embedded.EmbeddedLab]:
    """opco-ru, up for all cases of a module, in a run directory of its own."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as run_dir, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFVCERT_RUN_DIR", run_dir)
        # Without an owner, as `nfvcert lab up` leaves it: a run makes anew what some other process still owns.
        up = embedded.up(read_lab(ROOT / "lab_inventory/opco-ru.yaml"))
        yield up
        up.down()
