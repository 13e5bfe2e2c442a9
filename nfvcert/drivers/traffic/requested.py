"""Streams that a generator is asked to run: those that cannot be are the suite's fault, whatever it is made of."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Protocol

from nfvcert.drivers.traffic.frames import MOST_FLOWS
from nfvcert.errors import SuiteError, Undeclared
from nfvcert.protocols import Stream

__all__ = ["check_streams"]

_LEAST_FRAME, _MOST_FRAME = 64, 9216
_MOST_STREAMS = 256


class _Port(Protocol):
    def line_rate_fps(self, frame_bytes: int) -> float: ...


def check_streams(streams: Sequence[Stream], ports: Mapping[str, _Port], *, ip_versions: tuple[int, ...]) -> None:
    """Raises: SuiteError for streams that cannot be, alone or side by side; Undeclared for those that need another
    generator, which sends other ``ip_versions``.
    """
    for stream in streams:
        _check(stream, ports)
        if stream.ip_version not in ip_versions:
            raise Undeclared(f"the generator of this lab sends no IPv{stream.ip_version}", what="traffic generator")
    if not 1 <= len(streams) <= _MOST_STREAMS:
        raise SuiteError(f"a run has 1 … {_MOST_STREAMS} streams, not {len(streams)}")
    for name, port in ports.items():
        # Above the line rate of its port no real generator could offend the device, so neither may we.
        load = sum(each.rate_fps / port.line_rate_fps(each.frame_bytes) for each in streams if each.tx == name)
        if load > 1.001:
            raise SuiteError(f"port {name} would have to send at {load:.1%} of its line rate")


def _check(stream: Stream, ports: Mapping[str, _Port]) -> None:
    for end in (stream.tx, stream.rx):
        if end not in ports:
            near = difflib.get_close_matches(end, ports, 1)
            hint = f"did you mean {near[0]}?" if near else ""
            raise SuiteError(f"a stream names port {end}; the generator has {', '.join(ports)}", hint=hint)
    if stream.tx == stream.rx:
        raise SuiteError(f"a stream goes from port {stream.tx} to itself")
    if not _LEAST_FRAME <= stream.frame_bytes <= _MOST_FRAME:
        raise SuiteError(f"frames have {_LEAST_FRAME} … {_MOST_FRAME} bytes, not {stream.frame_bytes}")
    if not (stream.rate_fps > 0 and stream.duration_s > 0):
        raise SuiteError(f"a stream needs a rate and a duration, not {stream.rate_fps} pps for {stream.duration_s} s")
    if not 1 <= stream.flows <= MOST_FLOWS:
        raise SuiteError(f"a stream has 1 … {MOST_FLOWS:,} flows, not {stream.flows:,}")
