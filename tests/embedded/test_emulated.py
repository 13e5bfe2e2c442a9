"""Hosts tell the versions that their inventory makes up, through the real sshd, dpkg and Redfish; and nothing stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nfvcert import embedded
from nfvcert.access import EmbeddedAccess, has_bmc
from nfvcert.embedded import EmbeddedLab, bmc
from nfvcert.embedded.faults import seeded
from nfvcert.embedded.namespaces import identity
from nfvcert.embedded.rundir import Process, read_state
from nfvcert.errors import LabError, Unreachable
from nfvcert.protocols import Bmc
from tests.embedded.machine import another_process, inventory, leaves_nothing, mounts_below, run, until
from tests.embedded.test_ordinary_user import nfvcert, world  # noqa: F401 - a fixture

OS = '. /etc/os-release; echo "$ID $VERSION_ID"; cat /etc/debian_version'
SHIPPED = {"bios": "2.19.1", "bmc": "7.10.30", "nic": "8.30", "disk-controller": "51.16"}


@pytest.fixture
def access(opco_ru: EmbeddedLab) -> Iterator[EmbeddedAccess]:
    opened = EmbeddedAccess(opco_ru.lab, lambda _: None, os.getpid(), in_use=False)
    yield opened
    opened.close()


def version(lab: EmbeddedLab, host: str, package: str) -> tuple[int, str]:
    return run(lab, host, f"dpkg-query -W -f '${{Version}}' {package}")


# by SSH


def test_the_operating_system(opco_ru: EmbeddedLab) -> None:
    assert run(opco_ru, "compute-1", OS) == (0, "debian 12.8\n12.8\n")
    assert run(opco_ru, "leaf-1", OS)[1].startswith("nos 4.2.0\n")


def test_packages(opco_ru: EmbeddedLab) -> None:
    assert version(opco_ru, "controller-1", "nova-api") == (0, "3:31.0.0-2~bpo12+1")
    assert version(opco_ru, "compute-2", "openvswitch-switch") == (0, "3.3.2-1~bpo12+1")
    status, said = version(opco_ru, "compute-1", "nova-api")
    assert status == 1, "a package of another host"
    assert "no packages found" in said


def test_what_a_host_does_not_emulate_is_the_machine_s(opco_ru: EmbeddedLab) -> None:
    assert run(opco_ru, "storage-1", "cat /etc/os-release")[1] == Path("/etc/os-release").read_text()
    assert version(opco_ru, "leaf-1", "dpkg")[0] == 0


def test_the_machine_itself_is_as_before(opco_ru: EmbeddedLab) -> None:
    del opco_ru
    assert "emulated" not in Path("/etc/os-release").read_text()
    assert "emulated in an embedded lab" not in Path("/var/lib/dpkg/status").read_text()


def test_an_sshd_that_starts_again_tells_the_same(opco_ru: EmbeddedLab) -> None:
    with seeded(opco_ru, "no-sshd", host="compute-1"), pytest.raises(Unreachable):
        opco_ru.connect("compute-1", 2.0)
    assert run(opco_ru, "compute-1", OS) == (0, "debian 12.8\n12.8\n")


# by Redfish


def test_firmware(access: EmbeddedAccess) -> None:
    controller = access.bmc("compute-1")
    assert isinstance(controller, Bmc)
    told = controller.firmware()
    assert {name: told[name] for name in SHIPPED} == SHIPPED
    assert access.bmc("compute-1") is controller


def test_each_host_tells_its_own(access: EmbeddedAccess) -> None:
    with seeded(access.embedded, "wrong-firmware", host="compute-2", component="nic", version="8.20"):
        assert access.bmc("compute-1").firmware()["nic"] == "8.30"
        assert access.bmc("compute-2").firmware()["nic"] == "8.20"
        assert not any("compute-2" in name for name in access.bmc("compute-1").firmware())


def test_a_bmc_that_is_closed_opens_again(access: EmbeddedAccess) -> None:
    controller = access.bmc("compute-1")
    controller.firmware()
    controller.close()
    controller.close()
    assert controller.firmware()["bios"] == "2.19.1"


def test_a_host_without_a_bmc(access: EmbeddedAccess) -> None:
    assert [name for name, host in access.lab.hosts.items() if has_bmc(access.lab, host)] == ["compute-1", "compute-2"]
    with pytest.raises(LabError, match="leaf-1 of lab opco-ru has no BMC"):
        access.bmc("leaf-1")
    with pytest.raises(LookupError, match="no host 'compute-9'"):
        access.bmc("compute-9")


def test_the_password_is_the_lab_s_own(opco_ru: EmbeddedLab, access: EmbeddedAccess) -> None:
    path = opco_ru.run_dir / "bmc" / "password"
    assert path.stat().st_mode & 0o777 == 0o600
    assert bmc.password(opco_ru.run_dir) not in repr(access.bmc("compute-1")) + str(vars(access.bmc("compute-1")))


def test_the_machine_gets_no_listening_port(opco_ru: EmbeddedLab) -> None:
    state = read_state(opco_ru.run_dir)
    assert state is not None
    pid = state.daemons[bmc.ROLE].pid
    assert identity(f"/proc/{pid}/ns/net") == identity(opco_ru.namespace("compute-1"))
    assert identity(f"/proc/{pid}/ns/net") != identity("/proc/self/ns/net")


# the faults


def test_wrong_firmware(access: EmbeddedAccess) -> None:
    with seeded(access.embedded, "wrong-firmware", host="compute-1", component="bios", version="2.18.0"):
        told = access.bmc("compute-1").firmware()
        assert told["bios"] == "2.18.0"
        assert told["nic"] == "8.30", "and nothing else"
    assert access.bmc("compute-1").firmware()["bios"] == "2.19.1"


def test_one_adapter_of_two_was_forgotten(access: EmbeddedAccess) -> None:
    with seeded(access.embedded, "wrong-firmware", host="compute-1", component="nic", version="8.30, 8.20"):
        assert access.bmc("compute-1").firmware()["nic"] == "8.30, 8.20"


def test_wrong_package(opco_ru: EmbeddedLab) -> None:
    with seeded(opco_ru, "wrong-package", host="controller-1", package="nova-api", version="3:30.0.0-1"):
        assert version(opco_ru, "controller-1", "nova-api") == (0, "3:30.0.0-1")
        assert version(opco_ru, "controller-1", "keystone") == (0, "2:27.0.0-2~bpo12+1")
    assert version(opco_ru, "controller-1", "nova-api") == (0, "3:31.0.0-2~bpo12+1")


def test_no_bmc_on_one_host(access: EmbeddedAccess) -> None:
    with seeded(access.embedded, "no-bmc", host="compute-1"):
        with pytest.raises(Unreachable, match=r"the BMC of compute-1 .* is out of order: it answers HTTP 503"):
            access.bmc("compute-1").firmware()
        assert access.bmc("compute-2").firmware()["nic"] == "8.30"
    assert access.bmc("compute-1").firmware()["nic"] == "8.30"


def test_no_bmc_anywhere(access: EmbeddedAccess) -> None:
    with seeded(access.embedded, "no-bmc"):
        for host in ("compute-1", "compute-2"):
            with pytest.raises(Unreachable):
                access.bmc(host).firmware()


def test_faults_that_cannot_be(opco_ru: EmbeddedLab) -> None:
    for name, parameters, says in (
        ("wrong-firmware", {"host": "compute-1", "component": "gpu", "version": "1"}, "emulates no firmware 'gpu'"),
        ("wrong-firmware", {"host": "compute-1", "component": "nic", "version": "8.30"}, "is at 8.30 already"),
        ("wrong-firmware", {"host": "compute-9", "component": "nic", "version": "1"}, "no host 'compute-9'"),
        ("wrong-package", {"host": "leaf-1", "package": "frr", "version": "1"}, "emulates no package 'frr'"),
        ("no-bmc", {"host": "compute-9"}, "no host 'compute-9'"),
    ):
        with pytest.raises(LookupError, match=says), seeded(opco_ru, name, **parameters):
            raise AssertionError("it was seeded")
    with pytest.raises(LabError, match="lacks a BMC of leaf-1"), seeded(opco_ru, "no-bmc", host="leaf-1"):
        raise AssertionError("it was seeded")


def test_a_fault_that_nobody_cleared_makes_the_lab_anew(run_dir: Path) -> None:
    with leaves_nothing(run_dir):
        lab = embedded.up(inventory("opco-ru"))

        def break_it_and_die() -> None:
            with seeded(lab, "no-bmc"):
                os._exit(0)

        with another_process(break_it_and_die) as pid:
            until(lambda: Process.of(pid) is None)
        again = embedded.up(inventory("opco-ru"))
        assert again.created
        assert bmc.told_firmware(again.run_dir)["compute-1"] == SHIPPED
        again.down()


# an ordinary user


def test_an_ordinary_user_s_hosts_tell_the_same(world: Path) -> None:  # noqa: F811 - it is a fixture
    try:
        said = nfvcert(world, "lab", "facts", "opco-ru")
    finally:
        nfvcert(world, "lab", "down", "opco-ru")
    told = [" ".join(line.split()) for line in said.splitlines()]
    assert "system debian 12.8 (emulated)" in told
    assert "package nova-api 3:31.0.0-2~bpo12+1" in told
    assert "redfish nic 8.30" in told


# its end


def test_nothing_stays(run_dir: Path) -> None:
    with leaves_nothing(run_dir):
        lab = embedded.up(inventory("opco-ru"))
        namespaces = {identity(lab.namespace(host)) for host in lab.lab.hosts}
        assert run(lab, "compute-1", "true") == (0, "")
        # What a process of a host sees mounted must not hold a namespace that everybody else has let go of.
        lab.down()
    assert mounts_below(run_dir) == []
    assert not namespaces & held_namespaces()


def test_a_lab_that_is_down_is_held_by_no_other_one(run_dir: Path) -> None:
    with leaves_nothing(run_dir):
        first = embedded.up(inventory("opco-kz"))
        namespaces = {identity(path) for path in (first.run_dir / "ns").iterdir()}
        second = embedded.up(inventory("opco-ru"))  # its hosts' mount namespaces begin as copies
        assert namespaces <= held_namespaces()
        first.down()
        assert not namespaces & held_namespaces()
        assert run(second, "compute-1", "true") == (0, "")
        second.down()


def test_a_server_that_dies_is_a_lab_that_is_unwell(run_dir: Path) -> None:
    with leaves_nothing(run_dir):
        lab = embedded.up(inventory("opco-ru"))
        state = read_state(lab.run_dir)
        assert state is not None
        process = psutil.Process(state.daemons[bmc.ROLE].pid)
        process.kill()
        until(lambda: not state.daemons[bmc.ROLE].alive)
        again = embedded.up(inventory("opco-ru"))
        assert again.created, "a lab whose BMC is gone was used as it is"
        again.down()


def held_namespaces() -> set[int]:
    """Network namespaces that a process of this machine is in, or sees mounted."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found.add(identity(entry / "ns" / "net"))
            for line in (entry / "mountinfo").read_text().splitlines():
                fields = line.split()
                if fields[fields.index("-") + 1] == "nsfs":
                    found.add(int(fields[3].removeprefix("net:[").removesuffix("]")))
        except (OSError, ValueError):
            continue
    return found
