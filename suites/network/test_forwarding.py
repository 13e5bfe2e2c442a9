"""What a switch or router must do with frames besides being fast."""

from collections.abc import Iterable, Sequence
from functools import partial

import pytest

from nfvcert.suite import (
    InvalidMeasurement,
    KpiRecorder,
    Lab,
    Parameters,
    Stream,
    StreamResult,
    TrafficPath,
    Trials,
    estimate_share,
)

pytestmark = [pytest.mark.network, pytest.mark.small]

PROBE_FPS = 100.0
PROBE_SECONDS = 0.5
PROBE_FLOWS = 16
LARGE_FPS, LARGE_LOAD, LARGE_FRAMES = 5000.0, 0.8, 150
"""Of frames of a size that may not cross: rate and load at most, how many at least."""
LARGE_LOST = 0.001
"""Of large frames no more may be lost than of others."""
HEADER_AND_FCS_BYTES = 18
FRAMES = 5000
"""So many at least: with fewer, not even none lost would show a loss of less than 0.1 % (Clopper and Pearson)."""
NUMBERED_FRAMES = 400_000
"""So many show that less than one in 100,000 is out of order, where a generator cannot number frames at full rate."""
ASYMMETRIC = (1.5, 0.5)
"""Of the load that both directions have otherwise: together they carry as much."""
FRAMES_OF_A_FLOW = 3
JUMBO_PACKETS = (1500, 2000, 4000, 8000, 9000)
"""IP packet sizes in bytes to try."""


@pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host")
@pytest.mark.measures(
    "network.both_ways.loss_ratio", "network.both_ways.duplicate_ratio", "network.both_ways.reordered_ratio"
)
@pytest.mark.expected_seconds(6)
def test_both_directions(trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder) -> None:
    """Traffic in both directions at once arrives, each frame once and in its turn (RFC 2544 §14, bidirectional).

    As much in both directions, and three times as much in one as in the other: users load more than they send.
    """
    frame_bytes = min(parameters.frame_bytes)

    def both_ways(rates: Sequence[float], frames: int = FRAMES) -> Sequence[tuple[str, StreamResult]]:
        # One flow each way: only within a flow a network keeps the order (IEEE 802.1Q §8.6.6; link aggregation).
        seconds = max(parameters.trial_seconds, frames / min(rates))
        ways = ((path.tx, path.rx), (path.rx, path.tx))
        results = trials.run_streams(
            [Stream(*way, frame_bytes, rate, seconds) for way, rate in zip(ways, rates, strict=True)]
        )
        return tuple(zip(("forward", "reverse"), results, strict=True))

    line_rate = path.line_rate_fps(frame_bytes)
    rate = line_rate * parameters.both_ways_load
    carried = both_ways((rate, rate))
    asymmetric = both_ways([min(line_rate, share * rate) for share in ASYMMETRIC])
    for direction, result in (*asymmetric, *carried):
        lost = estimate_share(result.lost, result.sent)
        load = round(result.stream.rate_fps / line_rate, 6)
        kpi.measure("network.both_ways.loss_ratio", lost, frame_bytes=frame_bytes, load=load, direction=direction)
    if rate > trials.numbered_fps:
        rate = trials.numbered_fps
        carried = both_ways((rate, rate), NUMBERED_FRAMES)
    for direction, result in carried:
        load = round(rate / line_rate, 6)
        twice = result.duplicates / result.sent
        late = estimate_share(min(result.reordered, result.sent), result.sent)
        kpi.measure("network.both_ways.duplicate_ratio", twice, frame_bytes=frame_bytes, load=load, direction=direction)
        kpi.measure("network.both_ways.reordered_ratio", late, frame_bytes=frame_bytes, load=load, direction=direction)


@pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host", "sdn-controller")
@pytest.mark.measures("network.many_flows.loss_ratio")
@pytest.mark.expected_seconds(3)
def test_many_flows(trials: Trials, path: TrafficPath, parameters: Parameters, kpi: KpiRecorder) -> None:
    """Frames of many flows are lost no more than those of one: no table of the device is full (RFC 8456 §5.2.3)."""
    frame_bytes = min(parameters.frame_bytes)
    rate = path.line_rate_fps(frame_bytes) * parameters.many_flows_load
    # Each flow several times, so that it is known when its later frames come.
    seconds = max(parameters.trial_seconds, FRAMES / rate, FRAMES_OF_A_FLOW * parameters.many_flows / rate)
    result = trials.run(frame_bytes, rate, seconds, flows=parameters.many_flows)
    kpi.measure(
        "network.many_flows.loss_ratio",
        estimate_share(result.lost, result.sent),
        frame_bytes=frame_bytes,
        load=parameters.many_flows_load,
        flows=parameters.many_flows,
    )


