"""TRex is a traffic generator like any other: the contract, on recorded sessions of a real server, or on a live one.

pytest -p no:nfvcert tests/drivers/traffic/trex --lab=my-lab            # a live server, changed in nothing
pytest -p no:nfvcert tests/drivers/traffic/trex --lab=my-lab --record   # and the sessions are recorded anew
"""

from __future__ import annotations

import pytest

from nfvcert.drivers.traffic.trex.generator import TrexGenerator
from tests.drivers.traffic.contracts import Ends, TrafficGeneratorContract


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
