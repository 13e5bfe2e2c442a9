"""What the software generator sends, beside a loop that does nothing but send one frame on the same kind of socket."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from benchmarks.figures import ROOT, Figure, labs_of_its_own, ratios, summed
from nfvcert import embedded
from nfvcert.drivers.traffic.capture import Capture
from nfvcert.drivers.traffic.frames import DATA, Route, build_frame
from nfvcert.drivers.traffic.sender import open_sender
from nfvcert.drivers.traffic.software import GeneratorPort, SoftwareGenerator
from nfvcert.embedded.namespaces import in_namespace
from nfvcert.embedded.ports import EmbeddedPort
from nfvcert.files import read_lab
from nfvcert.protocols import Stream

FRAME_BYTES = 64
SECONDS = 0.5
TIMES = 15
FASTER_THAN_ANY_FPS = 2_000_000.0


def figures() -> Iterator[Figure]:
    """The rate of the bare loop over the generator's, in turn; and what the generator sent and received whole."""
    with labs_of_its_own():
        found = embedded.up(read_lab(ROOT / "lab_inventory/opco-ru.yaml"))
        near, far = (_port(each) for each in found.loop)
        flat_out = Stream(near.name, far.name, FRAME_BYTES, FASTER_THAN_ANY_FPS, SECONDS)
        with contextlib.closing(SoftwareGenerator({near.name: near, far.name: far}, (near, far))) as generator:
            ceiling_fps = generator.calibrate().ceiling_fps[FRAME_BYTES]
            over = ratios(
                lambda: in_namespace(str(near.namespace), lambda: _bare_fps(near, far)),
                lambda: generator.run([flat_out])[0].offered_fps,
                TIMES,
            )
        found.down()
    how = f"{TIMES} times {SECONDS:g} s each, in turn, {FRAME_BYTES} bytes, both on a veth pair with a listener"
    yield summed("a bare loop of sends, over the software generator", over, "", 1 / 0.9, how)
    yield Figure("sent and received whole on its loop", ceiling_fps / 1e3, "kpps", None, f"{FRAME_BYTES} bytes")


def _port(found: EmbeddedPort) -> GeneratorPort:
    return GeneratorPort(found.name, found.interface, found.namespace, found.mac, None, None, 10e9)


def _bare_fps(near: GeneratorPort, far: GeneratorPort) -> float:
    """Frames a second that the kernel takes from a loop around `send`."""
    frame = build_frame(Route(near.mac, far.mac, "198.18.0.1", "198.18.0.2"), FRAME_BYTES, run=0, kind=DATA, stream=0)
    with contextlib.closing(Capture(far.interface)), open_sender(near.interface) as sock:
        send, sent = sock.send, 0
        began = time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            for _ in range(256):
                send(frame)
            sent += 256
        return sent / (time.perf_counter() - began)
