"""What a lab can do, as protocols of five methods at most, and the data that cross them.

Rates are frames per second (fps in names, `pps` in documents), sizes are bytes of the Ethernet
frame with its FCS (RFC 2544 §9), times are seconds unless a name ends in `_us`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from nfvcert.lab import ControlProcess, Lab, StorageTarget

__all__ = [
    "Bmc",
    "Calibration",
    "Cloud",
    "CloudSession",
    "Completed",
    "LabAccess",
    "LatencySummary",
    "Shell",
    "Stream",
    "StreamResult",
    "TrafficGenerator",
    "Window",
]


@dataclass(frozen=True)
class Completed:
    """A command that ended on a host."""

    host: str
    command: str
    status: int
    stdout: str
    stderr: str
    seconds: float


@runtime_checkable
class Shell(Protocol):
    """Commands on one host."""

    host: str

    def run(self, command: str, *, timeout_s: float = 30.0, check: bool = True, stdin: str = "") -> Completed:
        """Run a command line and wait for its end.

        Raises: CommandTimeout after ``timeout_s``; CommandFailed when ``check`` and the status is
        not 0; Unreachable when the host does not answer; HostKeyMismatch.
        """
        ...

    def close(self) -> None:
        """Close the connection; the next `run` opens it again."""
        ...


@runtime_checkable
class Bmc(Protocol):
    """A host's management controller (BMC)."""

    def firmware(self) -> Mapping[str, str]:
        """Name → version: `bios`, `bmc`, `nic`, `disk-controller` where it tells them, and `inventory NAME`.

        Parts of one kind at several versions are all told, with ", " between them.
        Raises: Unreachable when it does not answer; LabError when it does not let us in, or speaks no Redfish.
        """
        ...

    def close(self) -> None:
        """Close the connection; the next question opens it again."""
        ...


