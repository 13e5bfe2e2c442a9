"""A part counts only as what was accepted; anything else refuses the composition, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nfvcert.composition import ComposedPart, Composition, Judge, NotComposed, Revocation, compose
from nfvcert.composition_files import read_parts, read_revoked
from nfvcert.errors import FileError
from nfvcert.gathering import from_events
from nfvcert.judge import Decision, Verdict
from nfvcert.presence import PresenceRow
from nfvcert.record import Event, Measured, PresenceChecked, Record, RunFinished, StreamPlanned, TestFinished
from nfvcert.release import ReleaseUnit
from nfvcert.waivers import HeldWaiver
from tests.core import builders

ENDED = datetime(2026, 11, 25, 10, 1, tzinfo=UTC)
NOW = ENDED + timedelta(days=10)
PROFILE = "software-switch"


def change(component: str = "nic", product: str = "X710", to: str = "8.30", **more: Any) -> dict[str, Any]:
    given = {"component": component, "vendor": "V", "product": product, "from": "1.0", "to": to, "trigger": "firmware"}
    return given | more


def unit_of(name: str, *changes: dict[str, Any], **more: Any) -> ReleaseUnit:
    given = {"unit": name, "type": "GA", "vendor": "V", "changes": list(changes)}
    return ReleaseUnit.model_validate(given | more)


NIC = unit_of("nic-fw-8.30", change())
PACK = (change(), change("vswitch", "Open vSwitch", "3.3.2"))


def record_of(
    part: ReleaseUnit | None = NIC,
    verdict: Verdict = Verdict.PASS,
    finished: str | None = "2026-11-25T10:01:00+00:00",
    **plan: Any,
) -> Record:
    """The record of a run that certified a part."""
    events: list[Event] = []
    for event in builders.accepted_run():
        match event:
            case StreamPlanned():
                events.append(StreamPlanned(plan=event.plan.model_copy(update={"unit": part, **plan})))
                events += [PresenceChecked(stream=event.plan.stream, rows=found(part))] if part else []
            case Measured() if verdict is Verdict.FAIL:
                events.append(Measured(stream=event.stream, measurement=builders.measurement(500.0)))
            case TestFinished():
                events.append(TestFinished(stream=event.stream, result=builders.result(verdict=verdict)))
            case RunFinished():
                events += [RunFinished(at=finished)] if finished else []
            case _:
                events.append(event)
    return from_events(events)


def found(part: ReleaseUnit) -> tuple[PresenceRow, ...]:
    return tuple(
        PresenceRow(component=c.component, product=c.product, host="h", declared=c.to_version, present=True)
        for c in part.changes
    )


class Composing:
    """A folder with records, and a unit that builds on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.named: list[dict[str, str]] = []

    def part(self, record: Record, unit: str = "nic-fw-8.30", sha256: str = "") -> Path:
        """Put a record there, and let the unit name it."""
        path = self.folder / f"part-{len(self.named)}" / "record.json"
        path.parent.mkdir()
        path.write_bytes(record.canonical())
        name = str(path.relative_to(self.folder))
        self.named.append({"unit": unit, "record": name, "sha256": sha256 or record.digest})
        return path

    def composed(
        self,
        *changes: dict[str, Any],
        now: datetime = NOW,
        profile: str = PROFILE,
        valid_days: int = 90,
        revoked: tuple[Revocation, ...] = (),
        judge: Judge | None = None,
        **more: Any,
    ) -> Composition | NotComposed:
        unit = unit_of("pack-1", *(changes or PACK), builds_on=self.named, **more)
        parts = read_parts(self.folder / "pack-1.yaml", unit)
        return compose(unit, parts, profile=profile, now=now, valid_days=valid_days, revoked=revoked, judge=judge)


@pytest.fixture
def composing(tmp_path: Path) -> Composing:
    return Composing(tmp_path)


def refused(found: Composition | NotComposed) -> str:
    assert isinstance(found, NotComposed)
    return "\n".join(found.because)


def test_a_unit_builds_on_an_accepted_part(composing: Composing) -> None:
    record = record_of()
    composing.part(record)
    found = composing.composed()
    part = ComposedPart(
        unit="nic-fw-8.30",
        record=record.digest,
        age_days=10,
        decision=Decision.ACCEPTED,
        labs=("opco-ru",),
        components=("nic",),
        passed=("suites/network/test_throughput.py::test_throughput[64B]",),
        met=("network.throughput.ndr ≥ 600 pps",),
    )
    assert found == Composition(parts=(part,), covered=("nic",), whole=("vswitch",))


