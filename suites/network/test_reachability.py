"""Every host reaches every other host on every network."""

from collections.abc import Callable, Iterable
from itertools import permutations

import pytest

from nfvcert.suite import KpiRecorder, Lab, Shell, Undeclared

pytestmark = [pytest.mark.network, pytest.mark.small, pytest.mark.covers("rack-switch", "vswitch", "nic", "host-os")]


@pytest.mark.measures("network.reachability.unreachable_pairs")
@pytest.mark.expected_seconds(2)
def test_every_host_reaches_every_other(lab: Lab, shell: Callable[[str], Shell], kpi: KpiRecorder) -> None:
    """Reachability of every host on every network (RFC 2681 connectivity by ICMP echo, RFC 792).

    A host without a shell (an appliance) is still pinged by the others.
    """
    if not any(host.addresses for host in lab.hosts.values()):
        raise Undeclared(f"the inventory of lab {lab.lab} gives no host an address on a network", what="networks")
    for network, declared in lab.networks.items():
        addresses = {name: host.addresses[network] for name, host in lab.hosts.items() if network in host.addresses}
        if declared.gateway:
            addresses["gateway"] = declared.gateway
        pairs = [(here, there) for here, there in permutations(addresses, 2) if here != "gateway"]
        answering = {here: _answering(shell(here), addresses.values()) for here in addresses if here != "gateway"}
        lost = [(here, there) for here, there in pairs if addresses[there] not in answering[here]]
        kpi.note(network=network, pairs=len(pairs), unreachable=lost)
        kpi.measure("network.reachability.unreachable_pairs", len(lost), network=network)


def _answering(shell: Shell, addresses: Iterable[str]) -> set[str]:
    """Which addresses answer one of three echo requests within a second each, all asked side by side."""
    asking = "; ".join(f"(ping -n -q -c 3 -i 0.2 -W 1 {address} >&2 && echo {address}) &" for address in addresses)
    return set(shell.run(f"{asking.replace('&;', '&')} wait", timeout_s=20).stdout.split())
