"""A virtual machine's processors are kept awake for as long as frames are sent, and not longer."""

from __future__ import annotations

import contextlib
import os
import time

import psutil
import pytest

from nfvcert.drivers.traffic.awake import _command, awake
from nfvcert.drivers.traffic.software import SoftwareGenerator
from nfvcert.errors import Unreachable
from nfvcert.protocols import Stream
from tests.drivers.sshd import until

pytestmark = pytest.mark.skipif(not _command(), reason="this machine is no virtual one")
STREAM = Stream("tg0", "tg1", 64, 488, 1.0)


def busy() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.cmdline()[-1:] == ["while :; do :; done"]:
                found.append(child)
    return found


def test_there_is_something_to_do_on_each_processor_and_all_else_comes_first() -> None:
    number = min(8, len(os.sched_getaffinity(0)))
    with awake():
        end = time.monotonic() + 20
        # Each becomes what it is by and by: setpriv, chrt, sh.
        while [os.sched_getscheduler(process.pid) for process in busy()] != [os.SCHED_IDLE] * number:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert busy() == []


def test_one_worker_keeps_the_machine_awake_while_frames_are_sent(generator: SoftwareGenerator) -> None:
    seen: list[int] = []
    generator.run([STREAM], during=lambda: seen.append(len(busy())))
    assert seen == [min(8, len(os.sched_getaffinity(0)))]
    assert busy() == []


def test_nothing_is_left_of_a_worker_that_is_killed(generator: SoftwareGenerator) -> None:
    mine: list[psutil.Process] = []

    def kill() -> None:
        mine.extend(busy())
        worker = mine[0].parent()
        assert worker is not None
        worker.kill()

    with pytest.raises(Unreachable, match="was killed by signal 9"):
        generator.run([STREAM], during=kill)
    assert mine
    until(lambda: not busy())
