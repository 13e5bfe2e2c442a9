"""A lab as data: the NFVI under test and its measuring gear (an OPNFV Pharos POD).

Nothing here reads a file or touches a network. `files.read_lab` makes a Lab of an inventory,
`embedded` or `drivers` open it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator

from nfvcert.parts import (
    Address,
    BitsPerSecond,
    Bytes,
    Contradiction,
    HostAddress,
    InterfaceAddress,
    InterfaceName,
    KeyPath,
    Mac,
    Name,
    Part,
    SecretReference,
    Subnet,
    Text,
)

__all__ = [
    "NEWEST_RELEASE",
    "BitsPerSecond",
    "Bmc",
    "Cloud",
    "CloudRelease",
    "Contradiction",
    "Disk",
    "Dut",
    "Emulated",
    "EmulatedDisk",
    "EmulatedOs",
    "Fabric",
    "Host",
    "KeyPath",
    "Lab",
    "LabContradiction",
    "Link",
    "Name",
    "Network",
    "Nic",
    "OptionalService",
    "Owner",
    "Part",
    "Platform",
    "Redundancy",
    "Ssh",
    "StorageTarget",
    "Text",
    "Traffic",
    "TrafficPort",
]

CloudRelease: TypeAlias = Literal["2026.2", "zed"]
"""Releases of OpenStack that an embedded cloud can be of."""
NEWEST_RELEASE: CloudRelease = "2026.2"
OptionalService: TypeAlias = Literal["orchestration"]
"""Services that an OpenStack may be without (service types)."""
ETHERNET_OVERHEAD_BYTES = 20
"""Preamble, start delimiter and inter-frame gap on the wire (IEEE 802.3; RFC 1242 §3.5)."""


class Owner(Part):
    """Who answers for a lab."""

    organisation: Text
    role: Literal["hq", "opco", "vendor"]
    """`hq` the group's own, `opco` an operating company, `vendor` a supplier."""


class Network(Part):
    """A network that hosts share."""

    subnet: Subnet
    gateway: Address | None = None
    """Address of a router on this network; tests expect it to answer like a host."""
    mtu: int = Field(default=1500, ge=576, le=9216)
    """Largest IP packet in bytes."""


class Ssh(Part):
    """How to reach a host of an existing lab. Keys are named by path, never written here."""

    address: HostAddress
    port: int = Field(default=22, ge=1, le=65535)
    user: Text = "root"
    key_file: Text | None = None
    """Path of the private key; without it, the SSH agent is asked."""
    known_hosts: Text = "~/.ssh/known_hosts"
    """File with the public keys of hosts; a host that is not in it is not trusted."""


class Bmc(Part):
    """A management controller, by Redfish (or IPMI where it has no Redfish)."""

    address: HostAddress
    protocol: Literal["redfish", "ipmi"] = "redfish"
    user: Text | None = None
    password: SecretReference | None = None
    """A reference (`env:NAME`, `file:PATH`, `keyring:NAME`), never the secret itself."""
    verify_tls: bool = True
    """Whether the controller's certificate must be valid."""


class Disk(Part):
    """A disk of a host, as declared."""

    name: Text
    kind: Literal["hdd", "ssd", "nvme"] | None = None
    size: Text | None = None
    """As its label says, like 480G."""


class Nic(Part):
    """A network interface of a host, as declared."""

    mac: Mac | None = None
    speed: BitsPerSecond | None = None
    """Line rate, in bit/s."""
    vlan: Text | None = None
    """`native`, a tag, or a range of tags like 1000-1030."""
    features: tuple[Text, ...] = ()
    """What it can do, like dpdk or sriov."""


def _version(value: str) -> str:
    # A host's shell reads it from a file of variables: no quote may end it there.
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+~_-]*", value):
        raise ValueError("a version has letters, digits and . + ~ _ - only, like 12.8")
    return value


