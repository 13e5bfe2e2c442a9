"""A campaign of many small embedded labs, each with a release unit of its own."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from pathlib import Path

from nfvcert.record import Record

LAB = """\
lab: pop-{number:02}
owner: {{organisation: OpCo {number:02}, role: opco}}
environment: lab
provider: embedded
profile: software-switch
networks:
  management: {{subnet: 10.60.{number}.0/24}}
hosts:
  leaf-1:
    roles: [switch]
    components: [rack-switch]
    addresses: {{management: 10.60.{number}.2}}
    emulates: {{os: {{id: nos, version: 4.2.{number}}}}}
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
unit: nos-4.2.{number}
type: GA
vendor: Example
changes:
  - {{component: rack-switch, vendor: Example, product: NOS, from: 4.1.0, to: 4.2.{number}, trigger: hotfix}}
"""


def write(where: Path, labs: int) -> tuple[Path, list[str]]:
    """Inventories, release units and the campaign; returns the campaign's file and pytest's options for the folders."""
    for folder in ("labs", "releases"):
        (where / folder).mkdir()
    entries = []
    for number in range(1, labs + 1):
        (where / f"labs/pop-{number:02}.yaml").write_text(LAB.format(number=number))
        (where / f"releases/nos-4.2.{number}.yaml").write_text(UNIT.format(number=number))
        entries.append(f"  - {{unit: nos-4.2.{number}, lab: pop-{number:02}}}\n")
    campaign = where / "campaign.yaml"
    campaign.write_text("campaign: many-pops\nstreams:\n" + "".join(entries))
    return campaign, [f"-onfvcert_inventory={where / 'labs'}", f"-onfvcert_releases={where / 'releases'}"]


def overlaps(record: Record) -> list[str]:
    """Pairs of tests that ran at once although one of them needed something for itself, by the record."""
    uses = defaultdict(list)
    for stream in record.streams:
        needs = {test.test: test.needs for test in stream.plan.planned}
        for result in stream.tests:
            assert result.started is not None
            begun = datetime.fromisoformat(result.started).timestamp()
            for need in needs[result.test]:
                uses[need.resource].append((begun, begun + result.seconds, need.how == "exclusive", result.test))
    found = []
    for resource, users in uses.items():
        users.sort()
        for number, (_, end, alone, test) in enumerate(users):
            for begun, _, also_alone, other in users[number + 1 :]:
                if begun < end and (alone or also_alone):
                    found.append(f"{resource}: {test} and {other}")
    return found
