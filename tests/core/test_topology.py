"""The picture of a lab: what it shows, that it fits, and that it stays a picture of any lab."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nfvcert import files
from nfvcert.lab import Cloud, Lab
from nfvcert.render.topology import draw

ROOT = Path(__file__).parent.parent.parent
LABS = ROOT / "tests" / "data" / "labs"
SHIPPED = [ROOT / "lab_inventory" / f"{name}.yaml" for name in ("opco-ru", "opco-kz", "vendor-a", "physical-pod")]


def drawn(lab: Lab, width: int, **options: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, **options).print(draw(lab))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def lab_of(hosts: list[str], links: dict[str, tuple[str, str]], ports: dict[str, str], **more: Any) -> Lab:
    """A lab of switches, links between them and the hosts of ports."""
    data = {
        "lab": "drawn",
        "owner": {"organisation": "Test group", "role": "hq"},
        "environment": "lab",
        "provider": "embedded",
        "profile": "p",
        "hosts": {name: {"roles": ["switch"]} for name in hosts},
        "links": {name: {"a": a, "b": b} for name, (a, b) in links.items()},
    }
    if ports:
        data["network"] = {"dut": {"kind": "openvswitch"}}
        attached = {name: {"attached_to": host, "speed": 1e6} for name, host in ports.items()}
        data["traffic"] = {"generator": "software", "ports": attached}
    return Lab.model_validate(data | more)


def test_the_whole_of_a_lab_at_80_columns() -> None:
    assert (
        drawn(files.read_lab(LABS / "bench.yaml"), 80)
        == """\
bench  Two switches, for tests of the reader
Test group (hq) · lab, no test may destroy
embedded lab · profile software-switch · shares machine

generator software · device under test linux-bridge, L2, MTU 1500
═ trunk-1 carries the traffic, ┄ trunk-2 takes over
                     ┌────────┐               ┌────────┐
  tg0 · tenant-a ●───┤ leaf-1 ╞═══ trunk-1 ═══╡ leaf-2 ├───● tg1 · tenant-a
                     │        ├┄┄┄ trunk-2 ┄┄┄┤        │
                     └────────┘               └────────┘

 port   at       tenant     speed
──────────────────────────────────────
 tg0    leaf-1   tenant-a   10 Mbit/s
 tg1    leaf-2   tenant-a   10 Mbit/s

               management      storage
               10.90.0.0/24    10.90.1.0/24
 host          via 10.90.0.1   MTU 9000       components
───────────────────────────────────────────────────────────
 switches
   leaf-1      10.90.0.2       ·
   leaf-2      10.90.0.3       ·
 computes
   compute-1   10.90.0.11      10.90.1.11     host-os, nic

 host          BMC
───────────────────────────────────
 computes
   compute-1   redfish 10.90.0.111"""
    )


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_every_shipped_lab_fits_and_is_complete(path: Path, width: int) -> None:
    lab = files.read_lab(path)
    text = drawn(lab, width)
    assert max(map(len, text.splitlines())) <= width
    words = text.replace(",", " ").split()
    assert lab.traffic is not None
    for name in (*lab.hosts, *lab.links, *lab.networks, *lab.traffic.ports):
        assert name in words
    for host in lab.hosts.values():
        assert set(host.addresses.values()) <= set(words)
    if width >= 80:
        assert "┌" in text
        assert "╞═══" in text


def test_no_colour_and_no_control_character_where_nobody_looks() -> None:
    lab = files.read_lab(SHIPPED[0])
    assert "\x1b" not in drawn(lab, 80)
    assert "\x1b[" in drawn(lab, 80, force_terminal=True, color_system="standard", legacy_windows=False)


def test_a_row_of_three_switches() -> None:
    lab = lab_of(["a", "b", "c"], {"l1": ("b", "a"), "l2": ("b", "c")}, {"tg0": "a", "tg1": "c"})
    assert """\
                    ┌───┐          ┌───┐          ┌───┐
  tg0 · default ●───┤ a ╞═══ l1 ═══╡ b ╞═══ l2 ═══╡ c ├───● tg1 · default
                    └───┘          └───┘          └───┘""" in drawn(lab, 80)


def test_one_switch_has_its_ports_on_both_sides() -> None:
    lab = lab_of(["tor"], {}, {"tg0": "tor", "tg1": "tor", "tg2": "tor"})
    assert """\
                    ┌─────┐
  tg0 · default ●───┤ tor ├───● tg2 · default
  tg1 · default ●───┤     │
                    └─────┘""" in drawn(lab, 80)


@pytest.mark.parametrize(
    ("hosts", "links", "ports"),
    [
        # a ring, a star, two islands, a port in the middle of the row, a row that is too wide
        (["a", "b", "c"], {"l1": ("a", "b"), "l2": ("b", "c"), "l3": ("c", "a")}, {"tg0": "a", "tg1": "b"}),
        (["a", "b", "c", "d"], {"l1": ("a", "b"), "l2": ("a", "c"), "l3": ("a", "d")}, {"tg0": "b", "tg1": "c"}),
        (["a", "b"], {}, {"tg0": "a", "tg1": "b"}),
        (["a", "b", "c"], {"l1": ("a", "b"), "l2": ("b", "c")}, {"tg0": "a", "tg1": "b"}),
        (["a" * 40, "b" * 40], {"l1": ("a" * 40, "b" * 40)}, {"tg0": "a" * 40, "tg1": "b" * 40}),
    ],
    ids=["ring", "star", "islands", "middle", "wide"],
)
def test_what_makes_no_row_is_named(hosts: list[str], links: dict[str, tuple[str, str]], ports: dict[str, str]) -> None:
    text = drawn(lab_of(hosts, links, ports), 110)
    assert "┌" not in text
    for name, (a, b) in links.items():
        assert f"  {a} ══ {name} ══ {b}" in text
    for name, host in ports.items():
        assert f"  {name} · default ●─── {host}" in text


def test_a_lab_without_traffic_has_tables_only() -> None:
    text = drawn(lab_of(["a"], {}, {}), 80)
    assert "switches" in text
    assert "port" not in text.split()


def test_consent_to_destroy_and_a_cloud_are_told() -> None:
    lab = lab_of(["a"], {}, {}, destructive=True).model_copy(update={"cloud": Cloud(name="pod")})
    text = drawn(lab, 80)
    assert "lab, tests that destroy are allowed" in text
    assert "cloud pod" in text


def test_a_terminal_that_knows_ascii_only_gets_ascii() -> None:
    class Ascii(io.StringIO):
        encoding = "ascii"

    stream = Ascii()
    Console(file=stream, width=80, highlight=False).print(draw(lab_of(["a"], {}, {"tg0": "a", "tg1": "a"})))
    assert stream.getvalue().isascii()
    assert "  tg0 - default o---| a |---o tg1 - default" in stream.getvalue()
