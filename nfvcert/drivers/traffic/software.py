"""The software generator: sends and counts test frames on interfaces of this machine.

One worker process a port (`worker`), so that ports work side by side and live in namespaces of their own: on this
machine, or on a host of the lab (`remote`).
A run is told in `runs`; what it proves, and whether it can be trusted, in `results`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nfvcert.drivers.traffic.calibration import GENERATOR, calibrate, without_loop
from nfvcert.drivers.traffic.crew import Crew
from nfvcert.drivers.traffic.ports import GeneratorPort
from nfvcert.drivers.traffic.requested import check_streams
from nfvcert.drivers.traffic.results import Gate, stream_results
from nfvcert.drivers.traffic.runs import Timing, carry_out
from nfvcert.protocols import Calibration, Stream, StreamResult

if TYPE_CHECKING:
    from nfvcert.drivers.traffic.remote import OnHost  # loads paramiko, which few need

__all__ = ["Gate", "GeneratorPort", "SoftwareGenerator", "Timing"]

_LOOP_TIMING = Timing(learning_s=0.005, quiet_s=0.05)
_ORDERED_S = 0.15
"""What orders over SSH get to arrive before frames are due."""


class SoftwareGenerator:
    """A `nfvcert.protocols.TrafficGenerator` on AF_PACKET sockets.

    It needs the rights of root in the network namespaces of its ports. All ports listen in each run, so
    frames that stray are seen wherever they surface. One run at a time.
    """

    def __init__(
        self,
        ports: Mapping[str, GeneratorPort],
        loop: tuple[GeneratorPort, GeneratorPort] | None,
        *,
        host: OnHost | None = None,
        timing: Timing | None = None,
        gate: Gate | None = None,
    ) -> None:
        """``host``: where the ports are, if not in this machine."""
        self._crew = Crew(ports, host)
        self._loop = loop
        self._host = host
        self._timing = timing or (Timing(learning_s=_ORDERED_S) if host else Timing())
        self._loop_timing = replace(_LOOP_TIMING, learning_s=_ORDERED_S) if host else _LOOP_TIMING
        self._gate = gate or Gate()
        self._calibration: Calibration | None = None
        # Frames of an earlier run, or of another generator, must not count.
        self._run_id = secrets.randbits(16)

    def describe(self) -> tuple[str, ...]:
        """The host, where it is one; what a generator can do is found out by `calibrate`."""
        return (self._host.describe(),) if self._host else ()

    def calibrate(self) -> Calibration:
        """Ceiling and own latency on the loop: measured once, in about 2 s, then remembered.

        Raises: Unreachable when a port of the loop is gone; NotPermitted; LabError.
        """
        if self._calibration is None:
            name = f"{GENERATOR} on {self._host.name}" if self._host else GENERATOR
            self._calibration = without_loop(name) if self._loop is None else self._calibrate(name, *self._loop)
        return self._calibration

    def _calibrate(self, name: str, one: GeneratorPort, other: GeneratorPort) -> Calibration:
        crew = Crew({one.name: one, other.name: other}, self._host)
        try:
            return calibrate(
                lambda streams: self._carry_out(crew, streams, self._loop_timing),
                one.name,
                other.name,
                generator=name,
            )
        finally:
            crew.end()

    def run(self, streams: Sequence[Stream], *, during: Callable[[], None] | None = None) -> tuple[StreamResult, ...]:
        """Run streams side by side and return one result for each, in order.

        ``during`` is called once, in this thread, as soon as the frames flow. A run takes its duration,
        some 50 ms, and 100 ms of silence after the last frame. After an exception the workers are ended;
        the next run starts new ones.
        Raises: SuiteError for streams that cannot be; Unreachable when a port is gone or down, or a worker
        died; NotPermitted; LabError; what ``during`` raises.
        """
        check_streams(streams, self._crew.ports, ip_versions=(4,))
        try:
            return self._carry_out(self._crew, streams, self._timing, during)
        except BaseException:
            self._crew.end()  # no half-run may go on sending
            raise

    def close(self) -> None:
        """End the workers."""
        self._crew.end()

    def _carry_out(
        self,
        crew: Crew,
        streams: Sequence[Stream],
        timing: Timing,
        during: Callable[[], None] | None = None,
    ) -> tuple[StreamResult, ...]:
        self._run_id = (self._run_id + 1) & 0xFFFF
        outcome = carry_out(crew, streams, run=self._run_id, timing=timing, during=during)
        ceilings = self._calibration.ceiling_fps if self._calibration else {}
        return stream_results(streams, outcome, gate=self._gate, ceilings=ceilings)
