"""A lab as data: the NFVI under test and its measuring gear (an OPNFV Pharos POD).

Nothing here reads a file or touches a network. `files.read_lab` makes a Lab of an inventory,
`embedded` or `drivers` open it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = [
    "Bmc",
    "Cloud",
    "Dut",
    "Host",
    "Lab",
    "Link",
    "Network",
    "Owner",
    "Redundancy",
    "Ssh",
    "Traffic",
    "TrafficPort",
]

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
ETHERNET_OVERHEAD_BYTES = 20
"""Preamble, start delimiter and inter-frame gap on the wire (IEEE 802.3; RFC 1242 §3.5)."""


def _name(value: str) -> str:
    if not NAME.fullmatch(value) or len(value) > 40:
        raise ValueError("a name has lower-case letters, digits and inner dashes, 40 characters at most")
    return value


def _interface_name(value: str) -> str:
    if len(_name(value)) > 13:
        raise ValueError("a link or port name has 13 characters at most (Linux interface names end at 15)")
    return value


def _subnet(value: str) -> str:
    return str(ipaddress.IPv4Network(value))


def _address(value: str) -> str:
    return str(ipaddress.IPv4Address(value))


def _interface_address(value: str) -> str:
    if "/" not in value:
        raise ValueError("an address with its prefix is needed, like 198.18.1.2/24")
    return str(ipaddress.IPv4Interface(value))


def _mac(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", value.lower()):
        raise ValueError("a MAC address looks like 02:00:00:00:00:01")
    return value.lower()


_RATE = re.compile(r"(\d+(?:\.\d+)?) ?([kMG]?)(?:bit/s|bps)")


def _bits_per_second(value: object) -> object:
    """`10 Mbit/s` → 1e7. Speeds are so plain that no unit library is loaded for them."""
    if isinstance(value, str):
        match = _RATE.fullmatch(value.strip())
        if not match:
            raise ValueError("a speed looks like 10 Mbit/s, 25 Gbit/s")
        return float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    return value


Name = Annotated[str, AfterValidator(_name)]
InterfaceName = Annotated[str, AfterValidator(_interface_name)]
Subnet = Annotated[str, AfterValidator(_subnet)]
Address = Annotated[str, AfterValidator(_address)]
InterfaceAddress = Annotated[str, AfterValidator(_interface_address)]
Mac = Annotated[str, AfterValidator(_mac)]
BitsPerSecond = Annotated[float, BeforeValidator(_bits_per_second), Field(gt=0, le=1e12)]


class Part(BaseModel):
    """Base of all parts of an inventory: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Owner(Part):
    """Who answers for a lab."""

    organisation: str
    role: Literal["hq", "opco", "vendor"]


class Network(Part):
    """A network that hosts share. ``gateway`` answers on it too."""

    subnet: Subnet
    gateway: Address | None = None
    mtu: int = Field(default=1500, ge=576, le=9216)


class Ssh(Part):
    """How to reach a host of an existing lab. Keys are named by path, never written here."""

    address: str
    port: int = Field(default=22, ge=1, le=65535)
    user: str = "root"
    key_file: str | None = None
    """Path of the private key; without it, the SSH agent is asked."""
    known_hosts: str = "~/.ssh/known_hosts"


class Bmc(Part):
    """A management controller, by Redfish (or IPMI where it has no Redfish)."""

    address: str
    protocol: Literal["redfish", "ipmi"] = "redfish"
    user: str | None = None
    password: str | None = Field(default=None, pattern=r"^(env|file|keyring):.+")
    """A reference (`env:NAME`, `file:PATH`, `keyring:NAME`), never the secret itself."""
    verify_tls: bool = True


class Disk(Part):
    """A disk of a host, as declared."""

    name: str
    kind: Literal["hdd", "ssd", "nvme"] | None = None
    size: str | None = None


class Nic(Part):
    """A network interface of a host, as declared."""

    mac: Mac | None = None
    speed: BitsPerSecond | None = None
    vlan: str | None = None
    features: tuple[str, ...] = ()


class Host(Part):
    """A machine, or a switch one can log in to."""

    roles: tuple[Literal["compute", "controller", "storage", "switch", "router", "jumphost", "generator"], ...] = Field(
        min_length=1
    )
    components: tuple[Name, ...] = ()
    addresses: dict[Name, Address] = {}
    """Network name → this host's address on it."""
    ssh: Ssh | None = None
    bmc: Bmc | None = None
    cpus: int | None = Field(default=None, ge=1)
    memory: str | None = None
    disks: tuple[Disk, ...] = ()
    nics: dict[str, Nic] = {}


class Link(Part):
    """A cable between two hosts; in an embedded lab, an interface of the link's name at both ends."""

    a: Name
    b: Name


class Redundancy(Part):
    """Two links of which one suffices, and how to take the first one away.

    ``down`` and ``up`` are commands on ``host``; between them, traffic must move to ``backup``.
    """

    primary: InterfaceName
    backup: InterfaceName
    host: Name
    down: str
    up: str


class Dut(Part):
    """The device that the traffic crosses (device under test, RFC 2544 §3)."""

    kind: Literal["linux-bridge", "openvswitch", "router", "switch"]
    mtu: int = Field(default=1500, ge=576, le=9216)
    redundancy: Redundancy | None = None

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
    tenant: Name = "default"
    speed: BitsPerSecond
    """Line rate, in bit/s."""
    address: InterfaceAddress | None = None
    gateway: Address | None = None
    interface: str | None = None
    """Existing labs, software generator: the interface on this machine."""
    mac: Mac | None = None
    next_hop_mac: Mac | None = None

    def line_rate_fps(self, frame_bytes: int) -> float:
        """Frames per second that the wire carries at a frame size in bytes, FCS included (RFC 1242 §3.5)."""
        return self.speed / (8 * (frame_bytes + ETHERNET_OVERHEAD_BYTES))