def _package(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", value):
        raise ValueError("a package is named as in Debian, like openvswitch-switch")
    return value


def _package_version(value: str) -> str:
    if not re.fullmatch(r"(\d+:)?\d[0-9A-Za-z.+~-]*", value):
        raise ValueError("a package's version looks like 3:31.0.0-2 (deb-version(7))")
    return value


def _firmware_versions(value: str) -> str:
    for version in value.split(", "):
        _version(version)
    return value


class EmulatedOs(Part):
    """What an embedded host says its operating system is, in /etc/os-release (os-release(5))."""

    id: Name
    """ID, such as debian; of an appliance, what its vendor calls it."""
    version: Annotated[str, AfterValidator(_version)]
    """VERSION_ID; of Debian the point release, as in /etc/debian_version."""


class EmulatedDisk(Part):
    """A disk of an embedded host: what is written to it is really kept, until the lab goes down."""

    size: Bytes
    rate: BitsPerSecond | None = None
    """How fast it is read, and as fast it is written: low enough that any machine reaches it."""


class Emulated(Part):
    """What an embedded host tells of itself when it is asked by SSH, by its package manager and by Redfish.

    The versions are made up, the ways to ask for them are real: so a lab on one machine can be at a release.
    """

    os: EmulatedOs | None = None
    packages: dict[Annotated[str, AfterValidator(_package)], Annotated[str, AfterValidator(_package_version)]] = {}
    """Package → version, as dpkg-query prints it; the host has no other packages then."""
    firmware: dict[Name, Annotated[str, AfterValidator(_firmware_versions)]] = {}
    """`bios`, `bmc`, `nic`, `disk-controller`, or any other name of the firmware inventory → version, or versions of
    several such parts: "8.30, 8.20". The host has a management controller then."""
    cpus: int | None = Field(default=None, ge=1)
    """Processors of this machine that its processes really run on; the rest of the machine they cannot use."""
    memory_kib: int | None = Field(default=None, ge=1)
    """What its /proc/meminfo says; made up."""
    hugepages: int | None = Field(default=None, ge=0)
    """Pages of 2048 kB that its /sys says are there; made up."""
    kernel_log: bool = False
    """Whether it has kernel messages of its own, to be read from /dev/kmsg: this machine's are everybody's."""
    disks: dict[Name, EmulatedDisk] = {}
    """Name → disk, which the host finds at /mnt/NAME; made when a test first asks for the storage of the host."""


def _cpu_list(value: str) -> str:
    if not re.fullmatch(r"(\d+(-\d+)?(,\d+(-\d+)?)*)?", value):
        raise ValueError("processors are listed as Linux does it: 2-15,18-31; none is an empty text")
    return value


class Platform(Part):
    """What a host of role compute must be, as its operating system and its BMC tell it (cf. Anuket RM ch. 5).

    What is left out is not compared, and is counted as undeclared. To have none of a thing is said, too:
    ``isolated_cpus: ""``, ``hugepages: {}``.
    """

    threads: int = Field(ge=1)
    """Logical processors that its processes can run on, with those that are isolated."""
    memory_kib: int = Field(ge=1)
    """MemTotal of /proc/meminfo, in KiB, at least."""
    cpu_model: Text | None = None
    """As lscpu tells it."""
    numa_nodes: int | None = Field(default=None, ge=1)
    hugepages: dict[Literal["2048kB", "1048576kB"], Annotated[int, Field(ge=1)]] | None = None
    """Size → number, as in /sys/kernel/mm/hugepages; sizes that are not named have none."""
    isolated_cpus: Annotated[str, AfterValidator(_cpu_list)] | None = None
    """As in /sys/devices/system/cpu/isolated: 2-15,18-31."""
    kernel: Text | None = None
    """As `uname -r` tells it."""
    microcode: Text | None = None
    """As /proc/cpuinfo tells it."""
    firmware: dict[Name, Text] | None = None
    """`bios`, `bmc`, `nic` … → version, as its BMC tells it by Redfish."""
    log: Text = "dmesg"
    """The command that prints the kernel's messages since the host booted."""


def _target_path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9_@:.-]+)+", value) or "/../" in f"{value}/":
        raise ValueError(
            "a path from the root is needed, of letters, digits and _ @ : . -, like /dev/disk/by-id/wwn-0x5"
        )
    return value


