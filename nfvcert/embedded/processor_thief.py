"""A process that takes a processor away from everything else, now and then: a measuring host that is not left alone.

    PYTHON processor_thief.py PROCESSOR BUSY_SECONDS EVERY_SECONDS

It runs ahead of the generator's workers, at the same moments as its like on other processors, and lives as long as
whoever started it.
"""

from __future__ import annotations

import os
import sys
import time

__all__: list[str] = []

_PRIORITY = 50


def _main(processor: int, busy_s: float, every_s: float) -> None:
    parent = os.getppid()
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    while os.getppid() == parent:
        began = time.monotonic() // every_s * every_s
        while time.monotonic() < began + busy_s:
            pass
        time.sleep(max(0.0, began + every_s - time.monotonic()))


if __name__ == "__main__":
    _main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
