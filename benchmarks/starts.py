"""What nfvcert costs those who only start pytest, or ask for help."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import ROOT, Figure, ratios, repeated, seconds_of, summed

PYTHON = sys.executable
EMPTY_TESTS = 1000


def figures() -> Iterator[Figure]:
    """Import of the plugin, help, a list of the tests of a lab, and 1,000 empty tests."""
    imports = repeated(_plugin_import_ms, 5)
    yield summed(
        "plugin import at a pytest start", imports, "ms", 60, "-X importtime, nfvcert.plugin with all it imports"
    )
    helps = repeated(lambda: seconds_of([PYTHON, "-m", "nfvcert.cli", "--help"]), 7)
    yield summed("nfvcert --help", helps, "s", 0.3, "whole process")
    with tempfile.TemporaryDirectory() as folder:
        yield from _listed(Path(folder))
        yield from _empty_tests(Path(folder))


def _plugin_import_ms() -> float:
    """Cumulative import time of the plugin, pytest itself being loaded before."""
    command = [PYTHON, "-X", "importtime", "-c", "import pytest; import nfvcert.plugin"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    names = ("nfvcert", "nfvcert.plugin")
    lines = [line.split("|") for line in told.splitlines() if line.startswith("import time:")]
    return sum(float(cumulative) for _, cumulative, name in lines if name.strip() in names) / 1000


def _listed(folder: Path) -> Iterator[Figure]:
    """The shipped suites collected for a lab: its files read, the suites imported."""
    one = folder / "test_one.py"
    one.write_text("def test_one(): pass\n")
    run = [PYTHON, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
    with_it = lambda: seconds_of([*run, "-m", "network", "--lab=opco-ru"])  # noqa: E731
    without = lambda: seconds_of([*run, "-p", "no:nfvcert", one], folder)  # noqa: E731
    how = "whole pytest processes in turn, the network suite for opco-ru over one test elsewhere"
    yield summed("list of the tests of a lab over bare pytest", ratios(with_it, without, 5), "times", 3, how)


def _empty_tests(folder: Path) -> Iterator[Figure]:
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (folder / "test_empty.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(EMPTY_TESTS)))
    others = [
        "-p",
        "no:xdist",
        "-p",
        "no:html",
        "-p",
        "no:metadata",
        "-p",
        "no:allure_pytest",
        "-p",
        "no:hypothesispytest",
    ]
    run = [PYTHON, "-m", "pytest", "-q", *others]
    with_it = lambda: seconds_of(run, folder)  # noqa: E731
    without = lambda: seconds_of([*run, "-p", "no:nfvcert"], folder)  # noqa: E731
    how = f"whole pytest processes in turn, {EMPTY_TESTS} empty tests, nfvcert loaded over not loaded"
    yield summed("cost over bare pytest, 1,000 empty tests", ratios(with_it, without, 5), "times", 1.3, how)
