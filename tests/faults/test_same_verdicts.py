"""The verdicts of a lab are the same when its generator is on a host, told by SSH, instead of beside the run.

And when it is a real TRex server, with NFVCERT_TREX (`tests/trex_server.py`).
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from nfvcert import embedded
from nfvcert.embedded.faults import seeded
from tests.certify import HEALTHY, ROOT, Certified, certify, command, gathered, quick_model, up_alone
from tests.faults.catalogue import CASES, Case
from tests.faults.test_whole_path import check
from tests.trex_server import needs_trex, serving

WITH_BOTH = ("above-70", "late-frames", "lying-generator")
"""A rate, a latency, and a generator that lies; the others differ in what the device does."""
WITH_TREX = ("above-70", "late-frames", "slow-generator", "lying-generator")
COUNTED = "ip -stats link show {} | awk 'next_line {{print $2; exit}} /RX:/ {{next_line = 1}}'"
"""TRex counts what it hands to an af_packet port: what comes out of the cable, the device's port has to tell."""


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """opco-ru, with a host for the generator."""
    lab = YAML(typ="safe").load((ROOT / "lab_inventory/opco-ru.yaml").read_text())
    lab["hosts"]["tester-1"] = {"roles": ["generator"], "addresses": {"management": "10.20.0.41"}}
    lab["traffic"]["host"] = "tester-1"
    path = tmp_path_factory.mktemp("inventory") / "opco-ru.yaml"
    with path.open("w") as file:
        YAML().dump(lab, file)
    return path


@pytest.fixture(scope="module")
def lab(inventory: Path) -> Iterator[embedded.EmbeddedLab]:
    with up_alone(inventory) as found:
        yield found


@pytest.mark.parametrize("case", [case for case in CASES if case.name in WITH_BOTH], ids=lambda case: case.name)
def test_a_fault_is_found_from_a_host_too(
    case: Case, lab: embedded.EmbeddedLab, inventory: Path, tmp_path: Path
) -> None:
    model = quick_model(tmp_path, case.required, **case.parameters)
    assert case.fault is not None
    with seeded(lab, case.fault, **case.seeded):
        check(case, certify(str(inventory), model, tmp_path / "reports"))


def test_a_lab_of_real_gear_is_accepted_so(lab: embedded.EmbeddedLab, tmp_path: Path) -> None:
    """The same hosts and cables, known by their addresses only: nothing in it says that the lab is embedded."""
    assert lab.ports["tg0"].namespace == lab.namespace("tester-1")
    path = tmp_path / "pod.yaml"
    with path.open("w") as file:
        YAML().dump(as_existing(lab), file)
    run = certified_there(lab, path, quick_model(tmp_path, None, **HEALTHY), tmp_path / "reports")
    assert run.stream.judgement.decision == "ACCEPTED", run.output
    assert "software (AF_PACKET) on tester-1" in run.stream.model_dump_json()


@pytest.fixture(scope="module")
def with_trex(lab: embedded.EmbeddedLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The lab of real gear, and a TRex server at the generator's ports."""
    where = tmp_path_factory.mktemp("trex")
    pod = as_existing(lab)
    told = pod["traffic"]["ports"]
    ports = [*(lab.ports[name] for name in told), *[None] * (len(told) % 2), *lab.loop]
    pod["traffic"] = {
        "generator": "trex",
        "address": "127.0.0.1",
        "loop": [len(ports) - 2, len(ports) - 1],
        "ports": {
            name: {key: port[key] for key in ("attached_to", "tenant", "speed")}
            | {"port": number, "counted_by": COUNTED.format(name)}
            for number, (name, port) in enumerate(told.items())
        },
    }
    with (where / "pod.yaml").open("w") as file:
        YAML().dump(pod, file)
    with serving(lab.namespace("tester-1"), ports, where):
        yield where / "pod.yaml"


@needs_trex
@pytest.mark.parametrize("case", [case for case in CASES if case.name in WITH_TREX], ids=lambda case: case.name)
def test_a_fault_is_found_with_trex_too(case: Case, lab: embedded.EmbeddedLab, with_trex: Path, tmp_path: Path) -> None:
    if case.name == "lying-generator":
        case = dataclasses.replace(case, says="came in at the device's end of tg0")
    model = quick_model(tmp_path, case.required, **case.parameters)
    assert case.fault is not None
    with seeded(lab, case.fault, **case.seeded):
        check(case, certified_there(lab, with_trex, model, tmp_path / "reports"))


@needs_trex
def test_the_healthy_lab_is_accepted_with_trex_too(lab: embedded.EmbeddedLab, with_trex: Path, tmp_path: Path) -> None:
    run = certified_there(lab, with_trex, quick_model(tmp_path, None, **HEALTHY), tmp_path / "reports")
    assert run.stream.judgement.decision == "ACCEPTED", run.output
    assert "TRex v" in run.stream.model_dump_json()


def certified_there(lab: embedded.EmbeddedLab, inventory: Path, model: Path, reports: Path) -> Certified:
    """A run on tester-1, where the management network is."""
    asked = ["nsenter", f"--net={lab.namespace('tester-1')}", *command(str(inventory), model, reports)]
    ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return gathered(ended.returncode, ended.stdout + ended.stderr, reports)


def as_existing(lab: embedded.EmbeddedLab) -> dict[str, Any]:
    """The inventory that somebody would write who found this lab in a rack."""

    def ssh(host: str) -> dict[str, str]:
        address = lab.lab.hosts[host].addresses["management"]
        known = {"key_file": str(lab.client_key), "known_hosts": str(lab.known_hosts)}
        return {"address": address, "user": lab.user} | known

    told = YAML(typ="safe").load((ROOT / "lab_inventory/opco-ru.yaml").read_text())
    kept = {"network", "networks", "links", "owner", "environment", "profile"}
    return {key: value for key, value in told.items() if key in kept} | {
        "lab": "pod",
        "provider": "existing",
        "hosts": {
            name: {"roles": list(host.roles), "addresses": dict(host.addresses), "ssh": ssh(name)}
            for name, host in lab.lab.hosts.items()
        },
        "traffic": {
            "generator": "software",
            "host": "tester-1",
            "python": sys.executable,
            "loop": [end.interface for end in lab.loop],
            "ports": {
                name: port | {"interface": name, "mac": lab.ports[name].mac}
                for name, port in told["traffic"]["ports"].items()
            },
        },
    }
