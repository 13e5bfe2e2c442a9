"""What the API says of security is done to packets: seen from a host of the lab that shares a network with servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from nfvcert.suite import CloudSession, InvalidMeasurement, KpiRecorder, Lab, LabError, Parameters, Shell

if TYPE_CHECKING:
    from suites.vim.conftest import Basics

pytestmark = [pytest.mark.vim, pytest.mark.small]

SILENCE_PROBES = 3
ALLOWED_PORT, OTHER_PORT = 22, 23
FIND_S = 0.2


class Vantage:
    """A host that sends packets to servers. What it cannot do is the lab's fault."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def pings(self, address: str) -> bool:
        """Whether an echo request is answered within a second."""
        done = self._shell.run(f"ping -n -c 1 -W 1 {address}", check=False)
        if done.status not in (0, 1):  # ping(8): 1 where nothing came back
            raise InvalidMeasurement(
                f"ping on {self._shell.host} ends with status {done.status}: {done.stderr.strip()}"
            )
        return done.status == 0

    def reaches(self, address: str, port: int) -> bool:
        """Whether a server's TCP answers within two seconds; that nobody listens there is an answer."""
        command = f"timeout 2 bash -c '</dev/tcp/{address}/{port}'"
        done = self._shell.run(command, check=False)
        refused = "refused" in done.stderr
        if done.status not in (0, 124) and not refused and "timed out" not in done.stderr:
            raise InvalidMeasurement(f"{command} on {self._shell.host} ends with {done.status}: {done.stderr.strip()}")
        return done.status == 0 or refused


@pytest.mark.covers("neutron", "network-agent", "vswitch")
@pytest.mark.measures("vim.security_group.violations", "vim.security_group.time_to_effect")
@pytest.mark.expected_seconds(20)
def test_security_groups_are_enforced(
    cloud: CloudSession,
    basics: Basics,
    lab: Lab,
    shell: Callable[[str], Shell],
    parameters: Parameters,
    kpi: KpiRecorder,
) -> None:
    """Nothing reaches a server before a rule allows it; then that, and nothing else; nothing after it is deleted."""
    guests = lab.cloud.guests if lab.cloud else None
    if guests is None:
        raise LabError(f"lab {lab.lab} names no network on which servers are reached (cloud: guests)", what="cloud")
    seen_from = Vantage(shell(guests.seen_from))
    sdk = cloud.sdk.network
    network = sdk.find_network(guests.network)
    assert network, f"the cloud has no network {guests.network}, on which servers are to be reached"
    group = cloud.create("network.security_group")
    port = cloud.create("network.port", network_id=network.id, security_groups=[group.id])
    wanted = {
        "image_id": cloud.sdk.image.find_image(guests.image, ignore_missing=False).id if guests.image else None,
        "flavor_id": cloud.sdk.compute.find_flavor(guests.flavor, ignore_missing=False).id if guests.flavor else None,
    }
    basics.server(cloud, networks=[{"port": port.id}], **{name: each for name, each in wanted.items() if each})
    address = port.fixed_ips[0]["ip_address"]
    longest_s = parameters.api_ready_seconds
    wired = _when(lambda: sdk.get_port(port.id).status == "ACTIVE", longest_s)
    assert wired is not None, f"the port of the server is {sdk.get_port(port.id).status} after {longest_s:g} s"

    passed = [f"ping {number}" for number in range(SILENCE_PROBES) if seen_from.pings(address)]
    passed += [f"TCP {number}" for number in (ALLOWED_PORT, OTHER_PORT) if seen_from.reaches(address, number)]
    rules = [
        sdk.create_security_group_rule(security_group_id=group.id, direction="ingress", protocol="icmp"),
        sdk.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            protocol="tcp",
            port_range_min=ALLOWED_PORT,
            port_range_max=ALLOWED_PORT,
        ),
    ]
    allowed = _when(lambda: seen_from.pings(address) and seen_from.reaches(address, ALLOWED_PORT), longest_s)
    assert allowed is not None, f"{address} answers neither before nor {longest_s:g} s after rules allow it"
    passed += [f"TCP {OTHER_PORT} beside the rules"] if seen_from.reaches(address, OTHER_PORT) else []
    for rule in rules:
        sdk.delete_security_group_rule(rule.id)
    removed = _when(lambda: not seen_from.pings(address) and not seen_from.reaches(address, ALLOWED_PORT), longest_s)
    kpi.note(address=address, seen_from=guests.seen_from, passed=passed)
    kpi.measure("vim.security_group.violations", len(passed) + (removed is None))
    kpi.measure("vim.security_group.time_to_effect", allowed, change="allowed")
    assert not passed, f"without a rule that allows it, the server answers to {', '.join(passed)}"
    assert removed is not None, f"the server still answers {longest_s:g} s after the rules are deleted"
    kpi.measure("vim.security_group.time_to_effect", removed, change="deleted")


def _when(reached: Callable[[], bool], longest_s: float) -> float | None:
    """Seconds until something is so; None where it is not in time."""
    began = time.monotonic()
    while not reached():
        if time.monotonic() - began > longest_s:
            return None
        time.sleep(FIND_S)
    return time.monotonic() - began
