"""How fast the embedded labs are there and gone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.figures import ROOT, Figure, labs_of_its_own, summed
from nfvcert import embedded
from nfvcert.files import read_lab


def figures() -> Iterator[Figure]:
    """Up and down of each shipped embedded lab."""
    with labs_of_its_own():
        for name in ("opco-ru", "opco-kz", "vendor-a"):
            yield from _up_and_down(name)


def _up_and_down(name: str) -> Iterator[Figure]:
    lab = read_lab(ROOT / "lab_inventory" / f"{name}.yaml")
    ups, downs = [], []
    for _ in range(5):
        started = time.perf_counter()
        found = embedded.up(lab)
        up_at = time.perf_counter()
        found.down()
        ups.append(up_at - started)
        downs.append(time.perf_counter() - up_at)
    yield summed(f"embedded lab {name} up", ups, "s", 3.0, "embedded.up, five times")
    yield Figure(f"embedded lab {name} down", statistics.median(downs), "s", None, "EmbeddedLab.down, five times")
