"""`--release`: only what the release can break is run, after a look whether it is there, and the record says why."""

from __future__ import annotations

import pytest

from nfvcert.files import digest
from nfvcert.scope import Scope
from tests.plugin.conftest import Project, Run

COMPONENTS = """
rack-switch: {title: Rack switch, domain: network, owner: hardware-vendor, facts: [{ssh: os}]}
nic: {title: Network adapter, domain: compute, owner: hardware-vendor, facts: [{redfish: nic}]}
host-os: {title: Host OS, domain: compute, owner: infrastructure-vendor, runs_on: [nic], facts: [{ssh: os}]}
vswitch:
  {title: Virtual switch, domain: network, owner: sdn-vendor, runs_on: [host-os], talks_to: [rack-switch],
   facts: [{package: openvswitch-switch}]}
keystone: {title: Identity, domain: vim, owner: vim-vendor, runs_on: [host-os]}
"""
HOSTS = """
  compute-1:
    roles: [compute]
    components: [host-os, vswitch]
    addresses: {management: 10.77.0.11}
    emulates: {os: {id: debian, version: "12.8"}, packages: {openvswitch-switch: 3.3.2-1}}
  tor:
    roles: [switch]
    components: [rack-switch]
    addresses: {management: 10.77.0.12}
    emulates: {os: {id: nos, version: 4.2.0}}
"""
UNIT = """
unit: {name}
type: {type}
changes:
  - {{component: {component}, vendor: V, product: P, from: "1.0", to: "{to}", trigger: hotfix}}
"""
MODEL = """
model: network
version: "1"
domain: network
title: for tests of scopes
profiles: {software-switch: a bridge}
parameters: {frame_bytes: [64, 128], repeats: 3, repeats_max: 6}
sizes:
  small: {radius: 1, untested_at_most: 9}
  medium: {radius: 1, untested_at_most: 9}
  large: {radius: 1, untested_at_most: 9}
criteria:
  - {kpi: network.test.speed, at_least: 100 pps, source: s}
  - {kpi: network.test.errors, at_most: 0, source: s}
"""
SUITE = """
import pytest
pytestmark = [pytest.mark.network]

@pytest.mark.covers("rack-switch")
@pytest.mark.measures("network.test.speed")
def test_switch(kpi): kpi.measure("network.test.speed", 200.0)

@pytest.mark.covers("vswitch")
@pytest.mark.measures("network.test.speed")
def test_vswitch(kpi): kpi.measure("network.test.speed", 200.0)

@pytest.mark.covers("host-os")
@pytest.mark.measures("network.test.errors")
def test_os(kpi): kpi.measure("network.test.errors", 0)

@pytest.mark.covers("host-os")
@pytest.mark.medium
@pytest.mark.measures("network.test.errors")
def test_os_at_length(kpi): kpi.measure("network.test.errors", 0)
"""


@pytest.fixture
def scoped(project: Project) -> Project:
    """A project with a component catalogue, a lab that tells its versions, and a test a component."""
    project.write("testmodels/components.yaml", COMPONENTS)
    project.write("testmodels/network.yaml", MODEL)
    project.add_labs("opco-ru", more=HOSTS)
    project.write("suites/test_it.py", SUITE)
    return project


def unit(project: Project, name: str, component: str, to: str, *, kind: str = "GA", more: str = "") -> str:
    text = UNIT.format(name=name, component=component, to=to, type=f"{kind}\nvendor: V")
    project.write(f"releases/{name}.yaml", text + more)
    return f"--release={name}"


def scope_of(run: Run) -> Scope:
    assert run.stream.plan.scope is not None
    return run.stream.plan.scope


@pytest.mark.parametrize("mode", [[], ["-n2"]], ids=["one by one", "in workers"])
def test_only_what_the_release_can_break_is_run(scoped: Project, mode: list[str]) -> None:
    run = scoped.run(unit(scoped, "nos-4.2.0", "rack-switch", "4.2.0"), *mode)
    assert run.status == 0, run.output
    assert run.verdicts == {"test_switch": "PASS", "test_vswitch": "PASS"}
    scope = scope_of(run)
    assert (scope.size, scope.release_class, scope.radius) == ("small", "major", 1)
    assert {each.component: each.why for each in scope.affected} == {
        "rack-switch": "changes",
        "vswitch": "vswitch talks-to rack-switch",
    }
    reasons = {left.test.split("::")[-1].split("[")[0]: left.reason for left in run.stream.plan.left_out}
    assert set(reasons) == {"test_os", "test_os_at_length"}
    assert reasons["test_os"] == "it covers host-os: nothing that this release can break"
    # Who measures errors was left out, so the criterion on them cannot be missed; it is told.
    assert [each.subject for each in scope.criteria_left_out] == ["network.test.errors"]
    assert {each.kpi for each in run.stream.plan.criteria} == {"network.test.speed"}


