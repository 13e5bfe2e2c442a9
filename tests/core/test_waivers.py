"""Waivers: for one criterion of one release, until a day; they turn a rejection into conditions, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nfvcert.document import parse_document
from nfvcert.errors import FileError
from nfvcert.files import load
from nfvcert.gathering import from_events
from nfvcert.judge import Decision, Finding, Judgement, TestResult, Verdict, decide, judge
from nfvcert.measure.kpi import Measurement
from nfvcert.record import StreamPlanned
from nfvcert.scope import Affected, Scope
from nfvcert.testmodel import Criterion
from nfvcert.waiver_files import read_waivers, waivers_of
from nfvcert.waivers import HeldWaiver, Waiver, WaiverFile, held, untested_waivers, waiver_of
from tests.core.builders import accepted_run
from tests.core.test_mutated_files import PLAIN, examples, is_read_or_refused, mutated_bytes, mutated_structure

ROOT = Path(__file__).parents[2]
OUTAGE = "network.failover.outage"
DAY = date(2026, 11, 28)
WRITTEN = {
    "criterion": OUTAGE,
    "release": "nic-fw-8.30",
    "owner": "J. Doe",
    "reason": "the second uplink is on order",
    "expires": "2026-12-31",
}


def waiver(**changes: Any) -> Waiver:
    return Waiver.model_validate({key: value for key, value in (WRITTEN | changes).items() if value is not None})


def for_stream(*waivers: Waiver, day: date = DAY) -> tuple[HeldWaiver, ...]:
    return held([(each, "w.yaml") for each in waivers], unit="nic-fw-8.30", lab="opco-ru", day=day)


def criterion(kpi: str = OUTAGE, **changes: Any) -> Criterion:
    base = {"kpi": kpi, "at_most": 0.5, "unit": "s", "as_written": "≤ 500 ms", "source": "s"}
    return Criterion.model_validate(base | changes)


def measured(value: float, kpi: str = OUTAGE, *, width: float = 0.0) -> Measurement:
    return Measurement(kpi=kpi, value=value, low=value, high=value + width, unit="s", test="t", at="")


def passed(sentence: str = "passed") -> TestResult:
    return TestResult(test="t", title="t", verdict=Verdict.PASS, sentence=sentence)


# what a waiver is


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"expires": None}, "expires"),
        ({"expires": "2026-02-30"}, "there is no such day"),
        ({"expires": "soon"}, "a day is needed"),
        ({"expires": "2026-12-31T10:00:00"}, "a day is needed"),
        ({"release": None}, "release"),
        ({"owner": ""}, "at least 1 character"),
        ({"reason": ""}, "at least 1 character"),
        ({"criterion": None}, "names a criterion, or a component"),
        ({"untested": "nic"}, "for one thing"),
        ({"criterion": "network.failover.*"}, "named as the report does"),
        ({"criterion": "outage"}, "named as the report does"),
        ({"release": "*"}, "a release unit's name"),
        ({"verdict": "PASS"}, "Extra inputs"),
    ],
)
def test_what_is_no_waiver(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        waiver(**changes)


@pytest.mark.parametrize(
    ("changes", "unit", "lab", "is_for"),
    [
        ({}, "nic-fw-8.30", "opco-ru", True),
        ({}, "nic-fw-8.31", "opco-ru", False),
        ({}, None, "opco-ru", False),
        ({"lab": "opco-ru"}, "nic-fw-8.30", "opco-ru", True),
        ({"lab": "opco-kz"}, "nic-fw-8.30", "opco-ru", False),
    ],
)
def test_which_stream_a_waiver_is_for(changes: dict[str, Any], unit: str | None, lab: str, is_for: bool) -> None:
    assert bool(held([(waiver(**changes), "w.yaml")], unit=unit, lab=lab, day=DAY)) is is_for


@pytest.mark.parametrize(("day", "expired"), [(date(2026, 12, 31), False), (date(2027, 1, 1), True)])
def test_the_last_day_counts(day: date, expired: bool) -> None:
    (each,) = for_stream(waiver(), day=day)
    assert each.expired is expired


def test_a_renewed_waiver_counts_beside_its_expired_one() -> None:
    both = for_stream(waiver(expires="2026-01-01"), waiver(owner="K. Roe"))
    found = waiver_of(OUTAGE, both)
    assert found is not None
    assert (found.owner, found.expired) == ("K. Roe", False)
    assert waiver_of("network.failover.outage{links=2}", both) is None


def test_a_component_stays_untested_only_while_somebody_answers_for_it() -> None:
    both = for_stream(
        waiver(criterion=None, untested="nic"), waiver(criterion=None, untested="bmc", expires="2026-01-01")
    )
    assert list(untested_waivers(both)) == ["nic"]


# what it does to a verdict


def test_a_waived_miss_stays_a_fail_and_becomes_a_condition() -> None:
    waivers = for_stream(waiver(ticket="NET-1"))
    judgement = decide([criterion()], [measured(0.9)], ["t"], [passed()], waivers=waivers, model="network 1", lab="ru")
    (result,) = judgement.criteria
    assert result.verdict is Verdict.FAIL
    assert result.waiver is waivers[0]
    assert judgement.decision is Decision.ACCEPTED_WITH_CONDITIONS
    assert judgement.findings == ()
    assert list(judgement.conditions) == [result.sentence]
    assert result.sentence == (
        "network.failover.outage: 900 ms, required ≤ 500 ms (network 1), "
        "waived by J. Doe, until 2026-12-31: the second uplink is on order (NET-1)"
    )
    assert judgement.summary.startswith("0 of 1 criteria of network 1 are met in lab ru, on condition: network.failov")


def test_an_expired_waiver_is_none_and_says_so() -> None:
    judgement = decide(
        [criterion()], [measured(0.9)], ["t"], [passed()], waivers=for_stream(waiver(expires="2026-01-01"))
    )
    assert judgement.decision is Decision.REJECTED
    assert judgement.conditions == ()
    assert "the waiver of J. Doe expired on 2026-01-01" in judgement.findings[0].sentence


@pytest.mark.parametrize("measurements", [[], [measured(0.4, width=0.2)]])
def test_what_is_in_doubt_or_was_not_measured_is_never_waived(measurements: list[Measurement]) -> None:
    judgement = decide([criterion()], measurements, ["t"], [passed()], waivers=for_stream(waiver()))
    assert judgement.decision is Decision.INCONCLUSIVE
    assert judgement.criteria[0].waiver is None


def test_what_passes_needs_no_waiver() -> None:
    judgement = decide([criterion()], [measured(0.1)], ["t"], [passed()], waivers=for_stream(waiver()))
    assert judgement.decision is Decision.ACCEPTED
    assert judgement.conditions == ()


def test_a_test_that_failed_for_another_reason_still_rejects() -> None:
    broken = TestResult(test="t", title="t", verdict=Verdict.FAIL, sentence="assert False", blame="release")
    judgement = decide([criterion()], [measured(0.9)], ["t"], [broken], waivers=for_stream(waiver()))
    assert judgement.decision is Decision.REJECTED
    assert [finding.subject for finding in judgement.findings] == ["t"]


def test_waived_criteria_alone_and_no_test_that_passed_accept_nothing() -> None:
    judgement = decide([criterion()], [measured(0.9)], [], [], waivers=for_stream(waiver()))
    assert judgement.decision is Decision.INCONCLUSIVE


def test_further_conditions_follow_the_waivers() -> None:
    latest = "a latest release is never certified for production"
    judgement = decide(
        [criterion()], [measured(0.9)], ["t"], [passed()], waivers=for_stream(waiver()), conditions=[latest]
    )
    assert judgement.conditions[1:] == (latest,)
    assert judgement.summary.endswith("There is 1 more condition.")
    alone = decide([criterion()], [measured(0.1)], ["t"], [passed()], conditions=[latest])
    assert alone.decision is Decision.ACCEPTED_WITH_CONDITIONS
    failed = decide([criterion()], [measured(0.9)], ["t"], [passed()], conditions=[latest])
    assert failed.decision is Decision.REJECTED


# an advisory criterion


@pytest.mark.parametrize("measurements", [[], [measured(0.9)], [measured(0.4, width=0.2)]])
def test_an_advisory_criterion_is_shown_and_decides_nothing(measurements: list[Measurement]) -> None:
    other = criterion("network.failover.other")
    advisory = criterion(state="advisory", note="advisory: decides nothing")
    found = [*measurements, measured(0.1, other.kpi)]
    judgement = decide([advisory, other], found, ["t"], [passed()], waivers=for_stream(waiver()))
    assert judgement.decision is Decision.ACCEPTED
    assert judgement.criteria[0].verdict is not Verdict.PASS
    assert "(advisory: decides nothing)" in judgement.criteria[0].sentence
    assert judgement.summary.startswith("1 of 1 criteria are met")


def test_advisory_criteria_alone_require_nothing() -> None:
    with pytest.raises(ValueError, match="nothing is required"):
        decide([criterion(state="advisory")], [measured(0.1)], ["t"], [passed()])


def test_a_deprecated_criterion_still_rejects() -> None:
    deprecated = criterion(state="deprecated", note="deprecated: still decides")
    judgement = decide([deprecated], [measured(0.9)], ["t"], [passed()])
    assert judgement.decision is Decision.REJECTED
    assert "(deprecated: still decides)" in judgement.findings[0].sentence


# whatever else happens

SUBJECTS = [f"network.failover.{name}" for name in ("outage", "loss", "time")]
GOODNESS = [Decision.REJECTED, Decision.INCONCLUSIVE, Decision.ACCEPTED_WITH_CONDITIONS, Decision.ACCEPTED]
some_criteria = st.lists(
    st.builds(criterion, st.sampled_from(SUBJECTS), state=st.sampled_from(["required", "required", "advisory"])),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each.kpi,
).filter(lambda each: any(one.decides for one in each))
some_measurements = st.lists(
    st.builds(
        measured, st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from(SUBJECTS), width=st.sampled_from([0.0, 0.0, 0.6])
    ),
    max_size=5,
)
some_waivers = st.lists(
    st.builds(waiver, criterion=st.sampled_from(SUBJECTS), expires=st.sampled_from(["2026-01-01", "2026-12-31"])),
    min_size=1,
    max_size=3,
)
some_tests = st.lists(st.sampled_from([Verdict.PASS, Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE]), max_size=2)


def decided(
    criteria: Sequence[Criterion],
    measurements: Sequence[Measurement],
    outcomes: Sequence[Verdict],
    waivers: Sequence[Waiver] = (),
    trouble: Sequence[Finding] = (),
) -> Judgement:
    tests = [
        TestResult(test=f"t{index}", title="t", verdict=verdict, sentence=verdict)
        for index, verdict in enumerate(outcomes)
    ]
    planned = [test.test for test in tests]
    return decide(criteria, measurements, planned, tests, waivers=for_stream(*waivers), trouble=trouble)


@given(criteria=some_criteria, found=some_measurements, outcomes=some_tests, waivers=some_waivers)
def test_a_waiver_turns_nothing_but_a_fail_of_its_own_criterion(
    criteria: list[Criterion], found: list[Measurement], outcomes: list[Verdict], waivers: list[Waiver]
) -> None:
    without, with_them = decided(criteria, found, outcomes), decided(criteria, found, outcomes, waivers)
    assert [each.verdict for each in with_them.criteria] == [each.verdict for each in without.criteria]
    live = {each.criterion for each in waivers if each.expires >= DAY}
    for each in with_them.criteria:
        assert each.is_waived == (each.verdict is Verdict.FAIL and each.criterion.subject in live)
    # A rejection may become anything but an acceptance; whatever was no rejection stays what it was.
    if without.decision is Decision.REJECTED:
        assert with_them.decision is not Decision.ACCEPTED
    else:
        assert with_them.decision is without.decision
    if with_them.decision is Decision.ACCEPTED_WITH_CONDITIONS:
        missed = {each.criterion.subject for each in without.criteria if each.verdict is Verdict.FAIL}
        deciding = {each.subject for each in criteria if each.decides}
        assert missed & deciding <= live
        assert len(with_them.conditions) == len(missed & deciding) > 0
        assert set(outcomes) <= {Verdict.PASS}
    left = {each.sentence for each in with_them.findings if each.verdict is Verdict.FAIL}
    for finding in without.findings:
        if finding.verdict is not Verdict.FAIL:
            assert finding in with_them.findings
    if not left and without.decision is Decision.REJECTED:
        assert Verdict.FAIL not in outcomes


@given(criteria=some_criteria, found=some_measurements, waivers=some_waivers, outcomes=some_tests)
def test_more_waivers_never_reject(
    criteria: list[Criterion], found: list[Measurement], waivers: list[Waiver], outcomes: list[Verdict]
) -> None:
    fewer = decided(criteria, found, outcomes, waivers[1:]).decision
    more = decided(criteria, found, outcomes, waivers).decision
    assert GOODNESS.index(more) >= GOODNESS.index(fewer)


@given(found=st.lists(st.builds(measured, st.sampled_from([0.1, 0.9])), min_size=1, max_size=3))
def test_the_judge_alone_keeps_the_verdict(found: list[Measurement]) -> None:
    assert judge(criterion(), found, waivers=for_stream(waiver())).verdict is judge(criterion(), found).verdict


# components without a test


def of_scope(*untested: str, at_most: int, waivers: Sequence[HeldWaiver]) -> Judgement:
    """A run that is accepted but for components that nothing tests; nic changes."""
    affected = [Affected(component=name, title=name) for name in untested]
    scope = Scope(
        changed=("nic",),
        size="small",
        release_class="minor",
        radius=1,
        affected=tuple(affected),
        untested_at_most=at_most,
    )
    started, planned, *others = accepted_run()
    assert isinstance(planned, StreamPlanned)
    plan = planned.plan.model_copy(update={"scope": scope, "waivers": waivers})
    return from_events([started, StreamPlanned(plan=plan), *others]).streams[0].judgement


def untested(component: str, expires: str = "2026-12-31") -> Waiver:
    return waiver(criterion=None, untested=component, expires=expires)


def test_a_component_that_stays_untested_is_a_condition() -> None:
    assert of_scope("nic", at_most=0, waivers=()).decision is Decision.INCONCLUSIVE
    judgement = of_scope("nic", at_most=0, waivers=for_stream(untested("nic")))
    assert judgement.decision is Decision.ACCEPTED_WITH_CONDITIONS
    assert judgement.conditions == (
        "no planned test covers nic, waived by J. Doe, until 2026-12-31: the second uplink is on order",
    )
    assert (
        of_scope("nic", at_most=0, waivers=for_stream(untested("nic", "2026-01-01"))).decision is Decision.INCONCLUSIVE
    )
    assert of_scope("nic", at_most=0, waivers=for_stream(untested("bmc"))).decision is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    ("at_most", "decision"),
    [(0, Decision.INCONCLUSIVE), (1, Decision.ACCEPTED_WITH_CONDITIONS), (2, Decision.ACCEPTED)],
)
def test_of_what_may_break_some_is_accepted_and_the_rest_needs_waivers(at_most: int, decision: Decision) -> None:
    judgement = of_scope("bmc", "bios", at_most=at_most, waivers=for_stream(untested("bmc"), untested("elsewhere")))
    assert judgement.decision is decision
    assert len(judgement.conditions) == (0 if decision is Decision.ACCEPTED else 1)


# the files


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "waivers").mkdir()
    (tmp_path / "waivers" / "ru.yaml").write_text(text)
    return tmp_path / "waivers"


FILE = """\
waivers:
  - criterion: network.failover.outage
    release: nic-fw-8.30
    owner: J. Doe
    reason: r
    expires: 2026-12-31
  - untested: driver-guest
    release: nic-fw-8.30
    owner: J. Doe
    reason: r
    expires: 2026-12-31
