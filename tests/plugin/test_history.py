"""Regression in real runs: what was accepted before is what the next run is compared with, and nothing else is."""

from __future__ import annotations

import json
import platform
import re
import shutil

import pytest

from nfvcert.history import Baseline
from nfvcert.judge import CriterionResult
from tests.plugin.conftest import LAB, Project, Run

COMPARES = "not_worse_than_baseline_by: 5 %"
SUITE = """
import json, pathlib
from nfvcert.suite import Estimate
HERE = pathlib.Path(__file__).parent.parent

@pytest.mark.covers("host-os")
def test_fast(kpi):
    "Is fast"
    told = json.loads((HERE / "device.json").read_text())
    value, off = told.pop("speed"), told.pop("off")
    kpi.measure("network.test.speed", Estimate(value, value - off, value + off, 0.95), **told)
"""
STOPS = """
import os
def test_more(kpi):
    if not (HERE / "go").exists():
        os.kill(os.getpid(), 9)
    kpi.measure("network.test.speed", 200.0)
"""
COMPONENTS = """
host-os:
  title: Host operating system
  domain: compute
  owner: infrastructure-vendor
  facts: [{ssh: kernel}]
"""
RELEASE = """
unit: kernel-x
type: GA
vendor: V
changes:
  - {{component: host-os, vendor: V, product: Linux, from: "{before}", to: "{kernel}", trigger: host-os}}
"""


@pytest.fixture
def lab(project: Project) -> Project:
    """A project whose model compares, and whose device is as `measures` says."""
    model = (project.folder / "testmodels/network.yaml").read_text()
    project.write("testmodels/network.yaml", model.replace("at_least: 100 pps", f"at_least: 100 pps, {COMPARES}"))
    project.suite(SUITE)
    return project


def certified(lab: Project, speed: float, *arguments: str, off: float = 0.5, **conditions: object) -> Run:
    (lab.folder / "device.json").write_text(json.dumps({"speed": speed, "off": off, **conditions}))
    return lab.run(*arguments)


def compared(run: Run) -> CriterionResult:
    """The result of the criterion that compares."""
    (found,) = [each for each in run.stream.judgement.criteria if each.criterion.not_worse_than_baseline_by]
    return found


def baseline(run: Run) -> Baseline:
    found = compared(run).baseline
    assert found is not None, compared(run).sentence
    return found


def runs(of: Baseline) -> list[str]:
    return [each.run for each in of.of]


def name(run: Run) -> str:
    assert run.folder is not None
    return run.folder.name


def test_the_life_of_a_baseline(lab: Project) -> None:
    first = certified(lab, 200)
    assert first.status == 0, first.output
    assert first.decisions == {"opco-ru": "ACCEPTED WITH CONDITIONS"}
    assert first.verdicts == {"test_fast": "PASS"}
    assert compared(first).verdict == "NOT_RUN"
    (condition,) = first.stream.judgement.conditions
    assert condition == "no baseline yet for network.test.speed: there is no accepted record of lab opco-ru in reports"
    assert "on condition: no baseline yet for network.test.speed" in first.output
    assert first.stream.judgement.summary.startswith("1 of 2 criteria of network 1 are met")

    equal = certified(lab, 200)
    assert equal.decisions == {"opco-ru": "ACCEPTED"}, equal.output
    assert compared(equal).verdict == "PASS"
    assert runs(baseline(equal)) == [name(first)]
    assert (baseline(equal).low, baseline(equal).value, baseline(equal).high) == (199.5, 200, 200.5)

    slower = certified(lab, 184)
    assert slower.status == 1
    assert slower.decisions == {"opco-ru": "REJECTED"}
    assert slower.verdicts == {"test_fast": "FAIL"}
    assert runs(baseline(slower)) == [name(equal), name(first)]
    assert slower.sentence("test_fast") == (
        "network.test.speed against its baseline: 184 pps (183.5 pps … 184.5 pps), 92 % (91.52 % … 92.48 %) of "
        "200 pps (199.5 pps … 200.5 pps) of the last 2 accepted records, required at most 5 % worse (network 1)"
    )
    assert slower.sentence("test_fast") in slower.output

    a_little = certified(lab, 196)
    assert a_little.decisions == {"opco-ru": "ACCEPTED"}, a_little.output
    assert runs(baseline(a_little)) == [name(equal), name(first)]  # what was rejected is no standard

    at_threshold = certified(lab, 190)
    assert at_threshold.status == 10
    assert at_threshold.decisions == {"opco-ru": "INCONCLUSIVE"}
    assert at_threshold.verdicts == {"test_fast": "INCONCLUSIVE"}
    assert "the bound lies within the interval of the ratio" in at_threshold.sentence("test_fast")
    found = baseline(at_threshold)
    assert runs(found) == [name(a_little), name(equal), name(first)]
    assert (found.low, found.value, found.high) == (195.5, 200, 200.5)  # the median, and all that the records span

    again = certified(lab, 200)
    assert runs(baseline(again)) == [name(a_little), name(equal), name(first)]  # nor is what was undecided