def test_a_component_is_covered_by_all_of_its_changes_only(composing: Composing) -> None:
    composing.part(record_of())
    found = composing.composed(change(), change(product="E810", to="1.4"))
    assert isinstance(found, Composition)
    assert (found.covered, found.whole) == ((), ("nic",))


def test_two_parts(composing: Composing) -> None:
    composing.part(record_of())
    composing.part(record_of(unit_of("ovs", PACK[1])), unit="ovs")
    found = composing.composed()
    assert isinstance(found, Composition)
    assert (found.covered, found.whole) == (("nic", "vswitch"), ())


def test_conditions_of_a_part_stay_visible(composing: Composing) -> None:
    record = record_of()
    stream = record.streams[0]
    told = {"decision": Decision.ACCEPTED_WITH_CONDITIONS, "conditions": ("a latest release",)}
    judgement = stream.judgement.model_copy(update=told)
    composing.part(record.model_copy(update={"streams": (stream.model_copy(update={"judgement": judgement}),)}))
    found = composing.composed()
    assert isinstance(found, Composition)
    assert found.parts[0].decision is Decision.ACCEPTED_WITH_CONDITIONS
    assert found.parts[0].conditions == ("a latest release",)


# refusals


def test_a_record_with_another_digest(composing: Composing) -> None:
    record = record_of()
    composing.part(record, sha256="ab" * 32)
    assert f"the digest of its record is {record.digest}, and this unit names {'ab' * 32}" in refused(
        composing.composed()
    )


def test_a_record_that_was_altered(composing: Composing) -> None:
    path = composing.part(record_of(verdict=Verdict.FAIL))
    path.write_bytes(path.read_bytes().replace(b'"REJECTED"', b'"ACCEPTED"'))
    assert "its decision ACCEPTED does not follow from its results" in refused(composing.composed())


def test_a_decision_that_was_forged_with_its_digest(composing: Composing) -> None:
    record = record_of(verdict=Verdict.FAIL)
    stream = record.streams[0]
    forged = stream.judgement.model_copy(update={"decision": Decision.ACCEPTED, "findings": ()})
    composing.part(record.model_copy(update={"streams": (stream.model_copy(update={"judgement": forged}),)}))
    assert "does not follow from its results" in refused(composing.composed())


def test_a_part_counts_by_the_model_that_judges_now_or_an_overlay_on_it(composing: Composing) -> None:
    group = Judge(model="network 2026.1", sha256="aa")
    overlay = Judge(model="network-ru 1", sha256="cc", based_on="network 2026.1", base_sha256="aa")
    weak = Judge(model="network 2026.1", sha256="bb")
    assert group.is_as_strict_as(group)
    assert overlay.is_as_strict_as(group)
    assert not weak.is_as_strict_as(group)
    assert not group.is_as_strict_as(overlay)
    composing.part(record_of())
    assert "which is neither network 2026.1 as it is now" in refused(composing.composed(judge=weak))


def test_a_part_of_another_vendor_s_product_of_that_name(composing: Composing) -> None:
    composing.part(record_of())
    assert "does not list" in refused(composing.composed(change(vendor="Other")))


def test_a_part_grows_void_with_its_waiver(composing: Composing) -> None:
    record = record_of()
    stream = record.streams[0]
    waiver = HeldWaiver.model_validate(
        {"criterion": "network.x.y", "release": "nic-fw-8.30", "owner": "o", "reason": "r"}
        | {"expires": "2026-12-01", "expired": False, "file": "f"}
    )
    told = {"decision": Decision.ACCEPTED_WITH_CONDITIONS, "conditions": ("waived",)}
    changed = {
        "judgement": stream.judgement.model_copy(update=told),
        "plan": stream.plan.model_copy(update={"waivers": (waiver,)}),
    }
    composing.part(record.model_copy(update={"streams": (stream.model_copy(update=changed),)}))
    assert isinstance(composing.composed(now=datetime(2026, 12, 1, 12, tzinfo=UTC)), Composition)
    said = refused(composing.composed(now=datetime(2026, 12, 2, 12, tzinfo=UTC)))
    assert "a waiver under which it was accepted in lab opco-ru expired on 2026-12-01" in said


