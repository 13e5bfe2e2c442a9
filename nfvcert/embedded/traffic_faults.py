"""What can happen to frames on their way: in the device, which is certified, or in the generator, which is not.

Of the device: `loss` (always, of one frame size, or after so much traffic), `rate-cap`, `duplicates`, `flow-table`,
`late-frames`, `latency-spikes`, `slow-recovery`. Of the generator: `slow-generator`, `lying-generator`,
`starved-generator`, `clock-jumps`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import ClassVar

from nfvcert.embedded import delay_line, processor_thief
from nfvcert.embedded.fault import Fault
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.nftables import nft, remove_table
from nfvcert.embedded.programs import environment
from nfvcert.embedded.sites import Sites
from nfvcert.embedded.wiring import cable
from nfvcert.errors import LabError

__all__ = [
    "TRAFFIC_FAULTS",
    "ClockJumps",
    "Duplicates",
    "FlowTable",
    "LateFrames",
    "LatencySpikes",
    "Loss",
    "LyingGenerator",
    "RateCap",
    "SlowGenerator",
    "SlowRecovery",
    "StarvedGenerator",
    "known_port",
    "may_set_clock",
]

FCS_BYTES = 4
MTU = 9200
LATE = ("late0", "late1")
"""The cable by which frames get into the delay line."""


def known_port(sites: Sites, port: str) -> str:
    """The host that a port is plugged into."""
    traffic = sites.lab.traffic
    if traffic is None or port not in traffic.ports:
        raise LookupError(
            f"lab {sites.lab.lab} has no port {port!r} (it has {', '.join(traffic.ports) if traffic else 'none'})"
        )
    return traffic.ports[port].attached_to


@dataclass
class _AtEgress(Fault):
    """Base of faults that happen to frames as they leave the device towards ports of the generator.

    The hook is at the transmission of an interface (netdev egress), since that is where the frames of all
    kinds of device pass: Open vSwitch's userspace reads and writes packet sockets, behind other hooks.
    A frame to lose is sent to the loopback, where it is nobody's: `drop` would tell Open vSwitch of an
    error, and it would send the frame again.
    """

    name: ClassVar[str]

    towards: str | None = None
    """The generator's port; None: all of them."""

    @property
    def rule(self) -> str:
        """What happens to a frame that leaves, as rules of nftables; ``{port}`` stands for the interface."""
        raise NotImplementedError

    @property
    def known(self) -> str:
        """What the rules look at, such as a set, as a declaration of nftables; ``{port}`` as in `rule`."""
        return ""

    def check(self, sites: Sites) -> None:
        """The port must be there."""
        if self.towards is not None:
            known_port(sites, self.towards)

    def seed(self, sites: Sites) -> None:
        """Add a table of rules in each switch or router that has such a port."""
        for host in sites.devices():
            ports = [port for port in sites.ports_of(host) if self.towards in {None, port}]
            if ports:
                nft(sites.hosts[host].path, self._rules(ports))

    def _rules(self, ports: Iterable[str]) -> str:
        chains = "".join(
            f"{self.known.format(port=port)}\n"
            f'chain {port} {{ type filter hook egress device "{port}" priority 0; {self.rule.format(port=port)}; }}\n'
            for port in ports
        )
        return f"table netdev {self._table} {{\n{chains}}}\n"

    def clear(self, sites: Sites) -> None:
        """Remove the tables."""
        for host in sites.devices():
            remove_table(sites.hosts[host].path, "netdev", self._table)

    @property
    def _table(self) -> str:
        return f"nfvcert-{self.name}"


@dataclass
class Loss(_AtEgress):
    """The device loses every Nth frame, exactly. With ``towards``, in one direction only."""

    name = "loss"

    one_in: int = 10
    frame_bytes: int | None = None
    """Of this size, with its FCS; None: of all."""
    after_bytes: int = 0
    """Once it has forwarded so much without any loss (without FCS), as a device does that runs out of something."""

    @property
    def rule(self) -> str:
        """Counts frames, and drops one of ``one_in``."""
        sized = f"meta length {self.frame_bytes - FCS_BYTES} " if self.frame_bytes else ""
        worn = f"quota over {self.after_bytes} bytes " if self.after_bytes else ""
        return f'{sized}{worn}numgen inc mod {self.one_in} == 0 fwd to "lo"'


@dataclass
class RateCap(_AtEgress):
    """The device forwards no more than a rate, to each port; what exceeds it is lost."""

    name = "rate-cap"

    fps: int = 1000
    burst: int = 50
    """How many frames it lets through at once."""

    @property
    def rule(self) -> str:
        """A token bucket."""
        return f'limit rate over {self.fps}/second burst {self.burst} packets fwd to "lo"'


