"""When frames are due. Pure arithmetic on the time since the start; nothing is sent here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Due", "Schedule"]


@dataclass(frozen=True)
class Due:
    """What to do now."""

    given_up: int
    """Frames that the catch-up bound forbids to send: too many have become due."""
    send: int
    """Frames to send at once."""
    late: int
    """How many of those are later than the bound of lateness."""


class Schedule:
    """A constant rate whose bursts are bounded.

    A sender that was off the CPU must not make up for it by a burst that the device under test never
    agreed to: of the frames that became due meanwhile, the last ``catch_up_s`` worth is sent, one frame
    at least, and the older ones are given up. So a stream never takes longer than intended.
    """

    def __init__(self, frames: int, rate_fps: float, *, catch_up_s: float, late_s: float) -> None:
        self.frames = frames
        self.passed = 0
        """Frames that were due so far, sent or given up."""
        self._per_ns = rate_fps / 1e9
        self._burst = max(1, int(rate_fps * catch_up_s))
        self._late_ns = late_s * 1e9

    @property
    def over(self) -> bool:
        """Whether the last frame has been due."""
        return self.passed >= self.frames

    @property
    def next_ns(self) -> int:
        """When the next frame is due, in ns since the start."""
        return int(self.passed / self._per_ns)

    def due(self, elapsed_ns: int) -> Due:
        """What became due up to ``elapsed_ns`` since the start. Asking takes it off the schedule."""
        reached = self._reached(elapsed_ns)
        waiting = max(0, reached - self.passed)
        send = min(waiting, self._burst)
        oldest = reached - send
        late = max(0, self._reached(elapsed_ns - self._late_ns) - oldest)
        self.passed += waiting
        return Due(waiting - send, send, min(late, send))

    def _reached(self, elapsed_ns: float) -> int:
        """Frames due up to a time; the first one is due at 0."""
        if elapsed_ns < 0:
            return 0
        # A frame whose time rounds to this nanosecond is due, or `next_ns` would never be reached.
        return min(self.frames, int((elapsed_ns + 1) * self._per_ns) + 1)
