"""A figure with its bound, and how whole processes are timed."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextmanager
def labs_of_its_own() -> Iterator[None]:
    """Embedded labs in a run directory that nobody else has, so that they are made anew."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as run_dir:
        before = os.environ.get("NFVCERT_RUN_DIR")
        os.environ["NFVCERT_RUN_DIR"] = run_dir
        try:
            yield
        finally:
            if before is None:
                del os.environ["NFVCERT_RUN_DIR"]
            else:
                os.environ["NFVCERT_RUN_DIR"] = before


@dataclass(frozen=True)
class Figure:
    """One measured figure."""

    name: str
    value: float
    unit: str
    at_most: float | None
    """None: for information."""
    how: str
    spread: tuple[float, float] | None = None
    """Least and greatest of the repetitions."""

    @property
    def holds(self) -> bool | None:
        """Whether the bound is kept; None without a bound."""
        return None if self.at_most is None else self.value <= self.at_most


def seconds_of(command: Sequence[str | Path], cwd: Path = ROOT, expect: int = 0) -> float:
    """Wall time of a whole process."""
    started = time.perf_counter()
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - started
    if ended.returncode != expect:
        raise RuntimeError(
            f"{' '.join(map(str, command))} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        )
    return taken


def repeated(measure: Callable[[], float], times: int) -> list[float]:
    """Measure several times, after one run that does not count."""
    measure()
    return [measure() for _ in range(times)]


def ratios(one: Callable[[], float], other: Callable[[], float], times: int) -> list[float]:
    """One over the other, in turn, so that a machine whose speed drifts is fair to both."""
    one(), other()
    return [one() / other() for _ in range(times)]


def summed(name: str, values: Sequence[float], unit: str, at_most: float | None, how: str) -> Figure:
    """The median of repetitions as a figure."""
    return Figure(name, statistics.median(values), unit, at_most, how, (min(values), max(values)))
