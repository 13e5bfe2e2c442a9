"""Networks and devices under test: what they carry, what they do not, and how they fail over."""

from __future__ import annotations

import os
import select
import signal
import time

import pytest

from nfvcert.embedded import EmbeddedLab
from nfvcert.embedded.rundir import read_state
from nfvcert.embedded.wiring import Site
from tests.embedded import frames
from tests.embedded.machine import run, set_link


def test_every_host_reaches_every_other_one(any_lab: EmbeddedLab) -> None:
    lab = any_lab.lab
    for name, host in lab.hosts.items():
        targets = []
        for network in host.addresses:
            others = [
                its.addresses[network] for other, its in lab.hosts.items() if other != name and network in its.addresses
            ]
            gateway = lab.networks[network].gateway
            payload = lab.networks[network].mtu - 28
            targets += [f"-s {payload} {address}" for address in [*others, *([gateway] if gateway else [])]]
        script = "; ".join(f"ping -M do -c 1 -W 5 -q {target} >/dev/null || echo '{target}'" for target in targets)
        assert run(any_lab, name, script) == (0, "")


def test_networks_end_at_their_mtu(opco_ru: EmbeddedLab) -> None:
    storage = opco_ru.lab.hosts["compute-2"].addresses["storage"]
    status, said = run(opco_ru, "compute-1", f"ping -M do -c 1 -W 1 -s {9000 - 27} {storage}")
    assert status != 0
    assert "message too long" in said
    assert "9000" in run(opco_ru, "compute-1", "ip link show storage")[1]


def test_hosts_do_not_forward_between_networks(opco_ru: EmbeddedLab) -> None:
    assert run(opco_ru, "compute-1", "cat /proc/sys/net/ipv4/ip_forward") == (0, "0\n")


def test_the_loop_does_not_cross_the_device(any_lab: EmbeddedLab) -> None:
    seen = frames.run(any_lab, "loop0", "loop1", frames=100)
    assert seen.lost("loop1") == 0
    assert seen.seen["loop1"].numbers == list(range(100))
    back = frames.run(any_lab, "loop1", "loop0", frames=100, length=9216)
    assert back.lost("loop0") == 0


def test_tenants_speak_among_themselves_only(any_lab: EmbeddedLab) -> None:
    frames.introduce(any_lab)
    traffic = any_lab.lab.traffic
    assert traffic is not None
    tenant_of = {name: port.tenant for name, port in traffic.ports.items()}
    spoke = set()
    for tx in any_lab.ports:
        for rx in any_lab.ports:
            if tx != rx:
                seen = frames.run(any_lab, tx, rx, frames=10, fps=5000, settle_s=0.02)
                if tenant_of[tx] == tenant_of[rx]:
                    assert seen.lost(rx) == 0, f"{tx} to {rx}"
                    assert not any(its.at for name, its in seen.seen.items() if name != rx), f"{tx} to {rx}"
                    spoke.add(tenant_of[tx])
                else:
                    strangers = [name for name in seen.seen if tenant_of[name] != tenant_of[tx]]
                    assert not any(seen.seen[name].at for name in strangers), f"{tx} to {rx}"
    assert spoke == set(tenant_of.values())


def test_a_switch_floods_what_it_must_and_learns(any_lab: EmbeddedLab) -> None:
    if any_lab.lab.dut.forwards == "l3":
        seen = frames.run(any_lab, "tg0", "tg1", frames=20, destination=frames.BROADCAST)
        assert not any(its.at for its in seen.seen.values()), "a router forwards no broadcast"
        return
    frames.introduce(any_lab)
    everyone = frames.run(any_lab, "tg0", "tg1", frames=50, destination=frames.BROADCAST)
    unknown = frames.run(any_lab, "tg0", "tg1", frames=50, destination="02:00:00:00:00:99")
    for seen in (everyone, unknown):
        assert {name: len(its.at) for name, its in seen.seen.items()} == {"tg1": 50, "tg2": 50, "tg3": 0, "tg4": 0}
    known = frames.run(any_lab, "tg0", "tg1", frames=50)
    assert {name: len(its.at) for name, its in known.seen.items()} == {"tg1": 50, "tg2": 0, "tg3": 0, "tg4": 0}


