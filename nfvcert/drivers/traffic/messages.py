"""What the generator and the worker of a port say to each other.

A worker begins with Opened. A run is Prepare → Ready, then Go → Flowing, Done for ports that send, then
Finish → Report for all. Failed may come instead of any answer.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nfvcert.drivers.traffic.interface import InterfaceState
from nfvcert.drivers.traffic.machine import MachineState

__all__ = [
    "Done",
    "Expected",
    "Failed",
    "Finish",
    "Flowing",
    "Go",
    "Opened",
    "Order",
    "Pause",
    "Prepare",
    "Ready",
    "Report",
    "Seen",
    "Sent",
    "understood",
]

_ARRAYS = frozenset({"_reconstruct", "_frombuffer", "ndarray", "dtype", "scalar"})
"""What numpy's arrays and numbers are pickled as."""
_STATES = frozenset((state.__module__, state.__name__) for state in (InterfaceState, MachineState))


@dataclass(frozen=True)
class Opened:
    """The sockets of the port are open."""


@dataclass(frozen=True)
class Expected:
    """A stream of the run, as the receiving side of each port must know it."""

    index: int
    frames: int
    length: int
    """Bytes of each frame, without FCS. A frame of another length is not the one that was sent."""
    here: bool
    """Whether this port is its rx; elsewhere its frames are strays."""
    windows: tuple[tuple[int, int], ...]
    """First sequence number, and the one past the last, of each window."""


@dataclass(frozen=True)
class Prepare:
    """Forget earlier frames, listen for these streams, and send the learning frames."""

    run: int
    expected: tuple[Expected, ...]
    learning: tuple[bytes, ...]
    keep_awake: bool
    """Whether this worker keeps the machine's processors awake until the report: one of a crew does."""


@dataclass(frozen=True)
class Ready:
    """Listening."""

    state: InterfaceState
    at_ns: int
    """CLOCK_MONOTONIC there."""
    machine: MachineState


@dataclass(frozen=True)
class Order:
    """A stream to send."""

    index: int
    frames: int
    rate_fps: float
    template: bytes
    flows: int


@dataclass(frozen=True)
class Go:
    """Send, from ``start_ns`` (CLOCK_MONOTONIC) on."""

    start_ns: int
    orders: tuple[Order, ...]
    catch_up_s: float
    late_s: float


@dataclass(frozen=True)
class Flowing:
    """The first frames have left."""


@dataclass(frozen=True)
class Pause:
    """A time without a frame, since the sender was held up."""

    before: int
    """Sequence number of the frame that ended it."""
    ns: int
    given_up: int
    """Frames that were due and will not be sent."""


@dataclass(frozen=True)
class Sent:
    """What became of an order. Frames = handed + refused + blocked + given_up."""

    index: int
    handed: int
    """Frames that the kernel took."""
    refused: int
    """ENOBUFS: dropped by the port's own queue, or (veth) by the port at the far end of the cable."""
    blocked: int
    """Frames that the kernel did not take: interface down, frame above the MTU, socket buffer full."""
    given_up: int
    """Frames beyond the catch-up bound."""
    late: int
    first_ns: int
    last_ns: int
    """When the first and the last frame was handed over or refused (CLOCK_REALTIME)."""
    pauses: tuple[Pause, ...]
    """Between two of those: all that cost frames, or were longer than some milliseconds beyond the frames' spacing."""
    bunches: tuple[tuple[int, int], ...]
    """Sequence numbers, first and past the last, of frames that left in or just after a burst: the sender had been
    held up."""
    errors: tuple[str, ...]
    """Errors behind ``blocked``, in the kernel's words."""


@dataclass(frozen=True)
class Done:
    """All orders have ended."""

    sent: tuple[Sent, ...]
    state: InterfaceState


@dataclass(frozen=True)
class Finish:
    """Wait until no frame has come for ``quiet_s``, ``most_s`` at most, and report.

    Where the end of a stream has not come at all, it may be held back whole: then ``most_s`` are waited for it.
    """

    quiet_s: float
    most_s: float
    ends: tuple[tuple[int, int], ...]
    """Stream, and a sequence number close to its end: while no later one has come, its end has not."""


@dataclass(frozen=True)
class Seen:
    """What a port saw of a stream."""

    index: int
    arrived: int
    """Frames, repeated ones included."""
    duplicates: int = 0
    reordered: int = 0
    first_ns: int = 0
    last_ns: int = 0
    longest_ns: int = 0
    """Longest time between two arrivals."""
    latency_us: npt.NDArray[np.float32] | None = None
    """By sequence number; NaN where no frame arrived. None for strays."""
    longest_by_window_ns: tuple[int, ...] = ()
    """As ``longest_ns``, of the times that ended with a frame of each window."""


@dataclass(frozen=True)
class Report:
    """What a port saw in a run, and how it fared itself."""

    seen: tuple[Seen, ...]
    socket_drops: int
    """Frames that the worker's own socket had no room for."""
    went_down: bool
    """Whether the interface was set down (administratively) at any time."""
    clock_step_s: float
    """How far CLOCK_REALTIME moved against CLOCK_MONOTONIC."""
    state: InterfaceState
    machine: MachineState


@dataclass(frozen=True)
class Failed:
    """The worker cannot go on."""

    kind: Literal["gone", "forbidden", "unsuitable"]
    sentence: str


class _Messages(pickle.Unpickler):
    """Takes nothing but messages: a worker may run on a host that is not ours."""

    def find_class(self, module: str, name: str) -> Any:
        if (
            (module == __name__ and name in __all__)
            or (module, name) in _STATES
            or (module.partition(".")[0] == "numpy" and name in _ARRAYS)
        ):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"a worker said {module}.{name}, which is no message")


def understood(said: bytes) -> object:
    """A message of a worker. Raises: pickle.UnpicklingError for anything else."""
    return _Messages(io.BytesIO(said)).load()
