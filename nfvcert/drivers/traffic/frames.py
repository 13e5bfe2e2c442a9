"""The test frame: Ethernet, IPv4, UDP (RFC 2544 appendix C), and 18 bytes that make it measurable.

     0  destination MAC · source MAC · 0x0800
    14  IPv4: TTL 64, don't fragment, checksummed
    34  UDP: source port (the flow) · port 9, discard · length · no checksum (RFC 768 allows none)
    42  magic u16 · run u16 · kind u8 · stream u8 · sequence u32 · sent u64 (ns, CLOCK_REALTIME)
    60  zeros, up to the size less the FCS, which the interface adds

So the smallest frame, 64 bytes with its FCS, is used to the last byte.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

__all__ = [
    "BROADCAST_MAC",
    "DATA",
    "DISCARD_PORT",
    "FCS_BYTES",
    "FIRST_FLOW_PORT",
    "FLOW",
    "FLOW_OFFSET",
    "HEADER_BYTES",
    "LEARNING",
    "MAGIC",
    "MOST_FLOWS",
    "STAMP",
    "STAMP_OFFSET",
    "TAG_OFFSET",
    "Route",
    "build_frame",
    "checksum",
    "filter_program",
]

FCS_BYTES = 4
MAGIC = 0x4E46
DISCARD_PORT = 9
DATA = 1
"""Kind of a frame that is counted."""
LEARNING = 2
"""Kind of a frame that only teaches devices where a MAC address is (RFC 2544 §23)."""
FIRST_FLOW_PORT = 4096
MOST_FLOWS = 60_000
BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"

_IP_OFFSET = 14
_UDP_OFFSET = FLOW_OFFSET = 34
TAG_OFFSET = 42
STAMP_OFFSET = 48
HEADER_BYTES = 60
_ETHERNET = struct.Struct("!6s6sH")
_IP = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_TAG = struct.Struct("!HHBB")
STAMP = struct.Struct("!IQ")
"""Sequence and send time: what is written into each frame just before it leaves."""
FLOW = struct.Struct("!H")


@dataclass(frozen=True)
class Route:
    """Between which addresses a frame travels."""

    mac_from: str
    mac_to: str
    ip_from: str
    ip_to: str


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(header: bytes) -> int:
    """The Internet checksum (RFC 1071) of a header of even length; 0 when it holds a right one."""
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def build_frame(route: Route, frame_bytes: int, *, run: int, kind: int, stream: int) -> bytes:
    """A frame without its FCS, of the first flow, with sequence and send time 0.

    ``frame_bytes`` counts the FCS: 64 at least.
    """
    length = frame_bytes - FCS_BYTES
    frame = bytearray(length)
    _ETHERNET.pack_into(frame, 0, _mac(route.mac_to), _mac(route.mac_from), 0x0800)
    ip_from, ip_to = socket.inet_aton(route.ip_from), socket.inet_aton(route.ip_to)
    ip_length = length - _IP_OFFSET
    ip = _IP.pack(0x45, 0, ip_length, 0, 0x4000, 64, socket.IPPROTO_UDP, 0, ip_from, ip_to)
    frame[_IP_OFFSET:_UDP_OFFSET] = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    _UDP.pack_into(frame, _UDP_OFFSET, FIRST_FLOW_PORT, DISCARD_PORT, length - _UDP_OFFSET, 0)
    _TAG.pack_into(frame, TAG_OFFSET, MAGIC, run, kind, stream)
    return bytes(frame)


def filter_program() -> tuple[int, bytes]:
    """A classic BPF program (number of instructions, code) that lets test frames in, cut to `HEADER_BYTES`.

    All other traffic is dropped in the kernel and costs nothing.
    """
    load_half, load_byte, jump_equal, give = 0x28, 0x30, 0x15, 0x06
    tests = [
        (load_half, 12, 0x0800),
        (load_byte, 23, socket.IPPROTO_UDP),
        (load_half, 36, DISCARD_PORT),
        (load_half, TAG_OFFSET, MAGIC),
    ]
    code = bytearray()
    for number, (load, offset, value) in enumerate(tests):
        to_refusal = 2 * (len(tests) - number) - 1
        code += struct.pack("=HBBI", load, 0, 0, offset)
        code += struct.pack("=HBBI", jump_equal, 0, to_refusal, value)
    code += struct.pack("=HBBI", give, 0, 0, HEADER_BYTES)
    code += struct.pack("=HBBI", give, 0, 0, 0)
    return len(code) // 8, bytes(code)