class StorageTarget(Part):
    """A block device, or a file of a fixed size, that the storage suite writes over from its first to its last byte."""

    path: Annotated[str, AfterValidator(_target_path)]
    """On its host. A name that survives a reboot (/dev/disk/by-id/…): sdb may be another disk then."""
    size: Bytes
    """As declared; what is there must not be smaller."""
    rotational: bool | None = None
    """Whether it is declared to turn; not compared where it is left out."""
    scratch: Literal[True]
    """What is on it may be lost. There is no target without: nothing that is not said to be scratch is ever written."""


class Host(Part):
    """A machine, or a switch one can log in to."""

    roles: tuple[Literal["compute", "controller", "storage", "switch", "router", "jumphost", "generator"], ...] = Field(
        min_length=1
    )
    components: tuple[Name, ...] = ()
    """The components whose releases run on it: a change to one of them concerns this host."""
    addresses: dict[Name, Address] = {}
    """Network name → this host's address on it."""
    ssh: Ssh | None = None
    """Existing labs only: an embedded lab makes its own SSH servers."""
    bmc: Bmc | None = None
    cpus: int | None = Field(default=None, ge=1)
    """Physical cores of all its processors."""
    memory: Text | None = None
    """As the vendor says, like 128G."""
    disks: tuple[Disk, ...] = ()
    nics: dict[Text, Nic] = {}
    """Interface name → what it is."""
    platform: Platform | None = None
    """What the compute suite must find."""
    storage: dict[Name, StorageTarget] = {}
    """Name → what the storage suite may write over."""
    emulates: Emulated | None = None
    """Embedded labs only: the versions that it tells."""


class Link(Part):
    """A cable between two hosts; in an embedded lab, an interface of the link's name at both ends."""

    a: Name
    """The host at one end."""
    b: Name
    """The host at the other end."""


class Redundancy(Part):
    """Two links of which one suffices, and how to take the first one away.

    ``down`` and ``up`` are commands on ``host``; between them, traffic must move to ``backup``.
    """

    primary: InterfaceName
    """The link that carries the traffic of a healthy lab."""
    backup: InterfaceName
    """The link that takes over."""
    host: Name
    """Where the commands run."""
    down: Text
    """Command that takes the primary link away."""
    up: Text
    """Command that gives it back."""
    counted_by: Text | None = None
    """Command on ``host`` that prints how many frames the primary link has carried: it shows that there was something
    to fail over. Without it, a fail-over that costs no frame proves nothing."""


class Reset(Part):
    """How the device is stopped and started again (a planned reset, RFC 6201 §4)."""

    host: Name
    """Where the command runs."""
    command: Text
    """Restarts the device, and returns; traffic must be seen to stop."""
    seconds: float = Field(default=3.0, gt=0, le=3600)
    """How long traffic is watched for from then on."""


class Dut(Part):
    """The device that the traffic crosses (device under test, RFC 2544 §3)."""

    kind: Literal["linux-bridge", "openvswitch", "router", "switch"]
    mtu: int = Field(default=1500, ge=576, le=9216)
    """Largest IP packet in bytes that it must forward."""
    redundancy: Redundancy | None = None
    reset: Reset | None = None

    @property
    def forwards(self) -> Literal["l2", "l3"]:
        """`l2` by MAC address, `l3` by IP address."""
        return "l3" if self.kind == "router" else "l2"


class Fabric(Part):
    """The network under test."""

    dut: Dut


