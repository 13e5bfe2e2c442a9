"""Each fault, seeded for real in an embedded lab, down the whole path: suite, judge, record, decision, exit status."""

from __future__ import annotations

import subprocess
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.embedded.faults import seeded
from nfvcert.embedded.traffic_faults import may_set_clock
from tests.certify import HEALTHY, ROOT, Certified, certify, command, gathered, quick_model, up_alone
from tests.faults.catalogue import CASES, LEAKED, NDR, OUTAGE, RESET, Case, table
from tests.long import first_of_each_kind


@pytest.mark.parametrize("case", first_of_each_kind(case for case in CASES if case.fault))
def test_a_seeded_fault_is_found(case: Case, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    model = quick_model(tmp_path, case.required, **case.parameters)
    if case.fault == "clock-jumps" and not may_set_clock():
        pytest.skip("nobody may set this machine's clock")
    with seeded(lab, case.fault, **case.seeded) if case.fault else nullcontext():
        run = certify("opco-ru", model, tmp_path / "reports", *([f"--release={case.release}"] if case.release else []))
    check(case, run)


def check(case: Case, run: Certified) -> None:
    """The verdicts, the blame and the decision are those of the table."""
    judgement = run.stream.judgement
    if case.fails:
        assert "FAIL" in run.verdicts(case.fails), run.output
        assert judgement.decision == "REJECTED"
        assert run.status == 1
        failed = {found.criterion.kpi for found in judgement.criteria if found.verdict == "FAIL"}
        assert failed == {case.fails}, run.output
        assert case.fails in judgement.summary
    else:
        assert judgement.decision == "INCONCLUSIVE", run.output
        assert run.status == 10
        assert not [found for found in judgement.criteria if found.verdict == "FAIL"]
        blamed = [found.sentence for found in judgement.findings if found.blame == case.blames]
        assert any(case.says in sentence for sentence in blamed), run.output
        assert judgement.summary.startswith("The lab, not the release, is in doubt")
    for kpi in case.passes:
        assert run.verdicts(kpi) == {"PASS"}, run.output


@pytest.mark.parametrize(
    ("command", "decision", "least_s", "says"),
    [
        ("true", "INCONCLUSIVE", None, "nothing shows that the device restarted"),
        (
            "ip link set tenant-a down; (sleep 4.5; ip link set tenant-a up) >/dev/null 2>&1 &",
            "REJECTED",
            4.3,
            "network.reset.planned_time",
        ),
        (
            "(sleep 2.8; ip link set tenant-a down; sleep 4; ip link set tenant-a up) >/dev/null 2>&1 &",
            "REJECTED",
            3.3,
            "network.reset.planned_time",
        ),
        ("ip link set tenant-a down", "REJECTED", 13, "network.reset.planned_time"),
    ],
    ids=["stops nothing", "takes longer than is looked on", "begins as the stream ends", "does not come back"],
)
def test_restarts(command: str, decision: str, least_s: float | None, says: str, tmp_path: Path) -> None:
    told = YAML(typ="safe").load((ROOT / "lab_inventory/opco-ru.yaml").read_text())
    told["network"]["dut"]["reset"]["command"] = command
    inventory = tmp_path / "opco-ru.yaml"
    with inventory.open("w") as file:
        YAML().dump(told, file)
    with up_alone(inventory):
        run = certify(str(inventory), quick_model(tmp_path, [RESET]), tmp_path / "reports")
    assert run.stream.judgement.decision == decision, run.output
    assert says in run.stream.judgement.summary
    measured = [each.value for each in run.stream.measurements]
    assert measured == ([] if least_s is None else [pytest.approx(least_s + 0.75, abs=0.75)])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"up": "true"}, "trunk-1 carried 0 of"),
        ({"counted_by": "uname"}, "must print a number, and prints 'Linux' on leaf-1"),
        ({"counted_by": None}, "0 frames were lost while leaf-1 ran"),
    ],
    ids=["the primary link stays down", "counts nothing", "nobody counts"],
)
def test_a_fail_over_of_a_link_that_carries_nothing_is_none(
    changes: dict[str, str | None], says: str, tmp_path: Path
) -> None:
    told = YAML(typ="safe").load((ROOT / "lab_inventory/opco-ru.yaml").read_text())
    redundancy = told["network"]["dut"]["redundancy"] | changes
    told["network"]["dut"]["redundancy"] = {key: value for key, value in redundancy.items() if value}
    inventory = tmp_path / "opco-ru.yaml"
    with inventory.open("w") as file:
        YAML().dump(told, file)
    with up_alone(inventory):
        run = certify(str(inventory), quick_model(tmp_path, [OUTAGE]), tmp_path / "reports")
    assert run.stream.judgement.decision == "INCONCLUSIVE", run.output
    assert any(says in found.sentence for found in run.stream.judgement.findings), run.output


