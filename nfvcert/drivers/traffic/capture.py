"""The receiving side of a port: a ring that the kernel fills (AF_PACKET, TPACKET_V2) and numpy empties.

The kernel stamps each frame and keeps its first 60 bytes in a slot of 128, so nothing is lost while the
worker is off the CPU, or busy with sending, for as long as the ring has room: 65,536 frames.
Slots of a fixed size (V2, not V3) make a harvest one copy and a handful of numpy operations.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import socket
import struct

import numpy as np
import numpy.typing as npt

from nfvcert.drivers.traffic.frames import HEADER_BYTES, TAG_OFFSET, filter_program

__all__ = ["SLOT", "Capture", "received_ns"]

_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_RX_RING, _PACKET_STATISTICS = 1, 5, 6
_PACKET_VERSION, _PACKET_IGNORE_OUTGOING = 10, 23
_PACKET_MR_PROMISC = 1
_TPACKET_V2 = 1
_ETH_P_ALL = 0x0003
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS = 26, 35
_TP_STATUS_KERNEL, _TP_STATUS_USER = 0, 1

_SLOT_BYTES = 128
_BLOCK_BYTES = 1 << 17
_BLOCKS = 64
_SLOTS = _BLOCKS * _BLOCK_BYTES // _SLOT_BYTES
_FRAME_AT = 66
"""Where the kernel puts a frame in its slot: TPACKET_ALIGN(32 + 20 + 16) - 14 (linux/if_packet.h)."""
_TAG_AT = _FRAME_AT + TAG_OFFSET
assert _FRAME_AT + HEADER_BYTES <= _SLOT_BYTES

SLOT = np.dtype(
    {
        "names": ["status", "length", "frame_at", "seconds", "ns", "run", "kind", "stream", "sequence", "sent_ns"],
        "formats": ["=u4", "=u4", "=u2", "=u4", "=u4", ">u2", "u1", "u1", ">u4", ">u8"],
        "offsets": [0, 4, 12, 16, 20, _TAG_AT + 2, _TAG_AT + 4, _TAG_AT + 5, _TAG_AT + 6, _TAG_AT + 10],
        "itemsize": _SLOT_BYTES,
    }
)
"""struct tpacket2_hdr, and the tag of our frame behind it."""


def received_ns(slots: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """When the kernel received each frame, in ns (CLOCK_REALTIME)."""
    times: npt.NDArray[np.int64] = slots["seconds"].astype(np.int64) * 1_000_000_000 + slots["ns"]
    return times


class Capture:
    """Frames of ours that arrive at an interface, and no others. Raises: OSError when it cannot be opened."""

    def __init__(self, interface: str) -> None:
        self._next = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self._configure(interface)
            self._memory = mmap.mmap(self._socket.fileno(), _SLOTS * _SLOT_BYTES)
        except OSError:
            self._socket.close()
            raise
        self._ring: npt.NDArray[np.void] = np.frombuffer(self._memory, dtype=SLOT)

    def _configure(self, interface: str) -> None:
        sock = self._socket
        count, code = filter_program()
        program = ctypes.create_string_buffer(code)
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", count, ctypes.addressof(program)))
        # Asks the kernel to stamp frames where they enter, not where the socket gets them.
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        sock.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
        ring = struct.pack("=IIII", _BLOCK_BYTES, _BLOCKS, _SLOT_BYTES, _SLOTS)
        sock.setsockopt(_SOL_PACKET, _PACKET_RX_RING, ring)
        index = socket.if_nametoindex(interface)
        # Strays carry the MAC addresses of others.
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, struct.pack("=iHH8x", index, _PACKET_MR_PROMISC, 0))
        sock.bind((interface, _ETH_P_ALL))

    def take(self, most: int) -> npt.NDArray[np.void]:
        """Up to ``most`` frames in the order of their arrival, removed from the ring; fewer at its end."""
        if not self._ring[self._next]["status"] & _TP_STATUS_USER:
            return self._ring[:0]
        window = self._ring[self._next : self._next + most]
        # Slots are filled in order. On CPUs that reorder reads, the thousands of instructions between
        # this read and the next one are barrier enough.
        ready = (window["status"] & _TP_STATUS_USER).astype(bool)
        count = len(ready) if ready.all() else int(ready.argmin())
        taken: npt.NDArray[np.void] = window[:count].copy()
        window["status"][:count] = _TP_STATUS_KERNEL
        self._next = (self._next + count) % _SLOTS
        ours: npt.NDArray[np.void] = taken[taken["frame_at"] == _FRAME_AT]
        return ours

    def discard(self) -> None:
        """Forget all frames so far, and the drops."""
        deadline = 2 * _SLOTS  # frames of others may keep coming
        while deadline > 0 and len(self.take(_SLOTS)):
            deadline -= _SLOTS // 2
        self.drops()

    def drops(self) -> int:
        """Frames that found the ring full since the last call."""
        _, dropped = struct.unpack("=II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        return int(dropped)

    def went_down(self) -> bool:
        """Whether the interface was set down since the last call. Raises: OSError on another error."""
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error not in (0, errno.ENETDOWN):
            raise OSError(error, "the receiving socket failed")
        return error == errno.ENETDOWN

    def close(self) -> None:
        """Give the ring back."""
        del self._ring
        with contextlib.suppress(BufferError):  # an array still looks at it: the end of the process frees it
            self._memory.close()
        self._socket.close()
