"""What was accepted before: from earlier records to the baseline that a measurement is compared with. Pure.

A baseline is what the same test found of the same KPI under the same circumstances, in the last records that were
accepted. `MUST_BE_EQUAL` is all that "the same" means, each with its reason and who decided it: whatever differs in one
of these has no baseline yet, and the decision says so. A major release ends the history of what it measured.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nfvcert.catalogue import FactSource
from nfvcert.lab import Lab
from nfvcert.measure.kpi import Conditions, Measurement
from nfvcert.measure.stats import estimate_median
from nfvcert.parts import Part
from nfvcert.presence import REDFISH, sources_of
from nfvcert.release import ReleaseUnit
from nfvcert.testcase import case_of
from nfvcert.testmodel import Parameters, ReleaseClass, parameter_domain

__all__ = [
    "MUST_BE_EQUAL",
    "Baseline",
    "Baselines",
    "Circumstances",
    "Earlier",
    "Equal",
    "Facts",
    "History",
    "LeftOutRun",
    "NoBaseline",
    "PastMeasurement",
    "PastRun",
    "Point",
    "Trend",
    "brought_by",
    "chosen",
    "past",
    "trends",
    "unlike",
]

Facts: TypeAlias = Mapping[str, Mapping[str, str]]
"""Host → fact → value."""
Place: TypeAlias = tuple[str, str]
"""A host and one of its facts."""


class Equal(Part):
    """What must be equal for two measurements to be comparable."""

    what: str
    because: str
    decided_by: str


MUST_BE_EQUAL: tuple[Equal, ...] = (
    Equal(
        what="lab, and the profile of its domain",
        because="another lab is other hardware, another profile another class of device",
        decided_by="nfvcert design, “baseline”",
    ),
    Equal(
        what="KPI, its unit, and the conditions that the test recorded, all of them",
        because="another frame size, load or number of flows asks another question",
        decided_by="ETSI GS NFV-TST 009 §10, RFC 2544 §26",
    ),
    Equal(
        what="the test, without its stream",
        because="another test measures the same KPI in another way",
        decided_by="nfvcert",
    ),
    Equal(
        what="the traffic generator and the first two numbers of its version, of what was measured with it",
        because="its own limits, bursts and clock are in every figure",
        decided_by="ETSI GS NFV-TST 009 §9",
    ),
    Equal(
        what="the test parameters of the domain, but for those of HOW_MUCH",
        because="a longer trial finds a lower rate, another load another delay",
        decided_by="the test model, by writing them",
    ),
    Equal(
        what="what the inventory says of hosts, links, ports, device and cloud, but for titles, addresses and owners",
        because="other cables and other ports are another device",
        decided_by="who keeps the inventory",
    ),
    Equal(
        what="all facts of the lab's fingerprint, but for those of OTHER_FACTS and those that the release brings",
        because="what else changed meanwhile must not be laid at the release's door",
        decided_by="nfvcert design, “conditions: … lab, versions”",
    ),
)
HOW_MUCH = frozenset(
    {
        *("frame_bytes", "loss_curve", "latency_curve", "loss_goals", "api_concurrency", "interop_capabilities"),
        *("rally_scenarios", "object_concurrency", "object_bytes"),
        *("fio_block_bytes", "fio_stream_block_bytes", "fio_depths"),
        *("search_seconds_max", "interop_seconds_max", "recovery_seconds_max", "api_ready_seconds"),
        *("object_listing_seconds_max", "volume_seconds_max", "fio_windows_max"),
        *("repeats", "repeats_max", "compute_bmc_requests"),
    }
)
"""Parameters that two comparable measurements may have differently: at which points is measured (a point is in the
conditions), how often a median is sampled, and how long is waited before giving up. Not of how many the worst is taken,
such as outages: the worst of ten is worse than that of two."""
OTHER_FACTS: Mapping[str, str] = {
    "system": "it says `os` in words",
    "openssh": "it carries the commands of the tests, and no traffic",
    REDFISH: "it says why a BMC tells nothing; the firmware that it does not tell is missed",
}
"""Facts that may differ → why."""
OF_THE_SYSTEM = frozenset({"os", "kernel", "nftables", "nic-driver", "cpu-microcode"})
"""An operating system is released with its kernel, which has drivers and loads microcode, and with its packages."""
OF_THE_FIRMWARE = frozenset({"bios", "cpu-microcode"})
NAMED_MAX = 3
"""Differences that a sentence names before it counts."""


class Circumstances(Part):
    """What is the same for all measurements of a stream, as far as it must be equal."""

    lab: str
    profiles: dict[str, str]
    """Domain → profile."""
    inventory: str
    """Digest of what the inventory says of the lab's devices."""
    parameters: dict[str, str]
    facts: dict[str, dict[str, str]]
    """Host → fact → value, of those that matter."""

    @classmethod
    def of(cls, lab: Lab, parameters: Parameters, facts: Facts) -> Circumstances:
        """Those of a stream, given what its lab tells of itself."""
        return cls(
            lab=lab.lab,
            profiles={domain: lab.profile_for(domain) for domain in ("compute", "storage", "network", "vim", "vnf")},
            inventory=_devices(lab),
            parameters={
                name: json.dumps(value, sort_keys=True)
                for name, value in parameters.model_dump().items()
                if name not in HOW_MUCH
            },
            facts={
                host: {fact: _rounded(fact, value) for fact, value in told.items() if fact not in OTHER_FACTS}
                for host, told in facts.items()
            },
        )


