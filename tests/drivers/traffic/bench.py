"""A throw-away bench: generator ports around a device, each in a namespace of its own, and a loop beside it."""

from __future__ import annotations

import ctypes
import os
import secrets
import subprocess
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pyroute2 import IPRoute, netns

from nfvcert.drivers.traffic.software import GeneratorPort

T = TypeVar("T")
SPEED_BPS = 10e9
JUMBO_MTU = 9000


def in_namespace(path: str, function: Callable[[], T]) -> T:
    """What a function returns that runs inside a network namespace (in a thread, which alone enters it)."""
    answers: list[T] = []

    def enter_and_call() -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            assert ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) == 0
        finally:
            os.close(descriptor)
        answers.append(function())

    thread = threading.Thread(target=enter_and_call)
    thread.start()
    thread.join()
    return answers[0]


class Bench:
    """``tg0`` … in namespaces of their own, each cabled to ``p0`` … of the device; ``loop0`` to ``loop1``.

    The device is a bridge, or a router with 198.18.N.1/24 at each port.
    """

    def __init__(self, ports: int = 3, *, router: bool = False) -> None:
        self._tag = f"nfvtest-{secrets.token_hex(3)}"
        self._namespaces: list[str] = []
        self._touched = False
        self.router = router
        try:
            self._namespace("dut")
            self.ports = dict(self._port(number) for number in range(ports))
            self.loop = self._loop()
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        for name in self._namespaces:
            netns.remove(name)

    def path(self, part: str) -> str:
        return f"/run/netns/{self._tag}-{part}"

    def device(self, command: str) -> str:
        """A command line inside the device; returns what it printed."""
        return self._run("dut", command)

    def do(self, part: str, command: str) -> None:
        """A command line in the namespace of a port."""
        self._run(part, command)

    def _run(self, part: str, command: str) -> str:
        self._touched = True
        line = ["nsenter", f"--net={self.path(part)}", "sh", "-ec", command]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def drop(self, rule: str) -> None:
        """Let the bridge drop the test frames that match an nft expression."""
        self.device(
            "nft add table bridge t;"
            " nft 'add chain bridge t c { type filter hook forward priority 0; }';"
            f" nft 'add rule bridge t c udp dport 9 {rule} drop'"
        )

    def set_link(self, part: str, interface: str, **values: Any) -> None:
        """Change an interface, like ``state="down"`` or ``mtu=1400``."""
        self._touched = True
        with IPRoute(netns=f"{self._tag}-{part}") as route:
            route.link("set", index=route.link_lookup(ifname=interface)[0], **values)

    def heal(self) -> None:
        """Undo what a test did to the device and to the ports, if it did anything."""
        if not self._touched:
            return
        mend = "ip link set {0} up mtu {1}; tc qdisc del dev {0} root 2>/dev/null || true; "
        far = "".join(mend.format(f"p{number}", JUMBO_MTU) for number in range(len(self.ports)))
        self._run("dut", f"nft flush ruleset; {far}")
        for name in self.ports:
            self._run(name, mend.format(name, JUMBO_MTU))
        self._touched = False

    def _namespace(self, part: str) -> None:
        name = f"{self._tag}-{part}"
        netns.create(name)
        self._namespaces.append(name)
        with IPRoute(netns=name) as route:
            if part == "dut" and not self.router:
                route.link("add", ifname="br0", kind="bridge")
                route.link("set", index=route.link_lookup(ifname="br0")[0], state="up")
        if part == "dut" and self.router:
            self.do(part, "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _cable(self, part: str, far: str, near: str, mac: str) -> str:
        """``far`` in the device's namespace, ``near`` (with a MAC address) in that of a part; returns far's MAC."""
        self._namespace(part)
        with IPRoute(netns=f"{self._tag}-dut") as route:
            peer = {"ifname": near, "address": mac, "mtu": JUMBO_MTU, "net_ns_fd": f"{self._tag}-{part}"}
            route.link("add", ifname=far, kind="veth", mtu=JUMBO_MTU, peer=peer)
            index = route.link_lookup(ifname=far)[0]
            bridge = route.link_lookup(ifname="br0")
            if bridge and far.startswith("p"):
                route.link("set", index=index, master=bridge[0])
            route.link("set", index=index, state="up")
            far_mac: str = route.get_links(index)[0].get("address")
        self.set_link(part, near, state="up")
        return far_mac

    def _port(self, number: int) -> tuple[str, GeneratorPort]:
        name, mac = f"tg{number}", f"02:00:00:00:00:{number:02x}"
        far_mac = self._cable(name, f"p{number}", name, mac)
        address = f"198.18.{number}.2/24" if self.router else None
        if self.router:
            self.device(f"ip address add 198.18.{number}.1/24 dev p{number}")
            self.do(name, f"ip address add {address} dev {name}; ip route add default via 198.18.{number}.1")
        next_hop = far_mac if self.router else None
        return name, GeneratorPort(name, name, self.path(name), mac, address, next_hop, SPEED_BPS)

    def _loop(self) -> tuple[GeneratorPort, GeneratorPort]:
        """Both ends of a cable that no device has a part in."""
        macs = "02:00:00:00:01:00", "02:00:00:00:01:01"
        for part in ("loop0", "loop1"):
            self._namespace(part)
        with IPRoute(netns=f"{self._tag}-loop0") as route:
            peer = {"ifname": "loop1", "address": macs[1], "net_ns_fd": f"{self._tag}-loop1"}
            route.link("add", ifname="loop0", address=macs[0], kind="veth", peer=peer)
        for part in ("loop0", "loop1"):
            self.set_link(part, part, state="up")
        one, other = (
            GeneratorPort(part, part, self.path(part), mac, None, None, SPEED_BPS)
            for part, mac in zip(("loop0", "loop1"), macs, strict=True)
        )
        return one, other
