"""TRex is a traffic generator like any other: the contract, on recorded sessions of a real server, or on a live one.

pytest -p no:nfvcert tests/drivers/traffic/trex --lab=my-lab            # a live server, changed in nothing
pytest -p no:nfvcert tests/drivers/traffic/trex --lab=my-lab --record   # and the sessions are recorded anew
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from nfvcert.access import open_lab
from nfvcert.drivers.traffic.trex.generator import TrexGenerator
from nfvcert.lab import Lab
from tests.drivers.traffic.contracts import Ends, TrafficGeneratorContract
from tests.drivers.traffic.trex.conftest import SESSIONS
from tests.drivers.traffic.trex.recording import Replay

INVENTORY: Any = {
    "lab": "gear",
    "owner": {"organisation": "Test group", "role": "vendor"},
    "environment": "lab",
    "provider": "existing",
    "profile": "physical-10g",
    "hosts": {"tor-1": {"roles": ["switch"], "ssh": {"address": "192.0.2.2"}}},
    "network": {"dut": {"kind": "switch"}},
}


class TestTrex(TrafficGeneratorContract):
    @pytest.fixture
    def ends(self) -> Ends:
        return "tg0", "tg1"

    def test_it_tells_what_it_is(self, generator: TrexGenerator) -> None:
        about, *ports = generator.describe()
        assert about.startswith("TRex v")
        assert "(STL)" in about
        assert ports[0].startswith("port 0 is tg0: link up, ")
        assert ", free, " in ports[0]


def test_an_inventory_leads_to_its_server() -> None:
    ports = {f"tg{number}": {"port": number, "attached_to": "tor-1", "speed": "10 Gbit/s"} for number in (1, 0)}
    with Replay(SESSIONS / "it_tells_what_it_is.jsonl") as server:
        traffic = {"generator": "trex", "address": "127.0.0.1", "rpc_port": server.port, "loop": [2, 3], "ports": ports}
        access = open_lab(Lab.model_validate(INVENTORY | {"traffic": traffic}), on_completed=lambda _: None)
        about, *told = access.generator().describe()
        assert "v3.08" in about
        assert [line.partition(":")[0] for line in told] == [
            *("port 0 is tg0", "port 1 is tg1"),
            *("port 2 is loop", "port 3 is loop"),
        ]
        access.close()


def test_every_session_says_that_a_real_server_spoke() -> None:
    headings = [Replay.heading_of(path) for path in SESSIONS.glob("*.jsonl")]
    assert len(headings) > 30
    assert all(re.fullmatch(r"TRex v\d+\.\d+, mode STL", heading["from"]) for heading in headings)
