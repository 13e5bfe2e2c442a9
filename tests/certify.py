"""Runs a shipped suite on an embedded lab, judged by a part of its shipped test model, in a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.archive import read_record
from nfvcert.files import read_lab
from nfvcert.record import StreamRecord

ROOT = Path(__file__).parents[1]
QUICK: Mapping[str, object] = {
    "frame_bytes": [64],
    "trial_seconds": 0.5,
    "duration_sum_seconds": 1.0,
    "search_width": 0.05,
    "loss_curve": [0.6, 0.2],
    "latency_seconds": 0.5,
    "burst_seconds": 0.3,
    "soak_seconds": 4.0,
    "failover_repeats": 2,
}
"""Parameters that keep the default test run short; the bounds stay those of the shipped model."""
HEALTHY: Mapping[str, object] = {"soak_seconds": 2.0, "failover_repeats": 1}
"""Where nothing is wrong, less suffices to show it."""


@dataclass(frozen=True)
class Certified:
    """A run that ended."""

    status: int
    output: str
    stream: StreamRecord

    def verdicts(self, kpi: str) -> set[str]:
        """Verdicts of the criteria on a KPI."""
        return {found.verdict.value for found in self.stream.judgement.criteria if found.criterion.kpi == kpi}


def quick_model(where: Path, kpis: Iterable[str] | None = None, **parameters: object) -> Path:
    """The shipped network model, reduced to some KPIs and frame size 64, with quick parameters."""
    model = YAML(typ="safe").load((ROOT / "testmodels/network.yaml").read_text())
    model["version"] += "-quick"  # a released version is never changed
    wanted = set(kpis) if kpis is not None else None
    model["criteria"] = [
        rule | ({"where": _reduced(rule["where"])} if "where" in rule else {})
        for rule in model["criteria"]
        if (wanted is None or rule["kpi"] in wanted) and _asks_for_64(rule)
    ]
    model["parameters"] = model["parameters"] | dict(QUICK) | parameters
    # The depths of the shipped model are for people who have the time.
    model["sizes"] = {size: _without_depth(rules, model["criteria"]) for size, rules in model["sizes"].items()}
    text = io.StringIO()
    YAML().dump(model, text)
    path = where / "quick.yaml"
    path.write_text(text.getvalue())
    return path


def reduced_model(
    domain: str, where: Path, kpis: Iterable[str] | None = None, parameters: Mapping[str, object] | None = None
) -> Path:
    """The shipped model of a domain, reduced to some KPIs, with other parameters; its bounds stay."""
    model = YAML(typ="safe").load((ROOT / f"testmodels/{domain}.yaml").read_text())
    model["version"] += "-quick"
    wanted = None if kpis is None else set(kpis)
    model["criteria"] = [rule for rule in model["criteria"] if wanted is None or rule["kpi"] in wanted]
    if parameters:
        model["parameters"] |= parameters
    del model["sizes"]
    path = where / "quick.yaml"
    with path.open("w") as file:
        YAML().dump(model, file)
    return path


def _without_depth(rules: Mapping[str, object], criteria: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """What always runs is a part of what is asked for."""
    asked = [rule["kpi"] for rule in criteria]
    return {
        key: [kpi for kpi in value if kpi in asked] if isinstance(value, list) else value
        for key, value in rules.items()
        if key != "depth"
    }


def _asks_for_64(rule: Mapping[str, Mapping[str, object]]) -> bool:
    size = rule.get("where", {}).get("frame_bytes", 64)
    return 64 in size if isinstance(size, list) else size == 64


def _reduced(where: Mapping[str, object]) -> dict[str, object]:
    reduced = dict(where)
    if "frame_bytes" in reduced:
        reduced["frame_bytes"] = 64
    if isinstance(reduced.get("load"), list):
        reduced["load"] = [0.6, 0.2]
    return reduced


@contextmanager
def up_alone(inventory: Path) -> Iterator[embedded.EmbeddedLab]:
    """A lab that is up, in a run directory of its own."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as run_dir, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFVCERT_RUN_DIR", run_dir)
        # Without an owner, as `nfvcert lab up` leaves it: a run makes anew what some other process still owns.
        up = embedded.up(read_lab(inventory))
        try:
            yield up
        finally:
            up.down()
        assert not left_of(run_dir), "the lab left processes"


def left_of(run_dir: str) -> list[psutil.Process]:
    """The processes that name a run directory, and do not end by themselves in some seconds."""
    naming = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(run_dir in word for word in process.info["cmdline"] or ())
    ]
    return psutil.wait_procs(naming, timeout=5)[1]


def command(lab: str, model: Path, reports: Path, *more: str, domain: str = "network") -> list[str]:
    """The command line that certifies a domain of a lab."""
    asked = ["-m", domain, f"--lab={lab}", f"--test-model={model}", f"--reports={reports}"]
    return [sys.executable, "-m", "pytest", *asked, "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *more]


def certify(
    lab: str, model: Path, reports: Path, *more: str, domain: str = "network", timeout_s: float = 300
) -> Certified:
    """Certify a domain of a lab and wait for the end; ``more`` are further options."""
    ended = subprocess.run(
        command(lab, model, reports, *more, domain=domain),
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return gathered(ended.returncode, ended.stdout + ended.stderr, reports)


def gathered(status: int, output: str, reports: Path) -> Certified:
    """What an ended run left in a reports folder that holds one run."""
    folders = list(reports.glob("2*"))
    assert len(folders) == 1, output
    (stream,) = read_record(folders[0]).streams
    assert (folders[0] / "acceptance.html").exists(), output
    assert "Traceback" not in output, output
    assert "INTERNALERROR" not in output, output
    return Certified(status, output, stream)