def test_a_record_that_was_revoked_is_no_baseline(lab: Project) -> None:
    sound, revoked = certified(lab, 200), certified(lab, 196)
    entry = {
        "record": revoked.record.digest,
        "unit": "nic-fw-8.30",
        "reason": "it loses packets",
        "owner": "Board",
        "on": "2026-11-01",
    }
    lab.write("releases/revoked.yaml", json.dumps([entry]))
    assert runs(baseline(certified(lab, 184))) == [name(sound)]
    lab.write("releases/revoked.yaml", json.dumps([entry, entry | {"record": sound.record.digest}]))
    alone = certified(lab, 120)
    assert compared(alone).no_baseline, alone.output
    assert f"{name(sound)} is left out: it was revoked" in compared(alone).sentence


def test_the_report_and_the_record_tell_what_was_compared(lab: Project) -> None:
    first = certified(lab, 200)
    second = certified(lab, 150)
    assert second.folder
    page = (second.folder / "acceptance.html").read_text()
    told = re.sub(r"<[^>]+>|\s+", " ", page)
    assert "Baselines" in told
    assert name(first) in told
    assert "75 % " in told.replace("\N{NO-BREAK SPACE}", " ")
    history = second.stream.plan.history
    assert history is not None
    assert {each.what.split(",")[0] for each in history.equal} >= {"lab", "KPI"}
    assert all(each.because in page.replace("&#39;", "'") and each.decided_by in page for each in history.equal)
    (of,) = baseline(second).of
    assert first.folder is not None
    assert of.record == first.record.digest
    assert "opco-ru: criteria compare with 1 accepted record of this lab in reports" in second.output


@pytest.mark.parametrize("how", [("-n1",)], ids=["in a worker"])
def test_a_worker_compares_likewise(lab: Project, how: tuple[str, ...]) -> None:
    certified(lab, 200, *how)
    assert certified(lab, 200, *how).decisions == {"opco-ru": "ACCEPTED"}
    run = certified(lab, 184, *how)
    assert run.verdicts == {"test_fast": "FAIL"}, run.output
    assert run.decisions == {"opco-ru": "REJECTED"}


def test_other_conditions_have_no_baseline(lab: Project) -> None:
    first = certified(lab, 200, flows=1)
    other = certified(lab, 120, flows=100)
    assert other.decisions == {"opco-ru": "ACCEPTED WITH CONDITIONS"}, other.output
    (condition,) = other.stream.judgement.conditions
    assert f"record {name(first)} is not comparable: flows was 1 and is 100" in condition
    assert compared(certified(lab, 120, flows=1)).verdict == "FAIL"
    assert compared(certified(lab, 120, flows=100)).verdict == "PASS"


