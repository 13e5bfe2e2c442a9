"""A lab, drawn in the terminal: the way of the traffic as a picture, the rest as tables.

tg0 · tenant-a ●──┤ leaf-1 ╞══ trunk-1 ══╡ leaf-2 ├──● tg1 · tenant-a
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from nfvcert.lab import Host, Lab, Network, TrafficPort

__all__ = ["draw"]

TENANT_STYLES = ("cyan", "magenta", "yellow", "blue", "green", "red")
GROUPS = {
    "switch": "switches",
    "router": "routers",
    "controller": "controllers",
    "compute": "computes",
    "storage": "storage",
    "jumphost": "jumphosts",
    "generator": "generators",
}
ASCII = str.maketrans("─│┌┐└┘├┤╞╡═┄●·…", "-|++++||||=.o-.")


def draw(lab: Lab) -> RenderableType:
    """The lab as something that `rich` prints: it fits the width it is given, from 60 columns on."""
    return _Drawing(lab)


@dataclass(frozen=True)
class _Drawing:
    lab: Lab

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        segments = console.render(Group(*self._parts(console, options)), options)
        if not options.ascii_only:
            yield from segments
            return
        for segment in segments:
            yield Segment(segment.text.translate(ASCII), segment.style, segment.control)

    def _parts(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        lab = self.lab
        consent = "tests that destroy are allowed" if lab.destructive else "no test may destroy"
        what = [f"{lab.provider} lab", f"profile {lab.profile}"]
        what += [f"cloud {lab.cloud.name}"] if lab.cloud else []
        what += [f"shares {', '.join(lab.shares)}"] if lab.shares else []
        yield Text.assemble((lab.lab, "bold"), f"  {lab.title}" if lab.title else "")
        yield Text(f"{lab.owner.organisation} ({lab.owner.role}) · {lab.environment}, {consent}", style="dim")
        yield Text(" · ".join(what), style="dim")
        yield ""
        tenants = _tenant_styles(lab)
        lines = _picture(lab, tenants, options.max_width) or list(_in_words(lab, tenants))
        if lines:
            yield from _heading(lab)
            yield from lines
            yield ""
        if lab.traffic:
            yield _ports(lab.traffic.ports, tenants)
            yield ""
        yield from _hosts(lab, console, options)


def _tenant_styles(lab: Lab) -> dict[str, str]:
    ports = lab.traffic.ports.values() if lab.traffic else ()
    names = dict.fromkeys(port.tenant for port in ports)
    return {name: TENANT_STYLES[index % len(TENANT_STYLES)] for index, name in enumerate(names)}


def _speed(bits_per_second: float) -> str:
    for factor, unit in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if bits_per_second >= factor:
            return f"{bits_per_second / factor:g} {unit}"
    return f"{bits_per_second:g} bit/s"


def _heading(lab: Lab) -> Iterator[Text]:
    if lab.traffic and lab.network:
        dut = lab.network.dut
        device = f"device under test {dut.kind}, {dut.forwards.upper()}, MTU {dut.mtu}"
        yield Text(f"generator {lab.traffic.generator} · {device}")
        if dut.redundancy:
            yield Text(f"═ {dut.redundancy.primary} carries the traffic, ┄ {dut.redundancy.backup} takes over")


# The picture: devices in a row, joined by wires. Drawn where links and ports make a row; else they are named.


@dataclass(frozen=True)
class _Wire:
    """One line that leaves a box: to a port of the generator, or to the next box."""

    label: str
    style: str
    kind: Literal["port", "link", "backup"]


EDGES = {"port": "┤├", "link": "╡╞", "backup": "┤├"}
"""What a box's left and right side look like where a wire leaves it."""


