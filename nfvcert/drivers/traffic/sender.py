"""The sending side of a port: numbered and time-stamped frames at a constant rate.

One `send` a frame, not one `sendmmsg` a batch: each frame carries the time at which it really left. It costs
less than half of the ceiling (400 against 750 thousand frames a second into a bare veth), of which the links
of a software lab use a tenth.
PACKET_QDISC_BYPASS is not used: a queue that slows our port must be felt, and found out (`interface`).
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence

from nfvcert.drivers.traffic.frames import FIRST_FLOW_PORT, FLOW, FLOW_OFFSET, STAMP, STAMP_OFFSET
from nfvcert.drivers.traffic.messages import Go, Order, Pause, Sent
from nfvcert.drivers.traffic.pacing import Schedule

__all__ = ["PortGoneError", "open_sender", "send_all"]

_SO_SNDBUFFORCE = 32
_ENOUGH_FOR_ANY_DEVICE = 1 << 29
_GONE = (errno.ENXIO, errno.ENODEV)
_LOOK_EVERY_NS = 2_000_000
_REST_SHARE = 0.06
"""Of all time; the kernel throttles real-time processes beyond 95 % (sched_rt_runtime_us)."""
_PAUSE_NS = 5_000_000
"""A time without a frame is told from here on; besides, the spacing of two frames."""
_NAP_NS = 20_000
"""Shorter sleeps let nobody else run."""


class PortGoneError(Exception):
    """The interface no longer exists."""


def open_sender(interface: str) -> socket.socket:
    """A socket that sends frames out of an interface and receives none. Raises: OSError."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        sock.bind((interface, 0))
        # On a veth, frames that wait in a queue of the device are still charged to this socket. With a
        # small buffer we would blame ourselves (EAGAIN) for the device's queue. An ordinary user in a user
        # namespace gets no more than net.core.wmem_max: what does not fit is told as unsent, never as lost.
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _ENOUGH_FOR_ANY_DEVICE)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ENOUGH_FOR_ANY_DEVICE)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class _Rest:
    """Sleep between frames, and more when there was too little of it.

    The worker runs ahead of all ordinary processes, and takes turns with other workers only when it sleeps.
    A stream at the limit of the machine would starve them, until the kernel throttles us: for 50 ms at a
    time, which is far worse than to rest for a tenth of a millisecond now and then.
    """

    def __init__(self) -> None:
        self._slept_ns = 0
        self._taken_at_ns = 0

    def until(self, time_ns: int) -> None:
        """Sleep until a time of CLOCK_MONOTONIC."""
        wait = time_ns - time.monotonic_ns()
        if wait > 0:
            time.sleep(wait / 1e9)
            self._slept_ns += wait if wait >= _NAP_NS else 0

    def take(self, now_ns: int) -> None:
        """Sleep what is missing since the last call. Only naps of a useful length were counted."""
        missing = (now_ns - self._taken_at_ns) * _REST_SHARE - self._slept_ns
        if missing > 0:
            time.sleep(missing / 1e9)
        self._slept_ns, self._taken_at_ns = 0, now_ns


class _Outgoing:
    """One stream on its way out."""

    def __init__(self, sock: socket.socket, order: Order, go: Go) -> None:
        self.schedule = Schedule(order.frames, order.rate_fps, catch_up_s=go.catch_up_s, late_s=go.late_s)
        self._order = order
        self._send = sock.send
        self._frame = bytearray(order.template)
        self._numbered = self._handed = self._refused = self._given_up = self._late = 0
        self._bunches: list[tuple[int, int]] = []
        self._errors: Counter[int] = Counter()
        self._first_ns = self._last_ns = self._given_up_now = 0
        self._pauses: list[Pause] = []
        self._pause_ns = _PAUSE_NS + int(2e9 / order.rate_fps)

    def send_due(self, elapsed_ns: int) -> None:
        """Send what is due now. Raises: PortGoneError."""
        due = self.schedule.due(elapsed_ns)
        self._given_up += due.given_up
        self._given_up_now += due.given_up
        self._late += due.late
        if due.bunched:
            self._note_bunch(due.send)
        for _ in range(due.send):
            self._send_one()

    def _note_bunch(self, frames: int) -> None:
        """Of frames that are about to be sent. One that follows upon another one makes that longer."""
        first, end = self._numbered, self._numbered + frames + self.schedule.aftermath
        if self._bunches and first <= self._bunches[-1][1]:
            first, _ = self._bunches.pop()
        self._bunches.append((first, end))

    def _send_one(self) -> None:
        now = time.clock_gettime_ns(time.CLOCK_REALTIME)
        frame, sequence, flows = self._frame, self._numbered, self._order.flows
        STAMP.pack_into(frame, STAMP_OFFSET, sequence, now)
        if flows > 1:
            FLOW.pack_into(frame, FLOW_OFFSET, FIRST_FLOW_PORT + sequence % flows)
        try:
            self._send(frame)
        except OSError as error:
            if error.errno in _GONE:
                raise PortGoneError from error
            if error.errno != errno.ENOBUFS:
                self._errors[error.errno or 0] += 1
                return
            self._refused += 1
        else:
            self._handed += 1
        self._numbered += 1  # those that were refused too: they may be the device's, and are lost where they were
        if (now - self._last_ns > self._pause_ns or self._given_up_now) and self._last_ns:
            self._pauses.append(Pause(sequence, now - self._last_ns, self._given_up_now))
            self._given_up_now = 0
        self._last_ns = now
        self._first_ns = self._first_ns or now

    def sent(self) -> Sent:
        """The counts so far."""
        return Sent(
            index=self._order.index,
            handed=self._handed,
            refused=self._refused,
            blocked=self._errors.total(),
            given_up=self._given_up,
            late=self._late,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            pauses=tuple(self._pauses),
            bunches=tuple(self._bunches),
            errors=tuple(os.strerror(number) for number in self._errors),
        )


def send_all(
    sock: socket.socket, go: Go, *, flowing: Callable[[], None], meanwhile: Callable[[], None]
) -> Sequence[Sent]:
    """Send the streams of an order side by side, to their ends.

    ``flowing`` is called once, after the first frames; ``meanwhile`` every 2 ms, between frames: what it
    does must be short. Raises: PortGoneError, and what the two raise.
    """
    streams = [_Outgoing(sock, order, go) for order in go.orders]
    running = streams
    rest = _Rest()
    rest.until(go.start_ns)
    look_ns = 0
    while running:
        elapsed = time.monotonic_ns() - go.start_ns
        for stream in running:
            stream.send_due(elapsed)
        running = [stream for stream in running if not stream.schedule.over]
        if elapsed >= look_ns:
            if not look_ns:
                flowing()
            meanwhile()
            rest.take(elapsed)
            look_ns = elapsed + _LOOK_EVERY_NS
        if running:
            due_ns = min(stream.schedule.next_ns for stream in running)
            rest.until(go.start_ns + min(due_ns, look_ns))  # at low rates the looks must not wait for a frame
    return [stream.sent() for stream in streams]