class TrafficPort(Part):
    """A port of the traffic generator, and what it is plugged into."""

    attached_to: Name
    """The host at the other end of its cable."""
    tenant: Name = "default"
    """Ports of one tenant reach each other; ports of two tenants must not."""
    speed: BitsPerSecond
    """Line rate, in bit/s."""
    address: InterfaceAddress | None = None
    """Its own address and prefix; needed behind a router."""
    gateway: Address | None = None
    """The router's address on its network; needed behind a router."""
    interface: Text | None = None
    """Existing labs, software generator: the interface, on this machine or on the generator's ``host``."""
    port: int | None = Field(default=None, ge=0, le=255)
    """TRex: the number of the server's port."""
    vlan: int | None = Field(default=None, ge=1, le=4094)
    """TRex: the VLAN tag of the frames that it sends; without it, they have none."""
    mac: Mac | None = None
    next_hop_mac: Mac | None = None
    """Where its frames go first, when that cannot be asked by ARP."""
    counted_by: Text | None = None
    """A command on the host at the other end that prints how many frames came in there, those that were dropped among
    them: what the generator or its cable loses is then not taken for a loss of the device."""

    def line_rate_fps(self, frame_bytes: int) -> float:
        """Frames per second that the wire carries at a frame size in bytes, FCS included (RFC 1242 §3.5)."""
        return self.speed / (8 * (frame_bytes + ETHERNET_OVERHEAD_BYTES))


LoopEnd = Annotated[int, Field(ge=0, le=255)] | Text


class Traffic(Part):
    """The traffic generator of the lab."""

    generator: Literal["software", "trex"]
    """`software` sends from this machine or a host of the lab; `trex` is a TRex server at ``address``."""
    host: Name | None = None
    """Software: the host of the lab that sends and counts, where that is not this machine. It is told by SSH."""
    python: Text | None = None
    """Software, on a host: its Python 3.10 or later that has numpy, where that is not `python3`."""
    address: HostAddress | None = None
    """Where TRex answers."""
    rpc_port: int | None = Field(default=None, ge=1, le=65535)
    """TRex: its RPC port, where that is not 4501."""
    loop: tuple[LoopEnd, LoopEnd] | None = None
    """Two further ports with a cable from one to the other, on which the generator proves itself: numbers of a TRex
    server's ports, or names of the software generator's interfaces."""
    force: bool = False
    """TRex: whether ports that somebody else owns are taken away from him."""
    ports: dict[InterfaceName, TrafficPort]


class ControlProcess(Part):
    """A process of the control plane, and how to find it: what is killed to see whether the cloud gets over it."""

    host: Name
    """Where it runs."""
    pids: Text
    """A command that prints its process numbers: `pgrep -f ^/usr/bin/nova-scheduler`."""


class Guests(Part):
    """Where the servers of a cloud are reached from outside: what shows that its data plane does what its API says."""

    network: Name
    """A provider network: the cloud and the inventory call it the same, and all projects share it."""
    seen_from: Name
    """The host that looks; it has an address on that network."""
    image: Text | None = None
    """The image of servers that answer pings; none where every one does."""
    flavor: Text | None = None
    """Their flavor; none: the smallest that fits."""


class ObjectStore(Part):
    """The object store of a cloud (Swift, or what speaks its API)."""

    role: Text = "swiftoperator"
    """The role of Keystone that lets a user have containers in its project."""
    quotas: bool = False
    """Whether containers can have quotas (middleware container_quotas)."""


class Cloud(Part):
    """An OpenStack cloud: an entry of clouds.yaml. That of an embedded lab is made when it is needed."""

    name: Text
    control_plane: dict[Name, ControlProcess] = {}
    """Service → its processes; an embedded lab knows its own."""
    upgrade_checks: dict[Name, Text] = {}
    """Service → the command that checks its upgrade, on a host of role controller: `nova-status upgrade check`."""
    object_store: ObjectStore | None = None
    """None: it has none, and no test asks for one."""
    quota: dict[Name, Annotated[int, Field(ge=1)]] = {}
    """What tests may use of it together: `vcpus: 64`, `instances: 20`."""
    guests: Guests | None = None
    without: tuple[OptionalService, ...] = ()
    """Services that it does not have, and must not tell of; tests of them are left out."""
    release: CloudRelease | None = None
    """Embedded labs only: of which release its services are; without it, of the newest. A real cloud is asked."""
    region: Name | None = None
    """Embedded labs only: what its region is called. That of a real cloud is in clouds.yaml."""


