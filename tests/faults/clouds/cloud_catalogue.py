"""Which seeded fault of a cloud must be found by which test of the VIM suite: the second table of docs/faults.md.

`python -m tests.faults.clouds.cloud_catalogue` prints the table; a test compares it with the committed page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CLOUD_CASES", "CloudCase", "table"]


@dataclass(frozen=True)
class CloudCase:
    """One fault of a cloud, and the tests that are run with it."""

    name: str
    title: str
    fault: str
    fails: str
    """The test that must FAIL; empty for a fault of the lab."""
    passes: tuple[str, ...] = ()
    """Tests that must PASS all the same."""
    seeded: Mapping[str, object] = field(default_factory=dict)
    runs: str = ""
    """The test to run for a fault of the lab."""
    says: str = ""
    """Part of the sentence of the finding."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Of the test model, where those of all cases take needlessly long."""


TOKEN, IMAGE = "test_tokens_end", "test_an_image_comes_back_as_it_was_uploaded"
UP, ACTIVE = "test_services_and_agents_are_up", "test_servers_are_active_in_time"
FAST, ORPHANS = "test_apis_answer_in_time", "test_no_allocation_is_an_orphan"
VOLUME, STACK = "test_a_volume_is_attached_and_detached", "test_a_failed_update_is_rolled_back"
KILLS, KILLS_OF_THE_REST = "test_apis_and_schedulers_come_back", "test_everything_else_comes_back"
ONE_AFTER_THE_OTHER = {"api_concurrency": [1], "api_requests": 6}


def stopped(service: str, title: str, fails: str, *passes: str, says: str = "") -> CloudCase:
    """A service that has ended for good."""
    return CloudCase(f"no-{service}", title, "service-stopped", fails, passes, {"service": service}, says=says)


CLOUD_CASES = (
    stopped("nova-scheduler", "The scheduler has ended", ACTIVE, TOKEN),
    stopped("nova-conductor", "The conductor has ended", ACTIVE, TOKEN),
    stopped("nova-compute-compute-1", "A hypervisor's agent has ended", "test_anti_affinity_is_kept", TOKEN),
    stopped("neutron-metering-agent", "An agent of Neutron has ended", UP, TOKEN),
    stopped("neutron-openvswitch-agent-compute-1", "An agent of the data plane has ended", UP, TOKEN),
    CloudCase(
        "no-firewall",
        "Security groups are kept by the API, and not by the data plane",
        "no-firewall",
        "test_security_groups_are_enforced",
        (TOKEN,),
        says="without a rule that allows it",
    ),
    stopped("ovs-vswitchd", "The switch of the data plane has ended", "test_security_groups_are_enforced", TOKEN),
    stopped("neutron-server", "The network API has ended", "test_a_tenant_builds_its_network", TOKEN, IMAGE),
    stopped("placement-api", "Placement has ended", ACTIVE, TOKEN, IMAGE),
    stopped("glance-api", "The image API has ended", IMAGE, TOKEN),
    stopped("cinder-volume", "The volume service has ended", "test_a_volume_type_is_chosen", TOKEN),
    stopped("heat-engine", "The orchestration engine has ended", STACK, TOKEN),
    stopped("message-broker", "The message broker has ended", ACTIVE, TOKEN, IMAGE),
    stopped("database", "The database has ended", IMAGE),
    CloudCase("no-restart", "A service is not started again when it ends", "no-restart", KILLS, (TOKEN,)),
    CloudCase(
        "errors",
        "The compute API answers 1 request in 10 with status 500",
        "api-errors",
        FAST,
        (TOKEN,),
        {"api": "nova", "one_in": 10},
    ),
    CloudCase(
        "refused",
        "The network API drops the connection of 1 request in 5",
        "api-refuses",
        FAST,
        (TOKEN,),
        {"api": "neutron", "one_in": 5},
    ),
    CloudCase(
        "slow-api",
        "The block storage API answers 1.5 s later",
        "api-slow",
        FAST,
        (TOKEN,),
        {"api": "cinder"},
        parameters=ONE_AFTER_THE_OTHER,
    ),
    CloudCase(
        "slow-database",
        "The database stands still for most of the time",
        "slow-database",
        FAST,
        (TOKEN,),
        parameters=ONE_AFTER_THE_OTHER,
    ),
    CloudCase(
        "forgetful-database",
        "The database forgets what it had confirmed when it is killed",
        "forgetful-database",
        KILLS_OF_THE_REST,
        (TOKEN,),
        says="database was killed, and ",  # a keypair is forgotten; or the user is, whom nothing answers then
    ),
    CloudCase("read-only-database", "The database takes no writes", "read-only-database", IMAGE, (TOKEN,)),
    CloudCase(
        "broker-partition",
        "Packets to the message broker are lost",
        "broker-partition",
        ACTIVE,
        (TOKEN, IMAGE),
    ),
    CloudCase(
        "expired-certificate",
        "The certificate of the public endpoints has expired",
        "expired-certificate",
        "test_public_endpoints_are_protected",
        says="expired",
    ),
    CloudCase(
        "wrong-endpoint",
        "The catalogue leads to a port of block storage where nobody listens",
        "wrong-endpoint",
        "test_a_volume_type_is_chosen",
        (TOKEN, IMAGE),
    ),
    CloudCase("quota", "The default quota lets nobody have a server", "quota-too-small", ACTIVE, (TOKEN, IMAGE)),
    CloudCase(
        "leaked-allocation", "Placement accounts for a server that is no more", "leaked-allocation", ORPHANS, (TOKEN,)
    ),
    CloudCase(
        "roles",
        "Every member of a project is an administrator",
        "roles-too-wide",
        "test_projects_are_isolated",
        (TOKEN,),
    ),
    CloudCase("corrupt-images", "The image store changes a byte of each image", "corrupt-images", IMAGE, (TOKEN,)),
    CloudCase(
        "wrong-password",
        "clouds.yaml has a wrong password",
        "wrong-password",
        "",
        runs=TOKEN,
        says="does not let us in",
    ),
    CloudCase(
        "no-proxy",
        "The load balancer of the APIs has ended: no endpoint can be reached",
        "service-stopped",
        "",
        seeded={"service": "api-load-balancer"},
        runs=TOKEN,
        says="no endpoint of cloud opco-ru can be reached",
    ),
)


def table() -> str:
    """The cases as a Markdown table."""
    rows = ["| Fault of the cloud | Found by | Decision |", "| --- | --- | --- |"]
    for case in CLOUD_CASES:
        found = f"`{case.fails}`" if case.fails else "the lab is blamed"
        rows.append(f"| {case.title} | {found} | {'REJECTED' if case.fails else 'INCONCLUSIVE'} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201
