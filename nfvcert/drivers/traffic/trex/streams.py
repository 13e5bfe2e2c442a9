"""What is sent: our streams as TRex's, with their frames, rates, flows and packet groups.

A packet group is counted per port, sent and received. Of a `latency` group the server also numbers and stamps each
frame, in software, so it holds some rates only; of a `stats` group it counts. So a stream of a moderate rate is one
`latency` group: every frame is numbered and timed. A faster one is a `stats` group that carries the load, and beside
it a `latency` group of a thousandth-of-a-second spacing: the same frames, of which latency, order and duplicates are
told for all. Together they are sent at the stream's rate.

An IMIX is streams of several sizes side by side in one run; VLANs are the ports'.
"""

from __future__ import annotations

import base64
import ipaddress
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nfvcert.drivers.traffic.frames import DISCARD_PORT, FCS_BYTES, FIRST_FLOW_PORT, checksum
from nfvcert.protocols import Stream

__all__ = ["PROBE_FPS", "SEQUENCED_FPS", "Group", "Way", "build_frame", "groups", "least_frame_bytes", "stream_json"]

SEQUENCED_FPS = 20_000
"""Up to this rate every frame of a stream is numbered and stamped."""
PROBE_FPS = 1_000
"""Of a faster stream, as many frames a second are."""

_ETHERNET = struct.Struct("!6s6s")
_VLAN, _IPV4, _IPV6 = 0x8100, 0x0800, 0x86DD
_IPV4_HEADER = struct.Struct("!BBHHHBBH4s4s")
_IPV6_HEADER = struct.Struct("!IHBB16s16s")
_UDP = struct.Struct("!HHHH")
_UDP_PROTOCOL = 17
_HOP_LIMIT = 64
_STAMP_BYTES = 16
"""What a `latency` group writes at the end of a frame (flow_stat_payload_header)."""
_SMALLEST_FRAME = 64
_MAC_OF_FRAME = 0b11
"""Flags of a stream: both MAC addresses are those of the frame (stl/trex_stl_streams.py)."""


@dataclass(frozen=True)
class Way:
    """Between which addresses a frame travels, and in which VLAN. IPv4 or IPv6, as the addresses are."""

    mac_from: str
    mac_to: str
    ip_from: str
    ip_to: str
    vlan: int | None = None

    @property
    def ip_version(self) -> Literal[4, 6]:
        """4 or 6."""
        return ipaddress.ip_address(self.ip_from).version

    @property
    def udp_offset(self) -> int:
        """Where the UDP header begins, in bytes."""
        return 14 + (4 if self.vlan is not None else 0) + (20 if self.ip_version == 4 else 40)


@dataclass(frozen=True)
class Group:
    """Frames of one stream that the server counts together."""

    number: int
    """The packet group's number at the server."""
    stream: int
    """Index of the stream that it belongs to."""
    frames: int
    rate_fps: float
    sequenced: bool
    """Whether each frame is numbered and stamped (`latency`)."""


def groups(streams: tuple[Stream, ...], first: int) -> tuple[Group, ...]:
    """The packet groups of streams, numbered from ``first``: one or two each, the one that carries the load first."""
    found: list[Group] = []
    for index, stream in enumerate(streams):
        number = first + len(found)
        probes = max(1, round(PROBE_FPS * stream.duration_s))
        if stream.rate_fps <= SEQUENCED_FPS or stream.frames <= probes:
            found.append(Group(number, index, stream.frames, stream.rate_fps, sequenced=True))
            continue
        load_fps = stream.rate_fps - PROBE_FPS
        found.append(Group(number, index, stream.frames - probes, load_fps, sequenced=False))
        found.append(Group(number + 1, index, probes, PROBE_FPS, sequenced=True))
    return tuple(found)


def least_frame_bytes(way: Way) -> int:
    """The smallest frame, with its FCS, that a `latency` group can stamp on a way: 64 … 86 bytes."""
    return max(_SMALLEST_FRAME, way.udp_offset + _UDP.size + _STAMP_BYTES + FCS_BYTES)


def build_frame(way: Way, frame_bytes: int) -> bytes:
    """A frame without its FCS, of the first flow. ``frame_bytes`` counts the FCS and, where there is one, the VLAN tag.

    UDP has no checksum, neither over IPv6 (RFC 6935 lets a measuring tunnel do so): stamps and flows change the frame
    while it leaves, and what forwards it does not look.
    """
    length = frame_bytes - FCS_BYTES
    frame = bytearray(length)
    _ETHERNET.pack_into(frame, 0, _mac(way.mac_to), _mac(way.mac_from))
    ip_at = way.udp_offset - (20 if way.ip_version == 4 else 40)
    if way.vlan is not None:
        struct.pack_into("!HH", frame, 12, _VLAN, way.vlan)
    struct.pack_into("!H", frame, ip_at - 2, _IPV4 if way.ip_version == 4 else _IPV6)
    ip_from, ip_to = ipaddress.ip_address(way.ip_from).packed, ipaddress.ip_address(way.ip_to).packed
    udp_bytes = length - way.udp_offset
    if way.ip_version == 4:
        header = (0x45, 0, 20 + udp_bytes, 0, 0x4000, _HOP_LIMIT, _UDP_PROTOCOL)
        zero = _IPV4_HEADER.pack(*header, 0, ip_from, ip_to)
        _IPV4_HEADER.pack_into(frame, ip_at, *header, checksum(zero), ip_from, ip_to)
    else:
        _IPV6_HEADER.pack_into(frame, ip_at, 6 << 28, udp_bytes, _UDP_PROTOCOL, _HOP_LIMIT, ip_from, ip_to)
    _UDP.pack_into(frame, way.udp_offset, FIRST_FLOW_PORT, DISCARD_PORT, udp_bytes, 0)
    return bytes(frame)


def stream_json(group: Group, way: Way, frame_bytes: int, flows: int) -> Mapping[str, Any]:
    """A packet group as `add_stream` takes it: a burst of exactly its frames, at its rate, in its flows."""
    return {
        "enabled": True,
        "self_start": True,
        "isg": 0.0,
        "flags": _MAC_OF_FRAME,
        "next_stream_id": -1,
        "action_count": 0,
        "random_seed": 0,
        "mode": {
            "type": "single_burst",
            "total_pkts": group.frames,
            "rate": {"type": "pps", "value": group.rate_fps},
        },
        "packet": {"binary": base64.b64encode(build_frame(way, frame_bytes)).decode("ascii"), "meta": ""},
        "vm": {"instructions": _flow_instructions(way, flows) if flows > 1 else []},
        "flow_stats": {
            "enabled": True,
            "stream_id": group.number,
            "rule_type": "latency" if group.sequenced else "stats",
        },
    }


def _flow_instructions(way: Way, flows: int) -> list[Mapping[str, Any]]:
    """The field engine's program that takes UDP source ports in turn."""
    last = FIRST_FLOW_PORT + flows - 1
    values = {"init_value": FIRST_FLOW_PORT, "min_value": FIRST_FLOW_PORT, "max_value": last, "step": 1}
    return [
        {"type": "flow_var", "name": "flow", "size": 2, "op": "inc", **values},
        {
            "type": "write_flow_var",
            "name": "flow",
            "pkt_offset": way.udp_offset,
            "add_value": 0,
            "is_big_endian": True,
        },
    ]


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
