"""Tempest and rally on a real cloud: what is broken in it, or in them, is told test by test and ends in no PASS."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.embedded.cloud.readiness import Administrator
from nfvcert.embedded.faults import seeded
from nfvcert.judge import Verdict
from tests.certify import ROOT, Certified, certify, command, gathered
from tests.faults.clouds.test_cloud import PATIENT, quick_vim, sweep, verdict

INTEROP, RALLY = "test_the_interoperability_guideline", "test_rally_scenarios_under_load"
AUTHENTICATES = "tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token"
VOLUMES = "tempest.api.volume.test_extensions.ExtensionsTestJSON.test_list_extensions"


def patient_vim(where: Path) -> Path:
    """With more time, as other tests run beside."""
    return quick_vim(where, **PATIENT)


def certified(where: Path, *tests: str) -> Certified:
    model = patient_vim(where)
    return certify("opco-ru", model, where / "reports", "-k", " or ".join(tests), domain="vim", timeout_s=500)


def told(run: Certified) -> dict[str, Verdict]:
    return {each.id: each.verdict for each in run.stream.foreign}


def test_a_healthy_cloud_passes_both(tmp_path: Path) -> None:
    run = certified(tmp_path, INTEROP, RALLY)
    assert (verdict(run, INTEROP), verdict(run, RALLY)) == ("PASS", "PASS"), run.output
    assert set(told(run).values()) == {Verdict.PASS}, run.output
    assert {AUTHENTICATES, VOLUMES, "NovaFlavors.list_flavors"} <= set(told(run))
    for kpi in ("vim.capability_tests.passed_ratio", "vim.rally.failure_ratio", "vim.rally.action_time_p99"):
        assert run.verdicts(kpi) == {"PASS"}, run.output
    page = next((tmp_path / "reports").glob("2*/acceptance.html")).read_text()
    assert AUTHENTICATES in page
    assert "interop.2020.06.identity-v3-tokens-create" in page
    assert "keystone_v3.fetch_token" in page


def test_a_broken_api_fails_the_tests_of_that_api(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    with seeded(lab, "api-errors", api="cinder", one_in=1):
        run = certified(tmp_path, INTEROP)
    assert verdict(run, INTEROP) == "FAIL", run.output
    assert run.stream.judgement.decision == "REJECTED"
    assert told(run)[VOLUMES] is Verdict.FAIL, run.output
    assert told(run)[AUTHENTICATES] is Verdict.PASS, run.output


def test_an_api_that_breaks_a_scenario_fails_it(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    with seeded(lab, "api-errors", api="nova", one_in=1):  # of four iterations, half may all get through
        run = certified(tmp_path, RALLY)
    assert verdict(run, RALLY) == "FAIL", run.output
    assert run.stream.judgement.decision == "REJECTED"
    assert told(run)["NovaFlavors.list_flavors"] is Verdict.FAIL, run.output
    assert run.verdicts("vim.rally.failure_ratio") == {"FAIL"}, run.output


def test_an_engine_that_is_killed_proves_nothing(tmp_path: Path) -> None:
    asked = command("opco-ru", patient_vim(tmp_path), tmp_path / "reports", "-k", INTEROP, domain="vim")
    with (tmp_path / "run.log").open("wb") as output:
        run = subprocess.Popen(asked, cwd=ROOT, stdout=output, stderr=output)
    try:
        os.kill(_engine(run), 9)
        status = run.wait(200)
    finally:
        run.kill()
        run.wait()
    ended = gathered(status, (tmp_path / "run.log").read_text(), tmp_path / "reports")
    assert verdict(ended, INTEROP) in ("INCONCLUSIVE", "NOT_RUN"), ended.output
    assert ended.stream.judgement.decision == "INCONCLUSIVE"
    assert "killed by signal 9" in ended.output


def test_an_environment_that_cannot_be_made_is_no_fault_of_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "NFVCERT_CACHE_DIR": str(tmp_path / "cache"),
        "UV_OFFLINE": "1",
        "UV_NO_CACHE": "1",
        "UV_NO_CONFIG": "1",
        "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "cache").mkdir()
    run = certified(tmp_path, INTEROP, RALLY)
    for test in (INTEROP, RALLY):
        assert verdict(run, test) == "INCONCLUSIVE", run.output
    assert run.stream.judgement.decision == "INCONCLUSIVE"
    assert "install" in run.output


def test_what_a_killed_tempest_left_is_swept(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    model = patient_vim(tmp_path)
    few = YAML(typ="safe").load(model.read_text())
    few["parameters"]["interop_capabilities"] = ["compute-servers-list"]  # long enough to be seen at work
    with model.open("w") as file:
        YAML().dump(few, file)
    asked = command("opco-ru", model, tmp_path / "reports", "-k", INTEROP, domain="vim")
    sweep()  # what could not be deleted in a broken cloud
    log = tmp_path / "run.log"
    with log.open("wb") as output:
        run = subprocess.Popen(asked, cwd=ROOT, stdout=output, stderr=output)
    try:
        # A server that is being built outlives its tempest: one that is being deleted may be gone by the sweep.
        administrator = Administrator(embedded.start_cloud(lab))
        deadline = time.monotonic() + 200
        while not any(
            server["OS-EXT-STS:task_state"] != "deleting"
            for server in administrator.told("nova", "/v2.1/servers/detail?all_tenants=1&status=BUILD").get(
                "servers", ()
            )
        ):
            assert run.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
    finally:
        run.kill()
        run.wait()
    left = sweep("--dry-run")
    for kind in (
        "identity.domain",
        "identity.project",
        "identity.user",
        "compute.server",
        "network.network",
        "network.router",
    ):
        assert kind in left, left
    assert "deleted" in sweep()
    assert sweep("--dry-run") == "nothing was left\n"


def _engine(run: subprocess.Popen[bytes]) -> int:
    """The process id of the tempest that a run started."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        assert run.poll() is None
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == run.pid and b"--subunit" in words and words[0] not in (b"setpriv", b"nsenter"):
                return int(place.name)
        time.sleep(0.2)
    raise AssertionError("no tempest was started")
