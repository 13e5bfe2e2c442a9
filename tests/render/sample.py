"""Records as real runs would leave them, built of real classes and decided by the real judge."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ruamel.yaml import YAML

from nfvcert.catalogue import Catalogue
from nfvcert.claims import Need
from nfvcert.composition import ComposedPart, Composition
from nfvcert.gathering import from_events
from nfvcert.judge import Decision, Finding, TestResult, Verdict, judge, worst
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Condition, Kpi, Measurement
from nfvcert.presence import PresenceRow
from nfvcert.record import (
    CalibrationFacts,
    Event,
    GeneratorCalibrated,
    LabFingerprinted,
    LeaseLogged,
    LeftOut,
    Measured,
    PlannedTest,
    PresenceChecked,
    Record,
    RunFacts,
    RunFinished,
    RunResumed,
    RunStarted,
    Series,
    SeriesDrawn,
    StreamPlan,
    StreamPlanned,
    TestFinished,
    TestStarted,
    Trouble,
)
from nfvcert.release import ReleaseUnit
from nfvcert.scope import OutOfScope, Scope, scope_of, with_tests
from nfvcert.sizing import class_of, size_of
from nfvcert.streams import plan_run
from nfvcert.testcase import CollectedTest
from nfvcert.testmodel import Criterion, Parameters
from nfvcert.waivers import HeldWaiver

ROOT = Path(__file__).parents[2]
MODEL = "network 2026.1"
SIZES = (64, 512, 1518)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }} \x1b[31m$\\frac{ [red]é漢字"

KPIS = {
    "network.throughput.ndr": Kpi(
        title="Non-drop rate",
        definition="Highest rate at which the device loses no frame.",
        unit="pps",
        better="higher",
        method="Multiple loss ratio search",
        source="ETSI GS NFV-TST 009 §11.1; RFC 9971",
    ),
    "network.throughput.pdr": Kpi(
        title="Partial-drop rate",
        definition="Highest rate at which the device loses at most 0.5 % of the frames.",
        unit="pps",
        better="higher",
        method="Multiple loss ratio search",
        source="ETSI GS NFV-TST 009 §11.1; RFC 9971",
    ),
    "network.loss.ratio": Kpi(
        title="Frame loss ratio",
        definition="Frames lost of frames sent at a given load.",
        unit="ratio",
        better="lower",
        method="Trials from 100 % of the line rate downwards",
        source="RFC 2544 §26.3",
    ),
    "network.latency.p50": Kpi(
        title="One-way latency, median",
        definition="Median of the one-way latency of the received frames.",
        unit="s",
        better="lower",
        method="Time stamps in every frame at half the non-drop rate",
        source="RFC 2544 §26.2; ETSI GS NFV-TST 009 §11.3",
    ),
    "network.latency.p99": Kpi(
        title="One-way latency, 99th percentile",
        definition="99th percentile of the one-way latency of the received frames.",
        unit="s",
        better="lower",
        method="Time stamps in every frame at half the non-drop rate",
        source="RFC 2544 §26.2; ETSI GS NFV-TST 009 §11.3",
    ),
    "network.latency.delay_variation": Kpi(
        title="Delay variation, 99th percentile",
        definition="99th percentile of the difference in latency of consecutive frames.",
        unit="s",
        better="lower",
        method="Inter-packet delay variation",
        source="RFC 3393",
    ),
    "network.burst.back_to_back": Kpi(
        title="Back-to-back frames",
        definition="Longest burst at line rate that passes whole.",
        unit="frames",
        better="higher",
        method="Bursts of growing length",
        source="RFC 2544 §26.4; RFC 9004",
    ),
    "network.soak.loss_ratio": Kpi(
        title="Loss under sustained load",
        definition="Frames lost of frames sent during the soak.",
        unit="ratio",
        better="lower",
        method="Constant load at 90 % of the non-drop rate",
        source="ETSI GS NFV-TST 009 §12.4",
    ),
    "network.isolation.leaked": Kpi(
        title="Frames seen by another tenant",
        definition="Frames of one tenant that arrive at a port of another.",
        unit="frames",
        better="lower",
        method="Unicast, unknown unicast and broadcast towards all ports",
        source="ETSI GS NFV-TST 008",
    ),
    "network.failover.outage": Kpi(
        title="Failover outage",
        definition="Longest time without a received frame while a redundant link is taken away.",
        unit="s",
        better="lower",
        method="Largest gap at 10 % of the line rate",
        source="RFC 6414 §3.5",
    ),
    "network.mtu.largest_frame": Kpi(
        title="Largest frame",
        definition="Largest frame that passes whole.",
        unit="B",
        better="higher",
        method="Frames of growing size",
        source="RFC 2544 §9",
    ),
    "network.route.convergence": Kpi(
        title="Route convergence",
        definition="Time from a withdrawn route to traffic over the next one.",
        unit="s",
        better="lower",
        method="Largest gap",
        source="RFC 6413",
    ),
}


def _criterion(kpi: str, written: str, bound: float, *, applies: bool = True, **where: Condition) -> Criterion:
    known, is_lower = KPIS[kpi], written.startswith("≥")
    return Criterion(
        kpi=kpi,
        where=where,
        at_least=bound if is_lower else None,
        at_most=None if is_lower else bound,
        unit=known.unit,
        as_written=written,
        applies=applies,
        source=known.source,
    )


CRITERIA = (
    _criterion("network.throughput.ndr", "≥ 0.010 Mpps", 10_000, frame_bytes=64),
    _criterion("network.throughput.ndr", "≥ 2.0 kpps", 2_000, frame_bytes=512),
    _criterion("network.throughput.ndr", "≥ 0.7 kpps", 700, frame_bytes=1518),
    _criterion("network.throughput.pdr", "≥ 0.011 Mpps", 11_000, frame_bytes=64),
    _criterion("network.throughput.pdr", "≥ 2.1 kpps", 2_100, frame_bytes=512),
    _criterion("network.throughput.pdr", "≥ 0.75 kpps", 750, frame_bytes=1518),
    _criterion("network.loss.ratio", "≤ 0.1 %", 0.001, load=0.5),
    _criterion("network.latency.p50", "≤ 500 µs", 500e-6, frame_bytes=64),
    _criterion("network.latency.p99", "≤ 2 ms", 2e-3, frame_bytes=64),
    _criterion("network.latency.delay_variation", "≤ 1 ms", 1e-3, frame_bytes=64),
    _criterion("network.burst.back_to_back", "≥ 500 frames", 500, frame_bytes=64),
    _criterion("network.soak.loss_ratio", "≤ 0.01 %", 1e-4),
    _criterion("network.isolation.leaked", "≤ 0 frames", 0),
    _criterion("network.failover.outage", "≤ 250 ms", 0.25),
    _criterion("network.mtu.largest_frame", "≥ 9000 B", 9000),
    _criterion("network.route.convergence", "≤ 1 s", 1.0, applies=False),
)


@dataclass
class Scenario:
    """What a run finds. The defaults are a healthy device."""

    lab: str = "opco-ru"
    ndr: dict[int, tuple[float, float, float]] = field(
        default_factory=lambda: {
            64: (14_120, 14_040, 14_210),
            512: (2_281, 2_262, 2_298),
            1518: (789.4, 783.2, 795.7),
        }
    )
    """Frame size → value, low, high."""
    leaked: int = 0
    outage: tuple[float, ...] = (0.062, 0.071, 0.066)
    p99: tuple[float, float, float] = (612e-6, 540e-6, 730e-6)
    stops_at: int | None = None
    """Index of the test from which on the lab is unreachable."""
    installed: bool = True
    """Whether the release unit is in the lab; without it no test runs."""


class _Run:
    """Appends the events of one stream, as the plugin and the suites would."""

    def __init__(self, scenario: Scenario, plan: StreamPlan) -> None:
        self.scenario = scenario
        self.plan = plan
        self.events: list[Event] = []
        self.random = random.Random(scenario.lab)
        self.tests: list[tuple[str, str, float]] = []
        self.stream = scenario.lab

    def measured(self, test: str, kpi: str, value: float, low: float, high: float, **where: Condition) -> Measurement:
        exact = low == high
        samples = () if exact else tuple(sorted((low, value, high)))
        measurement = Measurement(
            kpi=kpi,
            value=value,
            low=low,
            high=high,
            confidence=None if exact or "throughput" in kpi else 0.75,
            samples=samples,
            conditions=where,
            unit=KPIS[kpi].unit,
            test=test,
            at="2026-11-25T10:23:00+00:00",
        )
        self.events.append(Measured(stream=self.stream, measurement=measurement))
        return measurement

    def series(self, test: str, title: str, x: str, y: str, points: Iterable[tuple[float, float]], kind: str) -> None:
        series = Series.model_validate(
            {"title": title, "x": x, "y": y, "points": tuple(points), "kind": kind, "test": test}
        )
        self.events.append(SeriesDrawn(stream=self.stream, series=series))

    def finished(self, test: str, title: str, seconds: float, measured: Sequence[Measurement], passed: str) -> None:
        results = [
            judge(criterion, [m], model=MODEL, waivers=self.plan.waivers)
            for m in measured
            for criterion in self.plan.criteria
            if criterion.applies and criterion.kpi == m.kpi and m.meets(criterion.where)
        ]
        results = [result for result in results if result.decides]
        verdict = worst(r.verdict for r in results) if results else Verdict.PASS
        sentence = "; ".join(r.sentence for r in results if r.verdict is verdict) if verdict != "PASS" else passed
        self.result(test, title, verdict, sentence, seconds, "release" if verdict is Verdict.FAIL else None)

    def result(
        self, test: str, title: str, verdict: Verdict, sentence: str, seconds: float, blame: str | None = None
    ) -> None:
        result = TestResult.model_validate(
            {
                "test": test,
                "title": title,
                "verdict": verdict,
                "sentence": sentence,
                "blame": blame,
                "started": "2026-11-25T10:22:30+00:00" if seconds else None,
                "seconds": seconds,
                "evidence": f"evidence/{test.rpartition('::')[2]}.jsonl" if seconds else None,
            }
        )
        self.events.append(TestFinished(stream=self.stream, result=result))


def _node(lab: str, name: str, parameter: object = "") -> str:
    inner = f"{lab}-{parameter}" if parameter != "" else lab
    return f"suites/network/test_{name.partition('__')[0]}.py::test_{name.replace('__', '_')}[{inner}]"


def tests_of(lab: str) -> list[tuple[str, str, float]]:
    """(node id, title, seconds) of the network suite, in order."""
    return [
        (_node(lab, "reachability__every_host", ""), "Every host answers on every network", 1.2),
        *(
            (_node(lab, "throughput__zero_loss", size), f"Throughput without loss, {size} B frames", 22.4 + size / 200)
            for size in SIZES
        ),
        (_node(lab, "loss__curve", 64), "Frame loss rate curve, 64 B frames", 11.3),
        (_node(lab, "latency__at_half_rate", 64), "Latency and delay variation at half the non-drop rate", 6.7),
        (_node(lab, "burst__back_to_back", 64), "Back-to-back frames", 5.2),
        (_node(lab, "soak__sustained_load"), "Sustained load", 20.6),
        (_node(lab, "isolation__tenants"), "Tenants are isolated from each other", 3.1),
        (_node(lab, "failover__link"), "Traffic moves to the redundant link", 9.4),
        (_node(lab, "mtu__jumbo"), "Jumbo frames pass whole", 2.3),
        (_node(lab, "learning__flooding"), "Unknown destinations are flooded, learnt ones are not", 2.8),
    ]


@functools.cache
def plan_of(lab: str) -> StreamPlan:
    """The plan of a stream in a lab of lab_inventory/."""
    path = ROOT / "lab_inventory" / f"{lab}.yaml"
    model = Lab.model_validate(YAML(typ="safe").load(path))
    return StreamPlan(
        stream=lab,
        lab=model,
        inventory=f"lab_inventory/{lab}.yaml",
        inventory_sha256="5f2d1c0b" * 8,
        model=MODEL,
        model_file="testmodels/network.yaml",
        model_sha256="a81e90c4" * 8,
        profile=model.profile,
        profile_title="Software switch in a virtual lab",
        parameters=Parameters(),
        criteria=CRITERIA,
        kpis=KPIS,
        planned=tuple(
            PlannedTest(
                test=node, title=title, measures=(), reason="marked network, as asked", expected_seconds=seconds
            )
            for node, title, seconds in tests_of(lab)
        ),
        left_out=(
            LeftOut(
                test=_node(lab, "routing__convergence"),
                reason="for devices that forward l3; the device of this lab (linux-bridge) forwards l2",
            ),
        ),
    )


def _asked(plan: StreamPlan, scenario: Scenario) -> list[Event]:
    """What the lab tells of the release unit; of an absent one, the first host has the version of before."""
    if plan.unit is None:
        return []
    rows: list[PresenceRow] = []
    for change in plan.unit.changes:
        naming = [name for name, host in plan.lab.hosts.items() if change.component in host.components]
        for host in naming or ["compute-1"]:
            there = scenario.installed or bool(rows)
            rows.append(
                PresenceRow(
                    component=change.component,
                    product=change.product,
                    host=host,
                    declared=change.to_version,
                    found=change.to_version if there else change.from_version or "",
                    source="redfish nic" if change.component == "nic" else f"package {change.component}",
                    present=there,
                    why="" if there else f"{host} tells {change.from_version}",
                )
            )
    return [PresenceChecked(stream=plan.stream, rows=tuple(rows))]


def stream_events(scenario: Scenario, plan: StreamPlan | None = None) -> list[Event]:
    """The events of a stream from its plan to the last look at its lab."""
    plan = plan or plan_of(scenario.lab)
    scenario = replace(scenario, lab=plan.stream)
    run = _Run(scenario, plan)
    lab = scenario.lab
    told = LabFingerprinted(
        stream=lab,
        fingerprint={
            host: {
                "os": "Debian GNU/Linux 12 (bookworm)",
                "kernel": "6.1.0-28-amd64",
                "openssh": "9.2p1 Debian-2+deb12u3" if "leaf" not in host else "9.2p1 Debian-2+deb12u2",
                "cpus": "2",
            }
            for host in plan.lab.hosts
        },
    )
    run.events += [
        StreamPlanned(plan=plan),
        told,
        *_asked(plan, scenario),
        GeneratorCalibrated(
            stream=lab,
            calibration=CalibrationFacts(
                generator="software (AF_PACKET)",
                ceiling_fps={64: 61_200, 512: 55_800, 1518: 41_000},
                latency_p50_us=38.2,
                latency_p99_us=121.5,
            ),
        ),
    ]
    steps = [
        _reachability,
        *(_throughput(size) for size in SIZES),
        _loss,
        _latency,
        _burst,
        _soak,
        _isolation,
        _failover,
        _jumbo,
        _learning,
    ]
    for index, (step, (node, title, seconds)) in enumerate(zip(steps, tests_of(lab), strict=True)):
        if not scenario.installed:
            run.result(node, title, Verdict.NOT_RUN, "not run: the release is not in the lab", 0.0, "lab")
            continue
        if scenario.stops_at is not None and index >= scenario.stops_at:
            first = index == scenario.stops_at
            sentence = (
                "compute-1 does not answer on 10.20.0.11, port 22 (connection refused)\n  Is sshd running there?"
                if first
                else "not run: the lab became unreachable in an earlier test"
            )
            verdict = Verdict.INCONCLUSIVE if first else Verdict.NOT_RUN
            run.result(node, title, verdict, sentence, 5.0 if first else 0.0, "lab")
            continue
        step(run, node, title, seconds)
    return [*run.events, told]


def _reachability(run: _Run, node: str, title: str, seconds: float) -> None:
    run.finished(node, title, seconds, [], "5 hosts answer on 2 networks")


def _throughput(size: int) -> Callable[[_Run, str, str, float], None]:
    def step(run: _Run, node: str, title: str, seconds: float) -> None:
        value, low, high = run.scenario.ndr[size]
        line = 10e6 / (8 * (size + 20))
        measured = [
            run.measured(node, "network.throughput.ndr", value, low, high, frame_bytes=size),
            run.measured(
                node, "network.throughput.pdr", value * 1.02, low * 1.02, min(high * 1.02, line), frame_bytes=size
            ),
        ]
        loads, width = [line, value * 1.05], line * 0.2
        while len(loads) < 14:
            loads.append(min(line, value * 1.01 + run.random.uniform(-1, 1) * width))
            width *= 0.72
        run.series(
            node,
            f"Search for the non-drop rate, {size} B frames",
            "Trial",
            "Load (pps)",
            enumerate(loads, 1),
            "steps",
        )
        run.finished(node, title, seconds, measured, f"{value:,.0f} pps without loss")

    return step


def _loss(run: _Run, node: str, title: str, seconds: float) -> None:
    line = 10e6 / (8 * 84)
    ndr = run.scenario.ndr[64][0]
    loads = [step / 10 for step in range(1, 11)]
    curve = [max(0.0, 1 - ndr / (line * load)) for load in loads]
    measured = [run.measured(node, "network.loss.ratio", curve[4], curve[4], curve[4], frame_bytes=64, load=0.5)]
    run.measured(node, "network.loss.ratio", curve[9], curve[9], curve[9], frame_bytes=64, load=1.0)
    points = [(100 * load, 100 * loss) for load, loss in zip(loads, curve, strict=True)]
    run.series(
        node, "Frame loss ratio by load, 64 B frames", "Load (% of line rate)", "Frames lost (%)", points, "line"
    )
    run.finished(node, title, seconds, measured, "no loss up to 90 % of the line rate")


def _latency(run: _Run, node: str, title: str, seconds: float) -> None:
    value, low, high = run.scenario.p99
    p50 = value * 0.35
    measured = [
        run.measured(node, "network.latency.p50", p50, p50 * 0.95, p50 * 1.1, frame_bytes=64),
        run.measured(node, "network.latency.p99", value, low, high, frame_bytes=64),
        run.measured(node, "network.latency.delay_variation", value * 0.6, low * 0.6, high * 0.6, frame_bytes=64),
    ]
    buckets: dict[float, int] = {}
    for _ in range(14_000):
        latency = p50 * 1e6 * math.exp(run.random.gauss(0, 0.42))
        edge = round(10 ** (math.ceil(math.log10(latency) * 20) / 20), 1)
        buckets[edge] = buckets.get(edge, 0) + 1
    run.series(
        node,
        "Distribution of one-way latency, 64 B frames",
        "One-way latency (µs)",
        "Frames",
        sorted(buckets.items()),
        "histogram",
    )
    percentiles = [
        (p, p50 * 1e6 * math.exp(0.42 * z))
        for p, z in ((10, -1.28), (25, -0.67), (50, 0), (75, 0.67), (90, 1.28), (99, 2.33), (99.9, 3.09))
    ]
    run.series(
        node,
        "One-way latency by percentile, 64 B frames",
        "Percentile (%)",
        "One-way latency (µs)",
        percentiles,
        "line",
    )
    run.finished(node, title, seconds, measured, f"median {p50 * 1e6:.0f} µs, 99th percentile {value * 1e6:.0f} µs")


def _burst(run: _Run, node: str, title: str, seconds: float) -> None:
    measured = [run.measured(node, "network.burst.back_to_back", 7440, 7440, 7440, frame_bytes=64)]
    run.finished(node, title, seconds, measured, "bursts of up to 7440 frames pass whole")


def _soak(run: _Run, node: str, title: str, seconds: float) -> None:
    rate = run.scenario.ndr[64][0] * 0.9
    measured = [run.measured(node, "network.soak.loss_ratio", 0.0, 0.0, 0.0)]
    points = [(float(second), rate * (1 + run.random.gauss(0, 0.004))) for second in range(1, 21)]
    run.series(node, "Received rate during the soak", "Time (s)", "Received (pps)", points, "line")
    run.finished(node, title, seconds, measured, "no frame lost in 20 s")


def _isolation(run: _Run, node: str, title: str, seconds: float) -> None:
    leaked = run.scenario.leaked
    measured = [run.measured(node, "network.isolation.leaked", leaked, leaked, leaked)]
    run.finished(node, title, seconds, measured, "no frame of tenant-a arrived at tenant-b")


def _failover(run: _Run, node: str, title: str, seconds: float) -> None:
    outage = sorted(run.scenario.outage)
    measured = [run.measured(node, "network.failover.outage", outage[len(outage) // 2], outage[0], outage[-1])]
    points = [(float(number), 1000 * gap) for number, gap in enumerate(run.scenario.outage, 1)]
    run.series(node, "Failover outage by repetition", "Repetition", "Outage (ms)", points, "line")
    run.finished(node, title, seconds, measured, f"outages of {outage[0] * 1000:.0f} … {outage[-1] * 1000:.0f} ms")


def _jumbo(run: _Run, node: str, title: str, seconds: float) -> None:
    measured = [run.measured(node, "network.mtu.largest_frame", 9018, 9018, 9018)]
    run.finished(node, title, seconds, measured, "frames of up to 9018 B pass whole")


def _learning(run: _Run, node: str, title: str, seconds: float) -> None:
    run.finished(node, title, seconds, [], "1000 frames to an unknown address were flooded, none to a learnt one")


def record_of(
    streams: Sequence[Iterable[Event]], *, ending: Sequence[Event] | None = None, labs: str = "", workers: int = 0
) -> Record:
    """A record of whole streams; without ``ending`` the run came to its own end."""
    began = RunStarted(
        facts=RunFacts(
            run="20261125-102204-opco-ru",
            command=labs or "pytest -m network --lab=opco-ru",
            started="2026-11-25T10:22:04+00:00",
            nfvcert="0.1.0",
            python="3.11.2",
            pytest="9.2.0",
            platform="Linux 6.1.0-28-amd64 x86_64, 2 CPUs",
            user="certifier",
            suites_sha256="c3b2a190" * 8,
            workers=workers,
        )
    )
    events: list[Event] = [began]
    for stream in streams:
        events += stream
    events += [RunFinished(at="2026-11-25T10:25:46+00:00")] if ending is None else ending
    return from_events(events)


def accepted() -> Record:
    """A healthy device."""
    return record_of([stream_events(Scenario())])


def rejected() -> Record:
    """A device that is too slow at small frames, leaks between tenants, and whose failover is in doubt."""
    return record_of([stream_events(_faulty())])


def _faulty() -> Scenario:
    scenario = Scenario(leaked=12, outage=(0.19, 0.22, 0.31))
    return replace(scenario, ndr={**scenario.ndr, 64: (8_214, 8_170, 8_260)})


def inconclusive() -> Record:
    """A lab of which a host stops answering in the sixth test."""
    return record_of([stream_events(Scenario(stops_at=5))])


def interrupted() -> Record:
    """Ctrl-C in the sixth test."""
    events = stream_events(Scenario())
    fifth = [index for index, event in enumerate(events) if isinstance(event, TestFinished)][4]
    trouble = Trouble(
        finding=Finding(
            verdict=Verdict.INCONCLUSIVE, subject="run", sentence="the run was interrupted (Ctrl-C)", blame="usage"
        )
    )
    ending: list[Event] = [trouble, RunFinished(at="2026-11-25T10:24:02+00:00", interrupted=True)]
    return record_of([events[: fifth + 1]], ending=ending)


def killed() -> Record:
    """The process was killed in the sixth test: no last event at all."""
    events = stream_events(Scenario())
    fifth = [index for index, event in enumerate(events) if isinstance(event, TestFinished)][4]
    return record_of([events[: fifth + 1]], ending=[])


def two_streams() -> Record:
    """One accepted lab, one rejected."""
    return record_of(
        [stream_events(Scenario()), stream_events(replace(_faulty(), lab="opco-kz"))],
        labs="pytest -m network --lab=opco-ru --lab=opco-kz",
    )


def hostile() -> Record:
    """Every free text of the record attacks whoever renders it."""
    events: list[Event] = []
    for event in stream_events(_faulty(), _hostile_plan()):
        match event:
            case StreamPlanned():
                plan = event.plan
                lab = plan.lab.model_copy(
                    update={"title": HOSTILE, "owner": plan.lab.owner.model_copy(update={"organisation": HOSTILE})}
                )
                changes = {
                    "lab": lab,
                    "inventory": HOSTILE,
                    "model": HOSTILE,
                    "profile_title": HOSTILE,
                    "kpis": {name: kpi.model_copy(update={"title": HOSTILE}) for name, kpi in KPIS.items()},
                    "left_out": (LeftOut(test=HOSTILE, reason=HOSTILE),),
                }
                events.append(StreamPlanned(plan=plan.model_copy(update=changes)))
            case PresenceChecked():
                update_of_row = dict.fromkeys(("product", "host", "found", "source", "why"), HOSTILE)
                rows = tuple(row.model_copy(update=update_of_row | {"present": False}) for row in event.rows)
                events.append(PresenceChecked(stream=event.stream, rows=rows))
            case LabFingerprinted():
                events.append(LabFingerprinted(stream=event.stream, fingerprint={HOSTILE: {HOSTILE: HOSTILE}}))
            case SeriesDrawn():
                update = {"title": HOSTILE, "x": HOSTILE, "y": HOSTILE}
                events.append(SeriesDrawn(stream=event.stream, series=event.series.model_copy(update=update)))
            case TestFinished():
                update_of_test: dict[str, object] = {
                    "title": HOSTILE,
                    "sentence": HOSTILE,
                    "evidence": "javascript:alert(3)//../../etc",
                    "details": {HOSTILE: HOSTILE},
                }
                events.append(TestFinished(stream=event.stream, result=event.result.model_copy(update=update_of_test)))
            case _:
                events.append(event)
    return record_of([events], labs=HOSTILE)


# Release units: scope, waivers, what is certified already.

CATALOGUE = Catalogue.model_validate(
    {
        name: {"title": title, "domain": domain, "owner": "infrastructure-vendor", **depends}
        for name, title, domain, depends in (
            ("nic", "Network interface card and its firmware", "compute", {"talks_to": ["rack-switch"]}),
            ("host-os", "Host operating system", "compute", {"runs_on": ["nic"]}),
            ("guest-os", "Guest operating system", "compute", {"runs_on": ["nic"]}),
            ("driver-guest", "Drivers in the guest OS", "compute", {"runs_on": ["nic"]}),
            ("vswitch", "Virtual switch", "network", {"runs_on": ["host-os", "nic"]}),
            ("rack-switch", "Rack aggregation layer switch", "network", {"managed_by": ["sdn-controller"]}),
            ("network-gateway-router", "Router of the network gateways layer", "network", {}),
            ("sdn-controller", "SDN controller", "network", {"runs_on": ["host-os"]}),
        )
    }
)
COVERS = {"failover": {"rack-switch"}, "isolation": {"vswitch"}, "learning": {"vswitch", "rack-switch"}}
"""Test → components, where it covers less than all of `COVERED`."""
COVERED = frozenset({"nic", "host-os", "vswitch", "rack-switch", "network-gateway-router"})


def scope_for(unit: ReleaseUnit, stream: str) -> Scope:
    """What a unit can break by our catalogue, and which tests of the suite cover that."""
    size, release_class = size_of(unit, CATALOGUE), class_of(unit)
    scope = scope_of(
        {"": [change.component for change in unit.changes]},
        CATALOGUE,
        size=size.value,
        size_because=size.because,
        release_class=release_class.value,
        class_because=release_class.because,
        radius=1,
        untested_at_most=10,
        depth="basic",
    )
    tests = [
        CollectedTest(
            test=node,
            title=title,
            domains=frozenset({"network"}),
            measures=(),
            covers=frozenset(next((names for part, names in COVERS.items() if part in node), COVERED)),
        )
        for node, title, _ in tests_of(stream)
    ]
    return with_tests(scope, tests)


def plan_of_unit(name: str, lab: str = "opco-ru") -> StreamPlan:
    """The plan of a release unit in a lab, with its scope."""
    unit, base = unit_of(name), plan_of(lab)
    stream = f"{unit.unit}@{lab}"
    scope = scope_for(unit, stream)
    planned = tuple(
        PlannedTest(
            test=node, title=title, measures=(), reason="it covers nic, which changes", expected_seconds=seconds
        )
        for node, title, seconds in tests_of(stream)
    )
    left = OutOfScope(subject="network.route.convergence", reason="it covers network-gateway-router: nothing of this")
    return base.model_copy(
        update={
            "stream": stream,
            "unit": unit,
            "unit_sha256": "d1e2f3a4" * 8,
            "catalogue_sha256": "b4c5d6e7" * 8,
            "planned": planned,
            "scope": scope.model_copy(update={"criteria_left_out": (left,)}),
            "requirements": {
                "network.failover.outage": ("etsi.nfv-rel001.10", "group.net.004"),
                "network.throughput.ndr": ("etsi.nfv-tst009.11.2",),
                "network.route.convergence": ("group.net.007",),
            },
        }
    )


def _waiver(subject: str, *, expired: bool = False) -> HeldWaiver:
    return HeldWaiver.model_validate(
        {
            "criterion" if "." in subject else "untested": subject,
            "release": "nic-firmware",
            "owner": "J. Doe",
            "reason": "the redundant link is doubled in December",
            "expires": "2026-11-01" if expired else "2026-12-31",
            "ticket": "OPS-17",
            "expired": expired,
            "file": "opco-ru.yaml",
        }
    )


def released() -> Record:
    """A release unit with everything that can be said of one: accepted on the condition of a waiver."""
    plan = plan_of_unit("examples/nic-firmware")
    advisory = _criterion("network.burst.back_to_back", "≥ 10000 frames", 10_000, frame_bytes=64).model_copy(
        update={"state": "advisory", "note": "advisory: decides nothing"}
    )
    deprecated = {"state": "deprecated", "note": "deprecated: still decides"}
    criteria = [
        *(
            advisory if each.kpi == advisory.kpi else each
            for each in plan.criteria
            if each.kpi != "network.mtu.largest_frame"
        ),
        next(each for each in plan.criteria if each.kpi == "network.mtu.largest_frame").model_copy(update=deprecated),
    ]
    part = ComposedPart(
        unit="host-os-12.8",
        components=("host-os",),
        record="9a8b7c6d" * 8,
        age_days=12,
        decision=Decision.ACCEPTED,
        labs=("opco-ru",),
    )
    changes = {
        "criteria": tuple(criteria),
        "waivers": (
            _waiver("network.failover.outage"),
            _waiver("network.isolation.leaked", expired=True),
            _waiver("guest-os"),
        ),
        "composition": Composition(parts=(part,), covered=("host-os",), whole=("nic",)),
        "model_based_on": "group 2026.1",
        "model_base_sha256": "0f1e2d3c" * 8,
    }
    scenario = Scenario(outage=(0.31, 0.33, 0.36))
    return record_of([stream_events(scenario, plan.model_copy(update=changes))])


def absent() -> Record:
    """A release unit that is not in the lab: nothing was tested."""
    return record_of([stream_events(Scenario(installed=False), plan_of_unit("examples/nic-firmware"))])


def _hostile_plan() -> StreamPlan:
    """A plan of a release unit of which every free text is hostile."""
    plan = plan_of_unit("examples/nic-firmware")
    assert plan.unit is not None
    assert plan.scope is not None
    unit = plan.unit.model_copy(
        update={
            "title": HOSTILE,
            "vendor": HOSTILE,
            "changes": tuple(
                each.model_copy(update={"vendor": HOSTILE, "product": HOSTILE}) for each in plan.unit.changes
            ),
            "known_issues": tuple(each.model_copy(update={"title": HOSTILE}) for each in plan.unit.known_issues),
        }
    )
    scope = plan.scope.model_copy(
        update={
            "size_because": (HOSTILE,),
            "class_because": (HOSTILE,),
            "affected": tuple(each.model_copy(update={"title": HOSTILE}) for each in plan.scope.affected),
            "criteria_left_out": (OutOfScope(subject=HOSTILE, reason=HOSTILE),),
        }
    )
    waiver = _waiver("guest-os").model_copy(update={"owner": HOSTILE, "reason": HOSTILE, "file": HOSTILE})
    part = ComposedPart(
        unit=HOSTILE, components=(HOSTILE,), record=HOSTILE, age_days=1, decision=Decision.ACCEPTED, labs=(HOSTILE,)
    )
    changes = {
        "unit": unit,
        "scope": scope,
        "waivers": (waiver,),
        "composition": Composition(parts=(part,), covered=(HOSTILE,), whole=(HOSTILE,)),
        "requirements": {"network.throughput.ndr": (HOSTILE,)},
        "model_based_on": HOSTILE,
    }
    return plan.model_copy(update=changes)


# Campaigns: many streams in one run.

UNITS = ("nic-fw-8.30", "host-os-12.8", "ovs-3.3.2", "network-pack-2026.11")
CAMPAIGN_START = datetime(2026, 11, 25, 10, 22, 4, tzinfo=UTC)


@functools.cache
def unit_of(name: str) -> ReleaseUnit:
    """A release unit of releases/."""
    return ReleaseUnit.model_validate(YAML(typ="safe").load(ROOT / "releases" / f"{name}.yaml"))


def campaign_plans(streams: int = 20) -> list[StreamPlan]:
    """As many streams, each in a lab of its own; what they need of it differs from test to test."""
    plans = []
    for number in range(streams):
        unit, lab = unit_of(UNITS[number % len(UNITS)]), f"opco-{number:02}"
        name = f"{unit.unit}@{lab}"
        base = plan_of("opco-ru")
        planned = []
        for index, (node, title, seconds) in enumerate(tests_of(name)):
            needs = [Need(resource=lab), Need(resource="machine")]
            if "throughput" in node or "latency" in node or "soak" in node:
                needs += [Need(resource=f"{lab}/generator", how="exclusive")]
                needs[1] = Need(resource="machine", how="exclusive" if "throughput" in node else "shared")
            if "failover" in node:
                needs[0] = Need(resource=lab, how="exclusive")
            planned.append(
                PlannedTest(
                    test=node,
                    title=title,
                    measures=(),
                    reason="functional test of the network suite" if index % 3 else "required: network.throughput.ndr",
                    expected_seconds=seconds * (1 + number % 5 / 10),
                    needs=tuple(needs),
                    destructive="failover" in node,
                )
            )
        changes = {
            "stream": name,
            "lab": base.lab.model_copy(update={"lab": lab, "title": f"OpCo {number:02}, Moscow"}),
            "unit": unit,
            "unit_sha256": "d1e2f3a4" * 8,
            "scope": scope_for(unit, name),
            "planned": tuple(planned),
            "left_out": (LeftOut(test=_node(name, "routing__convergence"), reason=base.left_out[0].reason),),
            "priority": 10 if number == 3 else 0,
            "deadline": {2: "2026-11-25T10:40:00+00:00", 3: "2026-11-25T10:30:00+00:00"}.get(number),
            "after": (f"{UNITS[0]}@opco-00",) if number == 4 else (),
        }
        plans.append(base.model_copy(update=changes))
    return plans


def campaign(streams: int = 20, workers: int = 8) -> Record:
    """A run of many streams: some rejected, one lab that broke, one test begun twice, and a pause in between."""
    plans = campaign_plans(streams)
    bars = {bar.test: bar for bar in plan_run(plans, workers, now=CAMPAIGN_START).bars}
    told: list[list[Event]] = []
    for number, plan in enumerate(plans):
        lab = plan.stream
        scenario = (
            replace(_faulty(), lab=lab) if number in {1, 6} else Scenario(lab, stops_at=5 if number == 5 else None)
        )
        events: list[Event] = []
        for event in stream_events(scenario, plan):
            if isinstance(event, TestFinished) and event.result.started:
                bar = bars[event.result.test]
                began = (CAMPAIGN_START + timedelta(seconds=bar.start)).isoformat(timespec="milliseconds")
                result = event.result.model_copy(
                    update={"started": began, "seconds": bar.seconds, "worker": bar.worker}
                )
                events.append(TestStarted(stream=lab, test=result.test, at=began, worker=bar.worker))
                if number == 7 and "latency" in result.test:
                    lost = {
                        "verdict": Verdict.INCONCLUSIVE,
                        "sentence": f"{result.test}: worker {bar.worker} was killed by signal 9 in mid-test",
                        "seconds": 3.1,
                        "broke_off": True,
                        "blame": None,
                        "evidence": None,
                    }
                    events.append(TestFinished(stream=lab, result=result.model_copy(update=lost)))
                    events.append(TestStarted(stream=lab, test=result.test, at=began, worker="w9"))
                    later = CAMPAIGN_START + timedelta(seconds=bar.start + 60)
                    again = {"started": later.isoformat(timespec="milliseconds"), "worker": "w9"}
                    result = result.model_copy(update=again)
                events.append(TestFinished(stream=lab, result=result))
            else:
                events.append(event)
        told.append(events)
    pause: list[Event] = [
        LeaseLogged(
            at="2026-11-25T10:22:06.120+00:00", resource="opco-03", what="waiting", holder="ana@bastion, run 7"
        ),
        LeaseLogged(at="2026-11-25T10:24:11.870+00:00", resource="opco-03", what="taken"),
        RunFinished(at="2026-11-25T10:31:00+00:00", interrupted=True),
        RunResumed(at="2026-11-25T10:33:00+00:00", command="pytest --resume 20261125-102204-weekly", user="certifier"),
    ]
    half = streams // 2
    ending: list[Event] = [
        LeaseLogged(at="2026-11-25T10:57:00.010+00:00", resource="opco-03", what="released"),
        RunFinished(at="2026-11-25T10:57:04+00:00"),
    ]
    command = "pytest --campaign=campaigns/weekly.yaml -n 8"
    return record_of([*told[:half], pause, *told[half:]], ending=ending, labs=command, workers=workers)


def large_plans(streams: int = 100, tests: int = 200) -> list[StreamPlan]:
    """A plan as large as it may become."""
    chance = random.Random(3)
    found = []
    for plan in campaign_plans(streams):
        lab = plan.lab.lab
        planned = tuple(
            PlannedTest(
                test=f"suites/network/test_{index % 12}.py::test_case_{index}[{plan.stream}]",
                title=f"Case {index} of the suite does what it should",
                measures=(),
                reason="functional test of the network suite",
                expected_seconds=chance.uniform(1, 60),
                needs=(
                    Need(resource=lab),
                    Need(resource=f"{lab}/generator", how="exclusive" if index % 3 else "shared"),
                ),
            )
            for index in range(tests)
        )
        found.append(plan.model_copy(update={"planned": planned}))
    return found
