"""Leases, held by real processes: in files of this machine and on a real Redis server."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcert import leases as leases_module
from nfvcert.cli import main
from nfvcert.errors import LabError, NotPermitted, Unreachable, UsageError
from nfvcert.leases import Held, Holder, LeaseBook, ago, force_release, leased, leases, place_of
from nfvcert.leases.etcd_server import EtcdServer

ROOT = Path(__file__).parents[2]
LAB = "lab/opco-ru"
EMBEDDED = "machine/lab/opco-ru"
"""Of the embedded lab of that name, which is this machine's alone."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all leases of a test are."""
    monkeypatch.setenv("NFVCERT_LEASES", str(tmp_path / "leases"))
    return tmp_path / "leases"


@contextmanager
def book(run: str = "here", *, url: str | None = None, ttl_s: float = 60.0) -> Iterator[LeaseBook]:
    made = LeaseBook(run=run, reason=f"testing {run}", url=url, ttl_s=ttl_s)
    try:
        yield made
    finally:
        made.close()


def soon(true: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def first_lost(ours: LeaseBook, within_s: float = 5.0) -> tuple[str, ...]:
    """What the first heartbeat says that says anything."""
    deadline = time.monotonic() + within_s
    while not (lost := ours.heartbeat()):
        assert time.monotonic() < deadline, "nothing was lost in time"
        time.sleep(0.02)
    return lost


ACTOR = """
import gc, os, subprocess, sys, time
from nfvcert.leases import LeaseBook
run, url, ttl = sys.argv[1:]
book = LeaseBook(run=run, reason="acting", url=url or None, ttl_s=float(ttl))
for line in sys.stdin:
    match line.split():
        case ["acquire", resource]:
            said = book.try_acquire(resource)
        case ["release", resource]:
            said = book.release(resource)
        case ["heartbeat"]:
            said = book.heartbeat()
        case ["worker-that-ends"]:
            if (pid := os.fork()) == 0:
                for resource in book.held:
                    book.release(resource)
                book.close()
                book.heartbeat()
                del book
                gc.collect()
                sys.exit(0)
            said = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        case ["worker-that-stays", *abandons]:
            if (said := os.fork()) == 0:
                if abandons:
                    book.abandon()
                del book
                gc.collect()
                time.sleep(60)
        case ["program-that-stays"]:
            said = subprocess.Popen(["sleep", "60"], close_fds=False).pid
        case ["end"]:
            book.close()
            break
    print(said, flush=True)
"""


class Actor:
    """Another run: a process that does what it is told, and ends with its test."""

    def __init__(self, run: str, *, url: str = "", ttl_s: float = 60.0) -> None:
        command = [sys.executable, "-c", ACTOR, run, url, str(ttl_s)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.children: list[int] = []

    def does(self, order: str) -> str:
        """What the order came to."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def starts(self, order: str) -> int:
        """The number of a process that the order starts."""
        self.children.append(int(self.does(order)))
        return self.children[-1]

    def dies(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        for child in self.children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.dies()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


@pytest.fixture
def acting() -> Iterator[Callable[..., Actor]]:
    """Makes actors."""
    with ExitStack() as stack:

        def make(run: str = "other", *, url: str = "", ttl_s: float = 60.0) -> Actor:
            actor = Actor(run, url=url, ttl_s=ttl_s)
            stack.callback(actor.close)
            return actor

        yield make


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A lock server of our own that keeps its data over a restart."""

    scheme: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = self.launch()
        soon(self.answers)

    def launch(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Redis(Server):
    scheme = "redis"

    def launch(self) -> subprocess.Popen[bytes]:
        keeps = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", str(self.folder)]
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--logfile", str(self.folder / "log")]
        return subprocess.Popen(["redis-server", *keeps, *where])

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as asked:
                asked.sendall(b"PING\r\n")
                return asked.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class Etcd(Server):
    scheme = "etcd3+http"

    def launch(self) -> subprocess.Popen[bytes]:
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{free_port()}"
        clients = ["--listen-client-urls", client, "--advertise-client-urls", client]
        peers = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        quick = ["--heartbeat-interval", "10", "--election-timeout", "100"]  # leases of 1 s need it, too
        alone = ["--data-dir", str(self.folder), "--initial-cluster", f"default={peer}"]
        command = ["etcd", *alone, *clients, *peers, *quick]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def answers(self) -> bool:
        try:
            EtcdServer(self.url, 60.0)
        except Unreachable:
            return False
        return True


@pytest.fixture(scope="module")
def lock_server() -> Iterator[Redis]:
    """A server for the tests that leave it alive."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as data:
        server = Redis(Path(data))
        yield server
        server.kill()


@pytest.fixture(scope="module")
def etcd() -> Iterator[Etcd]:
    """Another one."""
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as data:
        server = Etcd(Path(data))
        yield server
        server.kill()


@pytest.fixture(params=[Redis, Etcd])
def mortal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server to be killed."""
    data = tmp_path / "data"
    data.mkdir()
    server: Server = request.param(data)
    yield server
    server.kill()


class Contract:
    """What holds wherever leases are kept. ``url`` is where."""

    def test_one_holds_and_the_other_learns_who(self, url: str, acting: Callable[..., Actor]) -> None:
        actor = acting("20260301-101500", url=url)
        assert actor.does(f"acquire {LAB}") == "None"
        with book(url=url) as ours:
            other = ours.try_acquire(LAB)
            assert other is not None
            assert other.owner.endswith(f"@{socket.gethostname()}")
            assert (other.run, other.reason, other.pid) == ("20260301-101500", "acting", actor.process.pid)
            assert other.since is not None
            assert other.since.utcoffset() is not None
            assert "ago: acting" in str(other)
            assert dict(ours.held) == {}
            assert ours.try_acquire("lab/opco-kz") is None  # another lab is another matter
            actor.does(f"release {LAB}")
            assert ours.try_acquire(LAB) is None
            assert ours.held[LAB].run == "here"
            assert "here" in actor.does(f"acquire {LAB}")

    def test_taking_and_giving_back_can_be_repeated(self, url: str) -> None:
        with book(url=url) as ours, book("other", url=url) as other:
            assert ours.try_acquire(LAB) is None
            assert ours.try_acquire(LAB) is None
            other.release(LAB)  # not the other's to give back
            assert other.try_acquire(LAB)
            ours.release(LAB)
            ours.release(LAB)
            assert other.try_acquire(LAB) is None

    def test_a_lease_taken_by_force_is_lost_for_its_holder_and_free_for_others(self, url: str) -> None:
        with book(url=url, ttl_s=1.0) as ours, book("other", url=url) as other:
            ours.try_acquire(LAB)
            ours.try_acquire("machine")
            taken = force_release(url, LAB)
            assert taken is not None
            assert taken.run == "here"
            assert other.try_acquire(LAB) is None
            assert ours.held  # not known yet
            assert first_lost(ours) == (LAB,)
            assert ours.heartbeat() == ()
            assert set(ours.held) == {"machine"}
            ours.release(LAB)  # is the other's now, and stays so
            assert ours.try_acquire(LAB)
            assert force_release(url, "lab/nobody") is None

    def test_force_may_be_meant_for_one_holder_only(self, url: str) -> None:
        with book(url=url) as ours, book("other", url=url) as other:
            ours.try_acquire(LAB)
            seen = leases(url)[0].holder
            ours.release(LAB)
            other.try_acquire(LAB)
            assert force_release(url, LAB, only=seen) is None
            assert other.held
            assert [lease.holder.run for lease in leases(url)] == ["other"]

    def test_leases_are_listed(self, url: str) -> None:
        assert leases(url) == []
        with book(url=url) as ours:
            ours.try_acquire("lab/a")
            ours.try_acquire("lab/b")
            assert [(each.resource, each.holder.run, each.alive) for each in leases(url)] == [
                ("lab/a", "here", True),
                ("lab/b", "here", True),
            ]
        assert leases(url) == []

    def test_a_worker_that_ends_gives_nothing_back(self, url: str, acting: Callable[..., Actor]) -> None:
        actor = acting(url=url)
        actor.does(f"acquire {LAB}")
        assert actor.does("worker-that-ends") == "0"
        with book(url=url) as ours:
            assert ours.try_acquire(LAB)
            assert actor.does("heartbeat") == "()"
            assert actor.does(f"acquire {LAB}") == "None"
            actor.does("end")
            assert ours.try_acquire(LAB) is None

    def test_nothing_here_makes_a_thread(self, url: str) -> None:
        before = threading.active_count()
        with book(url=url, ttl_s=1.0) as ours:
            ours.try_acquire(LAB)
            ours.heartbeat()
            assert threading.active_count() == before

    def test_the_clock_on_the_wall_decides_nothing(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with book(url=url, ttl_s=1.0) as ours, book("other", url=url) as other:
            ours.try_acquire(LAB)
            monkeypatch.setattr(time, "time", lambda: 0.0)
            monkeypatch.setattr(leases_module, "datetime", Yesterday)
            assert ours.heartbeat() == ()
            assert other.try_acquire(LAB)
            ours.release(LAB)
            assert other.try_acquire(LAB) is None
            assert ours.try_acquire(LAB)


class Yesterday:
    """A wall clock that was set back."""

    @staticmethod
    def now(zone: object) -> object:
        from datetime import UTC, datetime, timedelta

        assert zone is UTC
        return datetime.now(UTC) - timedelta(days=1)


class TestFiles(Contract):
    """In a folder of this machine."""

    @pytest.fixture
    def url(self, folder: Path) -> str:
        return str(folder)

    def test_killed_with_nobody_left_it_is_free_at_once(self, acting: Callable[..., Actor]) -> None:
        actor = acting()
        actor.does(f"acquire {LAB}")
        actor.dies()
        [dead] = leases()
        assert (dead.alive, dead.holder.run) == (False, "other")
        with book() as ours:
            assert ours.try_acquire(LAB) is None

    def test_killed_it_is_held_until_its_last_worker_is_gone(self, folder: Path, acting: Callable[..., Actor]) -> None:
        actor = acting()
        worker = actor.starts("worker-that-stays")  # before it is taken: also then
        actor.starts("worker-that-stays abandons")
        actor.starts("program-that-stays")
        actor.does(f"acquire {LAB}")
        actor.dies()
        with book() as ours:
            assert ours.try_acquire(LAB)
            assert leases()[0].alive
            os.kill(worker, signal.SIGKILL)
            soon(lambda: ours.try_acquire(LAB) is None)
        assert list(folder.glob("*.life")) == []

    def test_the_machine_is_shared_or_not(self) -> None:
        with book("a") as a, book("b") as b, book("c") as c:
            assert a.try_acquire("machine", shared=True) is None
            assert b.try_acquire("machine", shared=True) is None
            in_the_way = c.try_acquire("machine")
            assert in_the_way is not None
            assert in_the_way.run == "a"
            assert [lease.shared for lease in leases()] == [True, True]
            a.release("machine")
            b.release("machine")
            assert c.try_acquire("machine") is None
            assert a.try_acquire("machine", shared=True)

    def test_what_was_thought_lost_is_asked_for_anew(self) -> None:
        with book("a") as a, book("b") as b:
            a.try_acquire("machine", shared=True)
            b.try_acquire("machine", shared=True)
            a._held.clear()  # as after a folder that could not be read for long
            in_the_way = a.try_acquire("machine")
            assert in_the_way is not None
            assert in_the_way.run == "b"
            b.release("machine")
            assert a.try_acquire("machine") is None
            assert [(lease.holder.run, lease.shared) for lease in leases()] == [("a", False)]

    def test_who_measures_is_not_starved_by_those_who_share(self) -> None:
        with book("a") as a, book("b") as b, book("measuring") as measuring:
            a.try_acquire("machine", shared=True)
            assert a.wanted_by("machine") is None
            assert measuring.try_acquire("machine")
            wanted = a.wanted_by("machine")
            assert wanted is not None
            assert wanted.run == "measuring"
            first = b.try_acquire("machine", shared=True)
            assert first is not None
            assert (first.run, first.reason) == ("measuring", "testing measuring (next in line)")
            a.release("machine")
            assert a.try_acquire("machine", shared=True)  # free, and not for a
            assert measuring.try_acquire("machine") is None
            measuring.release("machine")
            assert a.try_acquire("machine", shared=True) is None
            assert b.try_acquire("machine", shared=True) is None

    def test_who_stops_waiting_is_in_nobodys_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with book("a") as a, book("b") as b, book("c") as c:
            a.try_acquire(LAB)
            b.try_acquire(LAB)
            a.release(LAB)
            assert c.try_acquire(LAB)  # b is next
            b.release(LAB)  # b gives up
            assert c.try_acquire(LAB) is None
            a.try_acquire(LAB)
            c.release(LAB)
            monkeypatch.setattr("nfvcert.leases.files.PATIENCE_S", 0.0)  # a is silent for too long
            assert b.try_acquire(LAB) is None

    def test_many_processes_never_overlap(self, tmp_path: Path) -> None:
        script = """
import os, sys, time
from nfvcert.leases import LeaseBook
book, mark, done = LeaseBook(run=sys.argv[1], reason="r"), sys.argv[2], 0
deadline = time.monotonic() + 20
while done < 40 and time.monotonic() < deadline:
    if book.try_acquire("lab/x") is None:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        os.unlink(mark)
        book.release("lab/x")
        done += 1
    else:
        time.sleep(0.0005)
book.close()
print(done)
"""
        command = [sys.executable, "-c", script]
        running = [
            subprocess.Popen(
                [*command, str(number), str(tmp_path / "mark")], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            for number in range(3)
        ]
        assert [process.communicate(timeout=30)[0] for process in running] == ["40\n"] * 3
        assert leases() == []

    def test_the_folder_is_for_all_users(self, folder: Path) -> None:
        with book() as ours:
            ours.try_acquire(LAB)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
            [file] = folder.glob("*.lease")
            assert stat.S_IMODE(file.stat().st_mode) == 0o666
            assert len(list(folder.glob("*.life"))) == 1
        assert list(folder.glob("*.life")) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
    def test_another_user_sees_takes_and_frees(self, acting: Callable[..., Actor]) -> None:
        # Not below pytest's folder, which is for its user only.
        with tempfile.TemporaryDirectory(prefix="nfvcert-") as parent, pytest.MonkeyPatch.context() as patch:
            Path(parent).chmod(0o755)
            patch.setenv("NFVCERT_LEASES", f"{parent}/leases")
            actor = acting()
            actor.does(f"acquire {LAB}")
            pid = os.fork()
            if pid == 0:  # nobody, from here on; 0 when all is as it should be
                os.setuid(65534)
                as_nobody = LeaseBook(run="nobody", reason="r")
                first = as_nobody.try_acquire(LAB) is not None and as_nobody.try_acquire("lab/new") is None
                force_release(None, LAB)
                os._exit(0 if first and as_nobody.try_acquire(LAB) is None else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            with book() as ours:  # what nobody has left is free, and root may take it
                assert ours.try_acquire(LAB) is None
                assert ours.try_acquire("lab/new") is None

    def test_a_link_in_the_folder_is_not_followed(self, folder: Path, tmp_path: Path) -> None:
        precious = tmp_path / "precious"
        precious.write_text("mine")
        with book() as ours:
            lease = folder / "lab%2Fopco-ru.lease"
            lease.symlink_to(precious)
            with pytest.raises(NotPermitted, match=r"opco-ru\.lease"):
                _ask_until_refused(ours)
            lease.unlink()
            os.link(precious, lease)
            with pytest.raises(NotPermitted, match="no plain file"):
                _ask_until_refused(ours)
        assert precious.read_text() == "mine"

    def test_a_folder_that_cannot_be_trusted_is_refused(self, folder: Path, tmp_path: Path) -> None:
        folder.mkdir()
        folder.chmod(0o777)
        with pytest.raises(NotPermitted, match="everybody may take away"):
            LeaseBook(run="r", reason="r")
        folder.rmdir()
        folder.symlink_to(tmp_path)
        with pytest.raises(NotPermitted, match="no folder"):
            LeaseBook(run="r", reason="r")

    @pytest.mark.parametrize("line", ["{", "[1]\n", '[{"resource":"lab/opco-ru"}]\n', "\0" * 30])
    def test_what_cannot_be_read_is_held_until_a_person_frees_it(self, folder: Path, line: str) -> None:
        with book() as ours:
            ours.try_acquire(LAB)
            ours.release(LAB)
            (folder / "lab%2Fopco-ru.lease").write_text(line)
            unknown = ours.try_acquire(LAB)
            assert unknown is not None
            assert unknown.owner == "somebody"
            assert force_release(None, LAB)
            assert ours.try_acquire(LAB) is None

    def test_the_rest_of_a_longer_line_does_not_count(self, folder: Path) -> None:
        with book() as ours:
            ours.try_acquire(LAB)
            ours.release(LAB)
            (folder / "lab%2Fopco-ru.lease").write_text('[]\n"half of what a killed writer wanted to cut off')
            assert ours.try_acquire(LAB) is None
            assert [lease.holder.run for lease in leases()] == ["here"]

    def test_words_of_others_do_not_steer_a_terminal(self) -> None:
        with leased(LAB, run="r", reason="\x1b[2Jgone\nx" + "y" * 1000):
            reason = leases()[0].holder.reason
        assert reason.startswith("?[2Jgone?xy")
        assert len(reason) == 200

    def test_files_taken_away_are_a_lease_lost(self, folder: Path) -> None:
        with book(ttl_s=0.3) as ours:
            ours.try_acquire(LAB)
            shutil.rmtree(folder)
            assert first_lost(ours) == (LAB,)

    def test_leased_is_for_a_while_only(self) -> None:
        with leased(LAB, run="", reason="looking"):
            with (
                pytest.raises(Held, match=r"lab opco-ru is held by .*: looking") as refused,
                leased(LAB, run="", reason="me too"),
            ):
                pytest.fail("both had it")
            assert refused.value.holder.reason == "looking"
        assert leases() == []


def _ask_until_refused(ours: LeaseBook) -> None:
    """A place that does not work is asked again until it has been so for the life of a lease."""
    ours._ttl_s = 0.2
    ours._away.clear()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        assert ours.try_acquire(LAB)
        time.sleep(0.02)


OPERATIONS = st.lists(
    st.tuples(
        st.integers(0, 3),  # which book
        st.sampled_from(["take", "share", "give back"]),
        st.sampled_from(["machine", "lab/a"]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(OPERATIONS)
def test_what_is_exclusive_never_overlaps(operations: list[tuple[int, str, str]]) -> None:
    with tempfile.TemporaryDirectory(prefix="nfvcert-") as parent, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFVCERT_LEASES", f"{parent}/leases")
        books = [LeaseBook(run=str(number), reason="r") for number in range(4)]
        held: dict[tuple[int, str], str] = {}
        for number, kind, resource in operations:
            if kind == "give back":
                books[number].release(resource)
                held.pop((number, resource), None)
            elif books[number].try_acquire(resource, shared=kind == "share") is None:
                held.setdefault((number, resource), kind)
            for each in ("machine", "lab/a"):
                kinds = [how for (_, what), how in held.items() if what == each]
                assert len(kinds) < 2 or set(kinds) == {"share"}
        assert {(int(lease.holder.run), lease.resource) for lease in leases()} == set(held)
        assert [one.heartbeat() for one in books] == [()] * 4
        for closed in books[1:]:
            closed.close()
        for resource in ("machine", "lab/a"):
            assert books[0].try_acquire(resource) is None
        books[0].close()


class ServerContract(Contract):
    """What holds on every server."""

    def test_killed_it_expires(self, url: str, acting: Callable[..., Actor]) -> None:
        actor = acting(url=url, ttl_s=1.0)
        actor.does(f"acquire {LAB}")
        actor.dies()
        with book(url=url) as ours:
            other = ours.try_acquire(LAB)
            assert other is not None
            assert other.expires is not None
            soon(lambda: ours.try_acquire(LAB) is None)

    def test_the_heartbeat_keeps_it(self, url: str) -> None:
        with book(url=url, ttl_s=0.6) as ours, book("other", url=url) as other:
            ours.try_acquire(LAB)
            ends = time.monotonic() + 0.9
            while time.monotonic() < ends:
                assert ours.heartbeat() == ()
                assert other.try_acquire(LAB)
                time.sleep(0.02)
            assert set(ours.held) == {LAB}

    def test_without_a_heartbeat_it_is_lost(self, url: str) -> None:
        with book(url=url, ttl_s=0.3) as ours, book("other", url=url) as other:
            ours.try_acquire(LAB)
            soon(lambda: other.try_acquire(LAB) is None)
            assert ours.heartbeat() == (LAB,)

    def test_an_answer_that_got_lost_locks_nobody_out(self, url: str) -> None:
        with book(url=url) as ours:
            ours.try_acquire(LAB)
            ours._held.clear()  # as if the server had done it, and the connection had died
            assert ours.try_acquire(LAB) is None
            assert len(leases(url)) == 1


class TestEtcd(ServerContract):
    """On an etcd server."""

    @pytest.fixture
    def url(self, etcd: Etcd) -> str:
        return etcd.url


class TestRedis(ServerContract):
    """On a Redis server."""

    @pytest.fixture
    def url(self, lock_server: Redis) -> str:
        return lock_server.url

    def test_the_machine_is_never_kept_on_a_server(
        self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with book(url=url) as ours:
            assert ours.try_acquire("machine", shared=True) is None
            assert leases(url) == []
            assert [lease.resource for lease in leases()] == ["machine"]
        monkeypatch.setenv("NFVCERT_LEASES", url)
        assert place_of() == url
        monkeypatch.setattr("nfvcert.leases.files.FOLDERS", (tmp_path / "common",))
        with book() as ours:
            assert ours.try_acquire("machine") is None
            assert ours.try_acquire(LAB) is None
            assert [lease.resource for lease in leases()] == ["machine", LAB]

    def test_what_is_no_lease_of_ours_is_held_by_somebody(self, url: str, lock_server: Redis) -> None:
        with socket.create_connection(("127.0.0.1", lock_server.port), 1) as raw:
            raw.sendall(b"SET nfvcert:lease:lab/opco-ru rubbish\r\n")
            assert raw.recv(64).startswith(b"+OK")
        with book(url=url) as ours:
            other = ours.try_acquire(LAB)
            assert other is not None
            assert other.owner == "somebody"
            assert force_release(url, LAB)
            assert ours.try_acquire(LAB) is None


class TestServerThatGoesAway:
    """Killed, stopped and back again."""

    def test_killed_it_is_ours_for_its_life_and_lost_after_it(self, mortal: Server) -> None:
        with book(url=mortal.url, ttl_s=1.0) as ours:
            asked = time.monotonic()
            ours.try_acquire(LAB)
            mortal.kill()
            while not (lost := ours.heartbeat()):
                assert time.monotonic() - asked < 3.0
                time.sleep(0.02)
            assert lost == (LAB,)
            assert time.monotonic() - asked >= 1.0
            assert ours.heartbeat() == ()

    def test_back_in_time_nothing_is_lost(self, mortal: Server) -> None:
        with book(url=mortal.url, ttl_s=1.5) as ours, book("other", url=mortal.url, ttl_s=1.5) as other:
            ours.try_acquire(LAB)
            mortal.kill()
            ends = time.monotonic() + 0.6
            while time.monotonic() < ends:
                assert ours.heartbeat() == ()
                time.sleep(0.02)
            waiting = other.try_acquire("lab/another")
            assert waiting is not None
            assert "cannot be used" in waiting.reason
            mortal.start()
            ends = time.monotonic() + 1.5
            while time.monotonic() < ends:
                assert ours.heartbeat() == ()
                time.sleep(0.02)
            other_now = other.try_acquire(LAB)
            assert other_now is not None
            assert other_now.run == "here", other_now

    def test_a_server_that_has_forgotten_has_lost_it(self, mortal: Server) -> None:
        with book(url=mortal.url, ttl_s=2.0) as ours:
            ours.try_acquire(LAB)
            mortal.kill()
            shutil.rmtree(mortal.folder)
            mortal.folder.mkdir()
            mortal.start()
            assert first_lost(ours) == (LAB,)

    def test_who_waits_is_told_and_gives_up_after_the_life_of_a_lease(self, mortal: Server) -> None:
        with book(url=mortal.url, ttl_s=0.5) as ours:
            mortal.kill()

            def ask_on() -> None:
                deadline = time.monotonic() + 5
                while time.monotonic() < deadline:
                    other = ours.try_acquire(LAB)
                    assert other is not None
                    assert str(mortal.port) in other.reason
                    time.sleep(0.02)

            with pytest.raises(Unreachable, match=str(mortal.port)):
                ask_on()

    def test_one_that_hangs_costs_seconds_and_no_more(self, mortal: Server) -> None:
        with book(url=mortal.url, ttl_s=1.0) as ours:
            ours.try_acquire(LAB)
            mortal.process.send_signal(signal.SIGSTOP)
            started = time.monotonic()
            assert first_lost(ours) == (LAB,)
            assert time.monotonic() - started < 4.0
        mortal.process.send_signal(signal.SIGCONT)

    def test_not_there_at_the_start(self, mortal: Server, folder: Path) -> None:
        mortal.kill()
        started = time.monotonic()
        with pytest.raises(LabError, match=f"the lock server .*://127.0.0.1:{mortal.port} cannot be used"):
            LeaseBook(run="r", reason="r", url=mortal.url.replace("//", "//anna:secret@"))
        assert time.monotonic() - started < 4.0
        assert list(folder.glob("*.life")) == []


class TestWrongPlaces:
    """What a person writes."""

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("zookeeper://anna:secret@h", "zookeeper://h"),
            ("postgresql://h/db", "redis://HOST:PORT"),
            ("redis://h:port", "redis://h:port"),
            ("etcd3+http://h:port", "etcd3+http://h:port"),
            ("relative/folder", "relative/folder"),
            ("redis:h", "redis:h"),
        ],
    )
    def test_a_url_that_cannot_be_is_a_mistake_of_usage(self, url: str, said: str) -> None:
        with pytest.raises(UsageError) as refused:
            LeaseBook(run="r", reason="r", url=url)
        assert said in str(refused.value)
        assert "secret" not in str(refused.value)

    def test_a_missing_package_is_named(self) -> None:
        script = (
            "import sys; sys.modules['redis'] = None\n"
            "from nfvcert.leases import LeaseBook\n"
            "from nfvcert.errors import UsageError\n"
            "try: LeaseBook(run='r', reason='r', url='redis://h')\n"
            "except UsageError as error: print(error)"
        )
        ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "redis://h" in ended.stdout
        assert "pip install redis" in ended.stdout

    def test_where_leases_are_kept(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        assert place_of("file:///a/b") == Path("/a/b")
        monkeypatch.delenv("NFVCERT_LEASES")
        monkeypatch.setattr("nfvcert.leases.files.FOLDERS", (tmp_path / "none" / "x", tmp_path / "second"))
        assert place_of() == tmp_path / "second" or os.geteuid() == 0
        (tmp_path / "second").mkdir()
        assert place_of() == tmp_path / "second"


def test_when_it_was_in_words() -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC)
    for seconds, said in ((200, "3 min ago"), (7300, "2 h ago"), (90000, "1 d ago"), (-50, "a moment ago")):
        assert ago(now - timedelta(seconds=seconds)) == said


class TestCommands:
    """`nfvcert lab leases`, `nfvcert lab release`, and the other commands that need a lab."""

    INVENTORY: ClassVar[list[str]] = ["--inventory", str(ROOT / "lab_inventory")]

    def test_leases(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["lab", "leases", *self.INVENTORY]) == 0
        assert capsys.readouterr().out == "no leases\n"
        with book("20260301-101500") as ours:
            ours.try_acquire(LAB)
            ours.try_acquire("machine", shared=True)
            assert main(["lab", "leases", *self.INVENTORY]) == 0
        head, *rows = capsys.readouterr().out.splitlines()
        assert head.split() == ["RESOURCE", "OWNER", "RUN", "SINCE", "REASON", "STATE"]
        assert [row.split()[0] for row in rows] == [LAB, "machine"]
        assert "20260301-101500" in rows[0]
        assert re.search(r"ago  testing 20260301-101500  held$", rows[0])

    def test_leases_on_the_servers_of_the_inventory(
        self, tmp_path: Path, lock_server: Redis, capsys: pytest.CaptureFixture[str]
    ) -> None:
        inventory = tmp_path / "inventory"
        inventory.mkdir()
        text = (ROOT / "lab_inventory" / "physical-pod.yaml").read_text()
        (inventory / "opco-ru.yaml").write_text(
            f"{text.replace('lab: physical-pod', 'lab: opco-ru')}\nleases: {lock_server.url}\n"
        )
        (inventory / "wrong.yaml").write_text("lab: [")
        with book("on-the-server", url=lock_server.url) as ours:
            ours.try_acquire(LAB)
            assert main(["lab", "leases", "--inventory", str(inventory)]) == 4
            said = capsys.readouterr()
            assert "on-the-server" in said.out
            assert "wrong.yaml" in said.err
            assert main(["lab", "release", "opco-ru", "--inventory", str(inventory)]) == 10
            assert main(["lab", "release", "opco-ru", "--force", "--inventory", str(inventory)]) == 0
            assert "taken away from" in capsys.readouterr().out
            assert leases(lock_server.url) == []

    def test_release(self, capsys: pytest.CaptureFixture[str], acting: Callable[..., Actor]) -> None:
        assert main(["lab", "release", "opco-ru", *self.INVENTORY]) == 0
        assert capsys.readouterr().out == f"{EMBEDDED} is free\n"
        actor = acting("20260301-101500")
        actor.does(f"acquire {EMBEDDED}")
        assert main(["lab", "release", "opco-ru", *self.INVENTORY]) == 10
        assert re.search(r"\(run 20260301-101500\) since .* ago: acting", capsys.readouterr().err)
        assert len(leases()) == 1
        assert main(["lab", "release", "opco-ru", "--force", *self.INVENTORY]) == 0
        assert "(run 20260301-101500)" in capsys.readouterr().out
        actor.does(f"acquire {EMBEDDED}")  # it is still told that it has it; after its heartbeat, it takes it anew
        time.sleep(1.0)
        assert actor.does("heartbeat") == f"('{EMBEDDED}',)"
        actor.does(f"acquire {EMBEDDED}")
        actor.dies()
        assert main(["lab", "leases", *self.INVENTORY]) == 0
        assert "dead: free for who asks next" in capsys.readouterr().out
        assert main(["lab", "release", "opco-ru", *self.INVENTORY]) == 0
        assert leases() == []

    @pytest.mark.parametrize("command", ["check", "down"])
    def test_somebodys_run_is_left_alone(self, command: str, tmp_path: Path) -> None:
        with book("20260301-101500") as ours:
            ours.try_acquire(EMBEDDED)
            ended = subprocess.run(
                [sys.executable, "-m", "nfvcert.cli", "lab", command, "opco-ru"],
                cwd=ROOT,
                env=os.environ | {"NFVCERT_RUN_DIR": str(tmp_path / "run")},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert ended.returncode == 10
            assert "lab opco-ru is held by" in ended.stderr
            assert "20260301-101500" in ended.stderr
            assert "Traceback" not in ended.stderr
            assert ours.heartbeat() == ()


def test_a_holder_knows_its_user_and_machine() -> None:
    here = Holder.here(run="r", reason="why")
    assert here.owner.partition("@")[0]
    assert here.pid == os.getpid()
    assert here.expires is None