def test_the_same_content_written_differently_is_the_same_record(composing: Composing) -> None:
    path = composing.part(record_of())
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=2))
    assert isinstance(composing.composed(), Composition)


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_RUN])
def test_a_part_that_was_not_accepted(composing: Composing, verdict: Verdict) -> None:
    composing.part(record_of(verdict=verdict))
    decision = "REJECTED" if verdict is Verdict.FAIL else "INCONCLUSIVE"
    assert refused(composing.composed()) == f"nic-fw-8.30: it was not accepted in lab opco-ru: {decision}"


def test_a_run_that_was_killed(composing: Composing) -> None:
    composing.part(record_of(finished=None))
    assert "nic-fw-8.30: its run never ended" in refused(composing.composed())


def test_another_profile_of_lab(composing: Composing) -> None:
    composing.part(record_of(profile="physical-10g"))
    said = "nic-fw-8.30: it was certified for the lab profile physical-10g, and this lab has software-switch"
    assert refused(composing.composed()) == said


def test_every_lab_of_the_profile_must_have_accepted(composing: Composing) -> None:
    record, rejected = record_of(), record_of(verdict=Verdict.FAIL)
    other = rejected.streams[0].model_copy(
        update={"plan": rejected.streams[0].plan.model_copy(update={"stream": "nic-fw-8.30@opco-kz"})}
    )
    composing.part(record.model_copy(update={"streams": (*record.streams, other)}))
    assert "it was not accepted in lab opco-ru: REJECTED" in refused(composing.composed())


def test_another_version(composing: Composing) -> None:
    composing.part(record_of())
    said = refused(composing.composed(change(to="8.40")))
    assert said == "nic-fw-8.30: it was accepted with nic X710 8.30, and pack-1 brings 8.40"


def test_a_change_that_the_unit_does_not_list(composing: Composing) -> None:
    composing.part(record_of())
    said = refused(composing.composed(PACK[1]))
    assert said == "nic-fw-8.30: it changes nic X710, which pack-1 does not list among its changes"
    assert "it changes nic X710" in refused(composing.composed(change(product="E810")))


def test_another_artefact_of_the_same_version(composing: Composing) -> None:
    artefacts = [{"uri": "https://downloads.example/a", "sha256": digit * 64} for digit in "ab"]
    composing.part(record_of(unit_of("nic-fw-8.30", change(artefact=artefacts[0]))))
    assert isinstance(composing.composed(change(artefact=artefacts[0])), Composition)
    assert "with another artefact of nic X710 8.30" in refused(composing.composed(change(artefact=artefacts[1])))


@pytest.mark.parametrize(("days", "stale"), [(0, False), (90, False), (90.1, True), (400, True)])
def test_a_part_grows_old(composing: Composing, days: float, *, stale: bool) -> None:
    composing.part(record_of())
    found = composing.composed(now=ENDED + timedelta(days=days))
    assert isinstance(found, NotComposed) is stale
    if stale:
        assert f"its acceptance is {int(days)} days old, and the test model lets it count for 90" in refused(found)


def test_a_part_of_tomorrow(composing: Composing) -> None:
    composing.part(record_of())
    assert "accepted in the future" in refused(composing.composed(now=ENDED - timedelta(days=1)))
    assert isinstance(composing.composed(now=ENDED - timedelta(minutes=1)), Composition)


@pytest.mark.parametrize("finished", ["yesterday", "2026-11-25T10:01:00"])
def test_an_end_that_is_no_moment(composing: Composing, finished: str) -> None:
    composing.part(record_of(finished=finished))
    assert f"{finished!r} is no time with its offset" in refused(composing.composed())


REVOKED = "revoked on 2026-12-01 by Release board: its firmware loses packets"


def revocation(record: str) -> Revocation:
    given = {"record": record, "unit": "nic-fw-8.30", "reason": "its firmware loses packets", "owner": "Release board"}
    return Revocation.model_validate(given | {"on": "2026-12-01"})


def test_a_revoked_part(composing: Composing) -> None:
    record = record_of()
    composing.part(record)
    found = composing.composed(revoked=(revocation("0" * 64), revocation(record.digest)))
    assert refused(found) == f"nic-fw-8.30: its record was {REVOKED}"


def test_a_revoked_part_whose_record_was_taken_away(composing: Composing) -> None:
    record = record_of()
    composing.part(record).unlink()
    assert f"its record was {REVOKED}" in refused(composing.composed(revoked=(revocation(record.digest),)))


