"""How long is waited before a spoilt measurement is made again."""

from __future__ import annotations

import pytest

from nfvcert.measure.patience import pause_s
from nfvcert.protocols import Stream, StreamResult

STREAM = Stream("a", "b", 64, 1000.0, 1.0)


def result(**machine: float) -> StreamResult:
    return StreamResult(
        stream=STREAM,
        sent=900,
        unsent=100,
        received=900,
        duplicates=0,
        reordered=0,
        seconds=1.0,
        longest_gap_s=0.1,
        machine=machine,
        invalid=("could not send",),
    )


@pytest.mark.parametrize(
    ("last", "in_all_s"),
    [
        ([], 3.75),
        ([result()], 3.75),
        ([result(stolen=0.02)], 3.75),
        ([result(stolen=0.03)], 30),
        ([result(), result(stolen=0.3)], 30),
    ],
)
def test_a_machine_that_was_held_back_is_given_more_time(last: list[StreamResult], in_all_s: float) -> None:
    assert [pause_s(failures, last) for failures in range(1, 6)] == sorted(
        pause_s(failures, last) for failures in range(1, 6)
    )
    assert sum(pause_s(failures, last) for failures in range(1, 6)) == in_all_s
    assert pause_s(6, last) == pause_s(5, last)
