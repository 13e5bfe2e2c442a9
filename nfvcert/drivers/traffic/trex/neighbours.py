"""Where a router is: the MAC address of a port's gateway, asked for by ARP through the server (RFC 826).

A TRex server sends and captures frames, and answers ARP requests for the address that a port was given; it does not
ask for addresses itself. So we send the request from the port, and read the answer from what it captures.
"""

from __future__ import annotations

import base64
import ipaddress
import struct
import time
from collections.abc import Mapping
from typing import Any

from nfvcert.drivers.traffic.trex.session import Session
from nfvcert.drivers.traffic.trex.wire import Refused
from nfvcert.errors import LabError

__all__ = ["arp_answer", "arp_request", "push", "resolve"]

_ARP, _VLAN = 0x0806, 0x8100
_ARP_PACKET = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET_IPV4 = (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
_SMALLEST_FRAME = 60
_WORK_IN_PROGRESS, _TRY_AGAIN = -32002, -32001
_TRIES = 3
_WAIT_S = 1.0
_LOOK_S = 0.05


def resolve(session: Session, number: int, *, mac: str, address: str, gateway: str, vlan: int | None) -> str:
    """The MAC address of a port's gateway. The server then also answers for the port's own ``address``.

    Raises: LabError when nobody answers; as `Wire.ask`.
    """
    _introduce(session, number, address, gateway, vlan)
    session.order(number, "service", enabled=True)
    try:
        started = session.question(
            "capture", command="start", limit=100, mode="cyclic", tx=[], rx=[number], filter="arp or (vlan and arp)"
        )
        try:
            for _ in range(_TRIES):
                push(session, number, [arp_request(mac, address, gateway, vlan)])
                if found := _answer(session, started["capture_id"], gateway):
                    return found
        finally:
            session.question("capture", command="stop", capture_id=started["capture_id"])
            session.question("capture", command="remove", capture_id=started["capture_id"])
    finally:
        session.order(number, "service", enabled=False)
    raise LabError(
        f"router {gateway} does not answer the ARP requests of TRex port {number} ({address})",
        what="traffic generator",
        hint="see its address, its VLAN and the cable; `next_hop_mac` in the inventory does without ARP",
    )


def push(session: Session, number: int, frames: list[bytes]) -> None:
    """Send single frames from a port, beside its streams. Raises: as `Wire.ask`."""
    packets = [
        {"binary": base64.b64encode(frame).decode("ascii"), "use_port_dst_mac": False, "use_port_src_mac": False}
        for frame in frames
    ]
    session.question("push_pkts", port_id=number, pkts=packets, force=True, ipg_usec=0)


def arp_request(mac: str, address: str, wanted: str, vlan: int | None) -> bytes:
    """Who has ``wanted``? A broadcast, without its FCS."""
    sender, asker, target = bytes.fromhex(mac.replace(":", "")), _packed(address), _packed(wanted)
    tag = b"" if vlan is None else struct.pack("!HH", _VLAN, vlan)
    packet = _ARP_PACKET.pack(*_ETHERNET_IPV4, _REQUEST, sender, asker, bytes(6), target)
    return (b"\xff" * 6 + sender + tag + struct.pack("!H", _ARP) + packet).ljust(_SMALLEST_FRAME, b"\0")


def arp_answer(frame: bytes, wanted: str) -> str | None:
    """The MAC address that a frame tells of ``wanted``; None when it is no such answer."""
    at = 12
    while frame[at : at + 2] == struct.pack("!H", _VLAN):
        at += 4
    if frame[at : at + 2] != struct.pack("!H", _ARP) or len(frame) < at + 2 + _ARP_PACKET.size:
        return None
    *_, operation, mac, address, _, _ = _ARP_PACKET.unpack_from(frame, at + 2)
    if operation != _REPLY or address != _packed(wanted):
        return None
    return ":".join(f"{byte:02x}" for byte in mac)


def _introduce(session: Session, number: int, address: str, gateway: str, vlan: int | None) -> None:
    """Give the port its VLAN and its address, for which the server answers from then on."""
    session.order(number, "service", enabled=True)
    _configure(session, number, "set_vlan", vlan=[] if vlan is None else [vlan])
    _configure(session, number, "set_l3", src_addr=str(_interface(address).ip), dst_addr=gateway)
    session.order(number, "service", enabled=False)


def _configure(session: Session, number: int, method: str, **params: Any) -> None:
    """An order that the server may carry out later than it answers."""
    try:
        session.order(number, method, block=False, **params)
    except Refused as refusal:
        if refusal.code != _WORK_IN_PROGRESS:
            raise
    end = time.monotonic() + _WAIT_S
    while True:
        try:
            session.question("get_port_status", port_id=number, block=False)
        except Refused as refusal:
            if refusal.code != _TRY_AGAIN or time.monotonic() > end:
                raise
            time.sleep(_LOOK_S)
        else:
            return


def _answer(session: Session, capture: int, gateway: str) -> str | None:
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end:
        fetched: Mapping[str, Any] = session.question(
            "capture", command="fetch", capture_id=capture, pkt_limit=50, snaplen=0
        )
        for packet in fetched.get("pkts", ()):
            if found := arp_answer(base64.b64decode(packet["binary"]), gateway):
                return found
        time.sleep(_LOOK_S)
    return None


def _interface(address: str) -> ipaddress.IPv4Interface:
    return ipaddress.IPv4Interface(address)


def _packed(address: str) -> bytes:
    return _interface(address).ip.packed
