"""The SSH driver against a real OpenSSH server on loopback, healthy and in every way broken."""

from __future__ import annotations

import contextlib
import getpass
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nfvcert.drivers import ssh, ssh_wire
from nfvcert.drivers.ssh import SshShell, tcp
from nfvcert.errors import CommandFailed, CommandTimeout, HostKeyMismatch, Unreachable
from nfvcert.protocols import Completed, Shell
from tests.drivers.contracts_shell import ShellContract
from tests.drivers.sshd import Sshd, kill_all, make_key, public, until


def fingerprint_of(key: Path) -> str:
    return subprocess.run(["ssh-keygen", "-lf", key], check=True, capture_output=True, text=True).stdout.split()[1]


@contextlib.contextmanager
def meanwhile(happened: Callable[[], object], act: Callable[[], object]) -> Iterator[None]:
    """Act in another thread as soon as something has happened."""

    def wait_and_act() -> None:
        until(happened)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.fixture(scope="module")
def host_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("host") / "host")


@pytest.fixture(scope="module")
def lasting_sshd(tmp_path_factory: pytest.TempPathFactory, host_key: Path) -> Iterator[Sshd]:
    """One server for all tests that leave it as it was."""
    server = Sshd(tmp_path_factory.mktemp("sshd"), [host_key])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sshd(tmp_path: Path, host_key: Path) -> Iterator[Sshd]:
    """A server to break."""
    server = Sshd(tmp_path, [host_key])
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever a test did: once its shells are closed, no thread and no descriptor of theirs is left."""
    threads = set(threading.enumerate())
    descriptors = psutil.Process().num_fds()
    yield
    until(lambda: not [thread for thread in threading.enumerate() if thread not in threads], 3)
    until(lambda: psutil.Process().num_fds() <= descriptors, 3)


@contextlib.contextmanager
def closing(shell: SshShell) -> Iterator[SshShell]:
    try:
        yield shell
    finally:
        shell.close()


class TestSshShell(ShellContract):
    @pytest.fixture
    def shell(self, lasting_sshd: Sshd) -> Iterator[Shell]:
        with closing(lasting_sshd.shell()) as shell:
            yield shell


# What is told, and what is kept to oneself


def test_evidence_is_told_each_command_that_ended(lasting_sshd: Sshd) -> None:
    told: list[Completed] = []
    with closing(lasting_sshd.shell(on_completed=told.append)) as shell:
        first = shell.run("echo one")
        with pytest.raises(CommandFailed):
            shell.run("exit 4")
        with pytest.raises(CommandTimeout):
            shell.run("sleep 300", timeout_s=0.2)
    assert told[0] == first
    assert [(completed.command, completed.status) for completed in told] == [("echo one", 0), ("exit 4", 4)]


def test_no_key_in_the_representation(lasting_sshd: Sshd) -> None:
    shell = lasting_sshd.shell()
    with closing(shell):
        shell.run("true")
        secret = lasting_sshd.user_key.read_text().splitlines()[1]
        assert repr(shell).startswith("SshShell('compute-1', user=")
        assert secret not in repr(shell) + repr(vars(shell))


def test_one_connection_serves_many_commands_and_threads(sshd: Sshd) -> None:
    with closing(sshd.shell()) as shell:
        shell.run("true")
        before = {process.pid for process in sshd.sshd_of_connections()}
        answers: list[str] = []
        asked = [str(number) for number in range(8)]
        threads = [
            threading.Thread(target=lambda number=number: answers.append(shell.run(f"echo {number}").stdout.strip()))
            for number in asked
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == asked
        assert {process.pid for process in sshd.sshd_of_connections()} == before


def test_closing_ends_the_connection_on_the_host(sshd: Sshd) -> None:
    shell = sshd.shell()
    shell.run("true")
    assert sshd.connections()
    shell.close()
    until(lambda: not sshd.connections())


# Host keys


def test_an_unknown_host_is_refused_and_told_how_to_be_known(sshd: Sshd, host_key: Path) -> None:
    sshd.known_hosts.write_text("other.lab " + public(host_key) + "\n")
    with pytest.raises(HostKeyMismatch) as caught, closing(sshd.shell()) as shell:
        shell.run("true")
    sentence = str(caught.value)
    assert f"compute-1 ({sshd.name}) is unknown: {sshd.known_hosts} has no key for it" in sentence
    assert fingerprint_of(host_key) in sentence
    until(lambda: not sshd.connections())

    sshd.known_hosts.write_text(caught.value.hint.splitlines()[-1].strip() + "\n")  # the line that the hint gives
    with closing(sshd.shell()) as shell:
        assert shell.run("echo known").stdout == "known\n"


def test_without_a_known_hosts_file_every_host_is_unknown(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    with pytest.raises(HostKeyMismatch, match="is unknown"), closing(sshd.shell()) as shell:
        shell.run("true")


def test_a_known_hosts_file_that_cannot_be_read_trusts_nobody(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    sshd.known_hosts.mkdir()
    with pytest.raises(HostKeyMismatch, match="cannot be read: Is a directory"), closing(sshd.shell()) as shell:
        shell.run("true")


def test_a_changed_host_key_is_refused_with_both_fingerprints_and_the_line(sshd: Sshd, host_key: Path) -> None:
    shell = sshd.shell()
    with closing(shell):
        shell.run("true")
        sshd.stop()
        sshd.known_hosts.write_text(f"# hosts of the lab\n{sshd.name} {public(host_key)}\n")
        sshd.host_keys = [make_key(sshd.folder / "changed")]
        sshd.start()
        with pytest.raises(HostKeyMismatch) as caught:
            shell.run("touch " + str(sshd.folder / "ran"))
    sentence = str(caught.value)
    assert f"compute-1 ({sshd.name}) answers with another host key" in sentence
    assert f"found {fingerprint_of(sshd.folder / 'changed')} (ssh-ed25519)" in sentence
    assert f"expected {fingerprint_of(host_key)} (ssh-ed25519, line 2) of {sshd.known_hosts}" in sentence
    assert caught.value.what == "compute-1"
    assert not (sshd.folder / "ran").exists()


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_a_host_with_several_keys_is_asked_for_the_known_one(sshd: Sshd, host_key: Path, kind: str) -> None:
    sshd.stop()
    other = make_key(sshd.folder / kind, kind=kind)
    sshd.host_keys = [host_key, other]
    sshd.known_hosts.write_text(f"{sshd.name} {public(other)}\n")
    sshd.start()
    with closing(sshd.shell()) as shell:
        assert shell.run("echo hello").stdout == "hello\n"


# Logging in


def test_a_wrong_key_is_named_with_its_user(sshd: Sshd) -> None:
    wrong = make_key(sshd.folder / "wrong")
    with pytest.raises(Unreachable) as caught, closing(sshd.shell(key_file=wrong)) as shell:
        shell.run("true")
    assert f"refuses the login of {getpass.getuser()} with key {wrong}" in str(caught.value)
    assert "authorized_keys" in caught.value.hint


def test_a_key_file_that_cannot_be_used_says_why(sshd: Sshd) -> None:
    locked = make_key(sshd.folder / "locked", passphrase="four words of it")  # noqa: S106
    nonsense = sshd.folder / "nonsense"
    nonsense.write_text("no key\n")
    for key_file, why in [
        (sshd.folder / "none", "No such file or directory"),
        (sshd.folder, "Is a directory"),
        (locked, "password-protected"),
        (nonsense, ""),
    ]:
        with pytest.raises(Unreachable) as caught, closing(sshd.shell(key_file=key_file)) as shell:
            shell.run("true")
        assert f"key {key_file} of {getpass.getuser()} cannot be used" in str(caught.value)
        assert why in str(caught.value)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    address = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
    until(address.exists)
    yield
    process.kill()
    process.wait()


@pytest.mark.usefixtures("agent")
def test_without_a_key_file_the_agent_is_asked(sshd: Sshd) -> None:
    shell = sshd.shell()
    shell.key_file = None
    with closing(shell):
        with pytest.raises(Unreachable, match=r"no key file is given .* no SSH agent offers a key"):
            shell.run("true")
        for key in (make_key(sshd.folder / "wrong"), sshd.user_key):
            if key == sshd.user_key:
                with pytest.raises(Unreachable, match="with the 1 keys of the SSH agent"):
                    shell.run("true")
            subprocess.run(["ssh-add", "-q", key], check=True)
        assert shell.run("echo by agent").stdout == "by agent\n"


# Servers that do not answer as they should


def test_no_server_at_all(sshd: Sshd) -> None:
    sshd.stop()
    with pytest.raises(Unreachable) as caught, closing(sshd.shell()) as shell:
        shell.run("true")
    assert str(caught.value) == f"compute-1 ({sshd.name}) does not answer: Connection refused"
    assert caught.value.what == "compute-1"


def test_an_address_that_swallows_packets() -> None:
    # The backlog of this listener is full: further SYNs are dropped, as a firewall drops them.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        address = server.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        shell = SshShell(
            "compute-1",
            connect=tcp(*address),
            user="root",
            key_file=None,
            known_hosts=Path("/nowhere"),
            host_key_name="h",
            connect_timeout_s=0.4,
        )
        started = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer: timed out"):
            shell.run("true")
        assert time.monotonic() - started < 3


@contextlib.contextmanager
def tcp_server(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that is no SSH server: ``answer`` gets each connection, which then stays open."""
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as connections:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = connections.enter_context(server.accept()[0])
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (lambda _: None, "accepted the connection, but said nothing within 0.5 s"),
        (
            lambda connection: connection.sendall(b"SSH-2.0-Stuck\r\n"),
            "accepted the connection, but did not finish the SSH handshake within 0.5 s",
        ),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 200), "does not speak SSH as we do"),
        (lambda connection: connection.shutdown(socket.SHUT_RDWR), "does not speak SSH as we do"),
        (lambda connection: connection.sendall(b"SSH-1.5-Old\r\n"), "does not speak SSH as we do: Incompatible"),
    ],
    ids=["silence", "stuck after its banner", "http", "hangs up", "old protocol"],
)
def test_a_port_where_no_ssh_server_answers(
    lasting_sshd: Sshd, answer: Callable[[socket.socket], object], match: str
) -> None:
    with tcp_server(answer) as port:
        shell = lasting_sshd.shell(connect=tcp("127.0.0.1", port), connect_timeout_s=0.5)
        started = time.monotonic()
        with pytest.raises(Unreachable, match=match):
            shell.run("true")
        assert time.monotonic() - started < 3


