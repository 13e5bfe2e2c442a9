"""Plain frames through a lab, by AF_PACKET sockets: small, slow and easy to believe."""

from __future__ import annotations

import errno
import itertools
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Thread

from nfvcert.embedded import EmbeddedLab, EmbeddedPort
from nfvcert.embedded.namespaces import in_namespace

MAGIC = b"nfvcert-embedded"
HEADERS = 14 + 20 + 8
BROADCAST = "ff:ff:ff:ff:ff:ff"


@dataclass
class Seen:
    """What one port saw of a stream."""

    at: list[tuple[float, int]] = field(default_factory=list)
    """(time in s, frame number) in the order of arrival."""

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.at]

    @property
    def distinct(self) -> int:
        return len(set(self.numbers))


@dataclass
class Run:
    sent: list[float]
    seen: dict[str, Seen]

    def lost(self, port: str) -> int:
        return len(self.sent) - self.seen[port].distinct

    def outage_s(self, port: str) -> float:
        """The longest time between two arrivals that follow each other."""
        times = [at for at, _ in self.seen[port].at]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=float("inf"))


def raw_socket(port: EmbeddedPort) -> socket.socket:
    def make() -> socket.socket:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        raw.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        raw.bind((port.interface, 0x0003))
        return raw

    return in_namespace(port.namespace, make)


def frame(
    tx: EmbeddedPort, rx: EmbeddedPort, number: int, *, length: int = 128, destination: str = "", flows: int = 1
) -> bytes:
    """An Ethernet frame of ``length`` bytes without FCS: IPv4, UDP of one of so many flows, a mark and the number."""
    source_ip = (tx.address or "198.18.0.1/24").partition("/")[0]
    target_ip = (rx.address or "198.18.0.2/24").partition("/")[0]
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        length - 14,
        0,
        0x4000,
        64,
        17,
        0,
        socket.inet_aton(source_ip),
        socket.inet_aton(target_ip),
    )
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
    udp = struct.pack("!HHHH", 7000 + number % flows, 7001, length - 34, 0)
    mac = bytes.fromhex((destination or tx.next_hop_mac(rx)).replace(":", ""))
    ethernet = mac + bytes.fromhex(tx.mac.replace(":", "")) + b"\x08\x00"
    return (ethernet + head + udp + MAGIC + struct.pack("!I", number)).ljust(length, b"\0")


def run(
    lab: EmbeddedLab,
    tx: str,
    rx: str,
    *,
    frames: int = 200,
    fps: float = 2000.0,
    length: int = 128,
    destination: str = "",
    flows: int = 1,
    during: Callable[[], None] | None = None,
    listen: Sequence[str] = (),
    settle_s: float = 0.06,
) -> Run:
    """Send numbered frames from one port to another; listen at that and at all other ports (or ``listen``)."""
    ports = dict(lab.ports) | {port.name: port for port in lab.loop}
    listening = {
        name: raw_socket(ports[name]) for name in {rx, *(listen or [name for name in lab.ports if name != tx])}
    }
    seen = {name: Seen() for name in sorted(listening)}
    done: list[float] = []

    def receive() -> None:
        by_socket = {raw: seen[name] for name, raw in listening.items()}
        while not done or time.monotonic() < done[0] + settle_s:
            for raw in select.select(list(by_socket), [], [], 0.01)[0]:
                data, (_, _, kind, *_) = raw.recvfrom(65535)
                if kind != socket.PACKET_OUTGOING and data[HEADERS : HEADERS + 16] == MAGIC:
                    by_socket[raw].at.append((time.monotonic(), struct.unpack_from("!I", data, HEADERS + 16)[0]))

    receiver = Thread(target=receive)
    worker = Thread(target=during or (lambda: None))
    receiver.start()
    worker.start()
    try:
        sent = _send(
            ports[tx],
            [
                frame(ports[tx], ports[rx], n, length=length, destination=destination, flows=flows)
                for n in range(frames)
            ],
            fps,
        )
    finally:
        worker.join()
        done.append(time.monotonic())
        receiver.join()
        for raw in listening.values():
            raw.close()
    return Run(sent, seen)


def _send(port: EmbeddedPort, frames: Sequence[bytes], fps: float) -> list[float]:
    sent = []
    with raw_socket(port) as sender:
        begin = time.monotonic()
        for number, each in enumerate(frames):
            due = begin + number / fps
            while (now := time.monotonic()) < due:
                time.sleep(min(due - now, 0.0005))
            try:
                sender.send(each)
            except OSError as error:  # a veth tells its sender that the other end took no frame
                if error.errno != errno.ENOBUFS:
                    raise
            sent.append(time.monotonic())
    return sent


def introduce(lab: EmbeddedLab) -> None:
    """Let the device learn where every port is: a frame from each to all."""
    for port in lab.ports.values():
        with raw_socket(port) as raw:
            raw.send(frame(port, port, 0, destination=BROADCAST))
    time.sleep(0.05)
