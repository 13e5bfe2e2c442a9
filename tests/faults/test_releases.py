"""The example releases, certified for real in opco-ru: looked for, scoped, decided, and told of in the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from nfvcert import embedded
from tests.certify import certify, quick_model
from tests.faults.catalogue import LEAKED, MTU, OUTAGE, REACHABLE

KPIS = (REACHABLE, MTU, LEAKED, OUTAGE)


@dataclass(frozen=True)
class Example:
    """What is expected of a release."""

    unit: str
    size: str
    decision: str
    left_out: set[str]
    """Tests of what is asked for that it need not run."""
    changed: int
    says: str
    """In the report."""


CONDITIONS = "ACCEPTED WITH CONDITIONS"
"""By the network suite alone: the tests of other domains that such a release wants are missed visibly."""
OF_THE_SWITCH = {"test_failover", "test_reset", "test_recovery_from_overload"}
EXAMPLES = (
    # A small release of the adapters runs no test of what a switch does when a link is lost, or when it restarts.
    Example("nic-firmware", "small", CONDITIONS, OF_THE_SWITCH, 1, "guest-os"),
    Example("network-pack", "medium", CONDITIONS, set(), 2, "sdn-openflow"),
    # The network suite alone says nothing of what changes in the VIM.
    Example("nfvi-vim", "large", "INCONCLUSIVE", set(), 16, "nova changes, and no planned test covers it"),
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.unit)
def test_an_example_release(example: Example, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    assert lab.run_dir.exists()
    model = quick_model(tmp_path, KPIS, failover_repeats=1)
    run = certify("opco-ru", model, tmp_path / "reports", f"--release=releases/examples/{example.unit}.yaml")
    stream, scope = run.stream, run.stream.plan.scope
    assert stream.judgement.decision == example.decision, run.output
    assert run.status == (0 if example.decision == CONDITIONS else 10)
    assert {test.verdict for test in stream.tests} == {"PASS"}
    # It was looked for, on every host that has it.
    assert stream.presence
    assert all(row.present for row in stream.presence)
    # What it can break, and only that, was run.
    assert scope is not None
    assert (scope.size, len(scope.changed)) == (example.size, example.changed)
    by_scope = {
        left.test.split("::")[1].split("[")[0] for left in stream.plan.left_out if not left.reason.startswith("what it")
    }
    assert by_scope == example.left_out
    # The report explains scope and untested risk.
    (folder,) = (tmp_path / "reports").glob("2*")
    page = (folder / "acceptance.html").read_text()
    assert "Scope and untested risk" in page
    assert example.says in page
