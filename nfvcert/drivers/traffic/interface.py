"""The state and the counters of an interface in this process's namespace: who lost a frame, we or the device?

Read by ioctl, /proc and two netlink requests, since a worker that loaded a netlink library for them would
start 0.4 s later. /sys is no help: it shows the namespace that it was mounted in.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["InterfaceState", "backlog_drops", "read_state"]

_SIOCGIFFLAGS, _SIOCGIFMTU, _SIOCETHTOOL = 0x8913, 0x8921, 0x8946
_ETHTOOL_GLINK = 0x0A
_IFF_UP = 0x1
_RTM_NEWLINK, _RTM_GETLINK, _REQUEST = 16, 18, 0x1
_RTM_NEWQDISC, _RTM_GETQDISC, _NLMSG_DONE, _DUMP_REQUEST = 36, 38, 3, 0x301
_IFLA_STATS64, _IFLA_CARRIER_CHANGES = 23, 35
_TCA_STATS = 3
_NLMSG = struct.Struct("=IHHII")
_IFINFOMSG = struct.Struct("=BxHiII")
_LINK_STATS64 = struct.Struct("=8Q")
"""Its beginning: frames received and sent, bytes, errors, and what was dropped, each both ways."""
_TCMSG = struct.Struct("=BxxxiIII")
_ATTRIBUTE = struct.Struct("=HH")
_TC_STATS = struct.Struct("=QIIIIIII")


@dataclass(frozen=True)
class InterfaceState:
    """One look at an interface; counters only grow."""

    index: int
    """Another interface of the same name has another index."""
    up: bool
    """Administratively up: ours to set. Without it the lab is at fault."""
    carrier: bool
    """Whether the far end of the cable is up: the device's to set. True where the driver cannot tell."""
    carrier_changes: int
    """How often the carrier came or went."""
    mtu: int
    tx_frames: int
    """Frames that the driver put on the cable, whoever sent them."""
    tx_dropped: int
    """Frames that the driver dropped; on a veth, those that the far end did not take."""
    queue_drops: int
    """Frames that the interface's own queueing discipline dropped."""
    queue_delays: int
    """How often that discipline held a frame back (its ``overlimits``)."""
    queue_length: int
    """Frames waiting in it now."""
    backlog_drops: int
    """Frames that this machine's kernel dropped since its input queues were full, on any interface."""


def read_state(name: str) -> InterfaceState:
    """Look at an interface. Raises: OSError when it is gone."""
    index = socket.if_nametoindex(name)
    request = struct.pack("=16s24x", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.unpack_from("=H", fcntl.ioctl(sock, _SIOCGIFFLAGS, request), 16)[0]
        carrier = _carrier(sock, name)
        mtu = struct.unpack_from("=i", fcntl.ioctl(sock, _SIOCGIFMTU, request), 16)[0]
    tx_frames, tx_dropped, carrier_changes = _link(index)
    drops, delays, length = _queue(index)
    return InterfaceState(
        index=index,
        up=bool(flags & _IFF_UP),
        carrier=carrier,
        carrier_changes=carrier_changes,
        mtu=mtu,
        tx_frames=tx_frames,
        tx_dropped=tx_dropped,
        queue_drops=drops,
        queue_delays=delays,
        queue_length=length,
        backlog_drops=backlog_drops(),
    )


def _carrier(sock: socket.socket, name: str) -> bool:
    """The carrier as it is now; IFF_RUNNING follows up to a second later."""
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_GLINK, 0), 8)
    try:
        fcntl.ioctl(sock, _SIOCETHTOOL, struct.pack("16sP24x", name.encode(), ctypes.addressof(value)))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return True
    return bool(struct.unpack("=II", value.raw)[1])


def backlog_drops() -> int:
    """Frames dropped by full per-CPU input queues (net.core.netdev_max_backlog), on all CPUs."""
    lines = Path("/proc/net/softnet_stat").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1], 16) for line in lines)


def _link(index: int) -> tuple[int, int, int]:
    """Frames sent and dropped, and changes of the carrier (RTM_GETLINK). Raises: OSError when it is gone."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(5)
        body = _IFINFOMSG.pack(socket.AF_UNSPEC, 0, index, 0, 0)
        sock.send(_NLMSG.pack(_NLMSG.size + len(body), _RTM_GETLINK, _REQUEST, 1, 0) + body)
        answer = sock.recv(1 << 20)
    size, kind, _, _, _ = _NLMSG.unpack_from(answer)
    if kind != _RTM_NEWLINK:
        raise OSError(errno.ENODEV, "the interface is gone")
    told = dict(_attributes(answer[_NLMSG.size + _IFINFOMSG.size : size]))
    stats = _LINK_STATS64.unpack_from(told[_IFLA_STATS64])
    return stats[1], stats[7], int.from_bytes(told[_IFLA_CARRIER_CHANGES], sys.byteorder)


def _queue(index: int) -> tuple[int, int, int]:
    """Drops, delays and length of the queueing disciplines of an interface (RTM_GETQDISC)."""
    drops = delays = length = 0
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(5)
        body = _TCMSG.pack(socket.AF_UNSPEC, index, 0, 0, 0)
        sock.send(_NLMSG.pack(_NLMSG.size + len(body), _RTM_GETQDISC, _DUMP_REQUEST, 1, 0) + body)
        while True:
            answer = sock.recv(1 << 20)
            at = 0
            while at < len(answer):
                size, kind, _, _, _ = _NLMSG.unpack_from(answer, at)
                if kind != _RTM_NEWQDISC:  # the end of the dump, or an error
                    return drops, delays, length
                if _TCMSG.unpack_from(answer, at + _NLMSG.size)[1] == index:
                    found = _stats(answer[at + _NLMSG.size + _TCMSG.size : at + size])
                    drops, delays, length = drops + found[0], delays + found[1], length + found[2]
                at += _align(size)


def _stats(attributes: bytes) -> tuple[int, int, int]:
    for kind, value in _attributes(attributes):
        if kind == _TCA_STATS:
            _, _, drops, overlimits, _, _, length, _ = _TC_STATS.unpack_from(value)
            return drops, overlimits, length
    return 0, 0, 0


def _attributes(told: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and value of each attribute of a netlink message."""
    at = 0
    while at + _ATTRIBUTE.size <= len(told):
        size, kind = _ATTRIBUTE.unpack_from(told, at)
        yield kind, told[at + _ATTRIBUTE.size : at + size]
        at += _align(size)


def _align(size: int) -> int:
    return (size + 3) & ~3
