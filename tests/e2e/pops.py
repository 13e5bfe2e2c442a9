"""A campaign of many small embedded labs, each with a release unit of its own."""

from __future__ import annotations

from pathlib import Path

LAB = """\
lab: pop-{number:02}
owner: {{organisation: OpCo {number:02}, role: opco}}
environment: lab
provider: embedded
profile: software-switch
networks:
  management: {{subnet: 10.60.{number}.0/24}}
hosts:
  leaf-1: {{roles: [switch], components: [rack-switch], addresses: {{management: 10.60.{number}.2}}}}
  compute-1: {{roles: [compute], components: [host-os], addresses: {{management: 10.60.{number}.11}}}}
network:
  dut: {{kind: linux-bridge, mtu: 9000}}
traffic:
  generator: software
  ports:
    tg0: {{attached_to: leaf-1, tenant: tenant-a, speed: 10 Mbit/s}}
    tg1: {{attached_to: leaf-1, tenant: tenant-a, speed: 10 Mbit/s}}
    tg2: {{attached_to: leaf-1, tenant: tenant-a, speed: 10 Mbit/s}}
    tg3: {{attached_to: leaf-1, tenant: tenant-b, speed: 10 Mbit/s}}
    tg4: {{attached_to: leaf-1, tenant: tenant-b, speed: 10 Mbit/s}}
shares: [machine]
"""
UNIT = """\
unit: nic-fw-8.{number}
type: maintenance
vendor: Example
changes:
  - {{component: nic, vendor: Example, product: X710, from: "8.0", to: "8.{number}", trigger: firmware}}
"""


def write(where: Path, labs: int) -> tuple[Path, list[str]]:
    """Inventories, release units and the campaign; returns the campaign's file and pytest's options for the folders."""
    for folder in ("labs", "releases"):
        (where / folder).mkdir()
    entries = []
    for number in range(1, labs + 1):
        (where / f"labs/pop-{number:02}.yaml").write_text(LAB.format(number=number))
        (where / f"releases/nic-fw-8.{number}.yaml").write_text(UNIT.format(number=number))
        entries.append(f"  - {{unit: nic-fw-8.{number}, lab: pop-{number:02}}}\n")
    campaign = where / "campaign.yaml"
    campaign.write_text("campaign: many-pops\nstreams:\n" + "".join(entries))
    return campaign, [f"-onfvcert_inventory={where / 'labs'}", f"-onfvcert_releases={where / 'releases'}"]
