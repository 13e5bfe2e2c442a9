"""Is the release in the lab before the first test, and is it the same lab after the last one?"""

from __future__ import annotations

import os
import signal
from contextlib import AbstractContextManager
from typing import Any

import pytest

from nfvcert import embedded
from nfvcert.embedded.faults import seeded
from nfvcert.embedded.rundir import read_state
from tests.plugin.conftest import Project, Run, soon

MODES = pytest.mark.parametrize("mode", [[], ["-n2"]], ids=["one by one", "in workers"])
COMPONENTS = """
nic: {title: Network adapter, domain: compute, owner: hardware-vendor, facts: [{redfish: nic}, {ssh: nic-firmware}]}
vswitch: {title: Virtual switch, domain: network, owner: sdn-vendor, facts: [{package: openvswitch-switch}]}
rack-switch: {title: Rack switch, domain: network, owner: hardware-vendor, facts: [{ssh: os}]}
"""
HOSTS = """
  compute-1: &compute
    roles: [compute]
    components: [nic, vswitch]
    addresses: {management: 10.77.0.11}
    emulates: &versions
      os: {id: debian, version: "12.8"}
      packages: {openvswitch-switch: 1:3.3.2-1~bpo12+1}
      firmware: {bmc: 7.10.30, nic: "8.30"}
  compute-2:
    roles: [compute]
    components: [nic, vswitch]
    addresses: {management: 10.77.0.12}
    emulates: *versions
"""
UNIT = """
unit: {component}-{to}
type: GA
vendor: V
changes:
  - {{component: {component}, vendor: V, product: P, from: "1.0", to: "{to}", trigger: firmware}}
"""
MODEL = """
model: network
version: "1"
domain: network
title: for tests of presence
profiles: {software-switch: a bridge}
parameters: {frame_bytes: [64, 128], repeats: 3, repeats_max: 6}
criteria:
  - {kpi: network.test.speed, at_least: 100 pps, source: s}
"""
SUITE = """
import time
import pytest
from pathlib import Path
pytestmark = [
    pytest.mark.network, pytest.mark.covers("nic", "vswitch", "rack-switch"),
    pytest.mark.measures("network.test.speed"),
]
HERE = Path(__file__).parents[1]
def ok(kpi): kpi.measure("network.test.speed", 200.0)
def test_a(kpi): ok(kpi)
def test_b(kpi): ok(kpi)
def test_c(kpi): ok(kpi)
"""
HALFWAY = SUITE.replace(
    "def test_b(kpi): ok(kpi)",
    """
@pytest.mark.claims("lab", exclusive=True)
def test_b(kpi):
    ok(kpi)
    (HERE / "halfway").touch()
    while not (HERE / "go").exists(): time.sleep(0.01)
""",
)


@pytest.fixture
def servers(project: Project) -> Project:
    """Two servers that tell the versions of their adapters and of their virtual switches."""
    project.write("testmodels/components.yaml", COMPONENTS)
    project.write("testmodels/network.yaml", MODEL)
    project.add_labs("opco-ru", more=HOSTS)
    project.write("suites/test_it.py", SUITE)
    return project


def release(project: Project, component: str, to: str) -> str:
    """The option that names a release of one component."""
    project.write(f"releases/{component}-{to}.yaml", UNIT.format(component=component, to=to))
    return f"--release={component}-{to}"


def fault(project: Project, patch: pytest.MonkeyPatch, name: str, **how: Any) -> AbstractContextManager[object]:
    """Have a fault in the project's lab, which is up."""
    patch.setenv("NFVCERT_RUN_DIR", project.environment["NFVCERT_RUN_DIR"])
    lab = embedded.find("opco-ru")
    assert lab is not None
    return seeded(lab, name, **how)


def is_stopped_before_its_first_test(run: Run) -> bool:
    """INCONCLUSIVE by the lab's fault, with nothing measured."""
    assert run.status == 10, run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert run.stream.judgement.summary.startswith("The lab, not the release, is in doubt")
    return not run.stream.measurements and not {"PASS", "FAIL"} & set(run.verdicts.values())