def test_a_server_that_opens_no_session(sshd: Sshd) -> None:
    sshd.stop()
    sshd.settings = ["MaxSessions 0"]
    sshd.start()
    with pytest.raises(Unreachable, match="log in but opens no session"), closing(sshd.shell()) as shell:
        shell.run("true")


# Connections that are lost


def test_a_connection_lost_between_commands_is_made_anew(sshd: Sshd) -> None:
    with closing(sshd.shell()) as shell:
        for _ in range(3):
            assert shell.run("echo here").stdout == "here\n"
            sshd.cut_connections()


def test_a_server_that_was_restarted_is_found_again(sshd: Sshd) -> None:
    with closing(sshd.shell()) as shell:
        shell.run("true")
        sshd.stop()
        with pytest.raises(Unreachable, match="Connection refused"):
            shell.run("true")
        sshd.start()
        assert shell.run("echo back").stdout == "back\n"


def test_a_connection_that_went_silent_between_commands_is_made_anew(sshd: Sshd) -> None:
    with closing(sshd.shell(connect_timeout_s=1)) as shell:
        shell.run("true")
        for process in sshd.sshd_of_connections():
            process.send_signal(signal.SIGSTOP)
        assert shell.run("echo here").stdout == "here\n"


def test_a_command_whose_connection_dies_is_not_run_again(sshd: Sshd) -> None:
    trace = sshd.folder / "trace"
    with closing(sshd.shell()) as shell:
        shell.run("true")
        # What it printed needs a moment to get here; what is still on its way is lost with the connection.
        with meanwhile(trace.exists, sshd.cut_connections), pytest.raises(Unreachable) as caught:
            shell.run(f"echo begun; sleep 1; echo x >>{trace}; exec sleep 300")
        sentence = str(caught.value)
        assert "was lost while `echo begun;" in sentence
        assert "is not run again" in sentence
        assert "stdout: begun" in sentence
        assert shell.run("echo next").stdout == "next\n"
    assert trace.read_text() == "x\n"
    end_processes(sshd, "sleep 300")  # cut off from its sshd, nobody could end it