def test_what_changes_is_tested_whole_and_what_it_can_break_to_its_size(scoped: Project) -> None:
    run = scoped.run(unit(scoped, "os-12.8", "host-os", "12.8"))
    assert run.status == 0, run.output
    assert set(run.verdicts) == {"test_os", "test_os_at_length", "test_vswitch"}
    run = scoped.run(unit(scoped, "ovs-3.3.2", "vswitch", "3.3.2"))
    assert set(run.verdicts) == {"test_switch", "test_vswitch"}


def test_a_lab_without_a_release_is_tested_whole(scoped: Project) -> None:
    run = scoped.run()
    assert len(run.verdicts) == 4
    assert run.stream.plan.scope is None


def test_a_changed_component_that_no_test_covers_is_never_accepted(scoped: Project) -> None:
    scoped.write("testmodels/network.yaml", MODEL.replace("radius: 1,", "radius: 1, mandatory: [network.test.speed],"))
    scoped.add_labs("opco-ru", more=HOSTS.replace("[host-os, vswitch]", "[host-os, vswitch, keystone]"))
    scoped.write("testmodels/components.yaml", COMPONENTS.replace("runs_on: [host-os]}", "facts: [{ssh: os}]}"))
    run = scoped.run(unit(scoped, "keystone-12.8", "keystone", "12.8"))
    assert set(run.verdicts.values()) == {"PASS"}
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert run.status == 10
    assert "keystone changes, and no planned test covers it" in run.stream.judgement.summary


def test_too_much_untested_around_a_change_is_not_accepted(scoped: Project) -> None:
    scoped.write("testmodels/network.yaml", MODEL.replace("untested_at_most: 9", "untested_at_most: 0"))
    run = scoped.run(unit(scoped, "os-12.8", "host-os", "12.8"))
    assert set(run.verdicts.values()) == {"PASS"}
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "1 components that this release can break are covered by no planned test" in run.output


def test_a_release_of_which_nothing_can_be_said_is_refused(scoped: Project) -> None:
    scoped.write("testmodels/components.yaml", COMPONENTS.replace("runs_on: [host-os]}", "runs_on: []}"))
    run = scoped.run(unit(scoped, "keystone-2", "keystone", "2"))
    assert run.status == 4
    assert "no test covers what the release changes (keystone)" in run.output


def test_a_component_in_no_catalogue_is_refused_with_the_nearest(scoped: Project) -> None:
    run = scoped.run(unit(scoped, "os-12.8", "hostos", "12.8"))
    assert run.status == 4
    assert "os-12.8.yaml:6: changes[0].component" in run.output
    assert "did you mean host-os?" in run.output


def test_a_test_that_covers_what_is_in_no_catalogue_is_refused(scoped: Project) -> None:
    scoped.write("suites/test_it.py", SUITE.replace('covers("vswitch")', 'covers("vswich")'))
    run = scoped.run(unit(scoped, "os-12.8", "host-os", "12.8"))
    assert run.status == 4
    assert "vswich" in run.output
    assert "did you mean vswitch?" in run.output


def test_a_release_needs_a_catalogue(scoped: Project) -> None:
    (scoped.folder / "testmodels/components.yaml").unlink()
    run = scoped.run(unit(scoped, "os-12.8", "host-os", "12.8"))
    assert run.status == 4
    assert "components.yaml" in run.output


def test_another_version_in_the_lab_stops_the_stream_before_its_first_test(scoped: Project) -> None:
    run = scoped.run(unit(scoped, "os-12.9", "host-os", "12.9"))
    assert run.status == 10, run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "PASS" not in run.verdicts.values()
    assert run.stream.measurements == ()
    assert "12.8" in run.stream.judgement.summary
    assert "12.9" in run.stream.judgement.summary


def test_a_component_that_the_lab_has_not_stops_the_stream(scoped: Project) -> None:
    run = scoped.run(unit(scoped, "nic-2", "nic", "2"))
    assert run.status == 10, run.output
    assert "PASS" not in run.verdicts.values()
    assert "nic" in run.stream.judgement.summary


