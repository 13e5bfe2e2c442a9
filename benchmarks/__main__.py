"""Runs every benchmark, prints a table, writes benchmarks/results.json. Exit status 1 when a bound is not kept.

`python -m benchmarks campaigns` runs one section only (by the names of the modules), and writes nothing.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    awake,
    campaigns,
    generators,
    histories,
    labs,
    pops,
    reports,
    samples,
    scopes,
    searches,
    starts,
    suite,
)
from benchmarks.figures import ROOT, Figure


def everything() -> Iterator[Figure]:
    """All figures, in the order of their length."""
    yield from starts.figures()
    yield from scopes.figures()
    yield from samples.figures()
    yield from histories.figures()
    yield from labs.figures()
    yield from awake.figures()
    yield from generators.figures()
    yield from searches.figures()
    with tempfile.TemporaryDirectory() as folder:
        yield from suite.figures(Path(folder))
        yield from reports.figures((Path(folder) / "latest").resolve())
    yield from campaigns.figures()
    yield from pops.figures()


SECTIONS: dict[str, Callable[[], Iterator[Figure]]] = {
    "everything": everything,
    "starts": starts.figures,
    "scopes": scopes.figures,
    "samples": samples.figures,
    "histories": histories.figures,
    "labs": labs.figures,
    "awake": awake.figures,
    "generators": generators.figures,
    "searches": searches.figures,
    "campaigns": campaigns.figures,
    "pops": pops.figures,
}


def main(section: str = "everything") -> int:
    """Measure, print and write."""
    console = Console()
    table = Table("name", "figure", "bound", "holds", "spread", "how")
    found = []
    for figure in SECTIONS[section]():
        found.append(figure)
        console.print(f"{figure.name}: {figure.value:.3g} {figure.unit}", highlight=False)
        bound = f"≤ {figure.at_most:g} {figure.unit}" if figure.at_most is not None else ""
        holds = {True: "yes", False: "NO", None: ""}[figure.holds]
        spread = f"{figure.spread[0]:.3g} … {figure.spread[1]:.3g}" if figure.spread else ""
        table.add_row(figure.name, f"{figure.value:.3g} {figure.unit}", bound, holds, spread, figure.how)
    console.print(table)
    results = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "figures": [asdict(figure) | {"holds": figure.holds} for figure in found],
    }
    if section == "everything":
        (ROOT / "benchmarks/results.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    return 1 if any(figure.holds is False for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