def test_another_inventory_parameter_or_test_has_no_baseline(lab: Project) -> None:
    certified(lab, 200)
    path = lab.folder / "lab_inventory/opco-ru.yaml"
    inventory = path.read_text()
    path.write_text(inventory.replace("roles: [switch]", "roles: [switch], memory: 64G"))
    assert "the inventory describes other hosts" in compared(certified(lab, 120)).no_baseline
    path.write_text(inventory.replace("organisation: OpCo RU", "organisation: OpCo RUS"))
    assert compared(certified(lab, 200)).verdict == "PASS"

    model = lab.folder / "testmodels/network.yaml"
    text = model.read_text()
    model.write_text(text.replace("repeats: 3", "trial_seconds: 2, repeats: 4"))
    assert "parameter trial_seconds was 1.0 and is 2.0" in compared(certified(lab, 120)).no_baseline
    model.write_text(text.replace("repeats: 3", "repeats: 4"))
    assert compared(certified(lab, 200)).verdict == "PASS"

    lab.suite(SUITE.replace("test_fast", "test_quick"))
    assert "test was suites/test_it.py::test_fast and is" in compared(certified(lab, 120)).no_baseline


def test_what_is_no_whole_record_is_named_and_left_out(lab: Project) -> None:
    first, second, third = (certified(lab, speed) for speed in (200, 200, 200))
    folders = [run.folder for run in (first, second, third)]
    assert all(folders)
    reports = lab.folder / "reports"
    torn, altered, copied = (folder / "record.json" for folder in folders if folder)
    torn.write_bytes(torn.read_bytes()[:-100])
    lower = altered.read_bytes()
    for was, becomes in ((b"199.5", b"89.5"), (b"200.0", b"90.0"), (b"200.5", b"90.5")):
        lower = lower.replace(was, becomes)
    altered.write_bytes(lower)
    shutil.copytree(copied.parent, reports / "20260101-000000-opco-ru")
    copied.write_text(json.dumps(json.loads(copied.read_bytes()), indent=1))
    (reports / "20260101-000000-notes").mkdir()
    (reports / "20260101-000000-notes/record.json").write_text('{"not": "ours"}')

    run = certified(lab, 120)
    history = run.stream.plan.history
    assert history is not None
    assert run.decisions == {"opco-ru": "ACCEPTED WITH CONDITIONS"}, run.output
    told = {each.folder: each.why for each in history.left_out}
    assert told == {
        name(first): "record.json is no record of a run, or not all of it",
        name(second): "its decision ACCEPTED does not follow from its results",
        name(third): "record.json has other bytes than nfvcert writes",
        "20260101-000000-opco-ru": f"it holds run {name(third)}: a copy",
        "20260101-000000-notes": "record.json is no record of a run, or not all of it",
    }
    assert f"reports/{name(first)} is left out: record.json is no record of a run" in run.output
    assert run.folder is not None
    page = (run.folder / "acceptance.html").read_text()
    assert all(folder in page for folder in told)


def test_an_index_that_lies_is_not_believed(lab: Project) -> None:
    certified(lab, 200)
    certified(lab, 200)
    index = lab.folder / "reports/.history-1.jsonl"
    lines = index.read_text().replace('"value":200.0', '"value":100.0').replace('"low":199.5', '"low":99.5')
    index.write_text(lines.replace('"high":200.5', '"high":100.5') + '{"folder": "torn')
    run = certified(lab, 120)
    assert baseline(run).value == 200
    assert run.decisions == {"opco-ru": "REJECTED"}
    index.unlink()
    assert run.folder is not None
    (folder, *_) = sorted((lab.folder / "reports").glob("2*"))
    record = folder / "record.json"
    record.write_bytes(record.read_bytes().replace(b"199.5", b"149.5").replace(b"200.0", b"150.0"))
    lowered = certified(lab, 200)
    assert lowered.stream.plan.history is not None
    (left_out,) = lowered.stream.plan.history.left_out
    assert (left_out.folder, left_out.why) == (folder.name, "its measurements are not those of its events")
    index.unlink()
    index.mkdir()  # nobody can write it
    assert baseline(certified(lab, 200)).value == 200


def test_history_comes_from_another_folder_on_request(lab: Project) -> None:
    first = certified(lab, 200)
    shutil.move(lab.folder / "reports", lab.folder / "archive")
    assert certified(lab, 120).decisions == {"opco-ru": "ACCEPTED WITH CONDITIONS"}
    run = certified(lab, 120, "--history=archive")
    assert run.decisions == {"opco-ru": "REJECTED"}, run.output
    assert runs(baseline(run)) == [name(first)]
    assert run.stream.plan.history is not None
    assert run.stream.plan.history.folder == "archive"
    refused = certified(lab, 120, "--history=nowhere")
    assert refused.status == 4
    assert "--history=nowhere: there is no such folder" in refused.output


