"""Stacks: created, updated, rolled back, deleted (OpenStack Orchestration API v1)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from nfvcert.suite import ApiFault, CloudSession

pytestmark = [
    pytest.mark.vim,
    pytest.mark.small,
    pytest.mark.covers("heat", "neutron", "message-broker"),
    pytest.mark.needs("orchestration"),
]


def template(*networks: str, broken: bool = False) -> dict[str, Any]:
    """A stack of networks; one that is broken cannot be made."""
    resources: dict[str, Any] = {name: {"type": "OS::Neutron::Net"} for name in networks}
    if broken:
        # Twice the same subnet in one network: a template that is valid, and a resource that Neutron refuses.
        subnet = {"network": {"get_resource": networks[0]}, "cidr": "10.82.0.0/24", "ip_version": 4}
        resources["first"] = {"type": "OS::Neutron::Subnet", "properties": subnet}
        resources["again"] = {"type": "OS::Neutron::Subnet", "properties": subnet, "depends_on": "first"}
    outputs = {name: {"value": {"get_resource": name}} for name in networks}
    return {"heat_template_version": "2018-08-31", "resources": resources, "outputs": outputs}


@pytest.mark.expected_seconds(12)
def test_a_stack_is_made_changed_and_deleted(cloud: CloudSession) -> None:
    """What its template says is there, then what the new one says, then nothing of it."""
    stack = cloud.create("orchestration.stack", template=template("one", "two"))
    made = _outputs(cloud, stack)
    assert set(made) == {"one", "two"}, f"the stack tells of {', '.join(made) or 'nothing'}"
    for name, network in made.items():
        assert cloud.sdk.network.find_network(network), f"network {name} of the stack is not there"
    cloud.sdk.orchestration.update_stack(stack.id, template=template("one", "three"))
    cloud.wait(stack, "UPDATE_COMPLETE")
    changed = _outputs(cloud, stack)
    assert changed["one"] == made["one"], "a network that did not change was made anew"
    assert not cloud.sdk.network.find_network(made["two"]), "a network that left the template is still there"
    cloud.delete(stack)
    left = [network for network in changed.values() if cloud.sdk.network.find_network(network)]
    assert not left, f"networks of a deleted stack are still there: {', '.join(left)}"


@pytest.mark.expected_seconds(8)
def test_a_failed_update_is_rolled_back(cloud: CloudSession) -> None:
    """A stack that cannot be updated is as it was before."""
    stack = cloud.create("orchestration.stack", template=template("one"))
    before = _outputs(cloud, stack)
    cloud.sdk.orchestration.update_stack(
        stack.id, template=template("one", "two", broken=True), is_rollback_disabled=False
    )
    deadline = time.monotonic() + 90
    while (status := cloud.sdk.orchestration.get_stack(stack.id).status) not in (
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
    ):
        if time.monotonic() > deadline:
            raise ApiFault(f"a stack whose update fails is {status} after 90 s, not ROLLBACK_COMPLETE")
        time.sleep(0.3)
    assert status == "ROLLBACK_COMPLETE", f"the rollback ended with {status}"
    assert _outputs(cloud, stack) == before, "after the rollback the stack is another one than before"


def _outputs(cloud: CloudSession, stack: Any) -> dict[str, str]:
    told = cloud.sdk.orchestration.get_stack(stack.id)
    return {each["output_key"]: str(each["output_value"]) for each in told.outputs or ()}
