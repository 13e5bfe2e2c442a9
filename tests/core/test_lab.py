"""What an inventory may say: scalars, parts, and parts that contradict each other."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nfvcert import files
from nfvcert.lab import Lab, LabContradiction, TrafficPort
from nfvcert.parts import Contradiction, KeyPath

DATA = Path(__file__).parent.parent / "data" / "labs"
SWITCHED: Any = files.read_document(DATA / "bench.yaml").data
ROUTED: Any = files.read_document(DATA / "routed.yaml").data
EXISTING: Any = {
    "lab": "gear",
    "owner": {"organisation": "Test group", "role": "vendor"},
    "environment": "lab",
    "provider": "existing",
    "profile": "physical-10g",
    "hosts": {
        "tor-1": {"roles": ["switch"], "ssh": {"address": "192.0.2.2"}},
        "tor-2": {"roles": ["switch"], "ssh": {"address": "192.0.2.3"}},
    },
    "network": {"dut": {"kind": "switch"}},
    "traffic": {
        "generator": "trex",
        "address": "192.0.2.9",
        "ports": {
            "tg0": {"port": 0, "attached_to": "tor-1", "speed": "10 Gbit/s", "mac": "02:00:00:00:00:01"},
            "tg1": {"port": 1, "attached_to": "tor-2", "speed": 10e9},
        },
    },
}
SOFTWARE: Any = {
    "traffic.generator": "software",
    "traffic.address": ...,
    "traffic.ports.tg0.port": ...,
    "traffic.ports.tg1.port": ...,
    "traffic.ports.tg0.interface": "eth0",
    "traffic.ports.tg1.interface": "eth1",
    "traffic.ports.tg1.mac": "02:00:00:00:00:02",
}
GUESTS: Any = {"guests": {"subnet": "192.0.2.128/25"}}


def changed(base: Any, changes: dict[str, Any]) -> Any:
    """A copy of plain data with dotted keys set; a value of ... deletes its key."""
    data = copy.deepcopy(base)
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        part = data
        for key in path:
            part = part.setdefault(key, {})
        if value is ...:
            del part[last]
        else:
            part[last] = value
    return data


def contradictions(base: Any, changes: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    with pytest.raises(ValidationError) as caught:
        Lab.model_validate(changed(base, changes))
    (error,) = caught.value.errors()
    first = error["ctx"]["error"]
    assert isinstance(first, LabContradiction)
    return [(each.key, str(each)) for each in (first, *first.further)]


@pytest.mark.parametrize("data", [SWITCHED, ROUTED, EXISTING], ids=["switched", "routed", "existing"])
def test_good_labs_are_good(data: Any) -> None:
    lab = Lab.model_validate(data)
    assert lab.dut.forwards == ("l3" if lab.lab == "routed" else "l2")
    assert Lab.model_validate_json(lab.model_dump_json()) == lab


def test_a_lab_without_traffic_is_good_and_has_no_dut() -> None:
    lab = Lab.model_validate(changed(SWITCHED, {"traffic": ..., "network": ...}))
    with pytest.raises(LookupError, match="bench declares no network"):
        lab.dut  # noqa: B018 - the property raises


CONTRADICTIONS: list[tuple[str, Any, dict[str, Any], str, str]] = [
    # id, base, changes, dotted key of the part to mend, sentence
    (
        "address twice",
        SWITCHED,
        {"hosts.leaf-2.addresses.management": "10.90.0.2"},
        "hosts.leaf-2.addresses.management",
        "address 10.90.0.2 is taken by leaf-1 on network management",
    ),
    (
        "address of the gateway",
        SWITCHED,
        {"hosts.leaf-2.addresses.management": "10.90.0.1"},
        "hosts.leaf-2.addresses.management",
        "address 10.90.0.1 is taken by the gateway of network management",
    ),
    (
        "address outside its network",
        SWITCHED,
        {"hosts.leaf-2.addresses.management": "10.91.0.3"},
        "hosts.leaf-2.addresses.management",
        "10.91.0.3 is not in 10.90.0.0/24 of network management",
    ),
    (
        "broadcast address",
        SWITCHED,
        {"hosts.leaf-2.addresses.management": "10.90.0.255"},
        "hosts.leaf-2.addresses.management",
        "10.90.0.255 is the network or broadcast address of 10.90.0.0/24, no host's",
    ),
    (
        "unknown network",
        SWITCHED,
        {"hosts.leaf-2.addresses.mgmt": "10.90.0.9"},
        "hosts.leaf-2.addresses.mgmt",
        "no network is named 'mgmt' (there are: management, storage)",
    ),
    (
        "networks overlap",
        SWITCHED,
        {"networks.third": {"subnet": "10.90.0.128/25"}},
        "networks.third.subnet",
        "10.90.0.128/25 overlaps with 10.90.0.0/24 of network management",
    ),
    (
        "gateway outside",
        SWITCHED,
        {"networks.storage.gateway": "10.90.2.1"},
        "networks.storage.gateway",
        "10.90.2.1 is not in 10.90.1.0/24 of network storage",
    ),
    (
        "link to an unknown host",
        SWITCHED,
        {"links.trunk-1.b": "leaf-9"},
        "links.trunk-1.b",
        "no host is named 'leaf-9' (there are: leaf-1, leaf-2, compute-1)",
    ),
    (
        "link to itself",
        SWITCHED,
        {"links.trunk-1.b": "leaf-1"},
        "links.trunk-1.b",
        "both ends of trunk-1 are leaf-1",
    ),
    (
        "hardware in an embedded lab",
        SWITCHED,
        {"network.dut.kind": "switch"},
        "network.dut.kind",
        "an embedded lab can make a linux-bridge, an openvswitch or a router, no hardware switch",
    ),
    (
        "unknown backup",
        SWITCHED,
        {"network.dut.redundancy.backup": "trunk-3"},
        "network.dut.redundancy.backup",
        "no link is named 'trunk-3' (there are: trunk-1, trunk-2)",
    ),
    (
        "backup of itself",
        SWITCHED,
        {"network.dut.redundancy.backup": "trunk-1"},
        "network.dut.redundancy.backup",
        "the backup of link trunk-1 is that link itself",
    ),
    (
        "redundancy on an unknown host",
        SWITCHED,
        {"network.dut.redundancy.host": "leaf"},
        "network.dut.redundancy.host",
        "no host is named 'leaf' (there are: leaf-1, leaf-2, compute-1)",
    ),
    (
        "one port",
        SWITCHED,
        {"traffic.ports.tg1": ...},
        "traffic.ports",
        "a generator needs two ports at least, 1 given",
    ),
    (
        "no port",
        SWITCHED,
        {"traffic.ports": {}},
        "traffic.ports",
        "a generator needs two ports at least, none given",
    ),
    (
        "port at an unknown host",
        SWITCHED,
        {"traffic.ports.tg1.attached_to": "leaf-9"},
        "traffic.ports.tg1.attached_to",
        "no host is named 'leaf-9' (there are: leaf-1, leaf-2, compute-1)",
    ),
    (
        "port named as a link",
        SWITCHED,
        {"traffic.ports.trunk-1": {"attached_to": "leaf-1", "speed": 1e6}},
        "traffic.ports.trunk-1",
        "trunk-1 is the name of a link too",
    ),
    (
        "a real host that emulates",  # a made-up version would pass for a real one
        EXISTING,
        {"hosts.tor-1.emulates": {"firmware": {"nic": "8.30"}}},
        "hosts.tor-1.emulates",
        "only hosts of an embedded lab emulate anything: a real one is asked what it has",
    ),
    (
        "a real host that emulates nothing",
        EXISTING,
        {"hosts.tor-2.emulates": {}},
        "hosts.tor-2.emulates",
        "only hosts of an embedded lab emulate anything: a real one is asked what it has",
    ),
    (
        "traffic without a device",
        SWITCHED,
        {"network": ...},
        "traffic",
        "there is a traffic generator, but no network.dut for its traffic to cross",
    ),
    (
        "routed port without address",
        ROUTED,
        {"traffic.ports.tg1.address": ...},
        "traffic.ports.tg1",
        "behind a router, a port needs its address and its gateway",
    ),
    (
        "routed ports of one subnet",
        ROUTED,
        {"traffic.ports.tg1.address": "198.18.1.3/24", "traffic.ports.tg1.gateway": "198.18.1.1"},
        "traffic.ports.tg1.address",
        "198.18.1.0/24 overlaps with 198.18.1.0/24 of port tg0",
    ),
    (
        "port address twice",
        ROUTED,
        {
            "traffic.ports.tg1": {
                "attached_to": "router-2",
                "speed": 1e6,
                "address": "198.18.1.2/32",
                "gateway": "198.18.1.2",
            }
        },
        "traffic.ports.tg1.address",
        "address 198.18.1.2 is taken by port tg0",
    ),
    (
        "port gateway outside",
        ROUTED,
        {"traffic.ports.tg1.gateway": "198.18.1.1"},
        "traffic.ports.tg1.gateway",
        "198.18.1.1 is not in 198.18.2.0/24 of port tg1",
    ),
    (
        "port is its own gateway",
        ROUTED,
        {"traffic.ports.tg1.gateway": "198.18.2.2"},
        "traffic.ports.tg1.gateway",
        "198.18.2.2 is the address of port tg1 itself",
    ),
    (
        "port with the address of a host",
        SWITCHED,
        {"traffic.ports.tg1.address": "10.90.0.2/24"},
        "traffic.ports.tg1.address",
        "address 10.90.0.2 is taken by leaf-1 on network management",
    ),
    (
        "existing host without SSH",
        EXISTING,
        {"hosts.tor-2.ssh": ...},
        "hosts.tor-2",
        "a host of an existing lab needs ssh: {address: …}",
    ),
    (
        "two hosts behind one SSH server",
        EXISTING,
        {"hosts.tor-2.ssh.address": "192.0.2.2"},
        "hosts.tor-2.ssh.address",
        "SSH server 192.0.2.2:22 is taken by tor-1",
    ),
    (
        "MAC address of another host",
        EXISTING,
        {"hosts.tor-1.nics.a.mac": "02:00:00:00:00:0a", "hosts.tor-2.nics.b.mac": "02:00:00:00:00:0A"},
        "hosts.tor-2.nics.b.mac",
        "MAC address 02:00:00:00:00:0a is taken by tor-1",
    ),
    (
        "MAC address of another port",
        EXISTING,
        {"traffic.ports.tg1.mac": "02:00:00:00:00:01"},
        "traffic.ports.tg1.mac",
        "MAC address 02:00:00:00:00:01 is taken by port tg0",
    ),
    (
        "an object store of a release that is made without",
        SWITCHED,
        {"hosts.leaf-1.roles": ["controller"], "cloud": {"name": "c", "release": "zed", "object_store": {}}},
        "cloud.object_store",
        "an embedded cloud of release zed is made without: leave it out",
    ),
    (
        "servers are seen by nobody",
        EXISTING,
        {"cloud": {"name": "gear", "guests": {"network": "guests", "seen_from": "tor-3"}}, "networks": GUESTS},
        "cloud.guests.seen_from",
        "no host is named 'tor-3' (there are: tor-1, tor-2)",
    ),
    (
        "who looks at servers is not on their network",
        EXISTING,
        {"cloud": {"name": "gear", "guests": {"network": "guests", "seen_from": "tor-1"}}, "networks": GUESTS},
        "cloud.guests.seen_from",
        "tor-1 has no address on network guests: it would see no server there",
    ),
    (
        "servers on no network of the inventory",
        EXISTING,
        {"cloud": {"name": "gear", "guests": {"network": "servers", "seen_from": "tor-1"}}, "networks": GUESTS},
        "cloud.guests.network",
        "no network is named 'servers' (there are: guests)",
    ),
    (
        "TRex nowhere",
        EXISTING,
        {"traffic.address": ...},
        "traffic",
        "generator trex needs its address",
    ),
    (
        "a TRex port without its number",
        EXISTING,
        {"traffic.ports.tg1.port": ...},
        "traffic.ports.tg1",
        "a port of generator trex needs its number at the server: port: 0",
    ),
    (
        "two names for one TRex port",
        EXISTING,
        {"traffic.ports.tg1.port": 0},
        "traffic.ports.tg1.port",
        "port 0 is taken by port tg0",
    ),
    (
        "a loop through the device",
        EXISTING,
        {"traffic.loop": [2, 1]},
        "traffic.loop",
        "port 1 is taken by port tg1",
    ),
    (
        "a loop with one end",
        EXISTING,
        {"traffic.loop": [2, 2]},
        "traffic.loop",
        "port 2 is taken by end 0 of the loop",
    ),
    (
        "TRex in an embedded lab",
        SWITCHED,
        {"traffic.generator": "trex", "traffic.address": "192.0.2.9"},
        "traffic.generator",
        "an embedded lab is measured by generator software: TRex is for existing ones",
    ),
    (
        "a loop of the software generator",
        SWITCHED,
        {"traffic.loop": ["eth2", "eth3"]},
        "traffic.loop",
        "an embedded lab lays the loop of its generator itself: leave it out",
    ),
    (
        "numbers of a TRex server for interfaces",
        EXISTING,
        SOFTWARE | {"traffic.loop": [2, 3]},
        "traffic.loop",
        "the loop of generator software joins two interfaces, by their names: found 2",
    ),
    (
        "interfaces for numbers of a TRex server",
        EXISTING,
        {"traffic.loop": ["eth2", "eth3"]},
        "traffic.loop",
        "the loop of generator trex joins two ports of its server, by their numbers: found eth2",
    ),
    (
        "a loop of the software generator through the device",
        EXISTING,
        SOFTWARE | {"traffic.loop": ["eth2", "eth1"]},
        "traffic.loop",
        "interface eth1 is taken by port tg1",
    ),
    (
        "the software generator on an unknown host",
        EXISTING,
        SOFTWARE | {"traffic.host": "tester-1"},
        "traffic.host",
        "no host is named 'tester-1' (there are: tor-1, tor-2)",
    ),
    (
        "the software generator within the device",
        EXISTING,
        SOFTWARE | {"traffic.host": "tor-1"},
        "traffic.host",
        "the generator is on tor-1, so its ports are attached to other hosts",
    ),
    (
        "a Python for a generator on this machine",
        EXISTING,
        SOFTWARE | {"traffic.python": "python3.12"},
        "traffic.python",
        "only a generator on a host of an existing lab has a Python of its own: leave it out",
    ),
    (
        "TRex on a host",
        EXISTING,
        {"traffic.host": "tor-1"},
        "traffic.host",
        "only generator software has host, on a host of the lab: a TRex server has its address",
    ),
    (
        "a VLAN of the software generator",
        SWITCHED,
        {"traffic.ports.tg0.vlan": 100},
        "traffic.ports.tg0.vlan",
        "only ports of generator trex have vlan: leave it out",
    ),
    (
        "software generator without interface",
        EXISTING,
        {"traffic.generator": "software", "traffic.ports.tg0.interface": "eth1"},
        "traffic.ports.tg1",
        "the software generator of an existing lab needs the port's interface",
    ),
]


@pytest.mark.parametrize(
    ("base", "changes", "key", "sentence"),
    [case[1:] for case in CONTRADICTIONS],
    ids=[case[0] for case in CONTRADICTIONS],
)
def test_contradictions_are_found_where_they_are(base: Any, changes: dict[str, Any], key: str, sentence: str) -> None:
    found = contradictions(base, changes)
    assert (tuple(key.split(".")), sentence) == found[0]


def test_every_contradiction_is_told_not_just_the_first() -> None:
    found = contradictions(
        SWITCHED, {"links.trunk-1.a": "x", "links.trunk-2.b": "y", "hosts.leaf-2.addresses.management": "10.90.0.2"}
    )
    assert [key for key, _ in found] == [
        ("hosts", "leaf-2", "addresses", "management"),
        ("links", "trunk-1", "a"),
        ("links", "trunk-2", "b"),
    ]


def test_an_unknown_name_comes_with_the_known_ones() -> None:
    with pytest.raises(ValidationError) as caught:
        Lab.model_validate(changed(SWITCHED, {"links.trunk-1.b": "leaf-22"}))
    (error,) = caught.value.errors()
    contradiction = error["ctx"]["error"]
    assert isinstance(contradiction, Contradiction)
    assert (contradiction.found, contradiction.choices) == ("leaf-22", ("leaf-1", "leaf-2", "compute-1"))


def test_two_hosts_may_share_a_server_on_two_ports_and_one_host_a_mac() -> None:
    vlan = {"mac": "02:00:00:00:00:0a", "vlan": "450"}
    Lab.model_validate(
        changed(
            EXISTING,
            {
                "hosts.tor-2.ssh": {"address": "192.0.2.2", "port": 2222},
                "hosts.tor-1.nics": {"eth0": vlan | {"vlan": "native"}, "eth0.450": vlan},
            },
        )
    )


def test_switched_ports_may_share_a_subnet_and_a_gateway() -> None:
    port = {"speed": "1 Gbit/s", "gateway": "198.18.0.1"}
    Lab.model_validate(
        changed(
            SWITCHED,
            {
                "traffic.ports.tg0": {**port, "attached_to": "leaf-1", "address": "198.18.0.2/24"},
                "traffic.ports.tg1": {**port, "attached_to": "leaf-2", "address": "198.18.0.3/24"},
            },
        )
    )


@pytest.mark.parametrize(
    ("text", "bits_per_second"),
    [
        ("10 Mbit/s", 10e6),
        ("25Gbit/s", 25e9),
        ("2.5 Gbit/s", 2.5e9),
        ("64 kbit/s", 64e3),
        ("9600 bps", 9600.0),
        (5, 5.0),
    ],
)
def test_speeds(text: object, bits_per_second: float) -> None:
    assert TrafficPort(attached_to="a", speed=text).speed == bits_per_second  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["10 Mb", "10 MBit/s", "fast", "", "-1 Mbit/s", "0 Mbit/s", "2000 Gbit/s", "1e400 bit/s", "\u0661\u0660 Mbit/s"],
)
def test_no_speeds(text: str) -> None:
    with pytest.raises(ValidationError):
        TrafficPort(attached_to="a", speed=text)  # type: ignore[arg-type]


def test_line_rate_counts_preamble_and_gap() -> None:
    """RFC 2544 appendix B: 14880 frames of 64 bytes a second at 10 Mbit/s."""
    port = TrafficPort(attached_to="a", speed=10e6)
    assert int(port.line_rate_fps(64)) == 14880
    assert int(port.line_rate_fps(1518)) == 812


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("lab", "Bench", "a name has lower-case letters, digits and inner dashes, 40 characters at most"),
        ("lab", "-bench", "a name has lower-case letters"),
        ("lab", "a" * 41, "40 characters at most"),
        ("lab", "bench\n", "a name has lower-case letters"),
        ("networks.management.subnet", "10.90.0.1/24", "a host's address, where its network 10.90.0.0/24 is needed"),
        ("networks.management.subnet", "10.90.0.0", "an IPv4 network with its prefix is needed"),
        ("networks.management.subnet", "fd00::/64", "an IPv4 network is needed"),
        ("networks.management.mtu", 575, "greater than or equal to 576"),
        ("hosts.leaf-1.addresses.management", "10.90.0", "an IPv4 address is needed"),
        ("hosts.leaf-1.roles", [], "at least 1 item"),
        ("hosts.leaf-1.ssh.address", "root@host", "without user, port or path"),
        ("hosts.leaf-1.ssh.address", "-oProxyCommand=x", "without user, port or path"),
        ("hosts.leaf-1.ssh.port", 0, "greater than or equal to 1"),
        ("hosts.compute-1.bmc.password", "hunter2", "a password is named by reference, never written"),
        ("hosts.compute-1.nics.eno1.mac", "02:00", "a MAC address looks like"),
        ("links.a-very-long-trunk", {"a": "leaf-1", "b": "leaf-2"}, "13 characters at most"),
        ("traffic.ports.tg0.address", "198.18.0.1", "an IPv4 address with its prefix is needed"),
        ("traffic.ports.tg0.address", "198.18.0.1/33", "an IPv4 address with its prefix is needed"),
    ],
)
def test_scalars_that_cannot_be(key: str, value: object, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Lab.model_validate(changed(SWITCHED, {key: value}))
    assert sentence in str(caught.value)


EMULATED: Any = {
    "os": {"id": "debian", "version": "12.8"},
    "packages": {"openvswitch-switch": "3.3.2-1~bpo12+1", "nova-api": "3:31.0.0-2"},
    "firmware": {"bios": "2.19.1", "nic": "8.30, 8.20"},
}


def emulating(**changes: Any) -> Lab:
    data = copy.deepcopy(SWITCHED)
    data["hosts"]["compute-1"]["emulates"] = EMULATED | changes
    return Lab.model_validate(data)


def test_a_host_emulates_what_it_is_told_to() -> None:
    emulates = emulating().hosts["compute-1"].emulates
    assert emulates is not None
    assert emulates.model_dump(exclude_defaults=True) == EMULATED
    assert emulating(os=None, packages={}).hosts["compute-1"].emulates is not None, "each part is optional"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"os": {"id": "debian", "version": 12.8}}, "valid string"),
        ({"os": {"id": "debian", "version": '12"; reboot; "'}}, "a version has letters"),
        ({"os": {"id": "debian", "version": "$(reboot)"}}, "a version has letters"),
        ({"os": {"id": "debian"}}, "Field required"),
        ({"packages": {"nova-api": "31\nPackage: other"}}, "a package's version looks like"),
        ({"packages": {"nova-api": ""}}, "a package's version looks like"),
        ({"packages": {"Nova API": "31"}}, "a package is named as in Debian"),
        ({"firmware": {"nic": 8.30}}, "valid string"),
        ({"firmware": {"nic": ""}}, "a version has letters"),
        ({"firmware": {"nic": "8.30,"}}, "a version has letters"),
        ({"drivers": {"ixgbe": "5.1"}}, "Extra inputs"),
    ],
)
def test_what_cannot_be_emulated(changes: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        emulating(**changes)


def test_a_lab_does_not_change() -> None:
    lab = Lab.model_validate(SWITCHED)
    with pytest.raises(ValidationError, match="frozen"):
        lab.profile = "other"


@pytest.mark.parametrize(
    ("cloud", "kinds"),
    [
        (None, set()),
        ({"name": "pod"}, {"cloud", "orchestration"}),
        ({"name": "pod", "without": ["orchestration"]}, {"cloud"}),
        ({"name": "pod", "object_store": {}}, {"cloud", "orchestration", "object-store"}),
        (
            {"name": "pod", "object_store": {"quotas": True}},
            {"cloud", "orchestration", "object-store", "object-quotas"},
        ),
        (
            {"name": "pod", "guests": {"network": "guests", "seen_from": "controller-1"}},
            {"cloud", "orchestration", "guests"},
        ),
    ],
)
def test_a_lab_has_what_its_inventory_declares(cloud: object, kinds: set[str]) -> None:
    shipped = files.read_lab(Path(__file__).parents[2] / "lab_inventory" / "opco-ru.yaml")
    assert Lab.model_validate(shipped.model_dump() | {"cloud": cloud}).kinds == {"l2"} | kinds


# storage

TARGET = {"path": "/dev/disk/by-id/wwn-0x5000", "size": "480 GB", "scratch": True}


def test_a_storage_target_of_real_gear_may_be_any_device() -> None:
    lab = Lab.model_validate(changed(EXISTING, {"hosts.tor-1.storage.osd": TARGET}))
    assert lab.hosts["tor-1"].storage["osd"].size == 480 * 10**9


@pytest.mark.parametrize("scratch", [..., False])
def test_what_is_not_said_to_be_scratch_is_never_written(scratch: Any) -> None:
    target = changed(TARGET, {"scratch": scratch})
    with pytest.raises(ValidationError) as caught:
        Lab.model_validate(changed(EXISTING, {"hosts.tor-1.storage.osd": target}))
    (error,) = caught.value.errors()
    assert error["loc"] == ("hosts", "tor-1", "storage", "osd", "scratch")


@pytest.mark.parametrize("path", ["sdb", "/dev/../etc/passwd", "/dev/sd b", "/dev/$(reboot)", "/", "/dev/sdb/"])
def test_a_path_is_one_that_no_shell_takes_for_something_else(path: str) -> None:
    with pytest.raises(ValidationError, match="a path from the root"):
        Lab.model_validate(changed(EXISTING, {"hosts.tor-1.storage.osd": {**TARGET, "path": path}}))


def test_an_embedded_host_writes_over_no_disk_of_this_machine() -> None:
    found = contradictions(SWITCHED, {"hosts.leaf-1.storage.osd": {**TARGET, "path": "/dev/sda"}})
    assert found == [
        (
            ("hosts", "leaf-1", "storage", "osd", "path"),
            "an embedded host writes over its own disks only (emulates.disks: none)",
        )
    ]


def test_two_targets_at_one_path_are_one() -> None:
    both = {"hosts.tor-1.storage": {"a": TARGET, "b": TARGET}}
    (found,) = contradictions(EXISTING, both)
    assert found == (("hosts", "tor-1", "storage", "b", "path"), "path /dev/disk/by-id/wwn-0x5000 is taken by target a")


@pytest.mark.parametrize(
    ("written", "size"), [("64 MiB", 64 << 20), ("480 GB", 480 * 10**9), (4096, 4096), ("1.5 TiB", 3 << 39)]
)
def test_sizes(written: Any, size: int) -> None:
    lab = Lab.model_validate(changed(EXISTING, {"hosts.tor-1.storage.osd": {**TARGET, "size": written}}))
    assert lab.hosts["tor-1"].storage["osd"].size == size


@pytest.mark.parametrize("written", ["64", "64 MB/s", "64 mib", "0 B", -1, "big"])
def test_no_sizes(written: Any) -> None:
    with pytest.raises(ValidationError):
        Lab.model_validate(changed(EXISTING, {"hosts.tor-1.storage.osd": {**TARGET, "size": written}}))


@pytest.mark.parametrize(("key", "value"), [("release", "zed"), ("region", "north-1")])
def test_what_a_real_cloud_is_must_be_asked_of_it(key: str, value: str) -> None:
    found = contradictions(EXISTING, {"cloud": {"name": "gear", key: value}})
    assert found == [(("cloud", key), "only the cloud of an embedded lab is made: a real one is asked")]


def test_a_release_that_nobody_made_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError, match=r"'2026.2' or 'zed'"):
        Lab.model_validate(changed(EXISTING, {"cloud": {"name": "gear", "release": "zedd"}}))
