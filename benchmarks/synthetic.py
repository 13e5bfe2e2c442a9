"""A synthetic campaign: 20 streams on 12 labs that are never contacted, tests that sleep, and who needs what.

`write_project` makes a folder that both nfvcert and stock pytest-xdist can run. With nfvcert the claims decide who
runs when; with stock modes a test takes the same resources as file locks and waits for them, in its worker.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nfvcert.claims import Need
from nfvcert.schedule import Bound, Task, lower_bound

STREAMS = 20
LABS = 12
WORKERS = 20
SEED = 20261125

Claims = tuple[tuple[str, bool], ...]
"""Kind of resource, and whether exclusively."""
SHAPES: tuple[tuple[float, Claims], ...] = (
    (0.04, (("lab", True),)),
    (0.55, (("generator", True),)),
    (0.20, (("host", True),)),
    (0.21, (("host", False),)),
)
"""How often tests claim what; all share their lab."""


@dataclass(frozen=True)
class Case:
    """A test function."""

    number: int
    claims: Claims
    expected_seconds: float


@dataclass(frozen=True)
class Workload:
    """Test functions, and how long each really takes in each stream."""

    cases: tuple[Case, ...]
    seconds: dict[str, float]
    """`stream/number` → seconds."""

    def tasks(self) -> list[Task]:
        """Every test of every stream, as the dispatcher sees it."""
        return [
            Task(key, stream, tuple(needs(lab_of(stream), case.claims)), self.seconds[key])
            for stream in stream_names()
            for case in self.cases
            if (key := f"{stream}/{case.number}")
        ]

    def bound(self) -> Bound:
        """The makespan that no order of the tests can beat, with tests that take what they really take."""
        return lower_bound(self.tasks(), WORKERS)


def stream_names() -> list[str]:
    """`pack-1@bench-01` … : eight of twelve labs have two streams."""
    return [f"pack-{number // LABS + 1}@bench-{number % LABS + 1:02}" for number in range(STREAMS)]


def lab_of(stream: str) -> str:
    """The lab of a stream."""
    return stream.partition("@")[2]


def needs(lab: str, claims: Claims) -> Iterable[Need]:
    """What a test needs in its lab; a lab of ours has one host and one generator."""
    exclusive = {kind for kind, alone in claims if alone}
    yield Need(resource=lab, how="exclusive" if "lab" in exclusive else "shared")
    for kind, alone in claims:
        if kind != "lab":
            name = f"{lab}/leaf-1" if kind == "host" else f"{lab}/generator"
            yield Need(resource=name, how="exclusive" if alone else "shared")


def workload(tests_per_stream: int, bound_seconds: float) -> Workload:
    """Always the same tests, with durations such that no order can end before ``bound_seconds``; 0: empty tests.

    Durations are spread lognormally, and what a test is expected to take is right only in the middle.
    """
    chance = random.Random(SEED)
    shapes, weights = [claims for _, claims in SHAPES], [weight for weight, _ in SHAPES]
    drawn = [(chance.choices(shapes, weights)[0], chance.lognormvariate(0, 0.6)) for _ in range(tests_per_stream)]
    spread = {
        f"{s}/{n}": drawn[n][1] * chance.lognormvariate(0, 0.3) for s in stream_names() for n in range(len(drawn))
    }
    cases = tuple(Case(number, claims, seconds) for number, (claims, seconds) in enumerate(drawn))
    factor = bound_seconds / Workload(cases, spread).bound().seconds
    return Workload(
        tuple(Case(case.number, case.claims, case.expected_seconds * factor) for case in cases),
        {key: seconds * factor for key, seconds in spread.items()},
    )


def write_project(folder: Path, work: Workload) -> None:
    """A project of labs, releases, a campaign, a test model and suites, for nfvcert and for stock pytest."""
    for name, content in _files(work):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def _files(work: Workload) -> Iterable[tuple[str, str]]:
    yield "pytest.ini", "[pytest]\naddopts = -p no:cacheprovider --import-mode=importlib\ntestpaths = suites\n"
    yield "seconds.json", json.dumps(work.seconds)
    yield "suites/conftest.py", CONFTEST
    yield "suites/test_synthetic.py", _tests(work.cases, None)
    yield "stock/conftest.py", CONFTEST
    yield "stock/test_synthetic.py", _tests(work.cases, stream_names())
    yield "per_lab/conftest.py", CONFTEST
    for lab in sorted({lab_of(stream) for stream in stream_names()}):
        yield f"lab_inventory/{lab}.yaml", LAB.format(lab=lab)
        streams = [stream for stream in stream_names() if lab_of(stream) == lab]
        yield f"per_lab/test_{lab.replace('-', '_')}.py", _tests(work.cases, streams)
    for number in (1, 2):
        yield f"releases/pack-{number}.yaml", RELEASE.format(number=number)
    entries = [f"  - {{unit: {unit}, lab: {lab}}}" for unit, lab in (name.split("@") for name in stream_names())]
    yield "campaign.yaml", "\n".join(["campaign: synthetic", "title: Synthetic", "streams:", *entries, ""])
    yield "testmodels/kpis.yaml", KPIS
    yield "testmodels/network.yaml", MODEL


def _tests(cases: Iterable[Case], streams: Sequence[str] | None) -> str:
    """Test functions for nfvcert, which parametrises them, or for pytest alone with some streams."""
    lines = ["import pytest", "", "pytestmark = pytest.mark.network", ""]
    for case in cases:
        lines.append(f"@pytest.mark.expected_seconds({case.expected_seconds:.6f})")
        if streams is not None:
            lines.append(f"@pytest.mark.parametrize('stream', {list(streams)})")
        lines += [f"@pytest.mark.claims({kind!r}, exclusive={alone})" for kind, alone in case.claims]
        lines += [f"def test_{case.number}(stream, work):", f"    work(stream, {case.number})", ""]
    return "\n".join(lines)


CONFTEST = '''\
"""What a synthetic test does: take its locks where nobody else takes care of them, sleep, and write down when."""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path

import pytest

LOG = Path(os.environ["BENCH_LOG"])
SECONDS = json.loads((Path(__file__).parents[1] / "seconds.json").read_text())
LOCKS = os.environ.get("BENCH_LOCKS")


def pytest_configure(config):
    for marker in ("network", "claims(...)", "expected_seconds(...)"):
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session):
    """Processor time of the process that controls the others (or runs the tests itself)."""
    before = time.process_time()
    result = yield
    if "PYTEST_XDIST_WORKER" not in os.environ:
        (LOG / "controller").write_text(str(time.process_time() - before))
    return result


@pytest.fixture
def stream(request):
    """No lab is opened: nobody answers at its addresses."""
    return request.param


@pytest.fixture
def work(request):
    def do(stream, number):
        with locks(request.node, stream.partition("@")[2]):
            start = time.monotonic()
            if seconds := SECONDS[f"{stream}/{number}"]:
                time.sleep(seconds)
            end = time.monotonic()
        with (LOG / f"{os.getpid()}.log").open("a") as log:
            log.write(f"{start} {end} {stream}/{number}\\n")

    return do


@contextlib.contextmanager
def locks(item, lab):
    if not LOCKS:
        yield
        return
    claims = {marker.args[0]: marker.kwargs["exclusive"] for marker in item.iter_markers("claims")}
    with contextlib.ExitStack() as held:
        for kind in sorted({"lab", *claims}, reverse=True):  # all in one order, so that no two wait for each other
            file = held.enter_context((Path(LOCKS) / f"{lab}-{kind}").open("a"))
            fcntl.flock(file, fcntl.LOCK_EX if claims.get(kind) else fcntl.LOCK_SH)
        yield
'''

LAB = """\
lab: {lab}
owner: {{organisation: Benchmark, role: hq}}
environment: lab
provider: existing
profile: switch
hosts:
  leaf-1: {{roles: [switch], ssh: {{address: 192.0.2.1}}}}
network: {{dut: {{kind: switch}}}}
traffic:
  generator: trex
  address: 192.0.2.2
  ports:
    tg0: {{attached_to: leaf-1, speed: 10 Gbit/s}}
    tg1: {{attached_to: leaf-1, speed: 10 Gbit/s}}
"""
RELEASE = """\
unit: pack-{number}
title: A pack
type: maintenance
maintains: pack
changes:
  - {{component: switch-os, vendor: v, product: p, from: "1", to: "2", trigger: firmware}}
"""
KPIS = """\
network.throughput.ndr:
  title: Non-drop rate
  definition: Greatest rate without loss
  unit: pps
  better: higher
  method: m
  source: s
"""
MODEL = """\
model: network
version: "1"
domain: network
title: Synthetic
profiles: {switch: a switch}
criteria:
  - {kpi: network.throughput.ndr, at_least: 1 kpps, source: s}
"""
