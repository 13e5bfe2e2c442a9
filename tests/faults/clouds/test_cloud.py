"""Each fault of a cloud, seeded for real in OpenStack's services, down the whole path to the decision."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.drivers.through import Through
from nfvcert.embedded.faults import seeded
from tests.certify import ROOT, Certified, certify, command
from tests.faults.clouds.cloud_catalogue import CLOUD_CASES, KILLS_OF_THE_REST, CloudCase, table
from tests.long import first_of_each_kind

QUICK: Mapping[str, object] = {
    "api_ready_seconds": 12,
    "recovery_seconds_max": 20,
    "api_requests": 10,
    "api_servers": 1,
}
"""Enough to see that something does not work."""
PATIENT: Mapping[str, object] = {"api_ready_seconds": 20, "recovery_seconds_max": 30}
"""Enough to see that it works, where another cloud is tested beside."""
IN_DOUBT = 10
"""Exit status where the traffic generator is disturbed, as it may be by the tests beside."""


def quick_vim(where: Path, **parameters: object) -> Path:
    """The shipped VIM model, with the shortest times in which a healthy cloud does what it must; its bounds stay."""
    model = YAML(typ="safe").load((ROOT / "testmodels/vim.yaml").read_text())
    model["version"] += "-quick"
    model["parameters"] |= dict(QUICK) | parameters
    model.pop("depths")
    model["sizes"] = {size: {k: v for k, v in rules.items() if k != "depth"} for size, rules in model["sizes"].items()}
    path = where / "quick-vim.yaml"
    with path.open("w") as file:
        YAML().dump(model, file)
    return path


def certify_vim(reports: Path, *tests: str, **parameters: object) -> Certified:
    """Some tests of the VIM suite on opco-ru; those that are left out are NOT_RUN, so nothing can be ACCEPTED."""
    model = quick_vim(reports.parent, **parameters)
    return certify("opco-ru", model, reports, "-k", " or ".join(tests), domain="vim", timeout_s=1200)


def verdict(run: Certified, test: str) -> str:
    (found,) = (result for result in run.stream.tests if f"::{test}[" in result.test)
    return found.verdict.value


@pytest.mark.parametrize("case", first_of_each_kind(CLOUD_CASES))
def test_a_fault_of_the_cloud_is_found(case: CloudCase, lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    wanted = [*case.passes, case.fails or case.runs]
    with seeded(lab, case.fault, **case.seeded):
        run = certify_vim(tmp_path / "reports", *wanted, **case.parameters)
    judgement = run.stream.judgement
    if case.fails:
        assert verdict(run, case.fails) == "FAIL", run.output
        assert judgement.decision == "REJECTED"
        assert any(case.says in found.sentence for found in judgement.findings), run.output
        for test in case.passes:
            assert verdict(run, test) == "PASS", run.output
    else:
        assert verdict(run, case.runs) in ("INCONCLUSIVE", "NOT_RUN"), run.output
        assert judgement.decision == "INCONCLUSIVE"
        assert any(found.blame == "lab" and case.says in found.sentence for found in judgement.findings), run.output


def test_the_cloud_is_whole_after_all_faults(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """Each fault was taken out again: what fails above fails for its fault.

    But for what takes minutes; that all tests pass on a healthy cloud is shown in tests/suites/test_domains.py.
    """
    wanted = {case.fails for case in CLOUD_CASES if case.fails} - {KILLS_OF_THE_REST}
    run = certify_vim(tmp_path / "reports", *wanted, **PATIENT)
    assert lab.run_dir.exists()
    for test in sorted(wanted):
        assert verdict(run, test) == "PASS", run.output


def test_the_page_lists_these_faults() -> None:
    assert table() in (ROOT / "docs/faults.md").read_text()


def test_what_a_killed_run_left_is_swept(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    model, one = quick_vim(tmp_path), ("-k", "test_a_server_lives_its_life")
    asked = command("opco-ru", model, tmp_path / "reports", *one, domain="vim")
    sweep()  # what could not be deleted in a broken cloud
    log = tmp_path / "run.log"
    with log.open("wb") as output:
        run = subprocess.Popen(asked, cwd=ROOT, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 150
        while "compute.server" not in sweep("--dry-run"):
            assert run.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
    finally:
        run.kill()
        run.wait()
    left = sweep("--dry-run")
    assert lab.run_dir.exists()
    for kind in ("compute.server", "compute.flavor", "network.network", "image.image"):
        assert kind in left, left
    assert "deleted" in sweep()
    assert sweep("--dry-run") == "nothing was left\n"


def test_the_check_of_a_lab_uses_its_cloud_as_a_user_does(lab: embedded.EmbeddedLab) -> None:
    status, said = command_line("lab", "check", "opco-ru")
    assert status in (0, IN_DOUBT), said
    for step in ("a token is issued", "an image is uploaded and listed", "a server becomes ACTIVE", "is deleted"):
        assert re.search(f"cloud +✓ .*{step}", said), said
    with seeded(lab, "service-stopped", service="neutron-server"):
        status, said = command_line("lab", "check", "opco-ru")
    assert status in (1, IN_DOUBT), said
    assert re.search("cloud +✓ an image is uploaded", said), said
    assert re.search("cloud +✕ a network with a subnet is made", said), said
    assert "neutron-server does not run" in said, said
    assert "Traceback" not in said, said


def test_requests_at_once_are_judged_each_by_its_own_token(lab: embedded.EmbeddedLab) -> None:
    """Heat asks for trusts while others ask with the token of a domain: it got a 403 now and then."""
    running = embedded.cloud_of(lab)
    assert running is not None
    known = YAML(typ="safe").load(running.clouds_yaml)["clouds"]["opco-ru"]["auth"]
    me = {"name": "admin", "password": known["password"], "domain": {"id": "default"}}

    session = requests.Session()
    session.mount("http://", Through(running.connect))

    def ask(method: str, path: str, token: str = "", body: Any = None) -> requests.Response:
        headers = {"X-Auth-Token": token} if token else {}
        return session.request(method, f"http://127.0.0.1:5000/v3{path}", headers=headers, json=body, timeout=30)

    def token(scope: Any) -> tuple[str, dict[str, Any]]:
        way = {"methods": ["password"], "password": {"user": me}}
        asked = ask("POST", "/auth/tokens", body={"auth": {"identity": way, "scope": scope}})
        return asked.headers["X-Subject-Token"], asked.json()["token"]

    def trusted(_: int) -> int:
        made = ask("POST", "/OS-TRUST/trusts", of_project, {"trust": trust})
        if made.status_code == 201:
            ask("DELETE", f"/OS-TRUST/trusts/{made.json()['trust']['id']}", of_project)
        return made.status_code

    def listing() -> set[int]:
        told = set()
        while not done.is_set():
            told.add(ask("GET", "/users", of_domain).status_code)
        return told

    done = threading.Event()
    of_project, mine = token({"project": {"name": "admin", "domain": {"id": "default"}}})
    user = mine["user"]["id"]
    roles = [{"id": role["id"]} for role in mine["roles"]]
    trust = {
        "trustor_user_id": user,
        "trustee_user_id": user,
        "project_id": mine["project"]["id"],
        "impersonation": True,
        "roles": roles,
    }
    (admin,) = (role["id"] for role in mine["roles"] if role["name"] == "admin")
    granted = f"/domains/default/users/{user}/roles/{admin}"
    assert ask("PUT", granted, of_project).status_code == 204
    of_domain, _ = token({"domain": {"id": "default"}})
    try:
        with ThreadPoolExecutor(7) as threads:
            others = [threads.submit(listing) for _ in range(4)]
            try:
                trusts = Counter(threads.map(trusted, range(200)))
            finally:
                done.set()
    finally:
        ask("DELETE", granted, of_project)
    assert trusts == {201: 200}
    assert {status for each in others for status in each.result()} == {200}


def sweep(*options: str) -> str:
    """What `nfvcert lab sweep --cloud` says."""
    status, said = command_line("lab", "sweep", "--cloud", "opco-ru", *options)
    assert status == 0, said
    return said


def command_line(*words: str) -> tuple[int, str]:
    """Exit status and output of an nfvcert command."""
    ended = subprocess.run(
        [sys.executable, "-m", "nfvcert.cli", *words],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr
