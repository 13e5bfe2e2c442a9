"""How long the whole network suite takes at its default durations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, seconds_of


def figures(reports: Path) -> Iterator[Figure]:
    """`pytest -m network --lab=opco-ru`, once."""
    command = [sys.executable, "-m", "pytest", "-m", "network", "--lab=opco-ru", f"--reports={reports}"]
    taken = seconds_of(command)
    yield Figure("network suite on opco-ru", taken, "s", 240, "whole process, accepted, once")