class Lab(Part):
    """One lab. Cross-checks of its parts happen at construction; `LabContradiction` says where they fail."""

    lab: Name
    """Its name; the file is called the same."""
    title: str = ""
    """One line for people."""
    owner: Owner
    environment: Literal["lab", "staging", "production"]
    """What depends on it: nothing, rehearsals, or customers."""
    provider: Literal["embedded", "existing"]
    """`embedded` is made on this Linux machine when needed; `existing` is real gear."""
    profile: Name
    """The class of device: which bounds of a test model apply."""
    profiles: dict[Literal["compute", "storage", "network", "vim", "vnf"], Name] = {}
    """Domain → its profile, where that is another one."""
    destructive: bool = False
    """Whether tests that destroy may run here (the command line must consent too)."""
    networks: dict[Name, Network] = {}
    hosts: dict[Name, Host] = Field(min_length=1)
    links: dict[InterfaceName, Link] = {}
    network: Fabric | None = None
    traffic: Traffic | None = None
    cloud: Cloud | None = None
    shares: tuple[Name, ...] = ()
    """Resources that several labs have in common."""
    leases: Text | None = None
    """Where its leases are kept: a URL like redis://host:6379, without a password; default: files of this machine."""

    @model_validator(mode="after")
    def _cross_checks(self) -> Lab:
        if found := tuple(_contradictions(self)):
            raise found[0].followed_by(found[1:])
        return self

    def profile_for(self, domain: str) -> str:
        """The class of what is tested in a domain."""
        return next((profile for of, profile in self.profiles.items() if of == domain), self.profile)

    @property
    def shared(self) -> tuple[str, ...]:
        """``shares``, and this machine's processors, which every embedded lab with a generator measures with."""
        machine = ("machine",) if self.provider == "embedded" and self.traffic and "machine" not in self.shares else ()
        return (*self.shares, *machine)

    @property
    def kinds(self) -> frozenset[str]:
        """What criteria and tests may be for that not every lab is or has: `l2` or `l3`, `cloud`, …"""
        found = {self.network.dut.forwards} if self.network else set[str]()
        if self.cloud is not None:
            store = self.cloud.object_store
            has = {"object-store": store is not None, "object-quotas": store is not None and store.quotas}
            has |= {"guests": self.cloud.guests is not None}
            has |= {service: service not in self.cloud.without for service in get_args(OptionalService)}
            found |= {"cloud", *(name for name, there in has.items() if there)}
        return frozenset(found)

    @property
    def dut(self) -> Dut:
        """The device under test; KeyError-free access for suites whose lab was checked to have one."""
        if self.network is None:
            raise LookupError(f"lab {self.lab} declares no network.dut")
        return self.network.dut


class LabContradiction(Contradiction):
    """Two parts of an inventory contradict each other."""


def _contradictions(lab: Lab) -> Iterable[LabContradiction]:
    """Yields each contradiction, roughly in the order of the file."""
    addresses = _Taken("address")
    yield from _network_contradictions(lab, addresses)
    yield from _host_contradictions(lab, addresses)
    for name, link in lab.links.items():
        for end in ("a", "b"):
            yield from _unknown(("links", name, end), getattr(link, end), lab.hosts, "host")
        if link.a == link.b:
            yield LabContradiction(("links", name, "b"), f"both ends of {name} are {link.a}")
    if lab.network and lab.network.dut.kind == "switch" and lab.provider == "embedded":
        problem = "an embedded lab can make a linux-bridge, an openvswitch or a router, no hardware switch"
        yield LabContradiction(("network", "dut", "kind"), problem)
    if lab.network and (redundancy := lab.network.dut.redundancy):
        at = ("network", "dut", "redundancy")
        for end in ("primary", "backup"):
            yield from _unknown((*at, end), getattr(redundancy, end), lab.links, "link")
        if redundancy.primary == redundancy.backup:
            yield LabContradiction((*at, "backup"), f"the backup of link {redundancy.primary} is that link itself")
        yield from _unknown((*at, "host"), redundancy.host, lab.hosts, "host")
    if lab.network and (reset := lab.network.dut.reset):
        yield from _unknown(("network", "dut", "reset", "host"), reset.host, lab.hosts, "host")
    if lab.traffic:
        yield from _traffic_contradictions(lab, lab.traffic, addresses)
    if lab.cloud:
        yield from _cloud_contradictions(lab, lab.cloud)