def _devices(lab: Lab) -> str:
    """A key that a later nfvcert adds to inventories changes nothing where it is not written."""
    of_hosts = {"roles", "cpus", "memory", "disks", "nics", "storage"}
    told = lab.model_dump(
        mode="json",
        exclude_defaults=True,
        include={
            **dict.fromkeys(("provider", "links", "network", "traffic", "cloud"), True),
            "networks": {"__all__": {"mtu"}},
            "hosts": {"__all__": of_hosts},
        },
        # How something is counted is no other device.
        exclude={
            "network": {"dut": {"redundancy": {"counted_by"}}},
            "traffic": {"ports": {"__all__": {"counted_by"}}},
        },
    )
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _rounded(fact: str, value: str) -> str:
    """Another kernel leaves some kilobytes more or less of the same memory."""
    if fact == "memory" and (told := re.fullmatch(r"(\d+) kB", value)):
        return f"{int(told[1]) / 2**20:.2g} GiB"
    return value


class PastMeasurement(Part):
    """One measurement of an earlier record, without its samples."""

    kpi: str
    case: str
    """The test that measured, without its stream."""
    conditions: Conditions
    generator: str = ""
    unit: str
    value: float
    low: float
    high: float


class PastRun(Part):
    """An accepted stream of an earlier run."""

    run: str
    record: str
    """Digest of the record's canonical bytes."""
    finished: str
    """UTC, ISO 8601."""
    stream: str
    release_class: ReleaseClass | None = None
    """None: a lab that was certified as it is."""
    circumstances: Circumstances
    measurements: tuple[PastMeasurement, ...]


class LeftOutRun(Part):
    """A folder among the runs that is left out, with the reason."""

    folder: str
    why: str


class History(Part):
    """What a stream is compared with, as it was read before its first test."""

    folder: str
    last: int
    """Of how many records the median is taken, at most."""
    accepted: int = 0
    """Accepted records of the lab in the folder."""
    looked_at: int = 0
    """Of those the last ones, in which a baseline was looked for."""
    others: int = 0
    """Records of the lab that were not accepted."""
    left_out: tuple[LeftOutRun, ...] = ()
    equal: tuple[Equal, ...] = MUST_BE_EQUAL
    runs: tuple[PastRun, ...] = ()
    """Those of which a measurement may be needed, the newest first."""


class Earlier(Part):
    """What one record adds to a baseline."""

    run: str
    record: str
    finished: str
    stream: str
    value: float
    low: float
    high: float


class Baseline(Part):
    """The median of what the last accepted records found, with the interval in which it lies."""

    value: float
    low: float
    high: float
    unit: str
    conditions: Conditions
    of: tuple[Earlier, ...]
    """The newest first."""


class NoBaseline(Part):
    """There is none, and why."""

    reason: str


