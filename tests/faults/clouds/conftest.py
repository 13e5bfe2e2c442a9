"""The cloud in which faults are seeded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nfvcert import embedded
from tests.certify import ROOT, up_alone


@pytest.fixture(scope="package", autouse=True)
def lab() -> Iterator[embedded.EmbeddedLab]:
    """opco-ru and its cloud, up for the cases of all modules: that cloud takes a minute to start."""
    with up_alone(ROOT / "lab_inventory/opco-ru.yaml") as found:
        embedded.start_cloud(found)
        yield found
