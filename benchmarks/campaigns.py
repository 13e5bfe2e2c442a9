"""Twenty streams at once: makespan, time to the first test, cost per test and memory, beside stock pytest-xdist.

All ratios are of runs that follow one another on the same machine. `python -m benchmarks campaigns` runs these alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.figures import Figure, summed
from benchmarks.synthetic import WORKERS, Workload, workload, write_project
from nfvcert.claims import Claim
from nfvcert.lab import Lab
from nfvcert.record import StreamPlan
from nfvcert.streams import plan_run, plan_tests
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import Criterion, Parameters

TESTS_PER_STREAM = 60
BOUND_S = 15.0
"""Scale of the synthetic campaign: tests of 0.24 s in the mean."""
EMPTY_TESTS_PER_STREAM = 100

WITHOUT = ("html", "metadata", "allure_pytest", "hypothesispytest")
PYTEST = (sys.executable, "-m", "pytest", "-q", *(f"-pno:{plugin}" for plugin in WITHOUT))
OURS = (*PYTEST, "-n", str(WORKERS), "--campaign", "campaign.yaml", "suites")
PLAIN = (*PYTEST, "-p", "no:nfvcert", "stock")
STOCK = (*PYTEST, "-p", "no:nfvcert", "-n", str(WORKERS))
STOCK_MODES = {
    "load": (*STOCK, "stock", "--dist", "load"),
    "load --maxschedchunk 1": (*STOCK, "stock", "--dist", "load", "--maxschedchunk", "1"),
    "worksteal": (*STOCK, "stock", "--dist", "worksteal"),
    "a group per lab": (*STOCK, "per_lab", "--dist", "loadfile"),
}
"""A file per lab stands for loadgroup, which pytest 9.2 silently ignores (it never reads what xdist 3.8 writes)."""


@dataclass(frozen=True)
class Ran:
    """What is known of one whole run."""

    tests: tuple[tuple[float, float, str], ...]
    """Start, end (monotonic), `stream/number`."""
    launched: float
    controller_seconds: float
    """Processor time of the controlling process while tests ran."""
    pss_mb: float
    """Greatest sum over its processes."""

    @property
    def makespan(self) -> float:
        """From the first test's start to the last one's end, in seconds."""
        return max(end for _, end, _ in self.tests) - min(start for start, _, _ in self.tests)

    @property
    def to_first_test(self) -> float:
        """From the start of the process to the first test's, in seconds."""
        return min(start for start, _, _ in self.tests) - self.launched


def run(command: Sequence[str], project: Path, *, locks: bool, memory: bool = False) -> Ran:
    """Run the project once. Raises RuntimeError when not every test ran exactly once."""
    expected = (project / "seconds.json").read_text().count(":")
    with tempfile.TemporaryDirectory() as folder:
        log, place = Path(folder) / "log", Path(folder) / "locks"
        log.mkdir()
        place.mkdir()
        environment = os.environ | {"BENCH_LOG": str(log), "NFVCERT_RUN_DIR": f"{folder}/run", "COLUMNS": "80"}
        # An installed package is compiled once, wherever its sources lie and whatever the environment forbids.
        environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(project / "bytecode")}
        if locks:
            environment["BENCH_LOCKS"] = str(place)
        output = Path(folder) / "output"
        launched = time.monotonic()
        with output.open("wb") as file:
            process = subprocess.Popen(command, cwd=project, env=environment, stdout=file, stderr=subprocess.STDOUT)
            watch = Memory(process.pid)
            if memory:
                watch.start()
            status = process.wait()
            watch.stop()
        lines = [line.split() for path in log.glob("*.log") for line in path.read_text().splitlines()]
        if len(lines) != expected or len({name for *_, name in lines}) != expected:
            raise RuntimeError(
                f"{' '.join(command)}: {len(lines)} of {expected} tests ran, status {status}\n{output.read_text()}"
            )
        controller = float((log / "controller").read_text())
    tests = tuple((float(start), float(end), name) for start, end, name in lines)
    return Ran(tests, launched, controller, watch.peak_mb)


class Memory(threading.Thread):
    """Sums the proportional set size of a process and all below it, twice a second, and remembers the greatest."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.peak_mb = 0.0

    def run(self) -> None:
        while not self._over.wait(0.5):
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(self._pid)
                found = (_pss_kb(each.pid) for each in (process, *process.children(recursive=True)))
                self.peak_mb = max(self.peak_mb, sum(found) / 1024)

    def stop(self) -> None:
        self._over.set()
        if self.is_alive():
            self.join()


def _pss_kb(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def overlaps(ran: Ran, work: Workload) -> int:
    """How many pairs of tests were in each other's way: they ran at once, and one wanted a resource for itself."""
    needs = {task.name: task.needs for task in work.tasks()}
    users: dict[str, list[tuple[float, float, bool]]] = defaultdict(list)
    for start, end, name in ran.tests:
        for need in needs[name]:
            users[need.resource].append((start, end, need.how == "exclusive"))
    found = 0
    for uses in users.values():
        uses.sort()
        for number, (_, end, alone) in enumerate(uses):
            for start, _, also_alone in uses[number + 1 :]:
                if start >= end:
                    break
                found += alone or also_alone
    return found


# ── figures ──


