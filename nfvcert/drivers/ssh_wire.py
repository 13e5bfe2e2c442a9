"""What paramiko leaves to those who use it: limits on every wait, both outputs at once, ends by a signal.

Nothing here knows about labs; `ssh` makes one policy of it.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

__all__ = ["BROKEN", "END_SESSIONS", "OUTPUT_LIMIT_BYTES", "Conversation", "Outcome", "Transport", "at_most", "hang_up"]

OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024
"""What a command may print on each of stdout and stderr. Beyond, it is ended and CommandFailed is raised."""
VANISHED_S = 30
"""A connection whose peer acknowledges nothing for so long is lost."""
BROKEN = (paramiko.SSHException, EOFError, OSError)
"""What paramiko raises when a connection is no more, or never was."""
Outcome = Literal["ended", "late", "held", "lost", "refused", "flooded"]
"""How a conversation went: whole; not over at its deadline; over, but its output is held open; cut; never begun;
with too much output."""

# Runs on the host, in a session of its own: sshd starts each command of a connection as its child, in a session
# that the command leads. So the siblings of this script's shell are the commands to end, with all of their sessions.
END_SESSIONS = "exec sh -c " + shlex.quote(
    "[ -d /proc/$$ ] || exit 2;"
    " table() { for f in /proc/[0-9]*/stat; do read -r s 2>/dev/null <$f || continue;"
    " p=${f#/proc/}; set -- ${s##*) }; echo ${p%/stat} $1 $2 $4; done; };"
    " leaders=$(table | while read -r pid state parent session; do"
    " [ $parent != $PPID ] || [ $pid = $$ ] || echo $pid; done);"
    ' [ -n "$leaders" ] || exit 3;'
    " members() { table | while read -r pid state parent session; do for l in $leaders; do"
    " { [ $session != $l ] && [ $pid != $l ]; } || [ $state = Z ] || echo $pid; done; done; };"
    ' for signal in TERM KILL; do pids=$(members); [ -n "$pids" ] || exit 0; kill -$signal $pids 2>/dev/null;'
    ' for i in 1 2 3 4 5 6 7 8 9 10; do [ -n "$(members)" ] || exit 0; sleep 0.1; done; done; exit 1'
)

_wire_log = logging.getLogger("paramiko")
if _wire_log.level == logging.NOTSET:
    # Whatever paramiko would log (with tracebacks of its thread) reaches people as one of our errors.
    _wire_log.setLevel(logging.CRITICAL)

# There is no public way to the messages of a channel; the test of signals shows it should this one close.
_HANDLERS = paramiko.Transport._channel_handler_table  # type: ignore[attr-defined]  # noqa: SLF001


def _handle_request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    if message.get_text() == "exit-signal":
        message.get_boolean()
        channel.exit_status = 128 + _signal_number(message.get_text())
        channel.status_event.set()
    else:
        message.rewind()
        message.get_int()  # the number of the channel, read before
        _HANDLERS[MSG_CHANNEL_REQUEST](channel, message)


def _signal_number(name: str) -> int:
    """Number of ``KILL``, or of ``SYS`` in OpenSSH's ``SIG@openssh.com`` form; 127 for one we do not have."""
    try:
        return signal.Signals["SIG" + name.partition("@")[0]].value
    except KeyError:
        return 127


class Transport(paramiko.Transport):
    """A connection that tells us of commands ended by a signal (RFC 4254 §6.10), which paramiko drops.

    Such a command would look as if its connection had been lost. Here it gets a status, as shells give it.
    """

    _channel_handler_table = {**_HANDLERS, MSG_CHANNEL_REQUEST: _handle_request}

    def __init__(self, sock: socket.socket) -> None:
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, VANISHED_S * 1000)
        super().__init__(sock)

    def ask_for(self, kinds: set[str]) -> None:
        """Ask the host for a key of these kinds if it has one: it would show its favourite, maybe an unknown one."""
        if "ssh-rsa" in kinds:
            kinds = kinds | {"rsa-sha2-512", "rsa-sha2-256"}
        options = self.get_security_options()
        options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)


class Conversation:
    """One command on its channel: both outputs are read as they come, and its input is written beside.

    A thread each, since any of the three may block while another one must go on.
    """

    def __init__(self, channel: paramiko.Channel, stdin: bytes) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.error: Exception | None = None
        self._channel = channel
        self._flooded = False
        self._readers = [
            threading.Thread(target=self._read, args=(channel.recv, self.stdout), daemon=True),
            threading.Thread(target=self._read, args=(channel.recv_stderr, self.stderr), daemon=True),
        ]
        self._writer = threading.Thread(target=self._write, args=(stdin,), daemon=True)

    @property
    def status(self) -> int | None:
        """The status of the command; None as long as the host did not say one."""
        return self._channel.exit_status if self._channel.exit_status >= 0 else None

    def hold(self, command: str, deadline: float) -> Outcome:
        """Start the command and stay until it ended, or until it cannot be waited for."""
        channel = self._channel
        try:
            channel.exec_command(command.encode("utf-8", "surrogateescape"))
        except BROKEN as error:
            self.error = error
            if time.monotonic() >= deadline:
                return "late"
            return "refused" if channel.get_transport().is_active() else "lost"
        for thread in (*self._readers, self._writer):
            thread.start()
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        channel.status_event.wait(max(0.0, deadline - time.monotonic()))
        if self._flooded:
            return "flooded"
        # Without the end-of-file message, what was printed may be cut short.
        if channel.eof_received and self.status is not None and not any(reader.is_alive() for reader in self._readers):
            return "ended"
        if time.monotonic() < deadline:
            return "lost"
        return "late" if self.status is None else "held"

    def stop(self) -> None:
        """Close the channel, which ends the threads. Stopping twice is stopping once."""
        with contextlib.suppress(*BROKEN):
            self._channel.close()
        for thread in (*self._readers, self._writer):
            if thread.is_alive():
                thread.join()

    def _read(self, receive: Callable[[int], bytes], into: bytearray) -> None:
        while data := receive(1 << 16):
            into += data
            if len(into) > OUTPUT_LIMIT_BYTES:
                self._flooded = True
                self._channel.close()
                return

    def _write(self, stdin: bytes) -> None:
        # A command need not read its input, and may be gone before it was sent.
        with contextlib.suppress(*BROKEN):
            self._channel.sendall(stdin)
            self._channel.shutdown_write()


@contextlib.contextmanager
def at_most(transport: paramiko.Transport, seconds: float) -> Iterator[None]:
    """Hang up when the block takes longer: whatever waits in it then raises, or finds its channel closed."""
    timer = threading.Timer(max(0.0, seconds), hang_up, [transport])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def hang_up(transport: paramiko.Transport) -> None:
    """Close a connection in any state, without waiting for the other side, and leave no thread of it."""
    with contextlib.suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(2.0)
    transport.packetizer.complete_handshake()  # ends a timer that paramiko forgets when a handshake fails