class Baselines:
    """What the measurements of one stream are compared with."""

    def __init__(
        self, history: History | None, now: Circumstances, stream: str, brought: Collection[Place] = ()
    ) -> None:
        self._history = history
        self._now = now
        self._stream = stream
        self._brought = brought
        """Facts that the release changes."""

    def of(self, measured: Measurement) -> Baseline | NoBaseline:
        """The baseline of a measurement, or why it has none."""
        history = self._history
        if history is None:
            return NoBaseline(reason="no history was read")
        where = f"lab {self._now.lab} in {history.folder}"
        if not history.accepted:
            left_out = [f"{each.folder} is left out: {each.why}" for each in history.left_out[:NAMED_MAX]]
            return NoBaseline(reason="; ".join([f"there is no accepted record of {where}", *left_out]))
        mine = past(measured, self._stream)
        akin = [(run, old) for run in history.runs for old in run.measurements if old.kpi == mine.kpi]
        alike = [
            (run, old) for run, old in akin if not [*unlike(mine, self._now, old, run.circumstances, self._brought)]
        ]
        if found := chosen(alike, akin, mine, history.last):
            return _median(found)
        if not akin:
            which = (
                "the accepted record" if history.looked_at == 1 else f"the last {history.looked_at} accepted records"
            )
            return NoBaseline(reason=f"it is not in {which} of {where}")
        run, old = _nearest(akin, mine)
        told = [*unlike(mine, self._now, old, run.circumstances, self._brought)]
        more = f" and {len(told) - NAMED_MAX} more" if len(told) > NAMED_MAX else ""
        differs = "; ".join(told[:NAMED_MAX]) or "a major release came after it"
        return NoBaseline(reason=f"record {run.run} is not comparable: {differs}{more}")


def past(measured: Measurement, stream: str) -> PastMeasurement:
    """A measurement as it is compared, and as a later run sees it."""
    return PastMeasurement(
        kpi=measured.kpi,
        case=case_of(measured.test, stream),
        conditions=measured.conditions,
        generator=measured.generator,
        unit=measured.unit,
        value=measured.value,
        low=measured.low,
        high=measured.high,
    )


def _nearest(akin: Sequence[tuple[PastRun, PastMeasurement]], mine: PastMeasurement) -> tuple[PastRun, PastMeasurement]:
    """The newest of those that asked the same, else the newest of all."""
    same = [each for each in akin if _question(each[1]) == _question(mine)]
    return (same or list(akin))[0]


def _question(measured: PastMeasurement) -> tuple[object, ...]:
    return measured.kpi, measured.unit, measured.case, tuple(sorted(measured.conditions.items()))


def chosen(
    alike: Sequence[tuple[PastRun, PastMeasurement]],
    akin: Iterable[tuple[PastRun, PastMeasurement]],
    mine: PastMeasurement,
    last: int,
) -> list[tuple[PastRun, PastMeasurement]]:
    """The last so many of what is comparable, each newest first, not beyond the last major release that measured it.

    ``akin``: all that earlier runs found of the KPI, comparable or not. Of a run that measured twice, the later counts.
    """
    asked = (run for run, old in akin if _question(old) == _question(mine))
    border = next((run.finished for run in asked if run.release_class == "major"), "")
    by_run = {(run.run, run.stream): (run, old) for run, old in alike if run.finished >= border}
    return list(by_run.values())[:last]


def unlike(
    mine: PastMeasurement, now: Circumstances, old: PastMeasurement, then: Circumstances, brought: Collection[Place]
) -> Iterator[str]:
    """What must be equal of two measurements of a KPI and is not (`MUST_BE_EQUAL`), a phrase each."""
    domain = mine.kpi.partition(".")[0]
    yield from _step("lab", then.lab, now.lab)
    yield from _step("profile", then.profiles.get(domain, ""), now.profiles.get(domain, ""))
    yield from _step("unit", old.unit, mine.unit)
    for name in sorted(old.conditions.keys() | mine.conditions.keys()):
        yield from _step(name, _told(old.conditions.get(name)), _told(mine.conditions.get(name)))
    yield from _step("test", old.case, mine.case)
    yield from _step("generator", _version_class(old.generator), _version_class(mine.generator))
    for name in sorted(now.parameters.keys() & then.parameters.keys()):
        if parameter_domain(name) == domain:
            yield from _step(f"parameter {name}", then.parameters[name], now.parameters[name])
    if now.inventory != then.inventory:
        yield "the inventory describes other hosts, links, ports or devices"
    for host in sorted(then.facts.keys() | now.facts.keys()):
        was, is_now = then.facts.get(host, {}), now.facts.get(host, {})
        for fact in sorted(was.keys() | is_now.keys()):
            if (host, fact) not in brought:
                yield from _step(f"{fact} of {host}", was.get(fact, ""), is_now.get(fact, ""))


