"""A device that is a little slower than the one that was accepted: told from as fast, and at the limit from nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.embedded.faults import seeded
from nfvcert.judge import Verdict
from tests.certify import Certified, certify, quick_model
from tests.faults.catalogue import MTU, NDR

LINE_RATE_FPS = 14_880
ALLOWED = 0.05
DECISIONS = {Verdict.PASS: "ACCEPTED", Verdict.INCONCLUSIVE: "INCONCLUSIVE", Verdict.FAIL: "REJECTED"}


def comparing(where: Path) -> Path:
    """The shipped model, reduced to the non-drop rate, which must not be worse than before by more than 5 %."""
    path = quick_model(where, (NDR, MTU), search_width=0.01)
    model = YAML(typ="safe").load(path.read_text())
    for rule in model["criteria"]:
        if rule["kpi"] == NDR:
            rule["not_worse_than_baseline_by"] = f"{ALLOWED:.0%}"
    with path.open("w") as file:
        YAML().dump(model, file)
    return path


def against_baseline(run: Certified) -> Verdict:
    (found,) = (each for each in run.stream.judgement.criteria if each.criterion.not_worse_than_baseline_by)
    return found.verdict


@pytest.fixture(scope="module")
def history(lab: embedded.EmbeddedLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a healthy lab, which were accepted: of the first of them, on condition."""
    assert lab.run_dir.exists()
    where = tmp_path_factory.mktemp("history")
    run = certify("opco-ru", comparing(where), where / "reports")
    assert run.stream.judgement.decision == "ACCEPTED WITH CONDITIONS", run.output
    return where / "reports"


@pytest.mark.parametrize(
    ("slower", "right"),
    [
        (0.0, {Verdict.PASS}),
        (0.02, {Verdict.PASS}),
        (0.045, {Verdict.PASS, Verdict.INCONCLUSIVE}),
        (0.055, {Verdict.FAIL, Verdict.INCONCLUSIVE}),
        (0.08, {Verdict.FAIL}),
    ],
    ids=["as-fast", "2-percent", "just-allowed", "just-too-slow", "8-percent"],
)
def test_a_slower_device(
    slower: float, right: set[Verdict], history: Path, lab: embedded.EmbeddedLab, tmp_path: Path
) -> None:
    asked = comparing(tmp_path), tmp_path / "reports", f"--history={history}"
    if slower:
        with seeded(lab, "rate-cap", fps=round(LINE_RATE_FPS * (1 - slower)), burst=20):
            run = certify("opco-ru", *asked)
    else:
        run = certify("opco-ru", *asked)
    verdict = against_baseline(run)
    assert verdict in right, run.output
    assert run.stream.judgement.decision == DECISIONS[verdict], run.output