@dataclass
class Duplicates(_AtEgress):
    """The device sends every Nth frame twice."""

    name = "duplicates"

    one_in: int = 10

    @property
    def rule(self) -> str:
        """Sends a copy to the same port; the mark keeps the copy from being copied."""
        mark = delay_line.MARK
        return f'meta mark != {mark} numgen inc mod {self.one_in} == 0 meta mark set {mark} dup to "{{port}}"'


@dataclass
class SlowRecovery(_AtEgress):
    """The device loses every other frame, or fewer, from an overload until some time after it, towards each port."""

    name = "slow-recovery"

    fps: int = 10_000
    """What it bears."""
    one_in: int = 2
    """How many of the frames it loses."""
    for_s: float = 0.6
    """How long an overload has an effect."""

    @property
    def known(self) -> str:
        """What is remembered of an overload: the kind of frame, which is forgotten in time."""
        return "set overloaded-{port} {{ type ether_type; flags dynamic,timeout; }}"

    @property
    def rule(self) -> str:
        """A token bucket that remembers instead of dropping."""
        limit = f"limit rate over {self.fps}/second burst 50 packets"
        remember = f"update @overloaded-{{port}} {{{{ ether type timeout {self.for_s * 1e3:.0f}ms }}}}"
        return f'{limit} {remember}; ether type @overloaded-{{port}} numgen inc mod {self.one_in} == 0 fwd to "lo"'


@dataclass
class FlowTable(_AtEgress):
    """The device knows so many flows (UDP source ports), towards each port; it loses the frames of any further one."""

    name = "flow-table"

    flows: int = 1000

    @property
    def known(self) -> str:
        """The table."""
        return f"set known-{{port}} {{{{ type inet_service; size {self.flows}; flags dynamic; }}}}"

    @property
    def rule(self) -> str:
        """A flow that does not fit in stops the rule that would let it go, and comes to the next one."""
        return 'meta l4proto != udp return; update @known-{port} {{ udp sport }} return; fwd to "lo"'


@dataclass
class LateFrames(_AtEgress):
    """The device keeps some frames back: latency with two modes, and another order."""

    name = "late-frames"

    towards: str = "tg1"
    frames: int = 3
    """So many of each ``of`` frames."""
    of: int = 10
    above_fps: int | None = None
    """If not None: instead, those that exceed this rate."""
    late_s: float = 0.04
    latest_s: float = field(default=0.0, init=False)
    """How late the latest frame really was, once it is over: on a busy machine later than asked for."""
    _line: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def rule(self) -> str:
        """Into the delay line with them, but for those that come from there."""
        which = f"numgen inc mod {self.of} < {self.frames}"
        if self.above_fps is not None:
            which = f"limit rate over {self.above_fps}/second burst 20 packets"
        return f'meta mark != {delay_line.MARK} {which} fwd to "{LATE[0]}"'

    def seed(self, sites: Sites) -> None:
        """Lay a cable to the delay line, start it, and send frames there."""
        self._lay(sites)
        super().seed(sites)

    def _lay(self, sites: Sites) -> None:
        site = sites.hosts[known_port(sites, self.towards)]
        cable(site, LATE[0], site, LATE[1], a_mtu=MTU, b_mtu=MTU)
        asked = [sys.executable, delay_line.__file__, LATE[1], self.towards, str(self.late_s)]
        self._line = in_namespace(
            site.path, lambda: subprocess.Popen(asked, stdout=subprocess.PIPE, env=environment(), cwd="/")
        )
        assert self._line.stdout is not None
        if not self._line.stdout.readline():
            raise LabError("the delay line does not start", what=self.towards)

    def stop(self) -> None:
        """End the delay line; what is still to come out of it is lost."""
        if self._line:
            self._line.kill()
            told, _ = self._line.communicate()
            self.latest_s = float((told.split() or [b"0"])[-1])

    def clear(self, sites: Sites) -> None:
        """Send no frames there any more."""
        super().clear(sites)
        sites.hosts[known_port(sites, self.towards)].remove(LATE[0])