def _step(what: str, before: str, after: str) -> Iterator[str]:
    if before != after:
        yield f"{what} was {before or 'not told'} and is {after or 'not told'}"


def _told(condition: object) -> str:
    """A condition, so that 1, 1.0 and True are told apart from `1`, and one that is missing from all."""
    return "" if condition is None else json.dumps(condition)


def _version_class(generator: str) -> str:
    """A generator without what follows the first two numbers of its version."""
    return re.sub(r"(\d+\.\d+)[.\-+~]\S*", r"\1", generator)


def brought_by(unit: ReleaseUnit | None, lab: Lab, sources: Mapping[str, Sequence[FactSource]]) -> frozenset[Place]:
    """The facts of a lab that a release changes: they differ from what was before, and that is what is judged."""
    found: set[Place] = set()
    for change in unit.changes if unit else ():
        facts = {source.fact for source in sources_of(change, sources)}
        if facts & {"os", "kernel"}:
            facts |= OF_THE_SYSTEM
        if facts & {"bios", "redfish bios"}:
            facts |= OF_THE_FIRMWARE
        found |= {
            (name, fact) for name, host in lab.hosts.items() if change.component in host.components for fact in facts
        }
    return frozenset(found)


def _median(found: Sequence[tuple[PastRun, PastMeasurement]]) -> Baseline:
    """The median, by order statistics of the lower and of the upper ends.

    So the interval holds what each record left open, and how far the records are from each other: of fewer than six,
    all of it.
    """
    olds = [old for _, old in found]
    return Baseline(
        value=estimate_median([old.value for old in olds]).value,
        low=estimate_median([old.low for old in olds]).low,
        high=estimate_median([old.high for old in olds]).high,
        unit=olds[0].unit,
        conditions=olds[0].conditions,
        of=tuple(
            Earlier(
                run=run.run,
                record=run.record,
                finished=run.finished,
                stream=run.stream,
                value=old.value,
                low=old.low,
                high=old.high,
            )
            for run, old in found
        ),
    )


@dataclass(frozen=True)
class Point:
    """One record of a trend."""

    run: PastRun
    measured: PastMeasurement
    differs: tuple[str, ...]
    """What must be equal to compare, and is not as in the record before it."""


@dataclass(frozen=True)
class Trend:
    """What accepted records found of one question, the oldest first."""

    kpi: str
    conditions: Conditions
    case: str
    unit: str
    points: tuple[Point, ...]

    @property
    def change(self) -> float | None:
        """The last value against the one before, as a share of that; None where there is none."""
        values = [point.measured.value for point in self.points[-2:]]
        return values[1] / values[0] - 1 if len(values) == 2 and values[0] else None


def trends(runs: Iterable[PastRun], kpi: str | None = None) -> tuple[Trend, ...]:
    """The trends of a lab, of one KPI or of all; ``runs`` are its accepted records, the oldest first."""
    found: dict[tuple[object, ...], list[Point]] = {}
    for run in runs:
        for measured in run.measurements:
            if kpi not in (None, measured.kpi):
                continue
            points = found.setdefault(_question(measured), [])
            differs: tuple[str, ...] = ()
            if points:
                before = points[-1]
                differs = tuple(unlike(measured, run.circumstances, before.measured, before.run.circumstances, ()))
            points.append(Point(run, measured, differs))
    return tuple(
        Trend(last.kpi, last.conditions, last.case, last.unit, tuple(points))
        for points in found.values()
        for last in [points[-1].measured]
    )
