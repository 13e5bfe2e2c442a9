"""A real TRex server at interfaces of a network namespace, in software mode: what generators are compared with.

The environment variable NFVCERT_TREX names the folder of a TRex v2.8x or later in which `t-rex-64` is.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nfvcert.drivers.traffic.trex.wire import Wire
from nfvcert.embedded import EmbeddedPort
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.errors import LabError

FOLDER = Path(os.environ.get("NFVCERT_TREX", ""))
needs_trex = pytest.mark.skipif(
    "NFVCERT_TREX" not in os.environ, reason="NFVCERT_TREX names no folder of a TRex server to compare with"
)
# Rings of 1,024 frames: by default they have 256, and a server that shares its processor loses frames for want of more.
# Frames take the way of all others of the interface, so that a fault of the generator's own port is felt.
_AF_PACKET = "blocksz=593920,framesz=9280,framecnt=1024,qdisc_bypass=0"
_STARTS_S = 60.0
_ENDS_S = 20.0


@contextmanager
def serving(namespace: str, ports: Sequence[EmbeddedPort | None], where: Path) -> Iterator[None]:
    """A server whose ports are these, in their order; None is a port that is not there, beside one without a peer."""
    config = where / "trex.yaml"
    with config.open("w") as file:
        YAML().dump([_config(ports)], file)
    binary = next(FOLDER / name for name in ("_t-rex-64", "_t-rex-64-o") if (FOLDER / name).exists())
    libraries = f"{FOLDER}:{FOLDER / 'so' / platform.machine()}"
    asked = [str(binary), "-i", "--software", "-c", "1", "--no-ofed-check", "--cfg", str(config)]
    with (where / "trex.log").open("w") as log:
        server = in_namespace(
            namespace,
            lambda: subprocess.Popen(
                asked,
                cwd=FOLDER,
                env=os.environ | {"LD_LIBRARY_PATH": libraries},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            ),
        )
    try:
        in_namespace(namespace, lambda: _wait_for(server, where / "trex.log"))
        _let_it_send_in_time(server.pid)
        yield
    finally:
        server.terminate()
        try:
            server.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _config(ports: Sequence[EmbeddedPort | None]) -> dict[str, object]:
    macs = [port.mac if port else "02:00:00:00:00:01" for port in ports]
    return {
        "version": 2,
        "port_limit": len(ports),
        "interfaces": [
            f"--vdev=net_af_packet{number},iface={port.interface},{_AF_PACKET}" if port else "dummy"
            for number, port in enumerate(ports)
        ],
        "low_end": True,  # all its threads on one processor
        "prefix": f"nfvcert-{os.getpid()}",
        "port_info": [{"src_mac": mac, "dest_mac": macs[number ^ 1]} for number, mac in enumerate(macs)],
    }


def _let_it_send_in_time(server: int) -> None:
    """Its sending threads come first, and the others may go to another processor, as on a machine of its own.

    Else v3.08 sends up to 85 frames at once at 12,000 pps, and a device with a small buffer loses some of them.
    """
    for thread in Path(f"/proc/{server}/task").iterdir():
        if (thread / "comm").read_text().startswith("Trex DP"):
            os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(1))
        else:
            os.sched_setaffinity(int(thread.name), os.sched_getaffinity(0))


def _wait_for(server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _STARTS_S
    while True:
        wire = Wire("127.0.0.1", answer_s=1.0)
        try:
            wire.ask("ping")
        except LabError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        else:
            return
        finally:
            wire.close()
