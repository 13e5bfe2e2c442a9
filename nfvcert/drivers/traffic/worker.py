"""The process behind one port: `python -m nfvcert.drivers.traffic.worker FD`, or `answer` on another machine.

It enters the port's namespace, sends and receives there, and obeys the generator at the other end of the
socket FD. It ends when that end closes. No PR_SET_PDEATHSIG: that signal follows the *thread* that started
us, and a generator may outlive the thread that first used it. Since a forked child of the generator may
hold its end open by accident, a change of our parent ends us too.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import gc
import os
import select
import socket
import struct
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from nfvcert.drivers.traffic.arrivals import Arrivals
from nfvcert.drivers.traffic.awake import awake
from nfvcert.drivers.traffic.capture import Capture, received_ns
from nfvcert.drivers.traffic.frames import DATA, DISCARD_PORT
from nfvcert.drivers.traffic.interface import InterfaceState, read_state
from nfvcert.drivers.traffic.machine import read_machine
from nfvcert.drivers.traffic.messages import Done, Failed, Finish, Flowing, Go, Opened, Prepare, Ready, Report, Seen
from nfvcert.drivers.traffic.ports import GeneratorPort
from nfvcert.drivers.traffic.sender import PortGoneError, open_sender, send_all

__all__ = ["answer", "main"]

_CLONE_NEWNET = 0x40000000
_PR_SET_TIMERSLACK = 29
_SO_ATTACH_FILTER = 26
_SIOCGIFADDR = 0x8915
_REFUSE_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0)
_HARVEST = 1024
"""Frames taken off the ring at a time: some 100 µs of work between two frames to send."""
_IDLE_MS, _LISTENING_MS = 1000, 20
_COUNTED_S = 1.5
_DRAINING_S = 0.005
_libc = ctypes.CDLL(None, use_errno=True)


class _OrphanedError(Exception):
    """The generator is gone."""


class _Line:
    """A connection that is heard on one descriptor and spoken to on another."""

    def __init__(self, heard: int, spoken: int) -> None:
        self._heard = Connection(heard, writable=False)
        self.recv = self._heard.recv
        self.fileno = self._heard.fileno
        self.send = Connection(spoken, readable=False).send


class _Worker:
    """The state of the process: its sockets, and the streams of the current run."""

    def __init__(
        self,
        connection: Connection | _Line,
        port: GeneratorPort,
        capture: Capture,
        sender: socket.socket,
        kept: contextlib.ExitStack,
    ) -> None:
        """``kept``: what a run keeps up; whoever has it ends it if the run does not."""
        self._connection = connection
        self._port = port
        self._capture = capture
        self._sender = sender
        self._kept = kept
        self._parent = os.getppid()
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)
        self._run: int | None = None
        self._arrivals: dict[int, Arrivals] = {}
        self._strays: dict[int, int] = {}
        self._lengths: dict[int, int] = {}
        self._last_arrival = 0.0
        self._clock_offset_ns = 0
        self._before = read_state(port.interface)
        self._index = self._before.index
        self._handed = 0

    def obey(self) -> None:
        """Answer messages for ever. Raises: EOFError, _OrphanedError when the generator is gone; OSError."""
        self._connection.send(Opened())
        more = False
        while True:
            if not self._poll.poll(_IDLE_MS if self._run is None else 0 if more else _LISTENING_MS):
                self._check_parent()
                more = self._harvest()
                continue
            match self._connection.recv():
                case Prepare() as prepare:
                    self._connection.send(self._prepare(prepare))
                case Go() as go:
                    self._connection.send(self._go(go))
                case Finish() as finish:
                    self._connection.send(self._finish(finish))

    def _check_parent(self) -> None:
        if os.getppid() != self._parent:
            raise _OrphanedError

    def _prepare(self, prepare: Prepare) -> Ready:
        self._handed = 0
        if prepare.keep_awake:
            self._kept.enter_context(awake())
        self._capture.discard()
        self._capture.went_down()
        self._arrivals = {
            each.index: Arrivals(each.index, each.frames, each.windows) for each in prepare.expected if each.here
        }
        self._strays = {each.index: 0 for each in prepare.expected if not each.here}
        self._lengths = {each.index: each.length for each in prepare.expected}
        self._run = prepare.run
        gc.collect()
        gc.disable()
        _run_first(first=True)
        self._clock_offset_ns = _clock_offset_ns()
        for frame in prepare.learning:
            with contextlib.suppress(OSError):  # what hinders the learning will hinder the stream, and be told
                self._sender.send(frame)
        self._before = self._state()  # after them: they are not to stand for frames of the stream that are missing
        return Ready(self._before, time.monotonic_ns(), read_machine())

    def _go(self, go: Go) -> Done:
        sent = send_all(self._sender, go, flowing=lambda: self._connection.send(Flowing()), meanwhile=self._meanwhile)
        self._handed = sum(each.handed for each in sent)
        return Done(tuple(sent), self._state())

    def _counted_state(self) -> InterfaceState:
        """The state once all that was handed over is counted as sent: some adapters tell a second or two later.

        Not waited for where the cable or the queue explains what is missing.
        """
        before, end = self._before, time.monotonic() + _COUNTED_S
        while True:
            state = self._state()
            explained = (
                not state.carrier
                or state.carrier_changes != before.carrier_changes
                or state.queue_drops != before.queue_drops
            )
            if state.tx_frames - before.tx_frames + state.queue_length >= self._handed or explained:
                return state
            if time.monotonic() > end:
                return state
            time.sleep(_DRAINING_S)

    def _state(self) -> InterfaceState:
        """The state of our interface. Raises: OSError when it is gone, or another one has its name."""
        state = read_state(self._port.interface)
        if state.index != self._index:
            raise OSError(errno.ENXIO, "another interface has taken its name")
        return state

    def _meanwhile(self) -> None:
        """Between two frames: empty the ring, and see whether anybody still wants us to send."""
        self._harvest()
        if self._poll.poll(0):  # nothing is ever said while we send
            raise _OrphanedError
        self._check_parent()

    def _finish(self, finish: Finish) -> Report:
        machine = read_machine()  # the time in which nothing was sent would make it look better
        self._drain(finish)
        self._kept.close()
        seen = [arrivals.seen() for arrivals in self._arrivals.values()]
        seen += [Seen(index, arrived) for index, arrived in self._strays.items()]
        self._run = None
        self._arrivals = {}
        _run_first(first=False)
        gc.enable()
        return Report(
            seen=tuple(seen),
            socket_drops=self._capture.drops(),
            went_down=self._capture.went_down(),
            clock_step_s=(_clock_offset_ns() - self._clock_offset_ns) / 1e9,
            state=self._counted_state(),
            machine=machine,
        )

    def _drain(self, finish: Finish) -> None:
        now = self._last_arrival = time.monotonic()
        end = now + finish.most_s
        mine = [(self._arrivals[index], near) for index, near in finish.ends if index in self._arrivals]
        while now < end and (
            now < self._last_arrival + finish.quiet_s or any(arrivals.highest < near for arrivals, near in mine)
        ):
            if not self._harvest():
                time.sleep(_DRAINING_S)
            now = time.monotonic()

    def _harvest(self) -> bool:
        """Take frames off the ring and count them; says whether there may be more."""
        if self._run is None:
            return False
        slots = self._capture.take(_HARVEST)
        mine = slots[(slots["run"] == self._run) & (slots["kind"] == DATA)]
        if len(mine):
            self._last_arrival = time.monotonic()
            for index in self._strays:
                self._strays[index] += int((mine["stream"] == index).sum())
            for index, arrivals in self._arrivals.items():
                chunk = mine[(mine["stream"] == index) & (mine["length"] == self._lengths[index])]
                sequence, sent_ns = chunk["sequence"].astype(np.int64), chunk["sent_ns"].astype(np.int64)
                arrivals.add(sequence, sent_ns, received_ns(chunk))
        return len(slots) == _HARVEST


def _run_first(*, first: bool) -> None:
    """Run ahead of ordinary processes, where we may, or no longer; `sender` lets them not starve.

    With two busy loops on two cores, 15 of 20 trials at 14,880 pps were invalid at nice -20, none like this.
    """
    policy, priority = (os.SCHED_FIFO, os.sched_get_priority_min(os.SCHED_FIFO)) if first else (os.SCHED_OTHER, 0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, policy, os.sched_param(priority))


def _clock_offset_ns() -> int:
    """CLOCK_REALTIME less CLOCK_MONOTONIC: the closest of three looks, since one may be interrupted."""
    looks = []
    for _ in range(3):
        before, real, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        looks.append((after - before, real - (before + after) // 2))
    return min(looks)[1]


def _enter(port: GeneratorPort) -> None:
    """Move this process into the port's namespace (os.setns is younger than Python 3.11)."""
    if port.namespace is None:
        return
    descriptor = os.open(port.namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _deaf_socket(port: GeneratorPort) -> socket.socket:
    """A UDP socket that refuses all frames, so that this kernel does not answer them by ICMP errors.

    Binding it proves, too, that the port's address is there. Raises: OSError (EADDRNOTAVAIL) when a router
    would get no answer to its ARP requests.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        program = ctypes.create_string_buffer(_REFUSE_ALL)
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
        if port.ip is not None:
            # Asked first, since a namespace without any address lets one bind to all.
            fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("=16s24x", port.interface.encode()))
            sock.bind((port.ip, DISCARD_PORT))
    except OSError as error:
        needs_arp = port.next_hop_mac is not None and not port.known_to_router
        if error.errno != errno.EADDRINUSE and (error.errno != errno.EADDRNOTAVAIL or needs_arp):
            sock.close()
            raise
    return sock


def _explain(port: GeneratorPort, error: OSError) -> Failed:
    """What is wrong with a port that made the kernel say ``error``."""
    place = f" in {port.namespace}" if port.namespace else ""
    subject = f"interface {port.interface}{place} of generator port {port.name}"
    if error.errno in (errno.EPERM, errno.EACCES):
        return Failed("forbidden", f"may not use {subject}: {error.strerror}")
    if error.errno == errno.EADDRNOTAVAIL:
        return Failed("unsuitable", f"{subject} lacks its address {port.ip}: nobody would answer its router's ARP")
    if port.namespace and not Path(port.namespace).exists():
        return Failed("gone", f"{subject} is gone with its namespace")
    try:
        socket.if_nametoindex(port.interface)
    except OSError:
        return Failed("gone", f"{subject} is gone")
    return Failed("unsuitable", f"{subject} cannot be used: {error.strerror or error}")


def _serve(connection: Connection | _Line) -> None:
    port = connection.recv()
    try:
        _enter(port)
        with (
            contextlib.closing(Capture(port.interface)) as capture,
            open_sender(port.interface) as sender,
            _deaf_socket(port),
            contextlib.ExitStack() as kept,
        ):
            _Worker(connection, port, capture, sender, kept).obey()
    except PortGoneError as error:
        connection.send(_explain(port, OSError(errno.ENXIO, str(error))))
    except ConnectionError:
        raise
    except OSError as error:
        connection.send(_explain(port, error))


def main(descriptor: int) -> None:
    """Obey the generator behind a socket until it goes."""
    with Connection(descriptor) as connection:
        _obey(connection)


def answer() -> None:
    """Obey the generator that speaks to us on standard input and output, as over SSH."""
    spoken = os.dup(1)
    os.dup2(2, 1)  # whatever prints must not speak for us
    _obey(_Line(0, spoken))


def _obey(connection: Connection | _Line) -> None:
    with contextlib.suppress(PermissionError):
        os.nice(-20)
    _libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # wake up when asked, not 50 µs later
    with contextlib.suppress(EOFError, ConnectionError, _OrphanedError):
        _serve(connection)


if __name__ == "__main__":
    main(int(sys.argv[1]))
