"""The lab in which faults are seeded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nfvcert import embedded
from tests.certify import ROOT, up_alone


@pytest.fixture(scope="module")
def lab() -> Iterator[embedded.EmbeddedLab]:
    """opco-ru, up for all cases of a module."""
    with up_alone(ROOT / "lab_inventory/opco-ru.yaml") as found:
        yield found
