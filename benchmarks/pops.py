"""Twenty small points of presence, a release unit each, in one run with twenty workers: real labs, real traffic."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.campaigns import Memory
from benchmarks.figures import ROOT, Figure
from nfvcert.archive import read_record
from tests.certify import quick_model
from tests.e2e.pops import overlaps, write

LABS = 20
KPIS = (
    "network.reachability.unreachable_pairs",
    "network.learning.flooded_frames",
    "network.learning.unknown_reach_ratio",
    "network.mtu.largest_packet",
    "network.both_ways.loss_ratio",
    "network.both_ways.duplicate_ratio",
)


def figures() -> Iterator[Figure]:
    """Time, memory, overlaps, decisions. Raises RuntimeError when the run does not end with ACCEPTED for all."""
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        (where / "run").mkdir(mode=0o700)
        campaign, folders = write(where, LABS)
        asked = ["-m", "network", f"--campaign={campaign}", *folders, f"--test-model={quick_model(where, KPIS)}"]
        command = [sys.executable, "-m", "pytest", f"-n{LABS}", *asked, f"--reports={where / 'reports'}"]
        environment = {**os.environ, "NFVCERT_RUN_DIR": str(where / "run"), "NFVCERT_LEASES": str(where / "leases")}
        with (where / "output").open("wb") as output:
            started = time.monotonic()
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
            memory = Memory(process.pid)
            memory.start()
            status = process.wait()
            seconds = time.monotonic() - started
            memory.stop()
        if status:
            raise RuntimeError(f"{' '.join(command)} ended with {status}:\n{(where / 'output').read_text()}")
        record = read_record(where / "reports/latest")
        decisions = Counter(stream.judgement.decision.value for stream in record.streams)
        tests = sum(len(stream.tests) for stream in record.streams)
        left = sum(entry.is_dir() for entry in (where / "run").iterdir())
    yield Figure("20 labs to 20 decisions", seconds, "s", None, f"whole process, {tests} tests, {dict(decisions)}")
    yield Figure("20 labs: peak memory", memory.peak_mb, "MB", 1500, "PSS of all processes of the run, twice a second")
    yield Figure("20 labs: overlaps", len(overlaps(record)), "pairs", 0, "tests at once of which one needed it alone")
    yield Figure("20 labs: labs left up", left, "labs", 0, "in the run directory, after the end")