def test_a_part_that_itself_builds_on_a_revoked_one(composing: Composing) -> None:
    inner = [{"unit": "nvm-1", "record": "x/record.json", "sha256": "cd" * 32}]
    composing.part(record_of(unit_of("nic-fw-8.30", change(), builds_on=inner)))
    assert isinstance(composing.composed(), Composition)
    said = refused(composing.composed(revoked=(revocation("cd" * 32),)))
    assert said == f"nic-fw-8.30: it builds on a record that was {REVOKED}"


@pytest.mark.parametrize("kind", ["GA", "maintenance"])
def test_a_latest_part(composing: Composing, kind: str) -> None:
    composing.part(record_of(NIC.model_copy(update={"type": "latest"})))
    more: dict[str, Any] = {"maintains": "pack-0"} if kind == "maintenance" else {}
    said = refused(composing.composed(type=kind, **more))
    assert said == f"nic-fw-8.30: it is a latest unit, and nothing of type {kind} builds on such a one"
    assert isinstance(composing.composed(type="latest"), Composition)


@pytest.mark.parametrize(
    ("part", "about"), [(None, "lab opco-ru as it is"), (unit_of("nic-fw-8.31", change()), "nic-fw-8.31")]
)
def test_a_record_of_another_unit(composing: Composing, part: ReleaseUnit | None, about: str) -> None:
    composing.part(record_of(part))
    assert refused(composing.composed()) == f"nic-fw-8.30: its record is about {about}"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"{}"),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"value":700.0', b'"value":NaN')),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b',"more":1}'),
    ],
)
def test_a_record_that_cannot_be_read(composing: Composing, spoil: Callable[[Path], object]) -> None:
    path = composing.part(record_of())
    spoil(path)
    said = refused(composing.composed())
    assert str(path) in said
    assert "cannot be read: No such file" in said or "is no record of a run" in said


def test_one_bad_part_refuses_all_and_each_reason_is_told(composing: Composing) -> None:
    composing.part(record_of(verdict=Verdict.FAIL))
    composing.part(record_of(unit_of("ovs", PACK[1])), unit="ovs")
    composing.part(record_of(unit_of("bios", change("bios", "BIOS", "2.19"))), unit="bios", sha256="ef" * 32)
    said = refused(composing.composed()).splitlines()
    assert [line.split(":")[0] for line in said] == ["nic-fw-8.30", "bios", "bios"]


def test_a_part_that_was_not_looked_at() -> None:
    named = [{"unit": "nic-fw-8.30", "record": "x/record.json", "sha256": "ab" * 32}]
    unit = unit_of("pack-1", change(), builds_on=named)
    found = compose(unit, [], profile=PROFILE, now=NOW, valid_days=90, revoked=())
    assert refused(found) == "nic-fw-8.30: its record was not looked at"


def test_a_unit_that_builds_on_nothing_is_certified_whole() -> None:
    found = compose(NIC, [], profile=PROFILE, now=NOW, valid_days=90, revoked=())
    assert found == Composition(parts=(), covered=(), whole=("nic",))


# the list of revoked records


def test_revoked_records_are_read_from_every_folder(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        entry = f"{{record: '{name * 64}', unit: u, reason: r, owner: o, on: 2026-12-01}}"
        (tmp_path / name / "revoked.yaml").write_text(f"- {entry}\n")
    (tmp_path / "none").mkdir()
    found = read_revoked([tmp_path / "a", tmp_path / "none", tmp_path / "b", tmp_path / "a"])
    assert [each.record[0] for each in found] == ["a", "b"]


def test_an_absent_list_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no such file, and it tells which records"):
        read_revoked([tmp_path])
    (tmp_path / "revoked.yaml").write_text("[]\n")
    assert read_revoked([tmp_path]) == ()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (f"{{record: '{'a' * 64}', unit: u, reason: r, on: 2026-12-01}}", r":1: \[0\]\.owner: missing"),
        (f"{{record: '{'a' * 63}', unit: u, reason: r, owner: o, on: 2026-12-01}}", r":1: \[0\]\.record: .* 64 hexa"),
        (f"{{record: '{'a' * 64}', unit: u, reason: r, owner: o, on: soon}}", r":1: \[0\]\.on: "),
    ],
)
def test_a_wrong_list_is_told_with_its_line(tmp_path: Path, entry: str, said: str) -> None:
    (tmp_path / "revoked.yaml").write_text(f"- {entry}\n")
    with pytest.raises(FileError, match=said):
        read_revoked([tmp_path])


def test_the_shipped_list_is_good() -> None:
    assert read_revoked([Path(__file__).parents[2] / "releases"]) == ()
