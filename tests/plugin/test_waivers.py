"""Waivers, states and overlays in real runs: what becomes of the test, the decision, the exit status."""

from __future__ import annotations

import platform
from datetime import UTC, datetime, timedelta

import pytest

from tests.plugin.conftest import LAB, Project, Run

SLOW = """
@pytest.mark.covers("host-os")
def test_slow(kpi):
    "Is slow"
    kpi.measure("network.test.speed", 41.0)
"""
COMPONENTS = """
host-os:
  title: Host operating system
  domain: compute
  owner: infrastructure-vendor
  facts: [{{ssh: kernel}}]
"""
RELEASE = """
unit: kernel-x
type: GA
vendor: V
changes:
  - {{component: host-os, vendor: V, product: Linux, from: "2.0", to: "{kernel}", trigger: host-os}}
"""
WAIVER = """
waivers:
  - criterion: {criterion}
    release: kernel-x
    owner: J. Doe
    reason: a known slowness of this class
    expires: {expires}
"""
TOMORROW = (datetime.now(UTC) + timedelta(days=2)).date()
YESTERDAY = (datetime.now(UTC) - timedelta(days=2)).date()


@pytest.fixture
def released(project: Project) -> Project:
    """A project with a release unit that is in its lab: the running kernel."""
    project.write("testmodels/components.yaml", COMPONENTS.replace("{{", "{").replace("}}", "}"))
    project.write("releases/kernel-x.yaml", RELEASE.format(kernel=platform.release()))
    lab = LAB.format(name="opco-ru").replace("roles: [switch]", "roles: [switch], components: [host-os]")
    project.write("lab_inventory/opco-ru.yaml", lab)
    project.suite(SLOW)
    return project


def waive(project: Project, expires: object = TOMORROW, criterion: str = "network.test.speed") -> None:
    project.write("waivers/ru.yaml", WAIVER.format(expires=expires, criterion=criterion))


def certified(project: Project, *arguments: str) -> Run:
    return project.run("--release=kernel-x", *arguments)


@pytest.mark.parametrize("how", [(), ("-n1",)], ids=["alone", "in a worker"])
def test_a_waived_miss_fails_no_test_and_accepts_on_condition(released: Project, how: tuple[str, ...]) -> None:
    waive(released)
    run = certified(released, *how)
    assert run.status == 0, run.output
    judgement = run.stream.judgement
    assert judgement.decision == "ACCEPTED WITH CONDITIONS"
    assert run.verdicts == {"test_slow": "PASS"}
    assert run.sentence("test_slow").startswith("passed, though it missed network.test.speed: 41 pps, required ≥ 100")
    assert f"waived by J. Doe, until {TOMORROW}: a known slowness" in run.sentence("test_slow")
    assert [result.verdict.value for result in judgement.criteria] == ["FAIL"]
    (condition,) = judgement.conditions
    assert "J. Doe" in condition
    assert "ACCEPTED WITH CONDITIONS" in run.output
    (waiver,) = run.stream.plan.waivers
    assert (waiver.file, waiver.expired) == ("ru.yaml", False)


def test_an_expired_waiver_rejects_and_says_so(released: Project) -> None:
    waive(released, YESTERDAY)
    run = certified(released)
    assert run.status == 1
    assert run.stream.judgement.decision == "REJECTED"
    assert run.verdicts == {"test_slow": "FAIL"}
    assert f"the waiver of J. Doe expired on {YESTERDAY}" in run.sentence("test_slow")


def test_a_lab_as_it_is_has_no_waivers(released: Project) -> None:
    waive(released)
    run = released.run()
    assert run.stream.judgement.decision == "REJECTED"
    assert run.stream.plan.waivers == ()


def test_a_waived_miss_hides_no_other(released: Project) -> None:
    waive(released)
    model = (released.folder / "testmodels/network.yaml").read_text()
    released.write("testmodels/network.yaml", model + "  - {kpi: network.test.errors, at_most: 0, source: s}\n")
    released.suite(
        """
        @pytest.mark.covers("host-os")
        @pytest.mark.measures("network.test.errors")
        def test_two(kpi):
            kpi.measure("network.test.speed", 41.0)
            kpi.measure("network.test.errors", 3)

        @pytest.mark.covers("host-os")
        def test_asserts(kpi):
            kpi.measure("network.test.speed", 41.0)
            assert not "broken"
        """
    )
    run = certified(released)
    assert run.status == 1
    assert run.verdicts == {"test_two": "FAIL", "test_asserts": "FAIL"}
    assert run.sentence("test_two").startswith("network.test.errors: 3, required ≤ 0")
    assert run.stream.judgement.decision == "REJECTED"


def test_a_waiver_for_no_criterion_stops_the_run_before_its_first_test(released: Project) -> None:
    waive(released, criterion="network.test.sped")
    run = certified(released)
    assert run.status == 4
    assert "waivers[0].criterion" in run.output
    assert "did you mean network.test.speed?" in run.output
    assert run.folder is None


def test_a_waiver_without_expiry_is_refused(released: Project) -> None:
    waive(released)
    path = released.folder / "waivers/ru.yaml"
    path.write_text(path.read_text().replace(f"    expires: {TOMORROW}\n", ""))
    run = certified(released)
    assert run.status == 4
    assert "expires: missing" in run.output


def test_an_advisory_criterion_is_shown_and_fails_nothing(project: Project) -> None:
    model = (project.folder / "testmodels/network.yaml").read_text()
    advisory = "  - {kpi: network.test.errors, at_most: 0, source: s, state: advisory}\n"
    project.write("testmodels/network.yaml", model + advisory)
    project.suite(
        """
        @pytest.mark.measures("network.test.errors")
        def test_two(kpi):
            kpi.measure("network.test.speed", 200.0)
            kpi.measure("network.test.errors", 3)
        """
    )
    run = project.run()
    assert run.status == 0, run.output
    assert run.stream.judgement.decision == "ACCEPTED"
    assert "missed network.test.errors: 3, required ≤ 0 (network 1) (advisory: decides nothing)" in run.sentence(
        "test_two"
    )
    assert [result.verdict.value for result in run.stream.judgement.criteria] == ["PASS", "FAIL"]


def test_an_overlay_judges_by_name_only(project: Project) -> None:
    project.write(
        "testmodels/network-ru.yaml",
        """
        model: network-ru
        overlays: network
        base_version: "1"
        version: "1-ru.1"
        criteria: [{kpi: network.test.speed, at_least: 300 pps}]
        """,
    )
    project.suite("def test_fast(kpi): kpi.measure('network.test.speed', 200.0)")
    group = project.run()
    assert group.stream.judgement.decision == "ACCEPTED", group.output
    assert group.stream.plan.model_base_sha256 == ""
    opco = project.run("--test-model=network-ru")
    assert opco.stream.judgement.decision == "REJECTED"
    plan = opco.stream.plan
    assert (plan.model, plan.model_based_on) == ("network-ru 1-ru.1", "network 1")
    assert len({plan.model_sha256, plan.model_base_sha256, ""}) == 3
    assert plan.model_base_sha256 == group.stream.plan.model_sha256
