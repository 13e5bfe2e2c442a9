"""One valid trial: frames through the device, repeated while the generator does not vouch for it.

The gate matters more for repeatability than any search algorithm: a trial is VALID, or it is
repeated a bounded number of times, or the measurement is given up as INCONCLUSIVE. What the
generator could not send is never a loss of the device.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nfvcert.errors import DeviceSuspected, InvalidMeasurement
from nfvcert.lab import Lab
from nfvcert.measure.patience import pause_s
from nfvcert.protocols import Calibration, LatencySummary, Stream, StreamResult, TrafficGenerator

__all__ = ["TrafficPath", "Trials"]

ATTEMPTS = 6
SUSPECT_TRIALS = 3
"""So many, and more than …"""
SUSPECT_SHARE = 0.05
"""… this share of all trials, that the device may have spoilt, are no chance: to repeat them chooses its good times."""
CEILING_MARGIN = 0.95
"""Share of the generator's ceiling up to which its loss counts are believed."""


@dataclass(frozen=True)
class TrafficPath:
    """The ports of a lab by the part they play: traffic goes from ``tx`` to ``rx``."""

    tx: str
    rx: str
    witnesses: tuple[str, ...]
    """Ports of the same tenant, which see what is flooded."""
    strangers: tuple[str, ...]
    """Ports of other tenants, which must see nothing."""
    line_rate_bps: float

    @classmethod
    def of(cls, lab: Lab) -> TrafficPath:
        """The first two ports of the first tenant carry the traffic.

        Raises InvalidMeasurement when the tenant has no two ports.
        """
        ports = lab.traffic.ports if lab.traffic else {}
        first_tenant = next((port.tenant for port in ports.values()), None)
        same = [name for name, port in ports.items() if port.tenant == first_tenant]
        if len(same) < 2:
            raise InvalidMeasurement(
                f"lab {lab.lab} has no two traffic ports of one tenant for traffic to cross its device"
            )
        others = tuple(name for name, port in ports.items() if port.tenant != first_tenant)
        speed = min(ports[same[0]].speed, ports[same[1]].speed)
        return cls(same[0], same[1], tuple(same[2:]), others, speed)

    def line_rate_fps(self, frame_bytes: int) -> float:
        """Frames per second that the slower port carries, in fps (RFC 1242 §3.5)."""
        return self.line_rate_bps / (8 * (frame_bytes + 20))


