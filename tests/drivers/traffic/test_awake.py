"""A virtual machine's processors are kept awake for as long as frames are sent, and not longer."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from nfvcert.drivers.traffic.awake import _command, awake


def busy() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.cmdline()[-1:] == ["while :; do :; done"]]


@pytest.mark.skipif(not _command(), reason="this machine is no virtual one")
def test_there_is_something_to_do_on_each_processor_and_all_else_comes_first() -> None:
    number = min(8, len(os.sched_getaffinity(0)))
    with awake():
        end = time.monotonic() + 20
        # Each becomes what it is by and by: setpriv, chrt, sh.
        while [os.sched_getscheduler(process.pid) for process in busy()] != [os.SCHED_IDLE] * number:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert busy() == []
