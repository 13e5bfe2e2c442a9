"""Whether hosts are what the inventory declares."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from nfvcert.suite import (
    PLATFORM_COMMAND,
    Bmc,
    ClockReading,
    InvalidMeasurement,
    KpiRecorder,
    Lab,
    LabError,
    Parameters,
    Shell,
    clock_offsets,
    deviations,
    kernel_errors,
    platform_facts,
    undeclared,
)

pytestmark = [pytest.mark.compute, pytest.mark.small]

BMC_PAUSE_S = 0.5
CLOCK_READINGS = 7
CLOCK_TRUSTED_S = 0.05


@pytest.mark.covers("motherboard", "bios", "cpu", "bmc", "nic", "disk-controller", "host-os")
@pytest.mark.measures("compute.inventory.deviations", "compute.inventory.undeclared_aspects")
@pytest.mark.expected_seconds(5)
def test_hosts_are_as_declared(
    lab: Lab, hosts: list[str], shell: Callable[[str], Shell], bmc: Callable[[str], Bmc], kpi: KpiRecorder
) -> None:
    """What the OS and the BMC of each host tell is what its inventory declares (Anuket RM ch. 5)."""
    unknown = [host for host in hosts if lab.hosts[host].platform is None]
    if unknown:
        raise InvalidMeasurement(f"the inventory declares no platform of {', '.join(unknown)}: nothing to compare with")
    for host in hosts:
        platform = lab.hosts[host].platform
        assert platform is not None
        told = bmc(host).firmware() if platform.firmware is not None else None
        found = platform_facts(shell(host).run(PLATFORM_COMMAND).stdout, told)
        compared = deviations(platform, found)
        kpi.note(host=host, declared_and_found=[vars(each) for each in compared], undeclared=undeclared(platform))
        for each in compared:
            kpi.measure(
                "compute.inventory.deviations",
                int(each.deviates),
                host=host,
                aspect=each.aspect,
                declared=each.declared,
                found=each.found,
            )
        kpi.measure("compute.inventory.undeclared_aspects", len(undeclared(platform)), host=host)


@pytest.mark.covers("bmc")
@pytest.mark.measures("compute.bmc.failed_requests")
@pytest.mark.expected_seconds(15)
def test_management_controllers_answer(
    lab: Lab, hosts: list[str], bmc: Callable[[str], Bmc], parameters: Parameters, kpi: KpiRecorder
) -> None:
    """Every question to a BMC is answered. One that answers none is out of reach, and shows nothing of a release."""
    having = [host for host in hosts if "bmc" in lab.hosts[host].components]
    if not having:
        raise InvalidMeasurement("no host of role compute has a component bmc in the inventory")
    for host in having:
        failed: list[str] = []
        for _ in range(parameters.compute_bmc_requests):
            try:
                bmc(host).firmware()
            except LabError as error:
                failed.append(error.sentence)
            bmc(host).close()
            time.sleep(BMC_PAUSE_S)
        if len(failed) == parameters.compute_bmc_requests:
            raise InvalidMeasurement(failed[-1])
        kpi.note(host=host, failed=failed)
        kpi.measure("compute.bmc.failed_requests", len(failed), host=host, requests=parameters.compute_bmc_requests)


@pytest.mark.covers("time-source", "host-os")
@pytest.mark.measures("compute.clock.error")
@pytest.mark.expected_seconds(2)
def test_clocks_agree(hosts: list[str], shell: Callable[[str], Shell], kpi: KpiRecorder) -> None:
    """Each host's clock against the median of all (offset by half the round trip, as NTP; RFC 5905 §8)."""
    readings: dict[str, list[ClockReading]] = {host: [] for host in hosts}
    for host in hosts:
        for _ in range(CLOCK_READINGS):
            asked = time.time()
            shown = shell(host).run("date +%s.%N").stdout
            readings[host].append(ClockReading(float(shown), asked, time.time()))
    for host, offset in clock_offsets(readings, CLOCK_TRUSTED_S).items():
        kpi.measure("compute.clock.error", offset.estimate, host=host)


@pytest.mark.covers("host-os", "driver-host", "motherboard", "cpu", "nic", "disk-controller")
@pytest.mark.measures("compute.kernel.errors")
@pytest.mark.expected_seconds(2)
def test_the_kernel_tells_no_errors(
    lab: Lab, hosts: list[str], shell: Callable[[str], Shell], kpi: KpiRecorder
) -> None:
    """Hardware errors, lock-ups, killed processes and failed I/O since the host booted (kernel's log)."""
    unknown = [host for host in hosts if lab.hosts[host].platform is None]
    if unknown:
        raise InvalidMeasurement(f"the inventory does not say where the kernel of {', '.join(unknown)} writes its log")
    for host in hosts:
        platform = lab.hosts[host].platform
        assert platform is not None
        found = kernel_errors(shell(host).run(platform.log).stdout)
        kpi.note(host=host, errors=found[:100])
        first = {"first": found[0][:200]} if found else {}
        kpi.measure("compute.kernel.errors", len(found), host=host, **first)
