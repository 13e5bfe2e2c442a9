"""A project of one small embedded lab and whatever suite a test writes, run by pytest in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nfvcert.archive import read_record
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

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start pytest on the suite."""
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> Run:
        """Wait for a started pytest."""
        output, _ = process.communicate(timeout=60)
        folders = sorted((self.folder / "reports").glob("2*"))
        return Run(process.returncode, output, folders[-1] if folders else None)

    def run(self, *arguments: str, lab: str = "opco-ru") -> Run:
        """Certify the lab, and wait."""
        return self.ended(self.start("-m", "network", f"--lab={lab}", *arguments))

    def events(self) -> list[dict[str, object]]:
        """The events of the last run so far."""
        (folder,) = (self.folder / "reports").glob("2*")
        return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A fresh project; its embedded labs live in a run directory of their own."""
    run_dir = tmp_path / "run"
    made = Project(tmp_path, {**os.environ, "NFVCERT_RUN_DIR": str(run_dir), "COLUMNS": "120"})
    made.write("pytest.ini", INI)
    made.write("lab_inventory/opco-ru.yaml", LAB.format(name="opco-ru"))
    made.write("testmodels/kpis.yaml", KPIS)
    made.write("testmodels/network.yaml", MODEL)
    yield made
    sweep = "from nfvcert import embedded; print(embedded.down('opco-ru'))"
    left = subprocess.run(
        [sys.executable, "-c", sweep], env=made.environment, capture_output=True, text=True, check=True
    )
    assert left.stdout == "False\n", "the run left its lab up"
