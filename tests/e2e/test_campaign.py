"""A campaign of real embedded labs in one run with workers, to a decision each.

Twenty labs are certified by `python -m benchmarks pops`; a few show the same here.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nfvcert.archive import read_record
from nfvcert.record import Record
from tests.certify import ROOT, quick_model
from tests.e2e.pops import overlaps, write

LABS = 3
KPIS = (
    "network.reachability.unreachable_pairs",
    "network.learning.flooded_frames",
    "network.learning.unknown_reach_ratio",
    "network.both_ways.loss_ratio",
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Of a run of LABS labs in as many workers."""
    where = tmp_path_factory.mktemp("campaign")
    run_dir = where / "run"
    run_dir.mkdir(mode=0o700)
    campaign, folders = write(where, LABS)
    asked = [
        "-m",
        "network",
        f"--campaign={campaign}",
        *folders,
        f"--test-model={quick_model(where, KPIS, trial_seconds=0.3)}",
    ]
    plain = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", f"--reports={where / 'reports'}"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", f"-n{LABS}", *asked, *plain],
        cwd=ROOT,
        env={**os.environ, "NFVCERT_RUN_DIR": str(run_dir), "NFVCERT_LEASES": str(where / "leases")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    left = [entry.name for entry in run_dir.iterdir() if entry.is_dir()]
    assert left == [], "labs were left up"
    return read_record(where / "reports" / "latest")


def test_every_stream_has_its_decision(record: Record) -> None:
    # The campaign selects the network domain, and a NIC concerns the hosts too, whose tests are missed visibly.
    assert {stream.judgement.decision.value for stream in record.streams} == {"ACCEPTED WITH CONDITIONS"}
    assert len(record.streams) == LABS
    assert all("compute" in " ".join(stream.judgement.conditions) for stream in record.streams)
    assert all(stream.plan.unit is not None for stream in record.streams)
    assert all(test.verdict == "PASS" and not stream.attempts for stream in record.streams for test in stream.tests)


def test_exclusive_needs_never_overlapped(record: Record) -> None:
    needs = {need.resource for stream in record.streams for test in stream.plan.planned for need in test.needs}
    assert {"machine", *(stream.plan.lab.lab for stream in record.streams)} <= needs
    assert overlaps(record) == []


def test_measuring_tests_stay_in_one_worker_and_others_use_more(record: Record) -> None:
    workers = set()
    for stream in record.streams:
        measuring = {test.test for test in stream.plan.planned if test.chain}
        assert len(measuring) == 2
        assert len({test.worker for test in stream.tests if test.test in measuring}) == 1
        workers |= {test.worker for test in stream.tests}
    assert len(workers) > 1


def test_the_log_of_leases_is_balanced(record: Record) -> None:
    held: set[str] = set()
    for lease in record.leases:
        if lease.what == "taken":
            assert lease.resource not in held
            held.add(lease.resource)
        elif lease.what == "released":
            held.remove(lease.resource)
    assert held == set()
    assert {lease.resource for lease in record.leases} == {"machine", *(s.plan.lab.lab for s in record.streams)}
