"""A process through which frames reach an interface late: what the kernels of some machines can do by netem.

    PYTHON delay_line.py INTERFACE_IN INTERFACE_OUT SECONDS

It says when it is ready, then each time that a frame was later than all before it by how many seconds it was late, and
lives as long as whoever started it. Frames leave with the mark MARK, by which rules tell them from those that have yet
to go through here.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress

__all__ = ["MARK"]

MARK = 0x6E6676
_ALL_PROTOCOLS = 0x0003
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
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
        into.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        into.bind((came_by, _ALL_PROTOCOLS))
        print("ready", flush=True)  # noqa: T201 - to whoever started us
        waiting: deque[tuple[float, bytes]] = deque()
        latest_s = 0.0
        while os.getppid() == parent:
            rest = waiting[0][0] + late_s - time.time() if waiting else _LOOK_S
            if rest <= 0:
                came, frame = waiting.popleft()
                out.send(frame)
                if (was_s := time.time() - came) > latest_s:
                    latest_s = was_s
                    print(f"{latest_s:.6f}", flush=True)  # noqa: T201
            elif select.select([into], [], [], max(0.0, rest - _SPIN_S))[0]:
                frame, (stamp, *_), *_ = into.recvmsg(1 << 16, socket.CMSG_SPACE(16))
                seconds, nanoseconds = struct.unpack("ll", stamp[2])
                # By the kernel: what held us up before we took it is a part of how late it gets.
                waiting.append((seconds + nanoseconds / 1e9, frame))


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