"""


def of_stream(folder: Path, *subjects: str, unit: str = "nic-fw-8.30", components: tuple[str, ...] = ("nic",)) -> Any:
    return waivers_of(
        read_waivers(folder),
        unit=unit,
        lab="opco-ru",
        day=DAY,
        domains={"network"},
        subjects=subjects,
        components=components,
    )


def test_waivers_are_read_from_a_folder_and_none_is_no_mistake(tmp_path: Path) -> None:
    assert read_waivers(tmp_path / "waivers") == ()
    found = of_stream(written(tmp_path, FILE), OUTAGE, components=("driver-guest",))
    assert [(each.subject, each.file, each.expired) for each in found] == [
        (OUTAGE, "ru.yaml", False),
        ("driver-guest", "ru.yaml", False),
    ]


def test_a_waiver_for_no_criterion_of_the_model_is_refused_where_its_unit_is_certified(tmp_path: Path) -> None:
    folder = written(tmp_path, FILE)
    with pytest.raises(FileError) as caught:
        of_stream(folder, "network.failover.outages")
    assert (caught.value.line, caught.value.key) == (2, "waivers[0].criterion")
    assert "did you mean network.failover.outages?" in str(caught.value)
    with pytest.raises(FileError, match="did you mean driver-gust") as caught:
        of_stream(folder, OUTAGE, components=("driver-gust",))
    assert caught.value.line == 7
    assert of_stream(folder, "network.failover.outages", unit="ovs-3.3.2") == ()


def test_a_waiver_of_another_domain_belongs_to_another_model(tmp_path: Path) -> None:
    folder = written(tmp_path, FILE.replace("network.failover.outage", "compute.vm_stall.duration"))
    assert [each.subject for each in of_stream(folder, OUTAGE, components=("driver-guest",))] == ["driver-guest"]


@pytest.mark.parametrize(
    ("before", "after", "line", "text"),
    [
        ("    expires: 2026-12-31\n  - untested", "  - untested", 2, "missing, expected a string like 2026-12-31"),
        (
            "    owner: J. Doe\n    reason: r\n    expires: 2026-12-31\n  -",
            "    expires: 2026-12-31\n  -",
            2,
            "missing",
        ),
        ("expires: 2026-12-31", "expires: 2026-13-31", 6, "there is no such day"),
        ("expires: 2026-12-31", "expires: 20261231", 6, "a number"),
        ("expires: 2026-12-31", "expire: 2026-12-31", 6, "did you mean expires?"),
        ("criterion: network.failover.outage", "criterion: all", 2, "named as the report does"),
        (FILE, "waivers: []\n", 1, "a list of 1 at least"),
    ],
)
def test_mistakes_of_a_file(tmp_path: Path, before: str, after: str, line: int, text: str) -> None:
    assert before in FILE
    with pytest.raises(FileError) as caught:
        read_waivers(written(tmp_path, FILE.replace(before, after, 1)))
    assert text in str(caught.value)
    assert caught.value.line == line


PLAIN[FILE.encode()] = parse_document(Path("x.yaml"), FILE.encode()).data


@examples(200)
@given(content=mutated_structure(FILE.encode()) | mutated_bytes(FILE.encode()))
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    is_read_or_refused(lambda path: load(WaiverFile, path), tmp_path / "fuzzed.yaml", content)


def test_the_example_can_be_read() -> None:
    assert len(read_waivers(ROOT / "waivers" / "examples")) == 2
