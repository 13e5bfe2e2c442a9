"""What an operator relies on: nothing is down, endpoints are protected, an upgrade would find nothing in its way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from nfvcert.suite import CloudSession, KpiRecorder, Lab, LabError, Shell, Undeclared

pytestmark = [pytest.mark.vim]

CERTIFICATE_DAYS = 14
PROTECTED = {
    "identity": "/projects",
    "compute": "/servers",
    "network": "/v2.0/networks",
    "image": "/v2/images",
    "block-storage": "/volumes",
    "placement": "/resource_providers",
    "orchestration": "/stacks",
}


@pytest.mark.small
@pytest.mark.covers("nova", "cinder", "neutron", "compute-agent", "network-agent", "storage-agent", "message-broker")
@pytest.mark.measures("vim.services.down")
@pytest.mark.expected_seconds(3)
def test_services_and_agents_are_up(cloud: CloudSession, kpi: KpiRecorder) -> None:
    """What is enabled is up, as the APIs tell."""
    sdk = cloud.sdk
    compute = [(f"{each.binary} on {each.host}", each.status, each.state) for each in sdk.compute.services()]
    storage = [(f"{each.binary} on {each.host}", each.status, each.state) for each in sdk.block_storage.services()]
    agents = [
        (
            f"{each.binary} on {each.host}",
            "enabled" if each.is_admin_state_up else "disabled",
            "up" if each.is_alive else "down",
        )
        for each in sdk.network.agents()
    ]
    for name, found in (("Compute", compute), ("Block Storage", storage)):
        assert found, f"{name} tells of no service at all"
    down = [name for name, status, state in (*compute, *storage, *agents) if status == "enabled" and state != "up"]
    kpi.note(down=down)
    kpi.measure("vim.services.down", len(down))


@pytest.mark.small
@pytest.mark.covers("keystone", "api-load-balancer")
@pytest.mark.expected_seconds(5)
def test_public_endpoints_are_protected(cloud: CloudSession, lab: Lab, shell: Callable[[str], Shell]) -> None:
    """TLS of at least 1.2, with a certificate that is valid for a while yet (Anuket RA1 ch. 6, sec.ci)."""
    controllers = [name for name, host in lab.hosts.items() if "controller" in host.roles]
    if not controllers:
        raise Undeclared(
            f"lab {lab.lab} has no host of role controller from which TLS could be looked at", what="cloud"
        )
    host = shell(controllers[0])
    for kind, url in _public(cloud).items():
        parts = urlsplit(url)
        assert parts.scheme == "https", f"the public endpoint of {kind} is {url}: no TLS"
        place = f"{parts.hostname}:{parts.port or 443}"
        seconds = CERTIFICATE_DAYS * 86400
        shown = host.run(f"openssl s_client -connect {place} </dev/null", check=False)
        if "BEGIN CERTIFICATE" not in shown.stdout:
            raise LabError(
                f"{host.host} cannot look at {place} by openssl: {shown.stderr.strip()[-200:]}", what=host.host
            )
        checked = host.run(f"openssl x509 -noout -checkend {seconds}", check=False, stdin=shown.stdout)
        told = f"the certificate of {kind} at {place} ends within {CERTIFICATE_DAYS} days: {checked.stdout.strip()}"
        assert checked.status == 0, told
        # At security level 0, or our own side would refuse; what refuses must be the server, by an alert.
        weak = f"openssl s_client -tls1_1 -cipher DEFAULT@SECLEVEL=0 -connect {place} </dev/null 2>&1"
        old = host.run(weak, check=False).stdout
        assert "alert" in old, f"{kind} at {place} does not refuse TLS 1.1: {old.strip()[-200:]}"


@pytest.mark.small
@pytest.mark.covers("keystone", "nova", "neutron", "glance", "cinder", "placement", "heat")
@pytest.mark.expected_seconds(4)
def test_nobody_is_let_in_without_a_token(cloud: CloudSession) -> None:
    """Every service of the catalogue refuses who does not say who he is."""
    asked = 0
    for kind, url in _public(cloud).items():
        if kind not in PROTECTED:
            continue
        path = url.rstrip("/") + PROTECTED[kind]
        answer = cloud.sdk.session.get(path, authenticated=False, raise_exc=False, connect_retries=0)
        assert answer.status_code == 401, f"without a token, {kind} answers {path} with status {answer.status_code}"
        asked += 1
    assert asked >= 3, f"the catalogue has {asked} services that could be asked"


@pytest.mark.small
@pytest.mark.covers("keystone")
@pytest.mark.expected_seconds(2)
def test_tokens_end(cloud: CloudSession) -> None:
    """Within a day (OpenStack Security Guide, token expiration)."""
    access = cloud.sdk.session.auth.get_access(cloud.sdk.session)
    hours = (access.expires - datetime.now(UTC)).total_seconds() / 3600
    assert 0 < hours <= 24, f"a new token is valid for {hours:.1f} hours"


@pytest.mark.medium
@pytest.mark.covers("nova", "neutron", "cinder", "keystone", "glance", "placement", "heat")
@pytest.mark.expected_seconds(30)
def test_nothing_stands_in_the_way_of_an_upgrade(cloud: CloudSession, lab: Lab, shell: Callable[[str], Shell]) -> None:
    """`nova-status upgrade check` and its sisters: status 0, or 1 for a warning."""
    controllers = [name for name, host in lab.hosts.items() if "controller" in host.roles]
    if not controllers or not cloud.upgrade_checks:
        raise Undeclared(f"lab {lab.lab} tells of no upgrade check, or of no controller to run it on", what="cloud")
    for service, command in cloud.upgrade_checks.items():
        done = shell(controllers[0]).run(command, check=False, timeout_s=120)
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        assert done.status in (0, 1), f"the upgrade check of {service} ends with status {done.status}: {said}"


def _public(cloud: CloudSession) -> dict[str, str]:
    """Service type → public endpoint in the region that is certified."""
    access = cloud.sdk.session.auth.get_access(cloud.sdk.session)
    region = cloud.sdk.config.get_region_name()
    found = access.service_catalog.get_endpoints_data(interface="public", region_name=region)
    assert found, "the catalogue is empty"
    return {kind: each[0].url for kind, each in found.items() if each}
