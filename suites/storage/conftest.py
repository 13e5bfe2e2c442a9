"""What the storage tests share: the targets that may be written over, and how storage is measured when it is steady."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from statistics import median

import pytest

from nfvcert.suite import Estimate, InvalidMeasurement, KpiRecorder, Lab, Parameters, Shell, StorageTarget, fio

FILL_BLOCK_BYTES = 1024 * 1024
FILL_DEPTH = 4


@dataclass(frozen=True)
class Target:
    """A storage target, and the shell of its host."""

    name: str
    declared: StorageTarget
    shell: Shell

    @property
    def path(self) -> str:
        """On its host."""
        return self.declared.path

    @property
    def conditions(self) -> dict[str, str | int]:
        """What tells its measurements from those of others."""
        return {"host": self.shell.host, "target": self.name}

    def inspect(self) -> fio.Found:
        """What is there, as far as it may be written over. Raises InvalidMeasurement."""
        return fio.find(self.shell.run(fio.inspect_command(self.path)).stdout, self.shell.host, self.path)

    def span(self, at_most: int) -> int:
        """How much of it tests work on, in whole blocks: never more than is there. Raises InvalidMeasurement."""
        size = min(self.inspect().size_bytes, self.declared.size, at_most) // FILL_BLOCK_BYTES * FILL_BLOCK_BYTES
        if not size:
            raise InvalidMeasurement(f"{self.path} of {self.shell.host} is smaller than a block of 1 MiB")
        return size

    def run(self, job: fio.Job) -> fio.Done:
        """Let fio do a job on it. Raises DeviceFault, InvalidMeasurement, LabError."""
        return fio.run(self.shell, self.path, job)


@pytest.fixture(scope="session")
def targets(
    lab: Lab, shell: Callable[[str], Shell], storage: Callable[[str], Mapping[str, StorageTarget]]
) -> list[Target]:
    """All storage targets of the lab; without any there is nothing to certify."""
    found = [
        Target(name, declared, shell(host))
        for host, described in lab.hosts.items()
        if described.storage
        for name, declared in storage(host).items()
    ]
    if not found:
        raise InvalidMeasurement(f"no host of lab {lab.lab} declares storage that may be written over")
    return found


@pytest.fixture(scope="session")
def filled(targets: list[Target], parameters: Parameters) -> Callable[[Target], int]:
    """``filled(target)``: bytes of it that are measured on, all written before (pre-conditioning), once a stream.

    A test calls it in its body: storage that cannot be filled has failed.
    """
    del targets  # before anything is filled, they are there
    done: dict[str, int] = {}

    def fill(target: Target) -> int:
        key = f"{target.shell.host} {target.path}"
        if key not in done:
            span = target.span(parameters.fio_fill_bytes_max)
            target.run(fio.Job("write", FILL_BLOCK_BYTES, FILL_DEPTH, span, nonce=secrets.token_hex(4)))
            done[key] = span
        return done[key]

    return fill


ENOUGH_OPERATIONS = 100
"""In a round: with eight at once, those that end just before or after it are a few percent of it."""
LONGER = 4
"""How much longer a round may become than the test model says."""


class Steady:
    """Measures storage in its steady state."""

    def __init__(self, targets: list[Target], filled: Callable[[Target], int], parameters: Parameters) -> None:
        self._targets = targets
        self._filled = filled
        self._parameters = parameters

    def window(self, target: Target, pattern: fio.Pattern, block_bytes: int, depth: int) -> fio.Done:
        """A whole window of the steady state (SNIA SSS PTS). Raises Unsteady where none comes in time.

        Where a round has few operations, it is they that make the rounds differ, by which of them ends in which; then
        the rounds of further windows are longer, if that makes them enough.
        """
        span, rounds = self._filled(target), self._parameters.fio_window_rounds
        shortest_s = round_s = self._parameters.fio_round_seconds
        windows: list[fio.Done] = []
        for _ in range(self._parameters.fio_windows_max):
            job = fio.Job(pattern, block_bytes, depth, span, seconds=round_s * rounds, rounds=rounds)
            windows.append(target.run(job))
            if (found := windows[-1].window) and found.is_steady:
                return windows[-1]
            if ENOUGH_OPERATIONS / LONGER <= windows[-1].operations / rounds < ENOUGH_OPERATIONS:
                round_s = shortest_s * LONGER
        raise fio.Unsteady(windows, f"{target.path} of {target.shell.host}")

    def sample(
        self,
        kpi: KpiRecorder,
        figures: Mapping[str, Callable[[fio.Done], float]],
        pattern: fio.Pattern,
        blocks: Iterable[int],
    ) -> None:
        """Measure KPIs of every target, with blocks of each size in bytes and at each depth; each by its figure.

        Raises Unsteady for the first target that came to no steady state, after all were measured: one that this
        happens to hides no other that is too slow.
        """
        cases = product(self._targets, blocks, self._parameters.fio_depths)
        unsteady = [found for case in cases if (found := self._unsteady(kpi, figures, pattern, *case))]
        if unsteady:
            raise unsteady[0]

    def _unsteady(
        self,
        kpi: KpiRecorder,
        figures: Mapping[str, Callable[[fio.Done], float]],
        pattern: fio.Pattern,
        target: Target,
        block_bytes: int,
        depth: int,
    ) -> fio.Unsteady | None:
        """Measure one target.

        Without a steady state nothing can pass. Yet where no window came near to what is required, that is handed over
        too: storage that is too slow at its best is no fault of the lab.
        """
        conditions = {**target.conditions, "pattern": pattern, "block_bytes": block_bytes, "depth": depth}

        def take() -> list[float]:
            done = self.window(target, pattern, block_bytes, depth)
            kpi.note(**conditions, window=str(done.window), fio=done.version)
            return [figure(done) for figure in figures.values()]

        try:
            kpi.sample(list(figures), take, first=1, **conditions)
        except fio.Unsteady as unsteady:
            for name, figure in figures.items():
                found = sorted(figure(each) for each in unsteady.windows)
                between = Estimate(median(found), found[0], found[-1], None, tuple(found))
                kpi.measure(name, between, **conditions, steady=False)
            return unsteady
        return None


@pytest.fixture(scope="session")
def steady(targets: list[Target], filled: Callable[[Target], int], parameters: Parameters) -> Steady:
    """Measures storage in its steady state."""
    return Steady(targets, filled, parameters)
