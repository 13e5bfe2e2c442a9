"""What the network tests share: one search for the non-drop rate per lab and frame size."""

from collections.abc import Callable

import pytest

from nfvcert.suite import Counts, Lab, Parameters, Throughput, TrafficPath, Trials, search


@pytest.fixture(scope="session")
def path(lab: Lab) -> TrafficPath:
    """The ports of the lab by the part they play."""
    return TrafficPath.of(lab)


@pytest.fixture(scope="session")
def throughput(trials: Trials, path: TrafficPath, parameters: Parameters) -> Callable[[int], Throughput]:
    """``throughput(frame_bytes)``: NDR and PDR, searched once, since several tests build on them."""
    found: dict[int, Throughput] = {}

    def of(frame_bytes: int) -> Throughput:
        def measure(load_fps: float, seconds: float) -> Counts:
            result = trials.run(frame_bytes, load_fps, seconds, flows=parameters.flows)
            return Counts(result.sent, result.lost, result.seconds)

        if frame_bytes not in found:
            found[frame_bytes] = search(measure, path.line_rate_fps(frame_bytes), parameters)
        return found[frame_bytes]

    return of
