"""Networks: the resources of OpenStack's Network API v2.0, and the agents behind it."""

from __future__ import annotations

import pytest

from nfvcert.suite import CloudSession

pytestmark = [pytest.mark.vim, pytest.mark.small, pytest.mark.covers("neutron", "sdn-controller")]


@pytest.mark.expected_seconds(6)
def test_a_tenant_builds_its_network(cloud: CloudSession) -> None:
    """Network, subnet, port with an address of the subnet, security group with rules."""
    user = cloud.project()
    network = user.create("network.network")
    subnet = user.create("network.subnet", network_id=network.id, ip_version=4, cidr="10.79.0.0/24")
    group = user.create("network.security_group")
    rule = user.sdk.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22
    )
    port = user.create("network.port", network_id=network.id, security_groups=[group.id])
    assert [each["subnet_id"] for each in port.fixed_ips] == [subnet.id], f"the port has addresses {port.fixed_ips}"
    assert port.fixed_ips[0]["ip_address"].startswith("10.79.0."), f"the port has address {port.fixed_ips}"
    assert port.security_group_ids == [group.id], f"the port is in groups {port.security_group_ids}"
    told = user.sdk.network.get_security_group_rule(rule.id)
    assert (told.protocol, told.port_range_min) == ("tcp", 22), (
        f"the rule came to be {told.protocol} {told.port_range_min}"
    )
    assert user.refuses(lambda: user.sdk.network.delete_network(network.id), 409), "a network with a port is deleted"


@pytest.mark.covers("network-agent")
@pytest.mark.expected_seconds(6)
def test_a_router_gives_a_floating_address(cloud: CloudSession) -> None:
    """A router between a tenant's network and the provider's; a floating address of a port, and away again."""
    outside = cloud.create("network.network", is_router_external=True)
    cloud.create("network.subnet", network_id=outside.id, ip_version=4, cidr="198.51.100.0/24", is_dhcp_enabled=False)
    user = cloud.project()
    network = user.create("network.network")
    subnet = user.create("network.subnet", network_id=network.id, ip_version=4, cidr="10.80.0.0/24")
    router = user.create("network.router", external_gateway_info={"network_id": outside.id})
    user.sdk.network.add_interface_to_router(router.id, subnet.id)
    port = user.create("network.port", network_id=network.id)
    address = user.create("network.ip", floating_network_id=outside.id, port_id=port.id)
    assert address.floating_ip_address.startswith("198.51.100."), f"the address is {address.floating_ip_address}"
    assert address.fixed_ip_address == port.fixed_ips[0]["ip_address"], f"it leads to {address.fixed_ip_address}"
    freed = user.sdk.network.update_ip(address.id, port_id=None)
    assert freed.fixed_ip_address is None, f"given back, it still leads to {freed.fixed_ip_address}"


@pytest.mark.expected_seconds(5)
def test_trunks_policies_and_scopes(cloud: CloudSession) -> None:
    """Trunk with a subport, QoS policy with a rule, address scope with a pool that subnets take from."""
    sdk = cloud.sdk.network
    network, other = cloud.create("network.network"), cloud.create("network.network")
    parent = cloud.create("network.port", network_id=network.id)
    child = cloud.create("network.port", network_id=other.id)
    subport = {"port_id": child.id, "segmentation_type": "vlan", "segmentation_id": 101}
    trunk = cloud.create("network.trunk", port_id=parent.id, sub_ports=[subport])
    told = [(each["port_id"], each["segmentation_id"]) for each in sdk.get_trunk(trunk.id).sub_ports]
    assert told == [(child.id, 101)], f"the trunk has subports {told}"
    policy = cloud.create("network.qos_policy")
    sdk.create_qos_bandwidth_limit_rule(policy.id, max_kbps=1000, max_burst_kbps=100)
    limits = [each.max_kbps for each in sdk.qos_bandwidth_limit_rules(policy.id)]
    assert limits == [1000], f"the policy limits to {limits} kbit/s"
    scope = cloud.create("network.address_scope", ip_version=4)
    pool = cloud.create(
        "network.subnet_pool", prefixes=["10.81.0.0/16"], default_prefix_length=26, address_scope_id=scope.id
    )
    subnet = cloud.create("network.subnet", network_id=network.id, ip_version=4, subnet_pool_id=pool.id)
    assert subnet.cidr.startswith("10.81.") and subnet.cidr.endswith("/26"), f"the pool gave {subnet.cidr}"  # noqa: PT018


@pytest.mark.expected_seconds(4)
def test_a_network_is_shared_with_one_project(cloud: CloudSession) -> None:
    """By role-based access control: who it is shared with sees it, a third project does not."""
    owner, friend, stranger = cloud.project(), cloud.project(), cloud.project()
    network = owner.create("network.network")
    owner.sdk.network.create_rbac_policy(
        object_type="network", object_id=network.id, action="access_as_shared", target_project_id=friend.project_id
    )
    assert [each for each in friend.sdk.network.networks() if each.id == network.id], (
        "who it is shared with sees nothing"
    )
    assert not [each for each in stranger.sdk.network.networks() if each.id == network.id], "a third project sees it"
