"""The device under test made of routers: IPv4 forwarding between the generator's subnets.

Each subnet is reached by the shortest way; among equally long ones by the primary link, then by the
others, each with a larger metric than the one before. A route over a link without carrier is ignored
(`ignore_routes_with_linkdown`), so traffic moves at once to the next one.

Where a link is switched off (`ip link set path-1 down`), the kernel deletes the static routes over it,
and switching it on does not bring them back; a routing daemon would. Here, each route has a second next
hop, over an interface that never has carrier: it never carries a frame, but as long as one hop of a
route is left the kernel keeps the route, and revives the other hop with its interface.

Tenants do not reach each other: a router forwards only between subnets of one tenant (nftables).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from nfvcert.embedded.nftables import nft, remove_table
from nfvcert.embedded.ports import mac_of
from nfvcert.embedded.sites import Sites
from nfvcert.embedded.wiring import Site, cable
from nfvcert.errors import LabError
from nfvcert.lab import Lab, TrafficPort

__all__ = ["build", "estranged", "isolate", "let_leak", "meet_generator"]

ISOLATION_TABLE = "nfvcert-tenants"
UNPLUGGED = "unplugged"
"""The interface that never has carrier."""
LINK_SUBNETS = ipaddress.IPv4Network("169.254.0.0/16")


def build(sites: Sites) -> None:
    """Make routers of the lab's devices. Raises: LabError, NetlinkError."""
    lab, devices = sites.lab, sites.devices()
    _refuse_shared_subnets(lab)
    for host in devices:
        site = sites.hosts[host]
        # The generator answers neither redirects nor ARP; and a reply may take another way than the request.
        site.sysctl(
            ip_forward=1,
            conf__all__send_redirects=0,
            conf__default__send_redirects=0,
            conf__all__ignore_routes_with_linkdown=1,
            conf__default__ignore_routes_with_linkdown=1,
        )
        cable(site, UNPLUGGED, site, f"{UNPLUGGED}-end", a_mtu=1500, b_mtu=1500)
        site.link(f"{UNPLUGGED}-end", state="down")
        for name in (*sites.ports_of(host), *sites.links_of(host), UNPLUGGED):
            site.sysctl(**{f"conf__{name}__{setting}": value for setting, value in _INTERFACE_SETTINGS.items()})
        for name in sites.ports_of(host):
            port = _ports(lab)[name]
            address = ipaddress.IPv4Interface(str(port.address))
            site.address(name, f"{port.gateway}/{address.network.prefixlen}")
            meet_generator(lab, site, name)
        for name in sites.links_of(host):
            here, there = _link_addresses(lab, name, host)
            site.address(name, f"{here}/30")
            site.neighbour(name, there, mac_of(lab.lab, _other_end(lab, name, host), name))
            # A link that was off has forgotten its neighbour. Where the first question is lost, since the other
            # end is not up yet, the second one follows 1 s later by default.
            site.sysctl(**{f"neigh__{name}__retrans_time_ms": 20})
    for host in devices:
        _add_routes(sites, host)
        isolate(lab, sites.hosts[host])


# In the kernel, "all" does not override what an interface was made with for each of these.
_INTERFACE_SETTINGS = {"rp_filter": 0, "send_redirects": 0, "ignore_routes_with_linkdown": 1}


def meet_generator(lab: Lab, site: Site, port: str) -> None:
    """Let a router know the generator's port, which answers no ARP. It forgets it when the interface goes down."""
    address = ipaddress.IPv4Interface(str(_ports(lab)[port].address))
    site.neighbour(port, str(address.ip), mac_of(lab.lab, port))


def estranged(lab: Lab, site: Site, ports: Iterable[str]) -> list[str]:
    """The ports behind which a router does not know the generator any more."""
    known = site.permanent_neighbours()
    return [port for port in ports if str(ipaddress.IPv4Interface(str(_ports(lab)[port].address)).ip) not in known]


def isolate(lab: Lab, site: Site) -> None:
    """Let a router forward within each tenant, and nothing else. Raises: LabError."""
    subnets: dict[str, list[str]] = {}
    for port in _ports(lab).values():
        subnets.setdefault(port.tenant, []).append(_subnet(port))
    rules = "\n".join(
        f"ip saddr {{ {', '.join(its)} }} ip daddr {{ {', '.join(its)} }} accept" for its in subnets.values()
    )
    nft(
        site.path,
        f"""
        table ip {ISOLATION_TABLE}
        delete table ip {ISOLATION_TABLE}
        table ip {ISOLATION_TABLE} {{
            chain forward {{
                type filter hook forward priority 0; policy drop;
                {rules}
            }}
        }}
        """,
    )


def let_leak(site: Site) -> None:
    """Let a router forward between all tenants, until `isolate`. Raises: LabError."""
    remove_table(site.path, "ip", ISOLATION_TABLE)


def _add_routes(sites: Sites, host: str) -> None:
    lab, site = sites.lab, sites.hosts[host]
    standby = site.index(UNPLUGGED)
    for port in _ports(lab).values():
        if port.attached_to == host:
            continue
        distance = _distances(sites, port.attached_to)
        ways = [
            name
            for name in sites.links_of(host)
            if distance.get(_other_end(lab, name, host), 1 << 30) < distance.get(host, 0)
        ]
        for order, name in enumerate(ways):
            hops: list[dict[str, Any]] = [
                {"oif": site.index(name), "gateway": _link_addresses(lab, name, host)[1]},
                {"oif": standby},
            ]
            site.route(dst=_subnet(port), priority=10 * (order + 1), multipath=hops)


def _distances(sites: Sites, target: str) -> dict[str, int]:
    """Number of links from each host to ``target``."""
    distance = {target: 0}
    frontier = [target]
    while frontier:
        here = frontier.pop(0)
        for name in sites.links_of(here):
            neighbour = _other_end(sites.lab, name, here)
            if neighbour not in distance:
                distance[neighbour] = distance[here] + 1
                frontier.append(neighbour)
    return distance


def _link_addresses(lab: Lab, link: str, host: str) -> tuple[str, str]:
    """The address of a link at ``host``, and at its other end: a /30 of the link-local range each."""
    base = LINK_SUBNETS.network_address + 4 * list(lab.links).index(link)
    a, b = str(base + 1), str(base + 2)
    return (a, b) if lab.links[link].a == host else (b, a)


def _other_end(lab: Lab, link: str, host: str) -> str:
    return lab.links[link].b if lab.links[link].a == host else lab.links[link].a


def _ports(lab: Lab) -> dict[str, TrafficPort]:
    return lab.traffic.ports if lab.traffic else {}


def _subnet(port: TrafficPort) -> str:
    return str(ipaddress.IPv4Interface(str(port.address)).network)


def _refuse_shared_subnets(lab: Lab) -> None:
    networks: dict[str, ipaddress.IPv4Network] = {}
    for name, port in _ports(lab).items():
        network = ipaddress.IPv4Network(_subnet(port))
        for other, its in networks.items():
            if network.overlaps(its):
                raise LabError(
                    f"lab {lab.lab}: ports {other} and {name} share the subnet {network}: behind a router, "
                    "each port needs its own",
                    what=name,
                )
        networks[name] = network