def _picture(lab: Lab, tenants: Mapping[str, str], width: int) -> list[Text]:
    """The picture's lines; none where the lab is no row of devices, or the row is too wide."""
    row = _row(lab)
    ports = lab.traffic.ports if lab.traffic else {}
    if not row or any(port.attached_to in row[1:-1] for port in ports.values()):
        return []
    first = [_port_wire(name, port, tenants) for name, port in ports.items() if port.attached_to == row[0]]
    last = [_port_wire(name, port, tenants) for name, port in ports.items() if port.attached_to == row[-1]]
    if len(row) == 1:
        middle = (len(first) + 1) // 2
        first, last = first[:middle], first[middle:]
    gaps = [first, *(_links_between(lab, a, b) for a, b in pairwise(row)), last]
    height = max(1, *map(len, gaps))
    spread = [_centred(wires, height) for wires in gaps]
    columns = [_port_column(spread[0], left=True)]
    for index, name in enumerate(row):
        columns.append(_box_column(name, spread[index], spread[index + 1]))
        if index < len(row) - 1:
            columns.append(_link_column(spread[index + 1]))
    columns.append(_port_column(spread[-1], left=False))
    lines = [Text("  ").join([Text(), Text().join(parts)]) for parts in zip(*columns, strict=True)]
    return lines if max(line.cell_len for line in lines) <= width else []


def _row(lab: Lab) -> list[str]:
    """The devices that links and ports join, from one end to the other; none where they make no row."""
    ports = lab.traffic.ports.values() if lab.traffic else ()
    neighbours: dict[str, set[str]] = {port.attached_to: set() for port in ports}
    for link in lab.links.values():
        neighbours.setdefault(link.a, set()).add(link.b)
        neighbours.setdefault(link.b, set()).add(link.a)
    ends = [name for name, others in neighbours.items() if len(others) < 2]
    if not ends:
        return []
    row = [ends[0]]
    while further := [name for name in neighbours[row[-1]] if name not in row]:
        if len(further) > 1:
            return []
        row += further
    return row if len(row) == len(neighbours) else []


def _port_wire(name: str, port: TrafficPort, tenants: Mapping[str, str]) -> _Wire:
    return _Wire(f"{name} · {port.tenant}", tenants[port.tenant], "port")


def _links_between(lab: Lab, a: str, b: str) -> list[_Wire]:
    redundancy = lab.network.dut.redundancy if lab.network else None
    backup = redundancy.backup if redundancy else None
    names = [name for name, link in lab.links.items() if {link.a, link.b} == {a, b}]
    return [_Wire(name, "dim", "backup") if name == backup else _Wire(name, "bold", "link") for name in names]


def _centred(wires: Sequence[_Wire], height: int) -> list[_Wire | None]:
    above = (height - len(wires)) // 2
    return [*[None] * above, *wires, *[None] * (height - above - len(wires))]


def _port_column(wires: Sequence[_Wire | None], *, left: bool) -> list[Text]:
    wide = max((len(wire.label) for wire in wires if wire), default=0)
    lines = [Text()]
    for wire in wires:
        if wire is None:
            lines.append(Text(" " * (wide + 5 if wide else 0)))
        elif left:
            lines.append(Text(f"{wire.label:>{wide}} ●───", style=wire.style))
        else:
            lines.append(Text(f"───● {wire.label:<{wide}}", style=wire.style))
    lines[0] = Text(" " * lines[-1].cell_len)
    return [*lines, lines[0]]


def _link_column(wires: Sequence[_Wire | None]) -> list[Text]:
    wide = max(len(wire.label) for wire in wires if wire) + 8
    lines = [Text(" " * wide)]
    for wire in wires:
        line = "═" if wire and wire.kind == "link" else "┄"
        lines.append(Text(f" {wire.label} ".center(wide, line), style=wire.style) if wire else Text(" " * wide))
    return [*lines, lines[0]]


def _box_column(name: str, left: Sequence[_Wire | None], right: Sequence[_Wire | None]) -> list[Text]:
    edge = "─" * (len(name) + 2)
    lines = [Text(f"┌{edge}┐")]
    for index, (before, after) in enumerate(zip(left, right, strict=True)):
        inside = name if index == (len(left) - 1) // 2 else " " * len(name)
        sides = EDGES[before.kind][0] if before else "│", EDGES[after.kind][1] if after else "│"
        lines.append(Text.assemble(f"{sides[0]} ", (inside, "bold"), f" {sides[1]}"))
    return [*lines, Text(f"└{edge}┘")]