class Trials:
    """Runs valid trials on a calibrated generator and tells each of them to ``on_result``."""

    def __init__(
        self,
        generator: TrafficGenerator,
        calibration: Calibration,
        path: TrafficPath,
        on_result: Callable[[Mapping[str, object]], None] = lambda _: None,
    ) -> None:
        self.path = path
        self._generator = generator
        self._calibration = calibration
        self._on_result = on_result
        self._number = self._suspect = 0

    @property
    def tells_delay_variation(self) -> bool:
        """Whether latencies of this generator come with their variation from frame to frame."""
        return self._calibration.times_each_frame

    @property
    def numbered_fps(self) -> float:
        """Up to which rate of a stream it is known of each frame whether it came twice, or out of order."""
        return self._calibration.numbered_fps

    @property
    def suspects_device(self) -> bool:
        """Whether the device may have spoilt so many trials that to leave them out would choose its good times."""
        return self._suspect >= max(SUSPECT_TRIALS, SUSPECT_SHARE * self._number)

    def run(
        self,
        frame_bytes: int,
        rate_fps: float,
        seconds: float,
        *,
        tx: str | None = None,
        rx: str | None = None,
        flows: int = 1,
        destination: Literal["unicast", "broadcast", "unknown"] = "unicast",
        window_s: float | None = None,
        during: Callable[[], None] | None = None,
        attempts: int = ATTEMPTS,
    ) -> StreamResult:
        """One stream, tried up to ``attempts`` times until the generator vouches for it.

        With ``window_s`` the result is told by windows of this length too. Of those it may not vouch for some: these
        are the caller's to leave out.

        Raises InvalidMeasurement with the reasons of the last attempt, or when the rate is above
        what the generator was seen to do on its own.
        """
        stream = Stream(
            tx=tx or self.path.tx,
            rx=rx or self.path.rx,
            frame_bytes=frame_bytes,
            rate_fps=rate_fps,
            duration_s=seconds,
            flows=flows,
            destination=destination,
            window_s=window_s,
        )
        (result,) = self.run_streams([stream], during=during, attempts=attempts)
        return result

    def run_streams(
        self, streams: Sequence[Stream], *, during: Callable[[], None] | None = None, attempts: int = ATTEMPTS
    ) -> tuple[StreamResult, ...]:
        """Streams side by side, tried up to ``attempts`` times until the generator vouches for all of them.

        Raises InvalidMeasurement as `run` does; DeviceSuspected, one of these, where the device may be behind it, and
        at once where it may have been behind too many trials of this run. (Where something is done to the device
        meanwhile, it is no wonder.)
        """
        for port in dict.fromkeys(stream.tx for stream in streams):
            self._check_ceiling([stream for stream in streams if stream.tx == port])
        reasons: list[str] = []
        suspect, failures = False, 0
        results: tuple[StreamResult, ...] = ()
        for failures in range(attempts):
            if failures:
                time.sleep(pause_s(failures, results))
            results = self._generator.run(streams, during=during)
            for result in results:
                self._on_result(_facts(result))
            reasons = [reason for result in results for reason in result.invalid]
            suspect = during is None and any(result.suspect for result in results)
            self._number, self._suspect = self._number + 1, self._suspect + suspect
            if not reasons:
                return results
            if suspect and self.suspects_device:
                break
        load = " and ".join(f"{stream.rate_fps:.0f} pps of {stream.frame_bytes} B" for stream in streams)
        error = DeviceSuspected if suspect else InvalidMeasurement
        raise error(
            f"no valid trial in {failures + 1} at {load}: {'; '.join(dict.fromkeys(reasons))}", what="traffic generator"
        )

    def _check_ceiling(self, streams: Sequence[Stream]) -> None:
        """Streams of one port, side by side: each takes its share of what the port reached with frames of its size."""
        if not self._calibration.ceiling_fps:
            return
        known = [self._ceiling(stream.frame_bytes) for stream in streams]
        share = sum(stream.rate_fps / ceiling for stream, (_, ceiling) in zip(streams, known, strict=True))
        if share > CEILING_MARGIN:
            asked = " and ".join(f"{stream.rate_fps:.0f} pps of {stream.frame_bytes} B" for stream in streams)
            told = ", ".join(f"{ceiling:.0f} pps at {size} B" for size, ceiling in dict.fromkeys(known))
            raise InvalidMeasurement(
                f"{asked} are above {CEILING_MARGIN:.0%} of what the generator reached without the device ({told})",
                what="traffic generator",
                hint="declare the speed of the ports that the generator can fill, or use a faster generator",
            )

    def _ceiling(self, frame_bytes: int) -> tuple[int, float]:
        """The frame size whose ceiling holds for another one, and that ceiling."""
        ceilings = self._calibration.ceiling_fps
        size = min((known for known in ceilings if known >= frame_bytes), default=max(ceilings))
        return size, ceilings[size]


def _facts(result: StreamResult) -> dict[str, object]:
    """A trial as evidence: what was intended and what really happened."""
    stream = result.stream
    return {
        "tx": stream.tx,
        "rx": stream.rx,
        "frame_bytes": stream.frame_bytes,
        "flows": stream.flows,
        "destination": stream.destination,
        "ip_version": stream.ip_version,
        "intended_fps": stream.rate_fps,
        "intended_s": stream.duration_s,
        "sent": result.sent,
        "unsent": result.unsent,
        "received": result.received,
        "lost": result.lost,
        "duplicates": result.duplicates,
        "reordered": result.reordered,
        "offered_fps": round(result.offered_fps, 3),
        "seconds": result.seconds,
        "longest_gap_s": result.longest_gap_s,
        "stray": dict(result.stray),
        "latency_us": _latencies(result.latency),
        "machine": dict(result.machine),
        "invalid": list(result.invalid),
        "windows": [
            {
                "start_s": window.start_s,
                "seconds": window.seconds,
                "sent": window.sent,
                "received": window.received,
                "longest_gap_s": window.longest_gap_s,
                "latency_us": _latencies(window.latency),
                "invalid": list(window.invalid),
            }
            for window in result.windows
        ],
    }


def _latencies(latency: LatencySummary | None) -> dict[str, object] | None:
    if latency is None:
        return None
    return {
        "min": latency.min_us,
        "p50": latency.p50_us,
        "p90": latency.p90_us,
        "p99": latency.p99_us,
        "p99.9": latency.p999_us,
        "max": latency.max_us,
        "ipdv_p99": latency.ipdv_p99_us,
        "histogram": latency.histogram,
    }