def test_a_latest_release_is_accepted_with_conditions_at_best(scoped: Project) -> None:
    run = scoped.run(unit(scoped, "nos-4.2.0", "rack-switch", "4.2.0", kind="latest"))
    assert run.status == 0, run.output
    assert run.stream.judgement.decision == "ACCEPTED WITH CONDITIONS"
    assert "production" in run.output


PACK = """
unit: pack-1
type: GA
vendor: V
changes:
  - {{component: rack-switch, vendor: V, product: P, from: "1.0", to: 4.2.0, trigger: hotfix}}
  - {{component: keystone, vendor: V, product: K, from: "1.0", to: "12.8", trigger: hotfix}}
builds_on:
  - {{unit: nos-4.2.0, record: {record}, sha256: {sha256}}}
"""


def test_a_release_of_certified_parts_is_tested_for_what_they_were_not(scoped: Project) -> None:
    scoped.add_labs("opco-ru", more=HOSTS.replace("[host-os, vswitch]", "[host-os, vswitch, keystone]"))
    scoped.write("testmodels/components.yaml", COMPONENTS.replace("runs_on: [host-os]}", "facts: [{ssh: os}]}"))
    tests = (
        SUITE
        + """
@pytest.mark.covers("keystone")
@pytest.mark.measures("network.test.errors")
def test_identity(kpi): kpi.measure("network.test.errors", 0)
"""
    )
    scoped.write("suites/test_it.py", tests)
    scoped.write("releases/revoked.yaml", "[]")
    part = scoped.run(unit(scoped, "nos-4.2.0", "rack-switch", "4.2.0"))
    assert part.status == 0, part.output
    assert part.folder is not None
    pack = PACK.format(record=part.folder / "record.json", sha256=part.record.digest)
    scoped.write("releases/pack-1.yaml", pack.replace(str(scoped.folder), ".."))
    run = scoped.run("--release=pack-1")
    assert run.status == 0, run.output
    # The switch and what it can break were tested when it was certified.
    assert run.verdicts == {"test_identity": "PASS"}
    assert run.stream.plan.composition is not None
    assert run.stream.plan.composition.covered == ("rack-switch",)
    # A model that was changed since, and be it by a comment, is not the one that judged the part.
    scoped.write("testmodels/network.yaml", MODEL + "# changed")
    refused = scoped.run("--release=pack-1")
    assert refused.status == 4
    assert "nos-4.2.0: it was judged in lab opco-ru by network 1" in refused.output
    assert "pack-1.yaml:8: builds_on" in refused.output


def test_an_overlay_that_lies_elsewhere_judges_over_the_projects_model(scoped: Project) -> None:
    overlay = 'model: ours\noverlays: network\nbase_version: "1"\nversion: "1-ours"\n'
    path = scoped.write("elsewhere/ours.yaml", overlay)
    run = scoped.run(unit(scoped, "nos-4.2.0", "rack-switch", "4.2.0"), f"--test-model={path}")
    assert run.status == 0, run.output
    plan = run.stream.plan
    assert (plan.model, plan.model_based_on) == ("ours 1-ours", "network 1")
    assert plan.model_base_sha256 == digest(scoped.folder / "testmodels/network.yaml")


def test_tests_of_another_domain_that_the_release_wants_make_a_condition(scoped: Project) -> None:
    more = """
@pytest.mark.covers("rack-switch")
def test_of_compute(stream): pass
"""
    suite = SUITE.replace("pytestmark = [pytest.mark.network]", "network = pytest.mark.network")
    scoped.write("suites/test_it.py", suite.replace("@pytest.mark.covers", "@network\n@pytest.mark.covers"))
    scoped.write("suites/test_compute.py", "import pytest\npytestmark = pytest.mark.compute\n" + more)
    run = scoped.run(unit(scoped, "nos-4.2.0", "rack-switch", "4.2.0"))
    assert run.stream.judgement.decision == "ACCEPTED WITH CONDITIONS"
    assert "tests of other domains cover what it can break, and were not run here (1)" in run.output


def test_a_lab_that_nobody_asked_whether_the_release_is_there(scoped: Project) -> None:
    scoped.write(
        "suites/conftest.py",
        """
        import pytest
        @pytest.fixture
        def stream(request): return request.param
        """,
    )
    scoped.write(
        "suites/test_it.py",
        """
        import pytest
        pytestmark = [pytest.mark.network, pytest.mark.covers("rack-switch")]
        def test_it(stream): pass
        """,
    )
    scoped.write("testmodels/network.yaml", MODEL)
    run = scoped.run(unit(scoped, "nos-4.2.0", "rack-switch", "4.2.0"))
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "nobody asked" in run.output
