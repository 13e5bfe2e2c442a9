"""A project of small embedded labs and whatever suite a test writes, run by pytest in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from nfvcert.archive import read_record
from nfvcert.judge import TestResult
from nfvcert.leases.files import Files
from nfvcert.record import Record, StreamRecord

LAB = """
lab: {name}
owner: {{organisation: OpCo RU, role: opco}}
environment: lab
provider: embedded
profile: software-switch
networks:
  management: {{subnet: 10.77.0.0/24}}
hosts:
  leaf-1: {{roles: [switch], addresses: {{management: 10.77.0.2}}}}
"""
KPIS = """
network.test.speed:
  {title: Speed, definition: d, unit: pps, better: higher, method: m, source: s}
network.test.errors:
  {title: Errors, definition: d, unit: count, better: lower, method: m, source: s}
"""
MODEL = """
model: network
version: "1"
domain: network
title: for tests of the plugin
profiles: {software-switch: a bridge}
parameters: {frame_bytes: [64, 128], repeats: 3, repeats_max: 6}
criteria:
  - {kpi: network.test.speed, at_least: 100 pps, source: s}
"""
SUITE = """
import pytest
pytestmark = [pytest.mark.network, pytest.mark.measures("network.test.speed")]
def ok(kpi): kpi.measure("network.test.speed", 200.0)
"""
INI = """
[pytest]
addopts = --strict-markers -p no:cacheprovider -p no:hypothesispytest
testpaths = suites
console_output_style = classic
"""


@dataclass
class Run:
    """A pytest process that ended."""

    status: int
    output: str
    folder: Path | None

    @property
    def record(self) -> Record:
        """The record, made anew from the events; equal to the one written."""
        assert self.folder is not None, self.output
        record = read_record(self.folder)
        assert (self.folder / "record.json").read_bytes() == record.canonical()
        return record

    @property
    def stream(self) -> StreamRecord:
        """The only stream."""
        (stream,) = self.record.streams
        return stream

    @property
    def verdicts(self) -> dict[str, str]:
        """Test name → verdict."""
        return {test.test.split("::")[-1].split("[")[0]: test.verdict.value for test in self.stream.tests}

    @property
    def results(self) -> dict[str, TestResult]:
        """`test_a[opco-ru]` → its only result, of all streams."""
        found = [result for stream in self.record.streams for result in stream.tests]
        assert max(Counter(result.test for result in found).values()) == 1
        return {result.test.split("::")[-1]: result for result in found}

    @property
    def all_verdicts(self) -> dict[str, str]:
        """`test_a[opco-ru]` → its verdict, of all streams."""
        return {name: result.verdict.value for name, result in self.results.items()}

    @property
    def decisions(self) -> dict[str, str]:
        """Stream → its decision."""
        return {stream.plan.stream: stream.judgement.decision.value for stream in self.record.streams}

    def sentence(self, name: str) -> str:
        """What is said of a test."""
        return next(test.sentence for test in self.stream.tests if f"::{name}[" in test.test)


@dataclass
class Project:
    """A folder with inventory, test model and suite."""

    folder: Path
    environment: dict[str, str]

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def suite(self, text: str) -> None:
        """The tests to run; every one of them measures network.test.speed unless it says otherwise."""
        self.write("suites/test_it.py", SUITE + textwrap.dedent(text))

    def add_labs(self, *names: str, more: str = "") -> list[str]:
        """Have embedded labs of these names, with ``more`` in their inventories; returns the options that name them."""
        for name in names:
            self.write(f"lab_inventory/{name}.yaml", LAB.format(name=name) + more)
        return [f"--lab={name}" for name in names]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start pytest on the suite, in a session of its own, as in a terminal of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def certify(self, *arguments: str) -> subprocess.Popen[str]:
        """Start to certify."""
        return self.start("-m", "network", *arguments)

    def ended(self, process: subprocess.Popen[str], within_s: float = 60) -> Run:
        """Wait for a started pytest."""
        output, _ = process.communicate(timeout=within_s)
        folders = sorted((self.folder / "reports").glob("2*"))
        return Run(process.returncode, output, folders[-1] if folders else None)

    def run(self, *arguments: str, lab: str = "opco-ru") -> Run:
        """Certify the lab, and wait."""
        return self.ended(self.certify(f"--lab={lab}", *arguments))

    def command(self, *arguments: str) -> str:
        """What `nfvcert` prints."""
        command = [sys.executable, "-m", "nfvcert.cli", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout + done.stderr

    def processes(self) -> list[psutil.Process]:
        """All that work in the project's folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()).is_relative_to(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def events(self) -> list[dict[str, object]]:
        """The events of the last run so far."""
        *_, folder = sorted((self.folder / "reports").glob("2*"))
        return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]

    def count(self, event: str) -> int:
        """How many such events the last run has told so far."""
        with contextlib.suppress(OSError, ValueError):
            return sum(told["event"] == event for told in self.events())
        return 0

    def lines(self, name: str) -> list[str]:
        """What the suite has written to a file, as far as it is there."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


def soon(true: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Let the many processes compile nothing twice, also where the environment forbids to write beside the sources."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}


@pytest.fixture
def project(tmp_path: Path, bytecode: dict[str, str]) -> Iterator[Project]:
    """A fresh project; its embedded labs live in a run directory of their own."""
    leases = tmp_path / "leases"
    places = {"NFVCERT_RUN_DIR": str(tmp_path / "run"), "NFVCERT_LEASES": str(leases)}
    made = Project(tmp_path, {**os.environ, **bytecode, **places, "COLUMNS": "120"})
    made.write("pytest.ini", INI)
    made.add_labs("opco-ru")
    made.write("testmodels/kpis.yaml", KPIS)
    made.write("testmodels/network.yaml", MODEL)
    yield made
    left = [*(tmp_path / "run").glob("*/state.json"), *made.processes()]
    for process in made.processes():
        process.kill()
    if left:
        made.command("lab", "sweep")
    assert not left, "the run left something behind"
    held = [lease for lease in Files(leases).all() if lease.alive] if leases.exists() else []
    assert not held, "the run left its lease"