def test_output_cut_short_is_no_answer(sshd: Sshd) -> None:
    """The connection dies after the status of the command was sent, before the end of its output was."""
    with closing(sshd.shell()) as shell:
        shell.run("true")
        ended = sshd.folder / "ended"
        # The background job holds the output open, and sees the shell that started it end with status 0.
        command = f"(while kill -0 $$; do sleep 0.01; done; sleep 0.1; touch {ended}; exec sleep 32) & echo half"
        with meanwhile(ended.exists, sshd.cut_connections), pytest.raises(Unreachable, match="was lost while"):
            shell.run(command)
    end_processes(sshd, "sleep 32")


def test_closing_from_another_thread_ends_the_wait(sshd: Sshd) -> None:
    begun = sshd.folder / "begun"
    shell = sshd.shell()
    with meanwhile(begun.exists, shell.close), pytest.raises(Unreachable, match="was lost while"):
        shell.run(f"touch {begun}; exec sleep 33")
    shell.close()
    end_processes(sshd, "sleep 33")


# Commands that do not end


def test_a_host_that_froze_in_mid_command_may_still_run_it(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_ENDING_S", 1.0)
    begun = sshd.folder / "begun"

    def freeze() -> None:
        for process in sshd.sshd_of_connections():
            process.send_signal(signal.SIGSTOP)

    with closing(sshd.shell()) as shell:
        shell.run("true")
        started = time.monotonic()
        with (
            meanwhile(begun.exists, freeze),
            pytest.raises(CommandTimeout, match="its process may still run on compute-1"),
        ):
            # More input than every buffer on the way holds: the writer is stuck in a full socket.
            shell.run(f"touch {begun}; exec sleep 34", stdin="x" * 20_000_000, timeout_s=1)
        assert time.monotonic() - started < 10
        assert shell.run("echo back").stdout == "back\n"
    end_processes(sshd, "sleep 34")


def test_a_background_process_that_holds_the_output_is_named_as_such(sshd: Sshd) -> None:
    with closing(sshd.shell()) as shell:
        with pytest.raises(CommandTimeout, match="ended with status 0, but what it left in the background"):
            shell.run("sleep 31 & echo started", timeout_s=0.5)
        assert shell.run("sleep 31 >/dev/null 2>&1 & echo started", timeout_s=5).stdout == "started\n"
    end_processes(sshd, "sleep 31")


def test_endless_output_is_ended_before_it_fills_the_memory(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_wire, "OUTPUT_LIMIT_BYTES", 1 << 20)
    with closing(sshd.shell()) as shell:
        with pytest.raises(CommandFailed, match="`yes` printed more than"):
            shell.run("yes")
        assert shell.run("echo next").stdout == "next\n"
        until(lambda: not [process for process in sshd.connections() if process.name() == "yes"])


def test_an_interrupted_wait_leaves_nothing_running(sshd: Sshd) -> None:
    begun = sshd.folder / "begun"

    def interrupt() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with closing(sshd.shell()) as shell:
        with meanwhile(begun.exists, interrupt), pytest.raises(KeyboardInterrupt):
            shell.run(f"touch {begun}; sleep 300", timeout_s=60)
        assert not [process for process in sshd.connections() if process.name() == "sleep"]


def end_processes(sshd: Sshd, command: str) -> None:
    """End what a test has deliberately left on its host, which is this machine: what this sshd has started."""
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] == command.split():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SSH_CONNECTION", "").split()[-1:] == [str(sshd.port)]:
                    kill_all([process])