def test_a_resumed_run_compares_with_what_its_first_part_did(lab: Project) -> None:
    first = certified(lab, 200)
    lab.suite(SUITE + STOPS)
    killed = certified(lab, 200)
    assert killed.status == -9
    (lab.folder / "go").touch()
    between = certified(lab, 200)  # it is accepted meanwhile, and measures what the killed run has yet to measure
    assert between.folder
    assert killed.folder
    process = lab.start(f"--resume={killed.folder}")
    resumed = lab.ended(process)
    assert resumed.status == 0, resumed.output
    whole = Run(0, "", killed.folder)
    assert whole.verdicts == {"test_fast": "PASS", "test_more": "PASS"}
    history = whole.stream.plan.history
    assert history is not None
    assert [each.run for each in history.runs] == [name(first)]
    assert f"record {name(first)} is not comparable" in compared(whole).no_baseline
    assert [name(between), name(first)] == runs(baseline(certified(lab, 200)))[1:]


def release(lab: Project, before: str) -> None:
    lab.write("testmodels/components.yaml", COMPONENTS)
    lab.write("releases/kernel-x.yaml", RELEASE.format(kernel=platform.release(), before=before))
    inventory = LAB.format(name="opco-ru").replace("roles: [switch]", "roles: [switch], components: [host-os]")
    lab.write("lab_inventory/opco-ru.yaml", inventory)


def test_a_minor_release_is_compared_and_a_major_one_makes_a_new_baseline(lab: Project) -> None:
    running = platform.release()
    release(lab, re.sub(r"^(\d+\.)(\d+)", lambda found: f"{found[1]}{max(0, int(found[2]) - 1)}", running))
    certified(lab, 200)
    minor = certified(lab, 120, "--release=kernel-x")
    assert minor.stream.plan.scope is not None
    assert minor.stream.plan.scope.release_class == "minor"
    assert minor.decisions == {"kernel-x@opco-ru": "REJECTED"}, minor.output

    release(lab, "1.0")
    major = certified(lab, 120, "--release=kernel-x")
    assert major.stream.plan.scope is not None
    assert major.stream.plan.scope.release_class == "major"
    assert major.decisions == {"kernel-x@opco-ru": "ACCEPTED"}, major.output
    (not_compared,) = [c for c in major.stream.plan.criteria if c.not_worse_than_baseline_by]
    assert not_compared.note.startswith("not compared: a major release needs a new baseline")
    assert major.folder is not None
    assert not_compared.note in (major.folder / "acceptance.html").read_text()
    assert "not compared: a major release" in major.output

    after = certified(lab, 120)
    assert runs(baseline(after)) == [name(major)]  # 200 was before it
    assert after.decisions == {"opco-ru": "ACCEPTED"}


def test_a_waived_regression_accepts_on_condition_and_sets_no_standard(lab: Project) -> None:
    running = platform.release()
    release(lab, re.sub(r"^(\d+\.)(\d+)", lambda found: f"{found[1]}{max(0, int(found[2]) - 1)}", running))
    first = certified(lab, 200)
    lab.write(
        "waivers/ru.yaml",
        """
        waivers:
          - criterion: network.test.speed against its baseline
            release: kernel-x
            owner: J. Doe
            reason: a fix costs so much
            expires: 2999-12-31
        """,
    )
    waived = certified(lab, 184, "--release=kernel-x")
    assert waived.decisions == {"kernel-x@opco-ru": "ACCEPTED WITH CONDITIONS"}, waived.output
    assert compared(waived).verdict == "FAIL"
    assert runs(baseline(certified(lab, 200))) == [name(first)]


def test_nothing_to_compare_with_and_no_bound_judges_nothing(project: Project) -> None:
    model = (project.folder / "testmodels/network.yaml").read_text()
    project.write("testmodels/network.yaml", model.replace("at_least: 100 pps", COMPARES))
    project.suite(SUITE)
    run = project.run()
    assert run.status == 4
    assert "none of them has at_least or at_most" in run.output


