"""The catalogue as shipped: all of the slides' components, and every name that suites and inventories use."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from nfvcert import files
from nfvcert.catalogue import Catalogue
from nfvcert.catalogue_files import check_lab, check_tests, check_unit, read_catalogue
from nfvcert.collecting import collect_suites
from nfvcert.lab import Lab
from nfvcert.release import ReleaseUnit

ROOT = Path(__file__).parents[2]
PATH = ROOT / "testmodels/components.yaml"
LABS = sorted([*(ROOT / "lab_inventory").glob("*.yaml"), *(ROOT / "tests/data/labs").glob("*.yaml")])
UNITS = sorted(path for path in (ROOT / "releases").rglob("*.yaml") if path.name != "revoked.yaml")

# "What might cause an issue?", row by row: what the slide says → the component.
SMALL_AND_LARGE_COMPUTE = {
    "motherboard firmware": "bios",
    "disc controller": "disk-controller",
    "network adapter": "nic",
    "IPMI module": "bmc",
    "host OS": "host-os",
    "guest OS": "guest-os",
    "drivers in host OS": "driver-host",
    "drivers in guest OS": "driver-guest",
}
TRIGGERS = {"CPU": "cpu", "disc drives": "disk-drive", "libvirt": "libvirt", "management model": "management-model"}
AGENTS = {"compute": "compute-agent", "network": "network-agent", "storage": "storage-agent"}
STORAGE = {"firmware": "storage-firmware", "software": "storage", "failover managers": "storage-failover-manager"}
NETWORK = {
    "Rack aggregation layer switches": "rack-switch",
    "NFVI-PoP aggregation layer switches": "pop-aggregation-switch",
    "Network Gateways Layer routers/switch-routers": "network-gateway-router",
    "Firewalls of Network Firewalls Layer": "firewall",
    "Load balancers": "load-balancer",
    "NFVI-to-PE interconnection devices": "nfvi-pe-interconnect",
    "vSwitches": "vswitch",
    "vFirewalls": "vfirewall",
    "vLoad Balancers": "vload-balancer",
    "SDN controllers": "sdn-controller",
}
HARDWARE_MANAGEMENT = {"compute": "compute-manager", "storage": "storage-manager", "network": "network-manager"}
OPENSTACK = (
    *("Nova", "Neutron", "Cinder", "Keystone", "Glance", "Swift", "Horizon", "Heat", "Mistral", "Ceilometer"),
    *("Ironic", "Zaqar", "Designate", "Searchlight"),
)
SDN_FEATURES = (
    *("user-interface", "alto", "aaa", "armoury", "bgp", "capwap", "didm", "gbp", "l2switch", "l3vpn", "lacp", "lisp"),
    *("messaging4transport", "nemo", "netide", "nic", "odl-sdni", "openflow", "opflex", "pcep", "sfc", "snmp", "usc"),
    *("vtn", "netconf", "yang-push"),
)
OTHER_SYSTEMS = {"VNF": "vnf", "VNFM": "vnfm", "NFVO": "nfvo", "OSS": "oss", "BSS": "bss"}
AROUND = {"environment": "environment", "relevant procedures": "procedures", "tools": "tools"}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_catalogue(ROOT / "testmodels")


def test_no_component_of_the_slides_is_left_out(catalogue: Catalogue) -> None:
    tables = (
        *(SMALL_AND_LARGE_COMPUTE, TRIGGERS, AGENTS, STORAGE, NETWORK, HARDWARE_MANAGEMENT, OTHER_SYSTEMS, AROUND),
        {"vendor-specific component": "vim-vendor-component"},
    )
    wanted = {name for table in tables for name in table.values()}
    wanted |= {name.lower() for name in OPENSTACK} | {f"sdn-{name}" for name in SDN_FEATURES}
    assert wanted <= set(catalogue.components)
    assert len(SDN_FEATURES) == 26


def test_domains_are_those_of_the_slides(catalogue: Catalogue) -> None:
    for table, domain in (
        (SMALL_AND_LARGE_COMPUTE.values(), "compute"),
        (STORAGE.values(), "storage"),
        (NETWORK.values(), "network"),
        ([f"sdn-{name}" for name in SDN_FEATURES], "network"),
        ([name.lower() for name in OPENSTACK], "vim"),
        (AGENTS.values(), "vim"),
    ):
        assert {catalogue[name].domain for name in table} == {domain}
    for domain, name in HARDWARE_MANAGEMENT.items():
        assert catalogue[name].domain == domain


def test_the_slides_example_of_a_network_card(catalogue: Catalogue) -> None:
    """Components that depend on it: Host OS, Guest OS, vSwitch."""
    assert {"nic", "host-os", "guest-os", "vswitch", "driver-host"} <= set(catalogue.reached(["nic"], 1))


@pytest.mark.parametrize(
    ("changed", "radius", "reaches"),
    [
        ("bios", 1, {"host-os", "hypervisor"}),  # virtualisation is turned off there
        ("host-os", 1, {"vswitch", "hypervisor", "libvirt", "nova", "keystone", "storage", "driver-host"}),
        ("hypervisor", 1, {"guest-os", "libvirt", "vswitch"}),
        ("rack-switch", 1, {"nic", "vswitch", "storage", "pop-aggregation-switch", "sdn-controller"}),
        ("vswitch", 1, {"vnf", "sdn-controller", "rack-switch", "network-agent", "vfirewall"}),
        ("keystone", 1, {"nova", "neutron", "cinder", "glance", "heat", "horizon", "vnfm"}),
        ("message-broker", 1, {"nova", "neutron", "compute-agent"}),
        ("sdn-openflow", 1, {"sdn-controller", "vswitch", "rack-switch", "sdn-l2switch"}),
        ("storage", 1, {"guest-os", "glance", "storage-agent"}),
        ("storage", 2, {"cinder", "vnf"}),
        ("neutron", 1, {"nova", "sdn-controller", "network-agent", "heat"}),
        ("tools", 1, {"host-os", "procedures"}),
        ("environment", 2, {"host-os", "rack-switch", "storage"}),
    ],
)
def test_what_breaks_in_practice_is_reached(catalogue: Catalogue, changed: str, radius: int, reaches: set[str]) -> None:
    assert reaches <= set(catalogue.reached([changed], radius))


def test_every_feature_of_the_sdn_controller_can_break_it_and_be_broken(catalogue: Catalogue) -> None:
    """They share its process, and tests cover the controller, not each feature."""
    for feature in (f"sdn-{name}" for name in SDN_FEATURES):
        assert "sdn-controller" in catalogue.reached([feature], 1)
        assert feature in catalogue.reached(["sdn-controller"], 1)


def test_nothing_stands_alone(catalogue: Catalogue) -> None:
    joined = {name for each in catalogue.dependencies() for name in (each.component, each.on)}
    assert joined == set(catalogue.components)


def test_a_lab_is_asked_for_facts_that_its_hosts_are_asked_for(catalogue: Catalogue) -> None:
    from nfvcert.facts import FACTS

    sources = [source for component in catalogue.components.values() for source in component.facts]
    assert {source.ssh for source in sources if source.ssh} <= set(FACTS)
    assert {source.redfish for source in sources if source.redfish} <= {"bios", "bmc", "nic", "disk-controller", "cpld"}


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_inventories_name_components_of_the_catalogue(catalogue: Catalogue, path: Path) -> None:
    check_lab(path, files.load(Lab, path), catalogue)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_release_units_name_components_of_the_catalogue(catalogue: Catalogue, path: Path) -> None:
    check_unit(path, files.load(ReleaseUnit, path), catalogue)


def test_every_test_covers_components_of_the_catalogue(catalogue: Catalogue) -> None:
    tests = collect_suites(ROOT)
    check_tests(tests, catalogue)
    assert tests
    assert all(test.covers for test in tests), "each test says which components it covers"


def test_the_schema_is_that_of_the_model_and_editors_agree() -> None:
    committed = ROOT / "testmodels/schema/components.schema.json"
    assert committed.read_text() == files.schema_text("components"), f"nfvcert catalogue schema > {committed}"
    validator = jsonschema.Draft202012Validator(files.schemas()["components"])
    validator.check_schema(files.schemas()["components"])
    assert not list(validator.iter_errors(files.read_document(PATH).data))
    assert PATH.read_text().startswith("# yaml-language-server: $schema=schema/components.schema.json\n")
