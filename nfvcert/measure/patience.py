"""How long to wait before a measurement that was spoilt is made again.

What disturbs a generator is over in a moment, mostly. A hypervisor that holds its machine back does so for longer, and
goes on while the machine is busy: then it is left in peace for longer too.
"""

from __future__ import annotations

from collections.abc import Iterable

from nfvcert.protocols import StreamResult

__all__ = ["pause_s"]

_PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0)
_HELD_BACK = 0.02
"""Share of the processors' time that a hypervisor took away."""
_LONGER = 8.0


def pause_s(failures: int, last: Iterable[StreamResult]) -> float:
    """Seconds to wait after so many ``failures`` in a row, of which ``last`` is what the last one gave.

    2 s at most, and 16 s where the generator's machine was held back; after five failures 3.75 s and 30 s in all.
    """
    pause = _PAUSES_S[min(failures, len(_PAUSES_S)) - 1]
    held_back = any(result.machine.get("stolen", 0.0) > _HELD_BACK for result in last)
    return pause * _LONGER if held_back else pause
