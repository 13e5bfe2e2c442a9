"""Processors of a virtual machine that stay awake while frames are sent.

A hypervisor that has others to serve gives an idle processor to them, and gives it back late. On such a machine ten
of twelve seconds at 488 pps, in which a sender sleeps for 2 ms between two frames, were of no use for that, with 5 to
15 % of the time stolen; with something to do on each processor, none of twelve. So something is done, for which
everything else comes first (SCHED_IDLE). Where a hypervisor has little to do it makes no difference
(`python -m benchmarks awake`).
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["awake"]

_MOST = 8
"""Processors that are kept awake; a machine with more of them has some to spare."""
# It ends with whoever started it, even if that is killed.
_NOTHING = ("--pdeathsig", "KILL", "chrt", "--idle", "0", "sh", "-c", "while :; do :; done")


@contextmanager
def awake() -> Iterator[None]:
    """Keep this machine's processors awake for a ``with`` block, if it is a virtual one."""
    command = _command()
    busy: list[subprocess.Popen[bytes]] = []
    try:
        with suppress(OSError):  # where nothing more can be started, it goes as it would without
            busy.extend(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                for _ in (sorted(os.sched_getaffinity(0))[:_MOST] if command else ())
            )
        yield
    finally:
        for process in busy:
            process.kill()
        for process in busy:
            process.wait()


@functools.cache
def _command() -> tuple[str, ...]:
    """What keeps a processor awake; empty where that is not needed, or cannot be done."""
    try:
        virtual = " hypervisor" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    setpriv = shutil.which("setpriv")
    return (setpriv, *_NOTHING) if virtual and setpriv and shutil.which("chrt") else ()