@dataclass
class LatencySpikes(LateFrames):
    """Now and then the device keeps all frames back for a moment."""

    name = "latency-spikes"

    frames: int = 1
    of: int = 1
    late_s: float = 0.4
    every_s: float = 10.0
    for_s: float = 0.05
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def seed(self, sites: Sites) -> None:
        """Start to send frames to the delay line for a moment, again and again, in a thread."""
        self._lay(sites)
        host = sites.hosts[known_port(sites, self.towards)].path
        self._stop.clear()
        self._thread = Thread(target=self._spike, args=(host,), name="latency spikes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more of them, and no delay line."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        super().stop()

    def _spike(self, host: str) -> None:
        while not self._stop.wait(self.every_s - self.for_s):
            nft(host, self._rules([self.towards]))
            self._stop.wait(self.for_s)
            remove_table(host, "netdev", self._table)


@dataclass
class SlowGenerator(Fault):
    """A port of the generator itself sends no faster than a rate, in bit/s: a fault of the lab."""

    name: ClassVar[str] = "slow-generator"

    port: str = "tg0"
    bits_per_s: int = 100_000

    def check(self, sites: Sites) -> None:
        """The port must be there."""
        known_port(sites, self.port)

    def seed(self, sites: Sites) -> None:
        """Put a token bucket (TBF) before its interface; a socket that bypasses queues bypasses it."""
        rate = f"{self.bits_per_s}bit"
        sites.generator.queue(self.port, "tbf", rate=rate, burst=3000, latency="50ms")

    def clear(self, sites: Sites) -> None:
        """Remove it."""
        sites.generator.unqueue(self.port)


@dataclass
class LyingGenerator(Fault):
    """A port of the generator loses every Nth frame, after it was counted as sent: a fault of the lab."""

    name: ClassVar[str] = "lying-generator"

    port: str = "tg0"
    one_in: int = 10

    def check(self, sites: Sites) -> None:
        """The port must be there."""
        known_port(sites, self.port)

    def seed(self, sites: Sites) -> None:
        """Take them away between socket and cable."""
        rule = f'numgen inc mod {self.one_in} == 0 fwd to "lo"'
        chain = f'chain {self.port} {{ type filter hook egress device "{self.port}" priority 0; {rule}; }}'
        nft(sites.generator.path, f"table netdev nfvcert-{self.name} {{\n{chain}\n}}\n")

    def clear(self, sites: Sites) -> None:
        """Let them go."""
        remove_table(sites.generator.path, "netdev", f"nfvcert-{self.name}")


@dataclass
class StarvedGenerator(Fault):
    """Something on the measuring host takes its processors for a moment, again and again: a fault of the lab."""

    name: ClassVar[str] = "starved-generator"

    busy_s: float = 0.06
    every_s: float = 0.25
    _thieves: list[subprocess.Popen[bytes]] = field(default_factory=list, init=False)

    def seed(self, sites: Sites) -> None:
        """Start one on each processor."""
        del sites
        for processor in sorted(os.sched_getaffinity(0)):
            asked = [sys.executable, processor_thief.__file__, str(processor), str(self.busy_s), str(self.every_s)]
            self._thieves.append(subprocess.Popen(asked, env=environment(), cwd="/"))

    def stop(self) -> None:
        """End them."""
        for thief in self._thieves:
            thief.kill()
            thief.wait()
        self._thieves.clear()

    def clear(self, sites: Sites) -> None:
        """Nothing of it was in the lab."""


@dataclass
class ClockJumps(Fault):
    """The clock of the measuring host is set forth, again and again: a fault of the lab.

    It is this machine's own clock, for there is no other; it is set back in the end.
    """

    name: ClassVar[str] = "clock-jumps"

    step_s: float = 0.02
    every_s: float = 0.3
    _stop: Event = field(default_factory=Event, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def check(self, sites: Sites) -> None:
        """It must be ours to set."""
        del sites
        if not may_set_clock():
            raise LabError("nobody but the administrator may set this machine's clock", what="clock")

    def seed(self, sites: Sites) -> None:
        """Start to set it, in a thread."""
        del sites
        self._stop.clear()
        self._thread = Thread(target=self._jump, name="clock jumps", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave it as it would be."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def clear(self, sites: Sites) -> None:
        """Nothing of it was in the lab."""

    def _jump(self) -> None:
        steps = 0
        while not self._stop.wait(self.every_s):
            _set_clock(self.step_s)
            steps += 1
        _set_clock(-self.step_s * steps)


def may_set_clock() -> bool:
    """Whether this process may set the machine's clock."""
    try:
        _set_clock(0.0)
    except PermissionError:
        return False
    return True


def _set_clock(by_s: float) -> None:
    time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME) + round(by_s * 1e9))


TRAFFIC_FAULTS: tuple[type[Fault], ...] = (
    Loss,
    RateCap,
    Duplicates,
    FlowTable,
    LateFrames,
    LatencySpikes,
    SlowRecovery,
    SlowGenerator,
    LyingGenerator,
    StarvedGenerator,
    ClockJumps,
)