def figures() -> Iterator[Figure]:
    """All of them."""
    yield from planning()
    with tempfile.TemporaryDirectory() as folder:
        yield from makespan(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        yield from start_and_cost(Path(folder))


def planning() -> Iterator[Figure]:
    """100 streams of 200 tests each."""
    plans, allocating = _big_plans()
    times = []
    for _ in range(3):
        started = time.perf_counter()
        plan_run(plans, WORKERS, now=datetime(2026, 11, 25, tzinfo=UTC))
        times.append(time.perf_counter() - started)
    how = "plan_run, 20,000 tests on 20 workers; plan_tests of all streams before took {:.2g} s"
    yield summed("plan of 100 streams x 200 tests", times, "s", 2.0, how.format(allocating))


def makespan(project: Path) -> Iterator[Figure]:
    """The synthetic campaign with nfvcert, then with each stock mode."""
    work = workload(TESTS_PER_STREAM, BOUND_S)
    write_project(project, work)
    bound = work.bound()
    ours = [run(OURS, project, locks=False, memory=True) for _ in range(2)]
    if in_the_way := sum(overlaps(each, work) for each in ours):
        raise RuntimeError(f"{in_the_way} pairs of tests ran at once that must not")
    times = [each.makespan for each in ours]
    how = f"20 streams x {TESTS_PER_STREAM} tests on 12 labs, {WORKERS} workers, from first start to last end"
    against = f"{how}; the bound is {bound.seconds:.1f} s by {bound.why}"
    yield summed("campaign over its lower bound", [t / bound.seconds for t in times], "times", 1.05, against)
    stock = {mode: run(command, project, locks=True, memory=True) for mode, command in STOCK_MODES.items()}
    for mode, ran in stock.items():
        yield Figure(f"the same, xdist {mode}", ran.makespan / bound.seconds, "times", None, "with file locks, once")
    best = min(stock, key=lambda mode: stock[mode].makespan)
    ratios = [t / stock[best].makespan for t in times]
    yield summed("campaign over the best stock mode", ratios, "times", 0.65, f"{how}; the best is {best}")
    memory = max(each.pss_mb for each in ours)
    yield Figure("memory of 20 workers", memory, "MB", None, "greatest sum of PSS, sampled twice a second")
    yield Figure("the same, xdist", stock[best].pss_mb, "MB", None, f"--dist {best}")


def start_and_cost(project: Path) -> Iterator[Figure]:
    """2,000 tests that do nothing."""
    work = workload(EMPTY_TESTS_PER_STREAM, 0.0)
    write_project(project, work)
    tests = len(work.seconds)
    for command in (PLAIN, OURS):  # compile everything
        run(command, project, locks=False)
    ours, plain = [], []
    for _ in range(3):
        plain.append(run(PLAIN, project, locks=False))
        ours.append(run(OURS, project, locks=False))
    stock = run(STOCK_MODES["load"], project, locks=False)
    firsts = [mine.to_first_test / theirs.to_first_test for mine, theirs in zip(ours, plain, strict=True)]
    plain_first = statistics.median(each.to_first_test for each in plain)
    how = f"{tests:,} tests, -n {WORKERS}, over plain pytest's {plain_first:.2f} s, in turn"
    yield summed("time to first test", firsts, "times", 3.0, how)
    yield Figure("the same, xdist -n 20", stock.to_first_test / plain_first, "times", None, "once")
    how = f"processor time of the controlling process while {tests:,} empty tests run in {WORKERS} workers"
    costs = [each.controller_seconds / tests * 1000 for each in ours]
    yield summed("controller's cost per test", costs, "ms", 2.0, how)
    yield Figure("the same, xdist load", stock.controller_seconds / tests * 1000, "ms", None, "once")
    whole = [each.makespan / tests * 1000 for each in ours]
    yield summed("wall time per empty test", whole, "ms", None, f"all {WORKERS} workers on {os.cpu_count()} processors")
    yield Figure("the same, xdist load", stock.makespan / tests * 1000, "ms", None, "once")


def _big_plans() -> tuple[list[StreamPlan], float]:
    """100 streams, each with a lab and 200 tests; and how long it took to plan each by itself, in seconds."""
    criterion = Criterion(kpi="network.throughput.ndr", at_least=1, unit="pps", as_written="≥ 1 pps", source="s")
    shapes = [(Claim("generator", exclusive=True),), (Claim("host", exclusive=True),), (Claim("host"),), ()]
    plans, seconds = [], 0.0
    for number in range(100):
        stream = f"pack@lab-{number}"
        lab = Lab.model_validate(
            {
                "lab": f"lab-{number}",
                "owner": {"organisation": "Benchmark", "role": "hq"},
                "environment": "lab",
                "provider": "embedded",
                "profile": "switch",
                "hosts": {"leaf-1": {"roles": ["switch"]}, "leaf-2": {"roles": ["switch"]}},
                "network": {"dut": {"kind": "linux-bridge"}},
                "traffic": {
                    "generator": "software",
                    "ports": {f"tg{n}": {"attached_to": f"leaf-{n + 1}", "speed": "1 Gbit/s"} for n in range(2)},
                },
                "shares": ["machine"],
            }
        )
        tests = [
            CollectedTest(
                f"suites/test_bench.py::test_{n}[{stream}]",
                f"Test {n}",
                frozenset({"network"}),
                (),
                case=f"suites/test_bench.py::test_{n}",
                expected_seconds=1.0 + n % 7,
                claims=shapes[n % len(shapes)],
                shared_fixtures=frozenset({"vm"}) if n % 20 == 0 else frozenset(),
            )
            for n in range(200)
        ]
        started = time.perf_counter()
        planned, left_out = plan_tests(tests, [criterion], domains={"network"}, lab=lab, took={})
        seconds += time.perf_counter() - started
        plans.append(
            StreamPlan(
                stream=stream,
                lab=lab,
                inventory=f"lab-{number}.yaml",
                inventory_sha256="0" * 64,
                model="network 1",
                model_file="network.yaml",
                model_sha256="0" * 64,
                profile="switch",
                profile_title="a switch",
                parameters=Parameters(),
                criteria=(criterion,),
                kpis={},
                planned=planned,
                left_out=left_out,
            )
        )
    return plans, seconds
