"""What arrived of one stream: sequence numbers and times become counts. Pure arithmetic, in chunks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nfvcert.drivers.traffic.messages import Seen

__all__ = ["Arrivals"]

Integers = npt.NDArray[np.int64]


class Arrivals:
    """Frames of one stream at its receiving port, added in the order of their arrival."""

    def __init__(self, index: int, frames: int, windows: Sequence[tuple[int, int]] = ()) -> None:
        self._index = index
        # One float32 a frame remembers both whether it came and how long it took (to 0.1 µs in 1 s).
        self._latency_us = np.full(frames, np.nan, dtype=np.float32)
        self._arrived = self._duplicates = self._reordered = 0
        self._highest = -1
        self._first_ns = self._last_ns = self._longest_ns = 0
        self._window_starts = np.array([first for first, _ in windows], dtype=np.int64)
        self._longest_by_window_ns = np.zeros(len(windows), dtype=np.int64)

    def add(self, sequence: Integers, sent_ns: Integers, received_ns: Integers) -> None:
        """Add the frames of a chunk. Sequence numbers that were never asked for are ignored."""
        known = (sequence >= 0) & (sequence < len(self._latency_us))
        if not known.all():
            sequence, sent_ns, received_ns = sequence[known], sent_ns[known], received_ns[known]
        if not len(sequence):
            return
        self._arrived += len(sequence)
        self._add_times(sequence, received_ns)
        highest = max(self._highest, int(sequence.max()))
        if sequence[0] <= self._highest or (np.diff(sequence) <= 0).any():
            new = self._sort_out(sequence)
            sequence, sent_ns, received_ns = sequence[new], sent_ns[new], received_ns[new]
        self._latency_us[sequence] = (received_ns - sent_ns) / 1e3
        self._highest = highest

    def _add_times(self, sequence: Integers, received_ns: Integers) -> None:
        # The kernel's order of arrival is the truth; stamps of two CPUs may cross by a little.
        times = np.maximum.accumulate(received_ns)
        if not self._last_ns:
            self._first_ns = self._last_ns = int(times[0])
        gaps = np.diff(times, prepend=self._last_ns)
        self._longest_ns = max(self._longest_ns, int(gaps.max()))
        if len(self._window_starts):
            window = np.searchsorted(self._window_starts, sequence, side="right") - 1
            np.maximum.at(self._longest_by_window_ns, window, gaps)
        self._last_ns = max(self._last_ns, int(times[-1]))

    def _sort_out(self, sequence: Integers) -> Integers:
        """Count repeated and overtaken frames; returns the positions of those that came for the first time."""
        _, firsts = np.unique(sequence, return_index=True)
        firsts.sort()
        new = firsts[np.isnan(self._latency_us[sequence[firsts]])]
        self._duplicates += len(sequence) - len(new)
        # RFC 4737 §3.3: a frame is reordered when a later one came before it.
        highest_before = np.maximum.accumulate(np.concatenate(([self._highest], sequence[:-1])))
        self._reordered += int((sequence[new] < highest_before[new]).sum())
        return new

    @property
    def highest(self) -> int:
        """The highest sequence number so far; -1 before the first frame."""
        return self._highest

    def seen(self) -> Seen:
        """The counts so far."""
        return Seen(
            index=self._index,
            arrived=self._arrived,
            duplicates=self._duplicates,
            reordered=self._reordered,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            longest_ns=self._longest_ns,
            longest_by_window_ns=tuple(self._longest_by_window_ns.tolist()),
            latency_us=self._latency_us,
        )
