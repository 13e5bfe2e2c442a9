"""When frames are due. Pure arithmetic on the time since the start; nothing is sent here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Due", "Schedule"]


_AT_ONCE = 64
"""After so many frames the clock is looked at again."""
_HELD_UP_NS = 1e6
_BUNCH = 4
"""So many frames, the first of them so late, are a burst that a device with a small buffer may not bear."""
_AFTER_NS = 20e6
"""How long after it the buffer may still be full."""


@dataclass(frozen=True)
class Due:
    """What to do now."""

    given_up: int
    """Frames that the catch-up bound forbids to send: too many have become due."""
    send: int
    """Frames to send at once."""
    late: int
    """How many of those are later than the bound of lateness."""
    bunched: bool
    """Whether they are more than should leave at once, since the sender was held up."""


class Schedule:
    """A constant rate whose bursts are bounded.

    A sender that was off the CPU must not make up for it by a burst that the device under test never
    agreed to. What became due more than ``catch_up_s`` ago is given up, all but one frame. So a burst is
    this much of the stream at most, and a stream ends on time.
    """

    def __init__(self, frames: int, rate_fps: float, *, catch_up_s: float, late_s: float) -> None:
        self.frames = frames
        self.passed = 0
        """Frames that were sent or given up so far."""
        self._per_ns = rate_fps / 1e9
        self._catch_up_ns = catch_up_s * 1e9
        self._late_ns = late_s * 1e9

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.passed >= self.frames

    @property
    def next_ns(self) -> int:
        """When the next frame is due, in ns since the start."""
        return int(self.passed / self._per_ns)

    def due(self, elapsed_ns: int) -> Due:
        """What to do at ``elapsed_ns`` since the start. Asking takes it off the schedule."""
        waiting = self._reached(elapsed_ns) - self.passed
        too_old = self._reached(elapsed_ns - self._catch_up_ns) - self.passed
        given_up = max(0, min(too_old, waiting - 1))
        send = min(waiting - given_up, _AT_ONCE)
        first = self.passed + given_up
        late = min(send, max(0, self._reached(elapsed_ns - self._late_ns) - first))
        held_up = self._reached(elapsed_ns - _HELD_UP_NS) > self.passed
        self.passed = first + send
        return Due(given_up, send, late, bunched=held_up and waiting >= _BUNCH)

    @property
    def aftermath(self) -> int:
        """Frames that leave in the time that a burst may take to be digested."""
        return int(_AFTER_NS * self._per_ns)

    def _reached(self, elapsed_ns: float) -> int:
        """Frames due up to a time; the first one is due at 0."""
        if elapsed_ns < 0:
            return 0
        # A frame whose time rounds to this nanosecond is due, or `next_ns` would never be reached.
        return min(self.frames, int((elapsed_ns + 1) * self._per_ns) + 1)
