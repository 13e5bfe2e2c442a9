"""What the compute tests share: the hosts under test, and one load of their processors per host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nfvcert.suite import HostLoad, InvalidMeasurement, Lab, Parameters, Shell, host_load

Loads = Callable[[str], tuple[HostLoad, HostLoad]]


@pytest.fixture(scope="session")
def hosts(lab: Lab) -> list[str]:
    """The hosts of role compute; without any there is nothing to certify."""
    found = [name for name, host in lab.hosts.items() if "compute" in host.roles]
    if not found:
        raise InvalidMeasurement(f"lab {lab.lab} has no host of role compute")
    return found


@pytest.fixture(scope="session")
def loads(shell: Callable[[str], Shell], parameters: Parameters) -> Loads:
    """``loads(host)``: one thread, then one on each processor; measured once, since several tests build on it."""
    found: dict[str, tuple[HostLoad, HostLoad]] = {}

    def of(host: str) -> tuple[HostLoad, HostLoad]:
        if host not in found:
            threads = int(shell(host).run("nproc").stdout)
            seconds = parameters.compute_load_seconds
            one = host_load(shell(host), threads=1, seconds=seconds)
            found[host] = one, host_load(shell(host), threads=threads, seconds=seconds)
        return found[host]

    return of
