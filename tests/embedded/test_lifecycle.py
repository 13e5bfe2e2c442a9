"""Up and down: what is there, who finds it, what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from nfvcert import embedded
from nfvcert.embedded import namespaces, programs
from nfvcert.embedded.namespaces import identity, members
from nfvcert.embedded.rundir import read_state
from nfvcert.errors import LabError, MissingPackage, NotPermitted, Unreachable
from tests.embedded.machine import (
    KINDS,
    another_process,
    inventory,
    leaves_nothing,
    own_interfaces,
    processes_of,
    run,
    set_link,
    until,
)


def in_a_new_interpreter(code: str) -> subprocess.Popen[str]:
    head = "import os\nfrom nfvcert import embedded\nfrom tests.embedded.machine import inventory\n"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen([sys.executable, "-c", head + code], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("name", KINDS)
def test_up_and_down_leave_nothing(name: str, run_dir: Path) -> None:
    lab = inventory(name)
    assert embedded.sweep() == []
    with leaves_nothing(run_dir):
        begin = time.monotonic()
        up = embedded.up(lab)
        took_s = time.monotonic() - begin
        assert up.created
        assert took_s < 10  # 0.5 s on an idle machine, and this one may be busy
        for host in lab.hosts:
            assert run(up, host, "hostname") == (0, f"{host}\n")
        up.down()
        assert embedded.find(name) is None
        with pytest.raises(Unreachable):
            up.connect(next(iter(lab.hosts)), 1.0)
        up.down()  # again: nothing to do
        assert not embedded.down(name)


def test_up_twice_is_the_same_lab(run_dir: Path) -> None:
    first = embedded.up(inventory("opco-ru"))
    state = (run_dir / "opco-ru" / "state.json").read_text()
    second = embedded.up(inventory("opco-ru"))
    assert first.created
    assert not second.created
    assert (run_dir / "opco-ru" / "state.json").read_text() == state
    assert second.ports == first.ports
    assert second.loop == first.loop


@pytest.mark.usefixtures("run_dir")
def test_an_unwell_lab_is_made_anew() -> None:
    lab = inventory("opco-ru")
    up = embedded.up(lab)
    state = read_state(up.run_dir)
    assert state is not None
    sshd = state.daemons["sshd leaf-1"]
    os.kill(sshd.pid, signal.SIGKILL)
    until(lambda: not sshd.alive)
    assert embedded.up(lab).created
    set_link(up, "leaf-2", "trunk-1", "down")
    assert embedded.up(lab).created
    namespaces.unpin(Path(up.namespace("compute-1")))
    assert embedded.up(lab).created
    (up.run_dir / "state.json").write_text('{"version": 1, "la')
    assert embedded.find("opco-ru") is None
    assert embedded.up(lab).created
    changed = lab.model_copy(update={"title": "Another title"})
    assert embedded.up(changed).created
    assert not embedded.up(changed).created


def test_labs_do_not_clash(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ru = embedded.up(inventory("opco-ru"))
    twin_inventory = inventory("opco-ru").model_copy(update={"lab": "opco-twin"})
    twin = embedded.up(twin_inventory)  # the same addresses and names
    monkeypatch.setenv("NFVCERT_RUN_DIR", str(run_dir.with_name("another")))
    assert embedded.find("opco-ru") is None
    other = embedded.up(inventory("opco-ru"))
    try:
        set_link(ru, "leaf-1", "trunk-1", "down")
        for lab in (twin, other):
            assert "state UP" in run(lab, "leaf-1", "ip link show trunk-1")[1]
        assert other.client_key.read_bytes() != ru.client_key.read_bytes()
        twin.down()
        assert run(ru, "leaf-2", "hostname") == (0, "leaf-2\n")
        assert run(other, "leaf-2", "hostname") == (0, "leaf-2\n")
    finally:
        other.down()


def test_a_second_process_finds_it_and_takes_it_down(run_dir: Path) -> None:
    with leaves_nothing(run_dir):
        with in_a_new_interpreter("print(embedded.up(inventory('opco-ru')).created)") as first:
            assert first.communicate()[0] == "True\n"
        found = embedded.find("opco-ru")
        assert found is not None
        assert found.lab == inventory("opco-ru")
        assert run(found, "leaf-1", "hostname") == (0, "leaf-1\n")
        with in_a_new_interpreter("print(embedded.down('opco-ru'))") as second:
            assert second.communicate()[0] == "True\n"
        assert embedded.find("opco-ru") is None


@pytest.mark.usefixtures("run_dir")
def test_two_processes_bring_it_up_at_once() -> None:
    processes = [in_a_new_interpreter("print(embedded.up(inventory('opco-ru')).created)") for _ in range(2)]
    answers = sorted(process.communicate()[0] for process in processes)
    assert answers == ["False\n", "True\n"]
    assert embedded.down("opco-ru")


@pytest.mark.parametrize("name", KINDS)
def test_killed_at_any_moment(name: str, run_dir: Path) -> None:
    """kill -9 at moments that are spread over the whole of `up`: sweep copes with whatever is there."""
    lab = inventory(name)
    seen, write = os.pipe()

    def up_and_die_at(event: int) -> None:
        count = 0

        def hook(_name: str, _arguments: object) -> None:
            nonlocal count
            count += 1
            if count == event:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)  # it sees every file opened, every process started, every socket made
        embedded.up(lab, owner=os.getpid())
        os.write(write, str(count).encode())

    with another_process(lambda: up_and_die_at(0)) as pid:
        os.waitpid(pid, 0)
    events = int(os.read(seen, 100))
    assert len(embedded.sweep()) == 1
    half_built = 0
    with leaves_nothing(run_dir):
        for event in range(5, int(0.9 * events), events // 11):
            with another_process(partial(up_and_die_at, event)) as pid:
                assert os.waitpid(pid, 0)[1] == signal.SIGKILL
            was_there = (run_dir / name).exists()
            half_built += was_there
            assert len(embedded.sweep()) == was_there
            assert not (run_dir / name).exists()
            assert processes_of(str(run_dir)) == []
    os.close(seen)
    os.close(write)
    assert half_built >= 6, f"of {events} events, too few hit a lab that was being built"


def test_up_after_a_kill_starts_afresh(run_dir: Path) -> None:
    lab = inventory("opco-ru")
    with another_process(lambda: embedded.up(lab, owner=os.getpid())):
        until((run_dir / "opco-ru" / "ns" / "leaf-1").exists)
    assert run(embedded.up(lab), "leaf-1", "hostname") == (0, "leaf-1\n")


@pytest.mark.usefixtures("run_dir")
def test_sweep_spares_what_is_needed() -> None:
    embedded.up(inventory("opco-ru"))  # to stay
    embedded.up(inventory("vendor-a"), owner=os.getpid())  # this process lives
    with another_process(lambda: embedded.up(inventory("opco-kz"), owner=os.getpid())) as pid:
        os.waitpid(pid, 0)
    (removed,) = embedded.sweep()
    assert (
        removed == f"lab opco-kz, whose process {pid} is gone: 6 namespaces, 5 processes"
    )  # the hosts' sshds, their BMCs
    assert embedded.find("opco-ru") is not None
    assert embedded.find("vendor-a") is not None
    assert embedded.sweep() == []


def test_an_orphan_is_made_anew_since_a_killed_test_may_have_changed_it(run_dir: Path) -> None:
    lab = inventory("opco-ru")
    with another_process(lambda: embedded.up(lab, owner=os.getpid())) as pid:
        os.waitpid(pid, 0)
    assert embedded.up(lab, owner=os.getpid()).created
    assert embedded.sweep() == []
    state = read_state(run_dir / "opco-ru")
    assert state is not None
    assert state.owner is not None
    assert state.owner.pid == os.getpid()


@pytest.mark.usefixtures("run_dir")
def test_a_lab_that_another_process_uses_is_not_made_anew() -> None:
    lab = inventory("opco-ru")

    def use_for_long() -> None:
        embedded.up(lab, owner=os.getpid())
        time.sleep(60)

    with another_process(use_for_long) as pid:
        until(lambda: embedded.find("opco-ru") is not None)
        up = embedded.find("opco-ru")
        assert up is not None
        set_link(up, "leaf-1", "trunk-1", "down")
        with pytest.raises(LabError, match=rf"trunk-1 of leaf-1 is down.*process {pid} uses it"):
            embedded.up(lab)
    assert embedded.up(lab).created


@pytest.mark.usefixtures("run_dir")
def test_down_ends_what_was_started_over_ssh() -> None:
    lab = embedded.up(inventory("opco-ru"))
    run(lab, "leaf-1", "setsid sleep 987654 >/dev/null 2>&1 </dev/null &")
    until(lambda: bool(processes_of("987654")))
    assert set(processes_of("987654")) <= set(members({identity(lab.namespace("leaf-1"))}))
    lab.down()
    assert processes_of("987654") == []


@pytest.mark.usefixtures("run_dir")
def test_the_machine_gets_no_interface_and_no_port() -> None:
    files = [Path("/proc/self/net") / name for name in ("route", "fib_trie")]
    before = (own_interfaces(), [path.read_text() for path in files])
    embedded.up(inventory("opco-ru"))
    assert (own_interfaces(), [path.read_text() for path in files]) == before


def test_failing_half_way_leaves_nothing(run_dir: Path) -> None:
    lab = inventory("opco-ru")
    loop = lab.model_copy(update={"links": lab.links | {"trunk-3": lab.links["trunk-1"]}})
    with leaves_nothing(run_dir), pytest.raises(LabError, match="trunk-3 closes a loop"):
        embedded.up(loop)


def test_missing_programs_are_named(run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackage) as caught:
        embedded.up(inventory("vendor-a"))
    assert "ovs-vswitchd (Debian package openvswitch-switch)" in str(caught.value)
    assert "sshd (Debian package openssh-server)" in str(caught.value)
    hint = "apt-get install --no-install-recommends iproute2 iputils-ping openssh-server openvswitch-switch"
    assert caught.value.hint == hint
    assert not run_dir.exists()
    assert "ovs-vsctl" not in programs.needed(inventory("opco-ru"))
    assert "nft" not in programs.needed(inventory("opco-ru"))
    assert "nft" in programs.needed(inventory("opco-kz"))


def test_a_run_directory_that_others_may_write_is_refused(run_dir: Path) -> None:
    run_dir.mkdir(mode=0o700)
    run_dir.chmod(0o777)
    with pytest.raises(NotPermitted, match="only this user can write"):
        embedded.up(inventory("opco-ru"))


@pytest.mark.usefixtures("run_dir")
def test_state_is_plain_json() -> None:
    lab = embedded.up(inventory("vendor-a"))
    state = json.loads((lab.run_dir / "state.json").read_text())
    assert state["stage"] == "up"
    assert set(state["daemons"]) == {
        *(f"sshd {host}" for host in lab.lab.hosts),
        *(f"{name} {host}" for name in ("ovsdb-server", "ovs-vswitchd") for host in ("vswitch-1", "vswitch-2")),
    }


@pytest.mark.usefixtures("run_dir")
def test_a_threads_namespace_is_its_own() -> None:
    lab = embedded.up(inventory("opco-ru"))
    here = identity("/proc/self/ns/net")
    inside: list[int] = []

    def look() -> None:
        with namespaces.entered(lab.generator_namespace):
            inside.append(identity("/proc/thread-self/ns/net"))
        inside.append(identity("/proc/thread-self/ns/net"))

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert inside == [identity(lab.generator_namespace), here]
    assert identity("/proc/self/ns/net") == here
