"""A process through which frames reach an interface late: what the kernels of some machines can do by netem.

    PYTHON delay_line.py INTERFACE_IN INTERFACE_OUT SECONDS

It says when it is ready, and lives as long as whoever started it. Frames leave with the mark MARK, by which rules tell
them from those that have yet to go through here.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections import deque
from contextlib import suppress

__all__ = ["MARK"]

MARK = 0x6E6676
_ALL_PROTOCOLS = 0x0003
_SO_RCVBUFFORCE = 33
_ROOM_BYTES = 1 << 26
_SPIN_S = 0.0001
"""The last part of a wait: a sleep may take longer than asked for."""
_LOOK_S = 1.0


def _main(came_by: str, leaves_by: str, late_s: float) -> None:
    parent = os.getppid()
    with suppress(PermissionError):  # the generator's workers run so too: what they held up would be no delay of ours
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as into,
    ):
        out.bind((leaves_by, 0))
        out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
        into.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM_BYTES)
        into.bind((came_by, _ALL_PROTOCOLS))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        waiting: deque[tuple[float, bytes]] = deque()
        while os.getppid() == parent:
            now = time.monotonic()
            rest = waiting[0][0] - now if waiting else _LOOK_S
            if rest <= 0:
                out.send(waiting.popleft()[1])
            elif select.select([into], [], [], max(0.0, rest - _SPIN_S))[0]:
                waiting.append((time.monotonic() + late_s, into.recv(1 << 16)))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