@MODES
def test_what_is_there_is_tested_and_told(servers: Project, mode: list[str]) -> None:
    run = servers.run(release(servers, "nic", "8.30"), *mode)
    assert run.status == 0, run.output
    assert set(run.verdicts.values()) == {"PASS"}
    rows = run.stream.presence
    assert [(row.host, row.found, row.source, row.present) for row in rows] == [
        ("compute-1", "8.30", "redfish nic", True),
        ("compute-2", "8.30", "redfish nic", True),
    ]
    assert run.stream.fingerprint["compute-2"]["redfish nic"] == "8.30"
    # At the beginning and at the end, and no more often, however many workers there are.
    assert servers.count("lab-fingerprinted") == 2
    assert servers.count("presence-checked") == 1


@MODES
def test_a_wrong_firmware_on_one_host_stops_the_stream(servers: Project, mode: list[str]) -> None:
    servers.add_labs("opco-ru", more=HOSTS.replace("emulates: *versions", "emulates: {firmware: {nic: '8.20'}}"))
    run = servers.run(release(servers, "nic", "8.30"), *mode)
    assert is_stopped_before_its_first_test(run)
    assert servers.count("presence-checked") == 1
    assert [(row.host, row.declared, row.found, row.present) for row in run.stream.presence] == [
        ("compute-2", "8.30", "8.20", False),
        ("compute-1", "8.30", "8.30", True),
    ]
    assert "compute-2 has nic 8.20, and the unit brings 8.30" in run.output


@pytest.mark.parametrize("told", ["8.3", "8.30.1", "8.30, 8.20", "8.20, 8.30", "8.30-1"])
def test_nearly_the_version_is_another_version(servers: Project, told: str) -> None:
    servers.add_labs("opco-ru", more=HOSTS.replace('nic: "8.30"', f'nic: "{told}"'))
    assert is_stopped_before_its_first_test(servers.run(release(servers, "nic", "8.30")))


@MODES
def test_another_package_stops_the_stream(servers: Project, mode: list[str]) -> None:
    run = servers.run(release(servers, "vswitch", "3.3.20"), *mode)
    assert is_stopped_before_its_first_test(run)
    assert "has vswitch 1:3.3.2-1~bpo12+1, and the unit brings 3.3.20" in run.output
    assert servers.run(release(servers, "vswitch", "3.3.2"), *mode).status == 0


def test_a_component_of_no_host_stops_the_stream(servers: Project) -> None:
    run = servers.run(release(servers, "rack-switch", "4.2.0"))
    assert is_stopped_before_its_first_test(run)
    assert "no host of lab opco-ru has this component" in run.output


