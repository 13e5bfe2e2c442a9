"""Commands on a host over SSH (paramiko).

A certifier must not mistake a broken wire for a broken release, nor half an answer for an answer:

- only a host that answers with its known key is talked to (`known_hosts`);
- a command ended, with its status and the whole of both outputs, or `run` raises;
- a command that may have started is never started a second time;
- every wait has a limit. paramiko has none in some places (the answer to `exec`, a full socket),
  so a timer hangs up on it there;
- a command that is given up on is ended on the host too, or the error says that it may still run.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from nfvcert.drivers.known_hosts import KnownHost
from nfvcert.drivers.ssh_wire import (
    BROKEN,
    END_SESSIONS,
    OUTPUT_LIMIT_BYTES,
    Conversation,
    Outcome,
    Transport,
    at_most,
    hang_up,
)
from nfvcert.errors import CommandFailed, CommandTimeout, HostKeyMismatch, LabError, Unreachable
from nfvcert.protocols import Completed

__all__ = ["SshShell", "tcp"]

KEEPALIVE_S = 15
"""An idle connection is spoken on this often, so that firewalls keep it and a vanished host is noticed."""

_HANG_UP_GRACE_S = 1.0
_ENDING_S = 4.0
_PRINTED_CHARACTERS = 2000


def tcp(address: str, port: int = 22) -> Callable[[float], socket.socket]:
    """The plain way to a host: a callable that opens a TCP connection within the seconds that it is given."""
    return lambda timeout_s: socket.create_connection((address, port), timeout=timeout_s)


class SshShell:
    """A `Shell` over one SSH connection, opened by the first `run` and again after it was lost.

    One command runs at a time; a second thread waits for its turn. ``close`` waits for nobody:
    a command that runs in another thread then raises Unreachable.

    ``connect`` opens the TCP connection within the seconds that it is given (`tcp`, or one that enters a
    network namespace); ``key_file`` is the private key, None asks the SSH agent; ``host_key_name`` is the
    host's name in ``known_hosts`` (`known_hosts.known_as`); ``connect_timeout_s`` limits the way from the
    first packet to a granted login; ``on_completed`` is told each command that ended, whatever its status.
    """

    def __init__(
        self,
        host: str,
        *,
        connect: Callable[[float], socket.socket],
        user: str,
        key_file: Path | None,
        known_hosts: Path,
        host_key_name: str,
        connect_timeout_s: float = 10.0,
        on_completed: Callable[[Completed], None] | None = None,
    ) -> None:
        self.host = host
        self.user = user
        self.key_file = key_file
        self.known_hosts = known_hosts
        self.host_key_name = host_key_name
        self.connect_timeout_s = connect_timeout_s
        self.on_completed = on_completed
        self._connect_socket = connect
        self._transport: Transport | None = None
        self._one_at_a_time = threading.Lock()

    def __repr__(self) -> str:
        return f"SshShell({self.host!r}, user={self.user!r}, host_key_name={self.host_key_name!r})"

    def run(self, command: str, *, timeout_s: float = 30.0, check: bool = True, stdin: str = "") -> Completed:
        """Run a command line in the user's login shell and wait for its end, see `Shell.run`.

        The command has ended when both its outputs have, as with ssh(1): what it leaves in the background
        must not hold them. ``timeout_s`` counts from the moment the host is asked to run it; connecting has
        its own limit. A command ended by signal N has the status 128 + N. Bytes that are not UTF-8 become U+FFFD.

        Raises: CommandTimeout, with what was printed so far and whether the process was ended; CommandFailed
        when ``check`` and the status is not 0, and for more than OUTPUT_LIMIT_BYTES of output; Unreachable
        when the host does not answer, refuses the login, or was lost while the command ran (then it may have
        run, in part or whole); HostKeyMismatch.
        """
        with self._one_at_a_time:
            transport, channel = self._session()
            completed = self._run(transport, channel, command, timeout_s, stdin)
        if self.on_completed is not None:
            self.on_completed(completed)
        if check and completed.status != 0:
            raise CommandFailed(
                f"{self.host}: `{_shortened(command)}` ended with status {completed.status}"
                f"{_printed(completed.stdout, completed.stderr)}",
                what=self.host,
            )
        return completed

    def start(self, command: str) -> paramiko.Channel:
        """Start a command that is spoken to on its standard streams, beside those that `run` runs.

        It is the caller's to end, by closing its input or by `end_started`. Raises: Unreachable, HostKeyMismatch.
        """
        with self._one_at_a_time:
            transport, channel = self._session()
            try:
                with at_most(transport, self.connect_timeout_s):
                    channel.exec_command(command.encode())
            except BROKEN as error:
                raise self._unreachable(f"refuses to run `{_shortened(command)}`") from error
        return channel

    def end_started(self) -> None:
        """End, by signals, what `start` began and what still runs."""
        with self._one_at_a_time:
            if self._transport is not None:
                self._end(self._transport)

    def close(self) -> None:
        """Close the connection; the next `run` opens it again. Closing twice is closing once."""
        transport, self._transport = self._transport, None
        if transport is not None:
            hang_up(transport)

    def _session(self) -> tuple[Transport, paramiko.Channel]:
        """A channel on which nothing was asked for yet: until here, and only until here, trying again is safe."""
        if self._transport is not None:
            with contextlib.suppress(*BROKEN):  # lost since the last command
                return self._transport, self._channel(self._transport)
            self.close()
        transport = self._transport = self._connect()
        try:
            return transport, self._channel(transport)
        except BROKEN as error:
            self.close()
            raise self._unreachable(f"lets {self.user} log in but opens no session: {_reason(error)}") from error

    def _channel(self, transport: Transport) -> paramiko.Channel:
        with at_most(transport, self.connect_timeout_s):
            return transport.open_session(timeout=self.connect_timeout_s)

    def _run(
        self, transport: Transport, channel: paramiko.Channel, command: str, timeout_s: float, stdin: str
    ) -> Completed:
        talk = Conversation(channel, stdin.encode("utf-8", "surrogateescape"))
        started = time.monotonic()
        try:
            with at_most(transport, timeout_s + _HANG_UP_GRACE_S):
                outcome = talk.hold(command, started + timeout_s)
            seconds = time.monotonic() - started
            ended = outcome in {"ended", "held"} or self._end(transport)
        except BaseException:  # Ctrl-C, or a time limit of the test's own: the process must not go on alone
            self._end(transport)
            raise
        finally:
            with at_most(transport, _HANG_UP_GRACE_S):
                talk.stop()
        stdout, stderr = (output.decode("utf-8", "replace") for output in (talk.stdout, talk.stderr))
        if outcome == "ended" and talk.status is not None:
            return Completed(self.host, command, talk.status, stdout, stderr, seconds)
        raise self._given_up(outcome, talk, command, timeout_s, ended) from talk.error

    def _given_up(self, outcome: Outcome, talk: Conversation, command: str, timeout_s: float, ended: bool) -> LabError:
        subject = f"{self.host}: `{_shortened(command)}`"
        fate = "its process was ended" if ended else f"its process may still run on {self.host}"
        printed = _printed(talk.stdout.decode("utf-8", "replace"), talk.stderr.decode("utf-8", "replace"))
        if outcome == "flooded":
            return CommandFailed(f"{subject} printed more than {OUTPUT_LIMIT_BYTES >> 20} MiB; {fate}", what=self.host)
        if outcome == "held":
            return CommandTimeout(
                f"{subject} ended with status {talk.status}, but what it left in the background still held its "
                f"output after {timeout_s:g} s{printed}",
                what=self.host,
                hint="Start such a process with `>/dev/null 2>&1 &`.",
            )
        if outcome == "late":
            return CommandTimeout(f"{subject} did not end within {timeout_s:g} s; {fate}{printed}", what=self.host)
        if outcome == "refused":
            return self._unreachable(f"refuses to run `{_shortened(command)}`")
        return self._unreachable(
            f"was lost while `{_shortened(command)}` ran; it may have run in part or whole, or still run, "
            f"and is not run again{printed}"
        )

    def _end(self, transport: Transport) -> bool:
        """End what this connection started, over the connection itself; hang up when that cannot be done.

        Closing the channel is not enough: sshd lets a process without a terminal run on.
        """
        ended = False
        with contextlib.suppress(*BROKEN), at_most(transport, _ENDING_S):
            channel = transport.open_session(timeout=_ENDING_S)
            channel.exec_command(END_SESSIONS)
            ended = channel.recv_exit_status() == 0
            channel.close()
        if not ended:
            self.close()
        return ended

    def _connect(self) -> Transport:
        deadline = time.monotonic() + self.connect_timeout_s
        try:
            sock = self._connect_socket(self.connect_timeout_s)
        except OSError as error:
            raise self._unreachable(f"does not answer: {_reason(error)}") from error
        try:
            transport = Transport(sock)
        except BaseException:
            sock.close()
            raise
        # `at_most` alone keeps the time; paramiko's own limits only must not come first.
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self.connect_timeout_s + 1
        try:
            with at_most(transport, deadline - time.monotonic()):
                self._shake_hands(transport, deadline)
                self._log_in(transport, deadline)
        except BaseException:
            hang_up(transport)
            raise
        transport.set_keepalive(KEEPALIVE_S)
        return transport

    def _shake_hands(self, transport: Transport, deadline: float) -> None:
        try:
            known = KnownHost.read(self.host, self.host_key_name, self.known_hosts)
        except OSError as error:
            raise HostKeyMismatch(
                f"{self.host} ({self.host_key_name}) cannot be trusted: {self.known_hosts} cannot be read: "
                f"{_reason(error)}",
                what=self.host,
            ) from error
        transport.ask_for({key.kind for key in known.keys if not key.revoked})
        try:
            transport.start_client()
            found = transport.get_remote_server_key()
        except BROKEN as error:
            if time.monotonic() < deadline:
                raise self._unreachable(f"does not speak SSH as we do: {_reason(error)}") from error
            does = "did not finish the SSH handshake" if transport.remote_version else "said nothing"
            raise self._unreachable(
                f"accepted the connection, but {does} within {self.connect_timeout_s:g} s"
            ) from error
        known.verify(found.get_name(), found.asbytes())

    def _log_in(self, transport: Transport, deadline: float) -> None:
        refusal: Exception | None = None
        with self._private_keys() as keys:
            for key in keys:
                try:
                    transport.auth_publickey(self.user, key)
                except BROKEN as error:
                    refusal = error
                    if not transport.is_active():
                        break
                if transport.is_authenticated():
                    return
        secret = f"key {self.key_file}" if self.key_file else f"the {len(keys)} keys of the SSH agent"
        if time.monotonic() >= deadline:
            does = f"did not answer the login of {self.user} within {self.connect_timeout_s:g} s"
        elif isinstance(refusal, paramiko.AuthenticationException) or refusal is None:
            does = f"refuses the login of {self.user} with {secret}"
        else:
            does = f"was lost during the login of {self.user} with {secret}: {_reason(refusal)}"
        raise self._unreachable(
            does, hint=f"The public key must be in authorized_keys of {self.user} on {self.host}."
        ) from refusal

    @contextlib.contextmanager
    def _private_keys(self) -> Iterator[Sequence[paramiko.PKey]]:
        """The key of the key file, or those of the agent, which must stay connected while they are used."""
        if self.key_file is not None:
            try:
                key = paramiko.PKey.from_path(self.key_file)
            except (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType) as error:
                # TypeError: what `cryptography` raises for a key that needs a passphrase.
                raise self._unreachable(
                    f"cannot be logged in to: key {self.key_file} of {self.user} cannot be used: {_reason(error)}",
                    hint="A key with a passphrase is used through an SSH agent.",
                ) from error
            yield [key]
            return
        agent = paramiko.Agent()
        try:
            keys = agent.get_keys()
            if not keys:
                raise self._unreachable(
                    f"cannot be logged in to: no key file is given for {self.user}, and no SSH agent offers a key",
                    hint="Name a key file in the inventory, or start an agent: eval $(ssh-agent); ssh-add.",
                )
            yield keys
        finally:
            agent.close()

    def _unreachable(self, does: str, *, hint: str = "") -> Unreachable:
        return Unreachable(f"{self.host} ({self.host_key_name}) {does}", what=self.host, hint=hint)


def _reason(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or ("the connection was closed" if isinstance(error, EOFError) else type(error).__name__)


def _shortened(command: str) -> str:
    line = " ".join(command.split())
    return line if len(line) <= 200 else line[:199] + "…"


def _printed(stdout: str, stderr: str) -> str:
    """What a command printed, for an error: the end of each output."""
    parts = []
    for name, text in (("stdout", stdout.strip()), ("stderr", stderr.strip())):
        if text:
            tail = text if len(text) <= _PRINTED_CHARACTERS else "…" + text[-_PRINTED_CHARACTERS:]
            parts.append(f"\n  {name}: {tail}")
    return "".join(parts) or "; nothing was printed"