class _Taken:
    """Who has which address, so that nobody takes it a second time."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.owner: dict[str, str] = {}

    def by(self, at: KeyPath, value: str | None, owner: str) -> Iterable[LabContradiction]:
        if value is None:
            return
        if self.owner.get(value, owner) != owner:
            yield LabContradiction(at, f"{self.kind} {value} is taken by {self.owner[value]}")
        self.owner.setdefault(value, owner)


def _unknown(at: KeyPath, value: str, known: Mapping[str, Any], kind: str) -> Iterable[LabContradiction]:
    if value not in known:
        problem = f"no {kind} is named {value!r} (there are: {', '.join(known) or 'none'})"
        yield LabContradiction(at, problem, found=value, choices=known)


def _outside(at: KeyPath, address: str, subnet: ipaddress.IPv4Network, network: str) -> Iterable[LabContradiction]:
    ip = ipaddress.IPv4Address(address)
    if ip not in subnet:
        yield LabContradiction(at, f"{address} is not in {subnet} of {network}")
    elif subnet.prefixlen < 31 and ip in (subnet.network_address, subnet.broadcast_address):
        yield LabContradiction(at, f"{address} is the network or broadcast address of {subnet}, no host's")


def _network_contradictions(lab: Lab, addresses: _Taken) -> Iterable[LabContradiction]:
    seen: dict[str, ipaddress.IPv4Network] = {}
    for name, network in lab.networks.items():
        subnet = ipaddress.IPv4Network(network.subnet)
        for other, its in seen.items():
            if subnet.overlaps(its):
                yield LabContradiction(("networks", name, "subnet"), f"{subnet} overlaps with {its} of network {other}")
        seen[name] = subnet
        if network.gateway:
            at = ("networks", name, "gateway")
            yield from _outside(at, network.gateway, subnet, f"network {name}")
            yield from addresses.by(at, network.gateway, f"the gateway of network {name}")


def _host_contradictions(lab: Lab, addresses: _Taken) -> Iterable[LabContradiction]:
    macs, logins = _Taken("MAC address"), _Taken("SSH server")
    for host_name, host in lab.hosts.items():
        for name, address in host.addresses.items():
            at = ("hosts", host_name, "addresses", name)
            if name not in lab.networks:
                yield from _unknown(at, name, lab.networks, "network")
                continue
            yield from _outside(at, address, ipaddress.IPv4Network(lab.networks[name].subnet), f"network {name}")
            yield from addresses.by(at, address, f"{host_name} on network {name}")
        for name, nic in host.nics.items():  # one host may have a MAC address twice: a VLAN, a bond
            yield from macs.by(("hosts", host_name, "nics", name, "mac"), nic.mac, host_name)
        if host.ssh:
            # Two hosts behind one server would have one of them tested twice and the other never.
            server = f"{host.ssh.address}:{host.ssh.port}"
            yield from logins.by(("hosts", host_name, "ssh", "address"), server, host_name)
        elif lab.provider == "existing":
            yield LabContradiction(("hosts", host_name), "a host of an existing lab needs ssh: {address: …}")
        if host.emulates and lab.provider == "existing":
            problem = "only hosts of an embedded lab emulate anything: a real one is asked what it has"
            yield LabContradiction(("hosts", host_name, "emulates"), problem)
        yield from _storage_contradictions(lab, host_name, host)


def _storage_contradictions(lab: Lab, host_name: str, host: Host) -> Iterable[LabContradiction]:
    paths = _Taken("path")
    disks = {f"/mnt/{name}": disk for name, disk in (host.emulates.disks if host.emulates else {}).items()}
    for name, target in host.storage.items():
        at = ("hosts", host_name, "storage", name, "path")
        yield from paths.by(at, target.path, f"target {name}")
        # A host of an embedded lab has the disks of this machine before it: nobody's scratch.
        if lab.provider == "embedded" and target.path not in disks:
            problem = f"an embedded host writes over its own disks only (emulates.disks: {', '.join(disks) or 'none'})"
            yield LabContradiction(at, problem, found=target.path, choices=disks)


def _traffic_contradictions(lab: Lab, traffic: Traffic, addresses: _Taken) -> Iterable[LabContradiction]:
    if len(traffic.ports) < 2:
        given = len(traffic.ports) or "none"
        yield LabContradiction(("traffic", "ports"), f"a generator needs two ports at least, {given} given")
    if lab.network is None:
        yield LabContradiction(
            ("traffic",), "there is a traffic generator, but no network.dut for its traffic to cross"
        )
        return
    if traffic.generator == "trex" and traffic.address is None:
        yield LabContradiction(("traffic",), "generator trex needs its address")
    routed = lab.network.dut.forwards == "l3"
    macs = _Taken("MAC address")
    for name, port in traffic.ports.items():
        at = ("traffic", "ports", name)
        yield from _unknown((*at, "attached_to"), port.attached_to, lab.hosts, "host")
        yield from macs.by((*at, "mac"), port.mac, f"port {name}")
        if name in lab.links:
            yield LabContradiction(at, f"{name} is the name of a link too")
        if traffic.generator == "software" and lab.provider == "existing" and port.interface is None:
            yield LabContradiction(at, "the software generator of an existing lab needs the port's interface")
        if routed and (port.address is None or port.gateway is None):
            yield LabContradiction(at, "behind a router, a port needs its address and its gateway")
    yield from _port_address_contradictions(traffic, addresses, routed=routed)
    if traffic.generator == "trex":
        yield from _trex_contradictions(traffic, embedded=lab.provider == "embedded")
    else:
        yield from _software_contradictions(lab, traffic)


def _trex_contradictions(traffic: Traffic, *, embedded: bool) -> Iterable[LabContradiction]:
    """What TRex needs."""
    for key in ("host", "python"):
        if getattr(traffic, key) is not None:
            problem = f"only generator software has {key}, on a host of the lab: a TRex server has its address"
            yield LabContradiction(("traffic", key), problem)
    if embedded:
        problem = "an embedded lab is measured by generator software: TRex is for existing ones"
        yield LabContradiction(("traffic", "generator"), problem)
    numbers = _Taken("port")
    for name, port in traffic.ports.items():
        if port.port is None:
            problem = "a port of generator trex needs its number at the server: port: 0"
            yield LabContradiction(("traffic", "ports", name), problem)
        else:
            yield from numbers.by(("traffic", "ports", name, "port"), str(port.port), f"port {name}")
    for end, number in enumerate(traffic.loop or ()):
        if isinstance(number, str):
            problem = f"the loop of generator trex joins two ports of its server, by their numbers: found {number}"
            yield LabContradiction(("traffic", "loop"), problem)
        yield from numbers.by(("traffic", "loop"), str(number), f"end {end} of the loop")


def _software_contradictions(lab: Lab, traffic: Traffic) -> Iterable[LabContradiction]:
    """What the software generator has not, and what it needs."""
    for key in ("rpc_port", "force"):
        if getattr(traffic, key):
            yield LabContradiction(("traffic", key), f"only generator trex has {key}: leave it out")
    interfaces = _Taken("interface")
    for name, port in traffic.ports.items():
        for key in ("port", "vlan"):
            if getattr(port, key) is not None:
                problem = f"only ports of generator trex have {key}: leave it out"
                yield LabContradiction(("traffic", "ports", name, key), problem)
        yield from interfaces.by(("traffic", "ports", name, "interface"), port.interface, f"port {name}")
    if traffic.loop and lab.provider == "embedded":
        yield LabContradiction(
            ("traffic", "loop"), "an embedded lab lays the loop of its generator itself: leave it out"
        )
    for end, interface in enumerate(traffic.loop or ()):
        if isinstance(interface, int):
            problem = f"the loop of generator software joins two interfaces, by their names: found {interface}"
            yield LabContradiction(("traffic", "loop"), problem)
        yield from interfaces.by(("traffic", "loop"), str(interface), f"end {end} of the loop")
    if traffic.python is not None and (traffic.host is None or lab.provider == "embedded"):
        problem = "only a generator on a host of an existing lab has a Python of its own: leave it out"
        yield LabContradiction(("traffic", "python"), problem)
    if traffic.host is not None:
        yield from _unknown(("traffic", "host"), traffic.host, lab.hosts, "host")
        if any(port.attached_to == traffic.host for port in traffic.ports.values()):
            problem = f"the generator is on {traffic.host}, so its ports are attached to other hosts"
            yield LabContradiction(("traffic", "host"), problem)


def _cloud_contradictions(lab: Lab, cloud: Cloud) -> Iterable[LabContradiction]:
    embedded = lab.provider == "embedded"
    if embedded and not any("controller" in host.roles for host in lab.hosts.values()):
        yield LabContradiction(("cloud",), "an embedded lab runs its cloud on a host of role controller: there is none")
    for name, process in cloud.control_plane.items():
        yield from _unknown(("cloud", "control_plane", name, "host"), process.host, lab.hosts, "host")
    if guests := cloud.guests:
        at = ("cloud", "guests")
        yield from _unknown((*at, "network"), guests.network, lab.networks, "network")
        yield from _unknown((*at, "seen_from"), guests.seen_from, lab.hosts, "host")
        host = lab.hosts.get(guests.seen_from)
        if host and guests.network not in host.addresses:
            problem = f"{guests.seen_from} has no address on network {guests.network}: it would see no server there"
            yield LabContradiction((*at, "seen_from"), problem)
    for key in ("control_plane", "upgrade_checks") if embedded else ():
        if getattr(cloud, key):
            yield LabContradiction(("cloud", key), "an embedded lab knows its own services: leave it out")
    for key in ("object_store", "guests") if cloud.release not in (None, NEWEST_RELEASE) else ():
        if getattr(cloud, key):
            problem = f"an embedded cloud of release {cloud.release} is made without: leave it out"
            yield LabContradiction(("cloud", key), problem)
    for key in () if embedded else ("release", "region"):
        if getattr(cloud, key):
            yield LabContradiction(("cloud", key), "only the cloud of an embedded lab is made: a real one is asked")


def _port_address_contradictions(traffic: Traffic, addresses: _Taken, *, routed: bool) -> Iterable[LabContradiction]:
    subnets: dict[str, ipaddress.IPv4Network] = {}
    for name, port in traffic.ports.items():
        if port.address is None:
            continue
        interface = ipaddress.IPv4Interface(port.address)
        at = ("traffic", "ports", name, "address")
        yield from _outside(at, str(interface.ip), interface.network, f"port {name}")
        yield from addresses.by(at, str(interface.ip), f"port {name}")
        if port.gateway:
            at = ("traffic", "ports", name, "gateway")
            yield from _outside(at, port.gateway, interface.network, f"port {name}")
            if port.gateway == str(interface.ip):
                yield LabContradiction(at, f"{port.gateway} is the address of port {name} itself")
        # A router has no reason to carry traffic between ports of one subnet.
        for other, subnet in subnets.items() if routed else ():
            if interface.network.overlaps(subnet):
                at = ("traffic", "ports", name, "address")
                yield LabContradiction(at, f"{interface.network} overlaps with {subnet} of port {other}")
        subnets[name] = interface.network