@dataclass(frozen=True)
class Stream:
    """Frames to send from one port towards another at a constant rate."""

    tx: str
    rx: str
    frame_bytes: int
    """Ethernet frame with FCS: 64 … 9216."""
    rate_fps: float
    duration_s: float
    flows: int = 1
    """Number of distinct UDP source ports, taken in turn."""
    destination: Literal["unicast", "broadcast", "unknown"] = "unicast"
    """`unicast` to the MAC address of rx (or its router); `unknown`: a unicast address nobody has."""
    ip_version: Literal[4, 6] = 4
    """Of the UDP frames; not every generator sends both."""
    window_s: float | None = None
    """Length of the windows that the result is told by besides; None: as a whole only."""

    @property
    def frames(self) -> int:
        """Frames intended: rate times duration, one at least."""
        return max(1, round(self.rate_fps * self.duration_s))

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """First frame, and the one past the last, of each window; a rest of less than half of one is the last one's."""
        if self.window_s is None:
            return ()
        each = max(1, round(self.rate_fps * self.window_s))
        edges = [*range(0, self.frames - each // 2, each), self.frames]
        return tuple(itertools.pairwise(edges)) if len(edges) > 1 else ((0, self.frames),)


@dataclass(frozen=True)
class LatencySummary:
    """One-way latency of the received frames of one stream, in microseconds."""

    min_us: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    ipdv_p99_us: float | None
    """99th percentile of |latency(i) - latency(i-1)| (RFC 3393 inter-packet delay variation).

    None from a generator that keeps no latencies of single frames.
    """
    histogram: tuple[tuple[float, int], ...] = ()
    """(upper edge in µs, frames) of each non-empty bucket, edges growing."""


@dataclass(frozen=True)
class Window:
    """What became of the frames that were sent in one part of a stream's time."""

    start_s: float
    """Since the first frame of the stream was due."""
    seconds: float
    sent: int
    received: int
    longest_gap_s: float
    """Longest time at rx without a frame that ended in this window; of the first and the last window also that before
    the first frame, and after the last one."""
    latency: LatencySummary | None
    """None when no frame came, or none of them was timed."""
    invalid: tuple[str, ...]
    """Why the generator does not vouch for this window, though for others; empty when it does."""

    @property
    def lost(self) -> int:
        """Frames sent and not received."""
        return max(0, self.sent - self.received)


@dataclass(frozen=True)
class StreamResult:
    """What really happened to one stream. Intended = sent + unsent; lost = sent - received."""

    stream: Stream
    sent: int
    unsent: int
    """Frames that the generator could not send in time: never a loss of the device."""
    received: int
    """Distinct frames that arrived at rx."""
    duplicates: int
    reordered: int
    seconds: float
    """From the first to the last sent frame: the offered rate is computed from it."""
    longest_gap_s: float
    """Longest time at rx without a frame, between the first and the last one sent."""
    stray: Mapping[str, int] = field(default_factory=dict)
    """Frames of this stream that arrived at other ports than rx, by port."""
    latency: LatencySummary | None = None
    machine: Mapping[str, float] = field(default_factory=dict)
    """What is known of the generator's machine meanwhile, such as the share of its processors' time that was stolen."""
    invalid: tuple[str, ...] = ()
    """Why the generator does not vouch for this result; empty when it does."""
    suspect: bool = False
    """Whether the device may have caused one of these reasons, such as frames that arrived damaged."""
    windows: tuple[Window, ...] = ()
    """One after the other, of all that was sent; empty where the stream asks for none. What was wrong in a few of them
    only is told there, and not in `invalid`."""
    window_error: int = 0
    """Of so many lost frames it is not known in which window they were lost."""

    @property
    def lost(self) -> int:
        """Frames sent and not received."""
        return max(0, self.sent - self.received)

    @property
    def loss_ratio(self) -> float:
        """lost / sent (RFC 2544 §26.3), 0…1."""
        return self.lost / self.sent if self.sent else 0.0

    @property
    def offered_fps(self) -> float:
        """Rate really offered."""
        return (self.sent - 1) / self.seconds if self.seconds > 0 and self.sent > 1 else 0.0

    @property
    def received_fps(self) -> float:
        """Rate really forwarded: the offered rate less the lost share."""
        return self.offered_fps * (1 - self.loss_ratio)


@dataclass(frozen=True)
class Calibration:
    """What the generator can do on a loop without the device, measured before it is trusted."""

    generator: str
    ceiling_fps: Mapping[int, float]
    """Frame size in bytes → highest rate that it sent and received whole, in fps."""
    latency_p50_us: float
    """Its own share of each latency."""
    latency_p99_us: float
    problems: tuple[str, ...] = ()
    """Why it cannot be trusted; empty when it can."""
    numbered_fps: float = math.inf
    """Up to which rate of a stream each frame is numbered; of faster ones only some, whose order says little."""
    times_each_frame: bool = True
    """Whether it keeps the latency of each frame, and so knows delay variation (`LatencySummary.ipdv_p99_us`)."""


@runtime_checkable
class TrafficGenerator(Protocol):
    """Sends numbered, time-stamped frames through the device and counts what comes back."""

    def describe(self) -> tuple[str, ...]:
        """What it is and in which state, in lines for people. Nothing is sent, and nobody is disturbed.

        Raises: Unreachable when it does not answer; LabError otherwise.
        """
        ...

    def calibrate(self) -> Calibration:
        """Self-test on a loop without the device (done once, then remembered)."""
        ...

    def run(self, streams: Sequence[Stream], *, during: Callable[[], None] | None = None) -> tuple[StreamResult, ...]:
        """Run streams side by side and return one result for each, in order.

        ``during`` is called once, in the calling thread, as soon as the frames flow.
        A result that cannot be trusted carries its reasons in ``invalid``; nothing is repeated here.
        Raises: Unreachable when a port is gone; LabError otherwise.
        """
        ...

    def close(self) -> None:
        """Stop its processes."""
        ...


class CloudSession(Protocol):
    """What one user does in a cloud under test. All that it makes is deleted when its test ends, the last first."""

    sdk: Any
    """openstacksdk's connection (`openstack.connection.Connection`)."""
    project_id: str
    """Of a session that `project` made; empty for the administrator's."""
    user_id: str
    password: str
    short_name: str
    """How short names begin of what a foreign suite makes for the test's run."""

    @property
    def control_plane(self) -> Mapping[str, ControlProcess]:
        """Service → where its processes are, and how they are found."""
        ...

    @property
    def upgrade_checks(self) -> Mapping[str, str]:
        """Service → the command that checks its upgrade, on a host of role controller."""
        ...

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """What a command of this machine begins with that is to reach the cloud; empty: every one does."""
        ...

    def name(self) -> str:
        """A name that nothing else has, which tells whose it is."""
        ...

    def create(self, kind: str, *, timeout_s: float | None = None, **attributes: Any) -> Any:
        """Make a resource, such as `compute.server`, and wait until it can be used. Raises ApiFault, ValueError."""
        ...

    def track(self, kind: str, made: Any) -> Any:
        """Let something that was made through ``sdk`` be deleted with the rest."""
        ...

    def wait(self, resource: Any, status: str, *, timeout_s: float | None = None) -> Any:
        """Wait for a status of a resource that this session made. Raises ApiFault with the fault that the API tells."""
        ...

    def delete(self, resource: Any, *, timeout_s: float | None = None) -> None:
        """Delete what this session made, and wait until it is gone. Raises ApiFault."""
        ...

    def refuses(self, action: Callable[[], Any], *statuses: int) -> bool:
        """Whether the API says no to an action: status 403 or 404, or one of ``statuses``; other errors stay errors."""
        ...

    def project(self, *roles: str) -> CloudSession:
        """The session of a new user in a new project, with roles in it (default: member). Raises ApiFault."""
        ...

    def close(self) -> None:
        """Delete all that was made. Raises ApiFault that names what could not be deleted."""
        ...


@runtime_checkable
class Cloud(Protocol):
    """An OpenStack cloud, as the administrator that clouds.yaml names."""

    name: str

    def check(self) -> None:
        """See that it lets us in. Raises LabError."""
        ...

    def session(self, run: str, what: str, *, ready_s: float = ...) -> CloudSession:
        """What one test does; both are part of the names of all that it makes. Raises LabError.

        ``ready_s``: how long what it makes may take to be ready to use.
        """
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


@runtime_checkable
class LabAccess(Protocol):
    """A lab that is up: the ways into it."""

    lab: Lab
    created: bool
    """Whether it was made by opening it; who made it takes it down (`access.take_down`)."""

    def shell(self, host: str) -> Shell:
        """The shell of a host of the inventory. Raises LookupError for an unknown host."""
        ...

    def bmc(self, host: str) -> Bmc:
        """The management controller of a host. Raises LookupError for an unknown host, LabError where it has none."""
        ...

    def storage(self, host: str) -> Mapping[str, StorageTarget]:
        """The storage targets of a host, ready to be written over; the disks of an embedded one are made.

        Raises LookupError for an unknown host, LabError where it has none.
        """
        ...

    def cloud(self, tell: Callable[[str], None] = ...) -> Cloud:
        """The lab's cloud; an embedded one is started, as ``tell`` is told. Raises LabError where there is none."""
        ...

    def generator(self) -> TrafficGenerator:
        """The lab's traffic generator. Raises LabError where the lab has none."""
        ...

    def close(self) -> None:
        """Close connections and generator. The lab itself stays as it is."""
        ...
