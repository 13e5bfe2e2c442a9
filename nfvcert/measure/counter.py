"""A counter of frames on a device, read by a command of the inventory."""

from __future__ import annotations

import time
from collections.abc import Callable

from nfvcert.errors import LabError
from nfvcert.protocols import Shell

__all__ = ["FrameCounter"]

_LATE_S = 2.5
"""How long a counter may lag behind: switches read those of their chip about once a second."""
_LOOK_S = 0.25


class FrameCounter:
    """A command on a host that prints how many frames there have been."""

    def __init__(
        self, shell: Shell, command: str, *, late_s: float = _LATE_S, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._shell = shell
        self._command = command
        self._late_s = late_s
        self._sleep = sleep

    def read(self) -> int:
        """Frames so far. Raises LabError where the command prints no number, and what a shell raises."""
        printed = self._shell.run(self._command).stdout.strip()
        if not printed.isdecimal():
            raise LabError(
                f"what counts frames must print a number, and prints {printed[:60]!r} on {self._shell.host}",
                what=self._shell.host,
                hint=f"see counted_by in the inventory: {self._command}",
            )
        return int(printed)

    def gained(self, before: int, awaited: int) -> int:
        """How many frames more than ``before``, looked at until there are as many as are awaited, or it is late."""
        waited_s = 0.0
        while (came := self.read() - before) < awaited and waited_s < self._late_s:
            self._sleep(_LOOK_S)
            waited_s += _LOOK_S
        return came
