"""Seconds that a sender could not use, since it came back late from a sleep: with processors kept awake, and without.

On a machine that is not virtual there is nothing to keep awake, and both are the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext

from benchmarks.figures import Figure
from nfvcert.drivers.traffic.awake import awake
from nfvcert.drivers.traffic.machine import read_machine, strain
from nfvcert.drivers.traffic.results import Gate

RATE_FPS = 488
TIMES = 12


def figures() -> Iterator[Figure]:
    """Of a second each, in turn: the share that was late by more than the generator lets pass, and what was stolen."""
    late, stolen = {True: 0, False: 0}, {True: 0.0, False: 0.0}
    for _ in range(TIMES):
        for kept in (False, True):
            with awake() if kept else nullcontext():
                time.sleep(0.1)
                was_late, share = _second()
            late[kept] += was_late
            stolen[kept] += share / TIMES
    how = f"{TIMES} times a second with {RATE_FPS} sleeps, in turn; more than {Gate().pause_s * 1e3:g} ms late"
    for kept, name in ((False, "left alone"), (True, "kept awake")):
        yield Figure(f"seconds that came late, processors {name}", late[kept], f"of {TIMES}", None, how)
        yield Figure(f"time stolen, processors {name}", 100 * stolen[kept], "%", None, how)


def _second() -> tuple[bool, float]:
    """Whether one second of sleeps was late, and the share of the processors' time that was stolen in it."""
    before, began, latest_s = read_machine(), time.monotonic(), 0.0
    for number in range(1, RATE_FPS + 1):
        due = began + number / RATE_FPS
        time.sleep(max(0.0, due - time.monotonic()))
        latest_s = max(latest_s, time.monotonic() - due)
    return latest_s > Gate().pause_s, strain(before, read_machine())["stolen"]