def _in_words(lab: Lab, tenants: Mapping[str, str]) -> Iterator[Text]:
    """Links and ports one a line, for labs that are no row of devices."""
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for link in lab.links.values():
        pairs.setdefault(frozenset((link.a, link.b)), (link.a, link.b))
    for a, b in pairs.values():
        wires = Text(", ").join(Text(wire.label, style=wire.style) for wire in _links_between(lab, a, b))
        yield Text.assemble("  ", (a, "bold"), " ══ ", wires, " ══ ", (b, "bold"))
    for name, port in lab.traffic.ports.items() if lab.traffic else ():
        wire = _port_wire(name, port, tenants)
        yield Text.assemble("  ", (f"{wire.label} ●───", wire.style), " ", (port.attached_to, "bold"))


# The tables.


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, show_edge=False, header_style="dim", padding=(0, 1))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _ports(ports: Mapping[str, TrafficPort], tenants: Mapping[str, str]) -> Table:
    """Ports of the generator; columns that no port fills are left out."""
    values = {
        "port": {name: name for name in ports},
        "at": {name: port.attached_to for name, port in ports.items()},
        "tenant": {name: port.tenant for name, port in ports.items()},
        "speed": {name: _speed(port.speed) for name, port in ports.items()},
        "address": {name: port.address or "" for name, port in ports.items()},
        "gateway": {name: port.gateway or "" for name, port in ports.items()},
        "interface": {name: port.interface or "" for name, port in ports.items()},
        "MAC": {name: port.mac or "" for name, port in ports.items()},
    }
    shown = {column: cells for column, cells in values.items() if any(cells.values())}
    table = _table(*shown)
    for name, port in ports.items():
        table.add_row(*(cells[name] for cells in shown.values()), style=tenants[port.tenant])
    return table


Say = Callable[[Host], str]


def _hosts(lab: Lab, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Hosts by role against networks: in one table where that fits, else in the fewest that do."""
    networks = {_network_header(name, network): _address_on(name) for name, network in lab.networks.items()}
    runs: dict[str, Say] = {"components": lambda host: ", ".join(host.components)}
    access: dict[str, Say] = {
        "SSH": lambda host: f"{host.ssh.user}@{host.ssh.address}" if host.ssh else "",
        "BMC": lambda host: f"{host.bmc.protocol} {host.bmc.address}" if host.bmc else "",
    }
    addresses: dict[str, Say] = {
        "addresses": lambda host: ", ".join(f"{network} {address}" for network, address in host.addresses.items())
    }
    alternatives: list[list[RenderableType]] = [
        [_host_table(lab.hosts, networks | access | runs)],
        [_host_table(lab.hosts, networks | runs), *_access_table(lab, access)],
        [_network_table(lab), "", _host_table(lab.hosts, addresses | runs), *_access_table(lab, access)],
    ]
    wide = options.update(width=1000)
    for alternative in alternatives:
        if all(Measurement.get(console, wide, part).maximum <= options.max_width for part in alternative):
            break
    yield from alternative


def _access_table(lab: Lab, access: Mapping[str, Say]) -> list[RenderableType]:
    """How hosts are reached; nothing for an embedded lab, which finds that out by itself."""
    reached = {name: host for name, host in lab.hosts.items() if any(say(host) for say in access.values())}
    return ["", _host_table(reached, access)] if reached else []


def _address_on(network: str) -> Say:
    return lambda host: host.addresses.get(network, "·")


def _network_header(name: str, network: Network) -> str:
    gateway = [f"via {network.gateway}"] if network.gateway else []
    mtu = [f"MTU {network.mtu}"] if network.mtu != Network.model_fields["mtu"].default else []
    return "\n".join([name, network.subnet, *gateway, *mtu])


def _network_table(lab: Lab) -> Table:
    table = _table("network", "subnet", "gateway", "MTU")
    for name, network in lab.networks.items():
        table.add_row(name, network.subnet, network.gateway or "", str(network.mtu))
    return table


def _host_table(hosts: Mapping[str, Host], columns: Mapping[str, Say]) -> Table:
    """Hosts under the headings of their first roles; columns that no host fills are left out."""
    shown = {column: say for column, say in columns.items() if any(say(host) for host in hosts.values())}
    table = _table("host", *shown)
    for role, group in GROUPS.items():
        members = {name: host for name, host in hosts.items() if host.roles[0] == role}
        if members:
            table.add_row(Text(group, style="dim"))
        for name, host in members.items():
            table.add_row(Text(f"  {name}", style="bold"), *(say(host) for say in shown.values()))
    return table