@pytest.mark.covers("rack-switch", "vswitch", "nic", "driver-host")
@pytest.mark.measures("network.mtu.largest_packet")
@pytest.mark.expected_seconds(6)
def test_jumbo_frames(trials: Trials, path: TrafficPath, kpi: KpiRecorder) -> None:
    """The largest IP packet that crosses the device whole (RFC 1191 §7; RFC 2544 §9)."""
    largest = 0
    for packet_bytes in JUMBO_PACKETS:
        frame_bytes = packet_bytes + HEADER_AND_FCS_BYTES
        rate = min(LARGE_FPS, path.line_rate_fps(frame_bytes) * LARGE_LOAD)
        seconds = max(PROBE_SECONDS, LARGE_FRAMES / rate)
        # Of many flows: each member of a link aggregation carries some. What is lost by chance is not lost twice.
        tries = (trials.run(frame_bytes, rate, seconds, flows=PROBE_FLOWS) for _ in range(2))
        if all(result.loss_ratio > LARGE_LOST for result in tries):
            break
        largest = packet_bytes
    kpi.measure("network.mtu.largest_packet", largest)


@pytest.mark.covers("rack-switch", "vswitch", "sdn-controller")
@pytest.mark.needs("l2")
@pytest.mark.measures("network.learning.flooded_frames", "network.learning.unknown_reach_ratio")
@pytest.mark.expected_seconds(2)
def test_mac_learning(trials: Trials, path: TrafficPath, kpi: KpiRecorder) -> None:
    """Frames to a known address go to its port only; frames to an unknown one go to all (IEEE 802.1Q §8.7, §8.8)."""
    if not path.witnesses:
        raise InvalidMeasurement("nobody could see flooded frames: the tenant of the traffic has no third port")
    witness = path.witnesses[0]
    unknown = trials.run(128, PROBE_FPS, PROBE_SECONDS, destination="unknown")
    # Also shows that the witness can hear at all, without which its silence would prove nothing.
    kpi.measure("network.learning.unknown_reach_ratio", min(1.0, unknown.stray.get(witness, 0) / unknown.sent))
    known = trials.run(128, PROBE_FPS, PROBE_SECONDS)
    kpi.measure("network.learning.flooded_frames", known.stray.get(witness, 0))


@pytest.mark.covers("rack-switch", "vswitch", "sdn-controller", "network-gateway-router")
@pytest.mark.measures("network.isolation.leaked_frames")
@pytest.mark.expected_seconds(8)
def test_tenant_isolation(lab: Lab, trials: Trials, path: TrafficPath, kpi: KpiRecorder) -> None:
    """No frame of one tenant reaches another, be it addressed to it, to nobody, or to all (ETSI GS NFV-SEC 001 §6)."""
    strangers = _ports_that_hear(lab, trials, path)
    leaked: dict[tuple[str, str], int] = {}

    def count(result: StreamResult, stranger: str, aimed: str, ports: Iterable[str]) -> None:
        """Frames of a tenant at ports of another, whichever they were sent to."""
        came = {**result.stray, result.stream.rx: result.received}
        key = (_tenant(lab, stranger), aimed)
        leaked[key] = leaked.get(key, 0) + sum(came.get(port, 0) for port in ports)

    own = (path.tx, path.rx, *path.witnesses)
    ends = (path.tx, path.rx)  # each of them may be at another device
    probe = partial(Stream, frame_bytes=128, rate_fps=PROBE_FPS, duration_s=PROBE_SECONDS)
    try:
        for stranger in strangers:
            # Side by side, as each is waited for until nothing more can come.
            ways = [way for end in ends for way in ((end, stranger), (stranger, end))]
            for result in trials.run_streams([probe(*way) for way in ways]):
                count(result, stranger, "unicast", own if result.stream.tx == stranger else path.strangers)
        if lab.dut.forwards == "l2":
            for result in trials.run_streams([probe(*way, destination="broadcast") for way in (ends, ends[::-1])]):
                for stranger in strangers:
                    count(result, stranger, "broadcast", [stranger])
    finally:  # what has leaked has, whatever keeps the rest from being looked at
        for (tenant, aimed), frames in leaked.items():
            kpi.measure("network.isolation.leaked_frames", frames, tenant=tenant, aimed=aimed)


def _ports_that_hear(lab: Lab, trials: Trials, path: TrafficPath) -> list[str]:
    """Ports of other tenants that were seen to receive frames of their own tenant.

    Raises InvalidMeasurement where a tenant has none: silence of a deaf port proves nothing.
    """
    hearing = []
    for port in path.strangers:
        peer = next(
            (other for other in path.strangers if other != port and _tenant(lab, other) == _tenant(lab, port)), None
        )
        if peer is not None and trials.run(128, PROBE_FPS, PROBE_SECONDS, tx=peer, rx=port).lost == 0:
            hearing.append(port)
    tenants = {_tenant(lab, port) for port in path.strangers}
    deaf = sorted(tenants - {_tenant(lab, port) for port in hearing})
    if deaf or not tenants:
        raise InvalidMeasurement(
            f"no port of {', '.join(deaf) or 'another tenant'} was seen to receive anything from another of its ports "
            f"(tried: {', '.join(path.strangers) or 'none'}), so its silence would prove nothing"
        )
    return hearing


def _tenant(lab: Lab, port: str) -> str:
    assert lab.traffic is not None
    return lab.traffic.ports[port].tenant