def test_a_bmc_that_is_gone_stops_who_needs_it_and_nobody_else(
    servers: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is up" in servers.command("lab", "up", "opco-ru")
    with fault(servers, monkeypatch, "no-bmc"):
        needs_it = servers.run(release(servers, "nic", "8.30"))
        needs_it_not = servers.run(release(servers, "vswitch", "3.3.2"))
    servers.command("lab", "down", "opco-ru")
    assert is_stopped_before_its_first_test(needs_it)
    assert "the BMC of compute-1 tells nothing: " in needs_it.output
    assert needs_it_not.status == 0, needs_it_not.output


CHANGES = {
    "firmware": ("wrong-firmware", {"host": "compute-2", "component": "nic", "version": "8.20"}),
    "package": ("wrong-package", {"host": "compute-2", "package": "openvswitch-switch", "version": "3.3.1-1"}),
    "bmc": ("no-bmc", {}),
    "sshd": ("no-sshd", {"host": "compute-2"}),
}
SAYS = {
    "firmware": "compute-2: redfish nic was 8.30 and is 8.20: the lab changed during the run",
    "package": "compute-2: package openvswitch-switch was 1:3.3.2-1~bpo12+1 and is 3.3.1-1: the lab changed during",
    "bmc": "compute-2: redfish nic was 8.30 and is not told: the lab changed during the run",
    "sshd": "it cannot be asked any more: ",
}


@pytest.mark.parametrize(
    ("what", "certified", "mode"),
    [
        ("firmware", "nic", []),
        ("firmware", "nic", ["-n2"]),
        ("firmware", "", []),
        ("package", "nic", ["-n2"]),
        ("bmc", "nic", []),
        ("sshd", "", ["-n2"]),
    ],
)
def test_a_lab_that_changes_during_a_run_is_caught(
    servers: Project, monkeypatch: pytest.MonkeyPatch, what: str, certified: str, mode: list[str]
) -> None:
    """Also where what changes is not what the release brings, and where no release is certified."""
    servers.write("suites/test_it.py", HALFWAY)
    asked = [release(servers, "nic", "8.30")] if certified else []
    process = servers.certify("--lab=opco-ru", *asked, *mode)
    soon((servers.folder / "halfway").exists)
    name, how = CHANGES[what]
    with fault(servers, monkeypatch, name, **how):
        (servers.folder / "go").touch()
        run = servers.ended(process)
    assert run.status == 10, run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    told = [finding.sentence for finding in run.stream.judgement.findings]
    assert any(SAYS[what] in sentence for sentence in told), told
    assert all(finding.blame == "lab" for finding in run.stream.judgement.findings if finding.blame)


@MODES
def test_a_run_that_was_killed_before_its_last_look_is_not_accepted_without_it(
    servers: Project, monkeypatch: pytest.MonkeyPatch, mode: list[str]
) -> None:
    """All tests have passed, the lab has changed, and the run that goes on later has nothing left to test."""
    servers.write("suites/test_it.py", HALFWAY)
    process = servers.certify("--lab=opco-ru", release(servers, "nic", "8.30"), *mode)
    soon((servers.folder / "halfway").exists)
    changed = fault(servers, monkeypatch, "wrong-firmware", host="compute-2", component="nic", version="8.20")
    with changed, fault(servers, monkeypatch, "unreachable", host="compute-1"):  # so that the last look takes long
        (servers.folder / "go").touch()
        soon(lambda: servers.count("test-finished") == 3)
        process.kill()
        process.communicate(timeout=20)
        soon(lambda: not servers.processes())
    run = servers.ended(servers.start("--resume=latest"))
    servers.command("lab", "sweep")
    assert "0 are run now" in run.output
    assert run.status == 10, run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "nobody asked lab opco-ru after the last test whether it had changed meanwhile" in run.output


@pytest.mark.parametrize("whose", ["the run's", "who brought it up"])
def test_a_lab_that_broke_during_a_run_is_not_mended_to_be_asked(servers: Project, whose: str) -> None:
    if whose != "the run's":
        assert "is up" in servers.command("lab", "up", "opco-ru")
    servers.write("suites/test_it.py", HALFWAY)
    process = servers.certify("--lab=opco-ru")
    soon((servers.folder / "halfway").exists)
    state = read_state(servers.folder / "run/opco-ru")
    assert state is not None
    os.kill(state.daemons["sshd compute-2"].pid, signal.SIGKILL)
    (servers.folder / "go").touch()
    run = servers.ended(process)
    assert run.status == 10, run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "it cannot be asked any more: " in run.output


def test_a_lab_that_vanished_during_a_run_is_not_made_anew_to_be_asked(servers: Project) -> None:
    vanishing = "def test_c(kpi):\n    ok(kpi)\n    from nfvcert import embedded\n    embedded.down('opco-ru')"
    servers.write("suites/test_it.py", SUITE.replace("def test_c(kpi): ok(kpi)", vanishing))
    run = servers.run()
    assert run.status == 10, run.output
    assert "lab opco-ru was gone or broken after its last test" in run.output