def test_the_device_carries_its_mtu_and_no_more(any_lab: EmbeddedLab) -> None:
    frames.introduce(any_lab)
    mtu = any_lab.lab.dut.mtu
    fits = frames.run(any_lab, "tg0", "tg1", frames=20, fps=500, length=14 + mtu)
    assert fits.lost("tg1") == 0
    too_long = frames.run(any_lab, "tg0", "tg1", frames=20, fps=500, length=14 + mtu + 5)  # 4: room for a VLAN tag
    assert too_long.seen["tg1"].distinct == 0


def test_a_device_at_rest_is_silent(any_lab: EmbeddedLab) -> None:
    sockets = {frames.raw_socket(port): name for name, port in any_lab.ports.items()}
    try:
        deadline = time.monotonic() + 0.7
        while (left := deadline - time.monotonic()) > 0:
            for raw in select.select(list(sockets), [], [], left)[0]:
                data, address = raw.recvfrom(65535)
                pytest.fail(f"{sockets[raw]} heard {data[:64].hex()} ({address})")
    finally:
        for raw in sockets:
            raw.close()


@pytest.mark.parametrize(("tx", "rx"), [("tg0", "tg1"), ("tg1", "tg0")])
def test_failover_and_back_again_and_again(any_lab: EmbeddedLab, tx: str, rx: str) -> None:
    redundancy = any_lab.lab.dut.redundancy
    assert redundancy is not None
    frames.introduce(any_lab)

    def flap() -> None:
        for state in ("down", "up", "down", "up"):
            time.sleep(0.1)
            set_link(any_lab, redundancy.host, redundancy.primary, state)

    seen = frames.run(any_lab, tx, rx, frames=1100, fps=2000, during=flap, listen=[rx])
    assert seen.outage_s(rx) < 0.5  # ms on an idle machine
    assert seen.lost(rx) < 600
    assert seen.seen[rx].at[-1][1] == 1099, "it came back"


def test_the_inventorys_commands_move_the_traffic(any_lab: EmbeddedLab) -> None:
    redundancy = any_lab.lab.dut.redundancy
    assert redundancy is not None
    frames.introduce(any_lab)
    carried = []
    for command in ("true", redundancy.down, redundancy.up):
        assert run(any_lab, redundancy.host, command) == (0, "")
        with Site(any_lab.namespace(redundancy.host)) as site:
            before = site.frames_sent()
            assert frames.run(any_lab, "tg0", "tg1", frames=100, listen=["tg1"]).lost("tg1") == 0
            after = site.frames_sent()
        carried.append([after[link] - before[link] >= 100 for link in (redundancy.primary, redundancy.backup)])
    assert carried == [[True, False], [False, True], [True, False]]


def test_a_virtual_switch_may_wait_for_the_processor(vendor_a: EmbeddedLab) -> None:
    frames.introduce(vendor_a)
    state = read_state(vendor_a.run_dir)
    assert state is not None
    pid = state.daemons["ovs-vswitchd vswitch-1"].pid

    def stall() -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.25)
        os.kill(pid, signal.SIGCONT)

    assert frames.run(vendor_a, "tg0", "tg1", frames=1000, fps=5000, during=stall, settle_s=0.3).lost("tg1") == 0


def test_ports_have_their_own_unchanging_addresses(any_lab: EmbeddedLab) -> None:
    ports = [*any_lab.ports.values(), *any_lab.loop]
    assert len({port.mac for port in ports}) == len(ports)
    for port in ports:
        assert int(port.mac[:2], 16) & 3 == 2  # locally administered, unicast
    with Site(any_lab.generator_namespace) as site:
        interfaces = site.interfaces()
    assert {port.interface: interfaces[port.interface]["mac"] for port in ports} == {
        port.interface: port.mac for port in ports
    }


def test_next_hops(opco_ru: EmbeddedLab, opco_kz: EmbeddedLab) -> None:
    assert opco_ru.ports["tg0"].next_hop_mac(opco_ru.ports["tg1"]) == opco_ru.ports["tg1"].mac
    with Site(opco_kz.namespace("router-1")) as site:
        assert opco_kz.ports["tg0"].next_hop_mac(opco_kz.ports["tg1"]) == site.interfaces()["tg0"]["mac"]
    assert opco_kz.ports["tg0"].address == "198.18.1.2/24"
    assert opco_kz.ports["tg0"].gateway == "198.18.1.1"
