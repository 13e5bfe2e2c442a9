"""How long the report takes, made anew from the events of a whole run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, repeated, summed
from nfvcert.archive import read_record


def figures(folder: Path) -> Iterator[Figure]:
    """Reading the events and rendering, in a process that has its libraries loaded."""
    from nfvcert.render.acceptance import html

    def record() -> float:
        started = time.perf_counter()
        read_record(folder)
        return time.perf_counter() - started

    def page() -> float:
        started = time.perf_counter()
        html(found)
        return time.perf_counter() - started

    found = read_record(folder)
    events = len((folder / "events.jsonl").read_bytes().splitlines())
    yield summed("record from events", repeated(record, 5), "s", None, f"{events} events of a whole network run")
    charts = sum(len(stream.series) for stream in found.streams)
    yield summed("acceptance.html from record", repeated(page, 3), "s", None, f"{charts} charts")