class Traffic(Part):
    """The traffic generator of the lab."""

    generator: Literal["software", "trex"]
    address: str | None = None
    ports: dict[InterfaceName, TrafficPort]


class Cloud(Part):
    """An entry of clouds.yaml."""

    name: str


class Lab(Part):
    """One lab. Cross-checks of its parts happen at construction; `problem_at` says where."""

    lab: Name
    title: str = ""
    owner: Owner
    environment: Literal["lab", "staging", "production"]
    provider: Literal["embedded", "existing"]
    profile: Name
    """The class of device: which bounds of a test model apply."""
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

    @model_validator(mode="after")
    def _cross_checks(self) -> Lab:
        for key, problem in _contradictions(self):
            raise LabContradiction(key, problem)
        return self

    @property
    def dut(self) -> Dut:
        """The device under test; KeyError-free access for suites whose lab was checked to have one."""
        if self.network is None:
            raise LookupError(f"lab {self.lab} declares no network.dut")
        return self.network.dut


class LabContradiction(ValueError):
    """Two parts of an inventory contradict each other. ``key`` is the tuple path of the part to mend."""

    def __init__(self, key: tuple[str | int, ...], problem: str) -> None:
        super().__init__(problem)
        self.key = key


def _contradictions(lab: Lab) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """Yields (key path, sentence) of each contradiction, in the order of the file."""
    yield from _address_contradictions(lab)
    for name, link in lab.links.items():
        for end in ("a", "b"):
            yield from _unknown(("links", name, end), getattr(link, end), lab.hosts, "host")
    if lab.network and (redundancy := lab.network.dut.redundancy):
        at = ("network", "dut", "redundancy")
        yield from _unknown((*at, "host"), redundancy.host, lab.hosts, "host")
        for end in ("primary", "backup"):
            yield from _unknown((*at, end), getattr(redundancy, end), lab.links, "link")
        if redundancy.primary == redundancy.backup:
            yield (*at, "backup"), f"the backup of link {redundancy.primary} is that link itself"
    if lab.traffic:
        yield from _traffic_contradictions(lab, lab.traffic)
    if lab.provider == "existing":
        for name, host in lab.hosts.items():
            if host.ssh is None:
                yield ("hosts", name), "a host of an existing lab needs ssh: {address: …}"


def _unknown(
    at: tuple[str | int, ...], value: str, known: Mapping[str, Any], kind: str
) -> Iterable[tuple[tuple[str | int, ...], str]]:
    if value not in known:
        yield at, f"no {kind} is named {value!r} (there are: {', '.join(known) or 'none'})"


def _address_contradictions(lab: Lab) -> Iterable[tuple[tuple[str | int, ...], str]]:
    owner_of: dict[str, str] = {}
    subnets: dict[str, ipaddress.IPv4Network] = {}
    for name, network in lab.networks.items():
        subnet = ipaddress.IPv4Network(network.subnet)
        for other, its in subnets.items():
            if subnet.overlaps(its):
                yield ("networks", name, "subnet"), f"{subnet} overlaps with {its} of network {other}"
        subnets[name] = subnet
        if network.gateway:
            owner_of[network.gateway] = f"the gateway of {name}"
            if ipaddress.IPv4Address(network.gateway) not in subnet:
                yield ("networks", name, "gateway"), f"{network.gateway} is not in {subnet}"
    for host_name, host in lab.hosts.items():
        for name, address in host.addresses.items():
            at = ("hosts", host_name, "addresses", name)
            if name not in subnets:
                yield from _unknown(at, name, lab.networks, "network")
                continue
            if ipaddress.IPv4Address(address) not in subnets[name]:
                yield at, f"{address} is not in {subnets[name]} of network {name}"
            if address in owner_of:
                yield at, f"{address} is taken by {owner_of[address]}"
            owner_of[address] = f"{host_name} on {name}"


def _traffic_contradictions(lab: Lab, traffic: Traffic) -> Iterable[tuple[tuple[str | int, ...], str]]:
    if len(traffic.ports) < 2:
        yield ("traffic", "ports"), f"a generator needs two ports at least, {len(traffic.ports)} given"
    if lab.network is None:
        yield ("traffic",), "there is a traffic generator, but no network.dut for its traffic to cross"
        return
    if traffic.generator == "trex" and traffic.address is None:
        yield ("traffic",), "generator trex needs its address"
    taken: dict[str, str] = {}
    for name, port in traffic.ports.items():
        at = ("traffic", "ports", name)
        yield from _unknown((*at, "attached_to"), port.attached_to, lab.hosts, "host")
        if name in lab.links:
            yield at, f"{name} is the name of a link too"
        if lab.network.dut.forwards == "l3" and (port.address is None or port.gateway is None):
            yield at, "behind a router, a port needs its address and its gateway"
        if port.address:
            interface = ipaddress.IPv4Interface(port.address)
            if str(interface.ip) in taken:
                yield (*at, "address"), f"{interface.ip} is taken by port {taken[str(interface.ip)]}"
            taken[str(interface.ip)] = name
            if port.gateway and ipaddress.IPv4Address(port.gateway) not in interface.network:
                yield (*at, "gateway"), f"{port.gateway} is not in {interface.network}"
