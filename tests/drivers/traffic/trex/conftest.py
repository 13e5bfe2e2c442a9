"""A TRex generator before a recorded session, or before the real server of a lab (`--lab`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nfvcert.drivers.traffic.trex.generator import Timing, TrexGenerator, TrexPort
from nfvcert.files import read_lab
from tests.drivers.traffic.trex.recording import Recorder, Replay

SESSIONS = Path(__file__).parent / "sessions"
LOOKS = Timing(look_s=0.02)
"""Half as often as usual: a session is half as long."""
PATIENT = dataclasses.replace(LOOKS, late_s=1.5)
"""A replay is as slow as the machine that runs it, and no server is to be stopped for that."""

Open = Callable[..., TrexGenerator]


@dataclasses.dataclass(frozen=True)
class Gear:
    """A real server, as an inventory describes it."""

    host: str
    rpc_port: int
    ports: dict[str, TrexPort]
    loop: tuple[int, int] | None


RECORDED = Gear("127.0.0.1", 0, {f"tg{number}": TrexPort(f"tg{number}", number, 10e9) for number in (0, 1)}, (2, 3))
"""What the sessions were recorded with: tg0 and tg1 at a bridge, ports 2 and 3 at one another."""


@pytest.fixture(scope="package")
def gear(pytestconfig: pytest.Config) -> Gear | None:
    """The real server, when there is one."""
    lab = pytestconfig.getoption("--lab", default=None)
    if not lab:
        return None
    traffic = read_lab(lab if isinstance(lab, str) else lab[0], [Path("lab_inventory")]).traffic
    if traffic is None or traffic.generator != "trex" or traffic.address is None:
        pytest.skip(f"lab {lab} has no TRex")
    ports = {
        name: TrexPort(name, declared.port or 0, declared.speed, declared.mac, vlan=declared.vlan)
        for name, declared in traffic.ports.items()
    }
    loop = (int(traffic.loop[0]), int(traffic.loop[1])) if traffic.loop else None
    return Gear(traffic.address, traffic.rpc_port or 4501, ports, loop)


@pytest.fixture
def open_generator(gear: Gear | None, request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[Open]:
    """Makes the generator of a test: on the real server, recorded if asked for, or on the session of its name."""
    record = pytestconfig.getoption("--record")
    path = SESSIONS / f"{request.node.name.removeprefix('test_').replace('[', '-').rstrip(']')}.jsonl"
    with ExitStack() as opened:

        def make(**changes: object) -> TrexGenerator:
            options: dict[str, object] = {"first_group": 1, "timing": LOOKS}
            where = gear or RECORDED
            host, port = where.host, where.rpc_port
            if gear is None:
                options["timing"] = PATIENT
                host, port = "127.0.0.1", opened.enter_context(Replay(path)).port
            elif record:
                SESSIONS.mkdir(exist_ok=True)
                host, port = "127.0.0.1", opened.enter_context(Recorder(gear.host, path, rpc_port=gear.rpc_port)).port
            options |= {"ports": where.ports, "rpc_port": port, "loop": where.loop}
            generator = TrexGenerator(host, **(options | changes))  # type: ignore[arg-type]
            opened.callback(generator.close)
            return generator

        yield make


@pytest.fixture
def generator(open_generator: Open) -> TrexGenerator:
    return open_generator()