def test_a_router_that_leaks_to_one_of_a_tenants_ports(tmp_path: Path) -> None:
    with up_alone(ROOT / "lab_inventory/opco-kz.yaml") as lab, seeded(lab, "leak", host="router-1"):
        run = certify("opco-kz", quick_model(tmp_path, [LEAKED]), tmp_path / "reports")
    assert run.stream.judgement.decision == "REJECTED", run.output


def test_results_that_cannot_be_written(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case.name == "disk-full")
    assert lab.run_dir.exists()
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=True)
    asked = command("opco-ru", quick_model(tmp_path, case.required), disk / "reports")
    process = subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        _wait_for_plan(disk / "reports")
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:  # until nothing more fits
            while True:
                filler.write(bytes(4096))
        output, _ = process.communicate(timeout=120)
        check(case, gathered(process.returncode, output, disk / "reports"))
    finally:
        process.kill()
        process.wait()
        subprocess.run(["umount", disk], check=True)


def _wait_for_plan(reports: Path) -> None:
    end = time.monotonic() + 30
    while not any(reports.glob("2*/plan.html")):
        assert time.monotonic() < end, "no plan in 30 s"
        time.sleep(0.02)


def test_a_search_that_does_not_end_in_time_says_nothing_of_the_device(
    lab: embedded.EmbeddedLab, tmp_path: Path
) -> None:
    model = quick_model(tmp_path, (NDR,), search_width=0.005, search_seconds_max=2.0)
    with seeded(lab, "rate-cap", fps=12_000):
        run = certify("opco-ru", model, tmp_path / "reports")
    assert run.stream.judgement.decision == "INCONCLUSIVE", run.output
    assert "the search did not end within 2 s" in run.output
    (curve,) = (each for each in run.stream.series if each.title.startswith("Search for the non-drop rate"))
    assert len(curve.points) >= 2


def test_the_buffer_of_a_device_is_told_without_what_leaves_it_meanwhile(
    lab: embedded.EmbeddedLab, tmp_path: Path
) -> None:
    """A token bucket of 300 frames, which half of the line rate refills: bursts of 600 pass (RFC 9004 §6.4)."""
    bound = "network.back_to_back.frames"
    longer = {"trial_seconds": 2.0, "duration_sum_seconds": 2.0, "burst_seconds": 0.1}
    model = quick_model(tmp_path, [bound], **longer)
    with seeded(lab, "rate-cap", fps=7440, burst=300):
        run = certify("opco-ru", model, tmp_path / "reports")
    assert run.verdicts(bound) == {"FAIL"}, run.output
    measured = {each.kpi: each.value for each in run.stream.measurements}
    assert measured[bound] == pytest.approx(600, rel=0.1)
    assert measured["network.back_to_back.buffer_time"] * 14_880 == pytest.approx(300, rel=0.15)


def test_the_healthy_lab_is_accepted(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    assert lab.run_dir.exists()
    run = certify("opco-ru", quick_model(tmp_path, None, loss_goals=[0.2], **HEALTHY), tmp_path / "reports")
    assert run.stream.judgement.decision == "ACCEPTED", run.output
    assert run.status == 0
    rates = {each.kpi: each.value for each in run.stream.measurements if each.kpi.startswith("network.throughput.")}
    assert rates["network.throughput.within_loss"] >= rates["network.throughput.pdr"] >= rates["network.throughput.ndr"]


def test_the_table_in_the_docs_is_this_one() -> None:
    assert table() in (ROOT / "docs/faults.md").read_text()


def test_there_are_at_least_ten_faults_and_each_kind_has_both_blames() -> None:
    assert len([case for case in CASES if case.fails]) >= 10
    assert {case.blames for case in CASES} == {"release", "lab", "storage"}
