"""What came out of the generator's cable, by the counter of the device's own port.

A generator counts frames as it hands them on. Of those that its adapter or its cable lost it knows nothing, and they
look as if the device had lost them. Where the device counts what comes in at a port, that is asked before and after.
It counts all frames, those by which it learns and others too: a handful that was lost may hide behind these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nfvcert.measure.counter import FrameCounter
from nfvcert.protocols import Calibration, Stream, StreamResult, TrafficGenerator

__all__ = ["CountedByDevice"]


class CountedByDevice:
    """A `nfvcert.protocols.TrafficGenerator` that vouches for what reached the device."""

    def __init__(
        self,
        generator: TrafficGenerator,
        counters: Mapping[str, FrameCounter],
    ) -> None:
        """``counters``: traffic port → the counter at the other end of its cable."""
        self._generator = generator
        self._counters = counters

    def describe(self) -> tuple[str, ...]:
        """What the generator says, and what the device has counted. Raises as `run` does."""
        counted = (f"{port}: {counter.read():,} frames came in so far" for port, counter in self._counters.items())
        return (*self._generator.describe(), *counted)

    def calibrate(self) -> Calibration:
        """On a loop, where no device counts."""
        return self._generator.calibrate()

    def run(self, streams: Sequence[Stream], *, during: Callable[[], None] | None = None) -> tuple[StreamResult, ...]:
        """As the generator runs them; what is lost before the device makes the results of its port invalid.

        Where something is done to the device meanwhile (``during``) it may count nothing for a time, and is not asked.
        Raises: what the generator raises; LabError and what a shell raises for a counter that cannot be read.
        """
        sending = dict.fromkeys(stream.tx for stream in streams if stream.tx in self._counters)
        if during is not None or not sending:
            return self._generator.run(streams, during=during)
        before = {port: self._counters[port].read() for port in sending}
        results = self._generator.run(streams)
        missing = {}
        for port, counted in before.items():
            sent = sum(result.sent for result in results if result.stream.tx == port)
            came = self._counters[port].gained(counted, sent)
            if came < sent:
                missing[port] = (
                    f"sent {sent:,} frames by its own count, and {came:,} came in at the device's end of {port}"
                    if came >= 0
                    else f"sent frames at {port} while the device began to count anew there"
                )
        return tuple(
            replace(result, invalid=(*result.invalid, missing[result.stream.tx]), suspect=True)
            if result.stream.tx in missing
            else result
            for result in results
        )

    def close(self) -> None:
        """Close the generator."""
        self._generator.close()