def test_the_trend_of_a_lab(lab: Project) -> None:
    for speed in (200, 210, 205):
        certified(lab, speed)
    certified(lab, 150)
    told = lab.command("history", "opco-ru")
    assert "network.test.speed" in told
    shown = lab.command("history", "opco-ru", "network.test.speed")
    for figure in ("200 pps", "210 pps", "205 pps"):
        assert figure in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "150 pps" not in shown.replace("\N{NO-BREAK SPACE}", " ")  # it was rejected
    lab.command("history", "opco-ru", "network.test.speed", "--output=trend.html")
    assert "<svg" in (lab.folder / "trend.html").read_text()
    assert "did you mean network.test.speed?" in lab.command("history", "opco-ru", "network.test.sped")
    assert "opco-ru" in lab.command("history", "opco-rx")


NOS = """
unit: nos-{version}
type: GA
vendor: V
changes:
  - {{component: host-os, vendor: V, product: NOS, from: 4.2.0, to: {version}, trigger: host-os}}
"""


def test_what_the_release_brings_is_compared_and_what_else_changed_is_not(lab: Project) -> None:
    inventory = LAB.format(name="opco-ru")

    def has(version: str) -> None:
        emulated = f"roles: [switch], components: [host-os], emulates: {{os: {{id: nos, version: {version}}}}}"
        lab.write("lab_inventory/opco-ru.yaml", inventory.replace("roles: [switch]", emulated))
        lab.write(f"releases/nos-{version}.yaml", NOS.format(version=version))

    lab.write("testmodels/components.yaml", COMPONENTS.replace("kernel", "os"))
    has("4.2.1")
    first = certified(lab, 200, "--release=nos-4.2.1")
    has("4.2.2")
    release = certified(lab, 184, "--release=nos-4.2.2")
    assert release.decisions == {"nos-4.2.2@opco-ru": "REJECTED"}, release.output
    assert runs(baseline(release)) == [name(first)]
    as_it_is = certified(lab, 184)
    assert compared(as_it_is).no_baseline == (
        f"record {name(first)} is not comparable: os of leaf-1 was 4.2.1 and is 4.2.2"
    )


def test_an_undecided_ratio_is_measured_up_to_the_budget(lab: Project) -> None:
    certified(lab, 200)
    lab.suite("""
    @pytest.mark.covers("host-os")
    def test_fast(kpi):
        samples = iter([189.0, 191.0, 190.0, 189.5, 190.5, 190.0, 190.0])
        taken = []
        kpi.sample("network.test.speed", lambda: taken.append(next(samples)) or taken[-1])
        assert len(taken) == 6, taken
    """)
    run = lab.run()
    assert run.verdicts == {"test_fast": "INCONCLUSIVE"}, run.output
    assert "the bound lies within the interval of the ratio" in run.sentence("test_fast")


TRAFFIC = """\
network:
  dut: {kind: linux-bridge}
traffic:
  generator: software
  ports:
    tg0: {attached_to: leaf-1, tenant: tenant-a, speed: 10 Mbit/s}
    tg1: {attached_to: leaf-1, tenant: tenant-a, speed: 10 Mbit/s}
    tg2: {attached_to: leaf-1, tenant: tenant-a, speed: 10 Mbit/s}
    tg3: {attached_to: leaf-1, tenant: tenant-b, speed: 10 Mbit/s}
    tg4: {attached_to: leaf-1, tenant: tenant-b, speed: 10 Mbit/s}
"""


def test_only_what_was_measured_with_traffic_depends_on_the_generator(lab: Project) -> None:
    lab.add_labs("opco-ru", more=TRAFFIC)
    lab.suite("""
    def test_traffic(trials, kpi): kpi.measure("network.test.speed", 200.0, by="traffic")
    def test_without(kpi): kpi.measure("network.test.speed", 200.0, by="hand")
    """)
    run = lab.run()
    assert run.verdicts == {"test_traffic": "PASS", "test_without": "PASS"}, run.output
    assert run.stream.calibration is not None
    by = {measured.conditions["by"]: measured.generator for measured in run.stream.measurements}
    assert by == {"traffic": run.stream.calibration.generator, "hand": ""}
    assert lab.run().decisions == {"opco-ru": "ACCEPTED"}
