"""The judge against a baseline: three answers by the interval of the ratio; a condition where there is none."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.history import Baseline, Earlier, NoBaseline
from nfvcert.judge import BaselineOf, CriterionResult, Decision, Judgement, Verdict, decide, judge
from nfvcert.life_cycle import broken_steps
from nfvcert.measure.kpi import Kpi, Measurement
from nfvcert.measure.stats import Estimate, estimate_median
from nfvcert.overlays import Overlay, merged
from nfvcert.parts import Contradiction
from nfvcert.record import canonical
from nfvcert.testmodel import Criterion, TestModel
from nfvcert.units import BoundProblem, criteria
from nfvcert.waivers import HeldWaiver
from tests.core import test_history as past
from tests.core.test_judge import NDR, criterion, measured, passed


def compares(by: float = 0.05, better: str = "higher", **changes: Any) -> Criterion:
    told = {"at_least": None, "not_worse_than_baseline_by": by, "better": better, "as_written": "at most 5 % worse"}
    return criterion(**(told | changes))


def baseline(low: float, high: float | None = None, value: float | None = None) -> BaselineOf:
    high = low if high is None else high
    middle = (low + high) / 2 if value is None else value
    earlier = Earlier(
        run="run-1", record="0" * 64, finished="2026-11-25T10:00:00+00:00", stream="s", value=middle, low=low, high=high
    )
    found = Baseline(value=middle, low=low, high=high, unit="pps", conditions={"frame_bytes": 64}, of=(earlier,))
    return lambda _: found


def none(_: Measurement) -> NoBaseline:
    return NoBaseline(reason="there is no accepted record")


def verdict(new: tuple[float, float], old: tuple[float, float], better: str = "higher", by: float = 0.05) -> Verdict:
    made = measured(sum(new) / 2, *new)
    return judge(compares(by, better), [made], baseline_of=baseline(*old)).verdict


@pytest.mark.parametrize(
    ("new", "old", "better", "expected"),
    [
        ((95, 95), (100, 100), "higher", Verdict.PASS),  # touching the bound meets it
        ((94.9, 94.9), (100, 100), "higher", Verdict.FAIL),
        ((94, 96), (100, 100), "higher", Verdict.INCONCLUSIVE),
        ((95, 97), (99, 100), "higher", Verdict.PASS),
        ((95, 97), (99, 101), "higher", Verdict.INCONCLUSIVE),
        ((93, 94), (99, 101), "higher", Verdict.FAIL),
        ((93, 94.05), (99, 101), "higher", Verdict.INCONCLUSIVE),  # 94.05 is 95 % of 99
        ((500, 500), (100, 100), "higher", Verdict.PASS),
        ((105, 105), (100, 100), "lower", Verdict.PASS),
        ((105.1, 106), (100, 100), "lower", Verdict.FAIL),
        ((104, 106), (100, 100), "lower", Verdict.INCONCLUSIVE),
        ((103, 104), (99, 100), "lower", Verdict.INCONCLUSIVE),  # 104 is more than 105 % of 99
        ((1, 1), (100, 100), "lower", Verdict.PASS),
        ((0, 0), (0, 0), "lower", Verdict.PASS),
        ((0.1, 0.1), (0, 0), "lower", Verdict.FAIL),  # of nothing, any share is nothing
        ((0, 0), (0, 0), "higher", Verdict.PASS),
        ((-1, 1), (100, 100), "higher", Verdict.INCONCLUSIVE),  # there is no ratio
        ((1, 1), (-5, -5), "higher", Verdict.INCONCLUSIVE),
    ],
)
def test_three_answers(new: tuple[float, float], old: tuple[float, float], better: str, expected: Verdict) -> None:
    assert verdict(new, old, better) is expected


def test_a_bound_is_what_people_write() -> None:
    assert verdict((115, 115), (100, 100), "lower", 0.15) is Verdict.PASS  # 1.15 · 100 is less than 115 in binary
    assert verdict((93, 93), (100, 100), "higher", 0.07) is Verdict.PASS


positive = st.floats(1e-3, 1e9)


@given(st.tuples(positive, positive), st.tuples(positive, positive), st.floats(0.01, 0.9), st.data())
def test_no_truth_within_the_intervals_contradicts_a_verdict(
    new: tuple[float, float], old: tuple[float, float], by: float, data: st.DataObject
) -> None:
    (low, high), (was_low, was_high) = sorted(new), sorted(old)
    truth, before = data.draw(st.floats(low, high)), data.draw(st.floats(was_low, was_high))
    for better, worse_by in (("higher", 1 - truth / before), ("lower", truth / before - 1)):
        said = verdict((low, high), (was_low, was_high), better, by)
        if said is Verdict.PASS:
            assert worse_by <= by + 1e-9
        if said is Verdict.FAIL:
            assert worse_by >= by - 1e-9


def simulated(ratio: float, noise: float, *, between: float = 0.0, records: int = 3, times: int = 300) -> Counter[str]:
    """Verdicts on a device that is so fast, of nine samples each, against records of a device that is 100 % as fast."""
    chance = random.Random(20261129)

    def estimate(level: float) -> Estimate:
        level *= chance.gauss(1, between)
        return estimate_median([level * chance.gauss(1, noise) for _ in range(9)])

    found: Counter[str] = Counter()
    for _ in range(times):
        olds = [estimate(100.0) for _ in range(records)]
        runs = [past.run(20 - n, old.value, low=old.low, high=old.high, generator="") for n, old in enumerate(olds)]
        new = estimate(100.0 * ratio)
        made = measured(new.value, new.low, new.high)
        found[judge(compares(), [made], baseline_of=past.baselines(*runs).of).verdict] += 1
    return found


@pytest.mark.parametrize(("noise", "between"), [(0.01, 0.0), (0.01, 0.005), (0.02, 0.0)])
def test_at_the_bound_a_false_answer_is_rarer_than_one_in_a_hundred(noise: float, between: float) -> None:
    found = simulated(0.95, noise, between=between)
    assert found["PASS"] <= 3, found
    assert found["FAIL"] <= 3, found


@pytest.mark.parametrize("noise", [0.01, 0.02])
def test_clear_of_the_bound_no_answer_is_wrong(noise: float) -> None:
    same, slower = simulated(1.0, noise), simulated(0.92, noise)
    assert same["FAIL"] == 0, same
    assert slower["PASS"] == 0, slower
    assert simulated(1.0, 0.01)["PASS"] >= 297
    assert simulated(0.92, 0.01)["FAIL"] >= 255


def test_the_sentence_has_all_that_was_compared() -> None:
    result = judge(compares(), [measured(92, 91, 93)], model="network 9", baseline_of=baseline(99, 101))
    assert result.sentence == (
        "network.throughput.ndr{frame_bytes=64} against its baseline: 92 pps (91 pps … 93 pps), "
        "92 % (90.1 % … 93.94 %) of 100 pps (99 pps … 101 pps) of record run-1, required at most 5 % worse (network 9)"
    )
    assert result.baseline == baseline(99, 101)(measured(92))


def decided(criteria_: list[Criterion], measurements: list[Measurement], **more: Any) -> Judgement:
    return decide(criteria_, measurements, ["t"], [passed()], model="network 9", **more)


def test_no_baseline_is_a_condition_and_no_pass() -> None:
    judgement = decided([criterion(), compares()], [measured(700)], baseline_of=none)
    assert [result.verdict for result in judgement.criteria] == [Verdict.PASS, Verdict.NOT_RUN]
    assert judgement.decision is Decision.ACCEPTED_WITH_CONDITIONS
    assert judgement.findings == ()
    assert judgement.conditions == (
        "no baseline yet for network.throughput.ndr{frame_bytes=64}: there is no accepted record",
    )
    assert judgement.summary.startswith("1 of 2 criteria of network 9 are met, on condition: no baseline yet for ")


def test_conditions_of_one_reason_are_one() -> None:
    sizes = (64, 128, 256, 512, 1024, 1518)
    many = [compares(where={"frame_bytes": size}) for size in sizes]
    found = [measured(700, conditions={"frame_bytes": size}) for size in sizes]
    (condition,) = decided([criterion(), *many], found, baseline_of=none).conditions
    assert condition.count("network.throughput.ndr") == 4
    assert "{frame_bytes=512} and 2 more: there is no accepted record" in condition


def test_no_baseline_excuses_nothing_else() -> None:
    assert decided([criterion(), compares()], [measured(500)], baseline_of=none).decision is Decision.REJECTED
    assert decided([criterion(), compares()], [], baseline_of=none).decision is Decision.INCONCLUSIVE
    missing = decided([criterion(), compares(where={"frame_bytes": 9})], [measured(700)], baseline_of=none)
    assert missing.decision is Decision.INCONCLUSIVE  # not measured is no missing baseline
    mixed = decided([criterion(where={}), compares(where={})], [measured(700), measured(90)], baseline_of=baseline(100))
    assert mixed.decision is Decision.REJECTED


def test_with_nothing_to_compare_with_nothing_was_judged() -> None:
    judgement = decided([compares()], [measured(700)], baseline_of=none)
    assert judgement.decision is Decision.INCONCLUSIVE
    assert "nothing was judged: no criterion has a baseline yet" in judgement.summary


def test_without_a_history_there_is_no_baseline() -> None:
    assert judge(compares(), [measured(700)]).no_baseline == "no history was read"


def test_a_regression_rejects_and_a_waiver_of_the_absolute_bound_does_not_speak_of_it() -> None:
    worse = decided([criterion(), compares()], [measured(700)], baseline_of=baseline(800))
    assert worse.decision is Decision.REJECTED
    assert worse.findings[0].blame == "release"

    def waiver(of: str) -> HeldWaiver:
        return HeldWaiver.model_validate(
            {"criterion": of, "release": "u", "owner": "J", "reason": "r", "expires": "2999-01-01"}
            | {"expired": False, "file": "f"}
        )

    absolute = f"{NDR}{{frame_bytes=64}}"
    for name, decision in (
        (absolute, Decision.REJECTED),
        (f"{absolute} against its baseline", Decision.ACCEPTED_WITH_CONDITIONS),
    ):
        said = decided([criterion(), compares()], [measured(700)], baseline_of=baseline(800), waivers=[waiver(name)])
        assert said.decision is decision


def test_what_does_not_compare_has_the_bytes_that_it_had() -> None:
    plain = CriterionResult(criterion=criterion(), verdict=Verdict.PASS, sentence="s", measurement=measured(700))
    told = canonical(plain.model_dump(mode="json")).decode()
    assert not [key for key in ("baseline", "better", "generator") if key in told]
    again = CriterionResult.model_validate_json(told)
    assert again == plain
    compared = judge(compares(), [measured(700)], baseline_of=baseline(700))
    assert CriterionResult.model_validate_json(compared.model_dump_json()) == compared


# ── in test models ──

KPIS = {
    NDR: Kpi(title="Rate", definition="d", unit="pps", better="higher", method="m", source="s"),
    "network.latency.p99": Kpi(title="Delay", definition="d", unit="s", better="lower", method="m", source="s"),
    "network.frame.size": Kpi(title="Size", definition="d", unit="B", better="neither", method="m", source="s"),
}
OTHER = {"kpi": "network.latency.p99", "at_most": "1 ms", "source": "s"}


def model(*rules: dict[str, Any], version: str = "1", **more: Any) -> TestModel:
    return TestModel.model_validate(
        {
            "model": "network",
            "version": version,
            "domain": "network",
            "title": "t",
            "profiles": {"soft": "a bridge", "hard": "a switch"},
            "criteria": [{"source": "s", **rule} for rule in rules],
        }
        | more
    )


def test_a_rule_with_both_stands_for_two_criteria() -> None:
    rule = {"kpi": NDR, "where": {"frame_bytes": [64, 512]}, "at_least": "1 kpps", "not_worse_than_baseline_by": "5 %"}
    made = criteria(model(rule), KPIS, "soft", ())
    assert [(each.subject, each.as_written) for each in made] == [
        (f"{NDR}{{frame_bytes=64}}", "≥ 1 kpps"),
        (f"{NDR}{{frame_bytes=64}} against its baseline", "at most 5 % worse"),
        (f"{NDR}{{frame_bytes=512}}", "≥ 1 kpps"),
        (f"{NDR}{{frame_bytes=512}} against its baseline", "at most 5 % worse"),
    ]
    assert [(each.at_least, each.not_worse_than_baseline_by, each.better) for each in made[:2]] == [
        (1000.0, None, None),
        (None, 0.05, "higher"),
    ]


def test_bounds_by_profile_and_the_number_of_records() -> None:
    rule = {"kpi": NDR, "not_worse_than_baseline_by": {"soft": "10 %", "hard": "2 %"}}
    made = model(OTHER, rule, baseline_records=5)
    assert made.baseline_records == 5
    assert model(OTHER).baseline_records == 3
    for profile, by in (("soft", 0.1), ("hard", 0.02)):
        assert criteria(made, KPIS, profile, ())[1].not_worse_than_baseline_by == by


@pytest.mark.parametrize(
    ("kpi", "by", "told"),
    [
        (NDR, "5 kpps", "is no quantity in %"),
        (NDR, 5, "5 has no unit"),
        (NDR, "0 %", "above 0 % and below 100 %"),
        (NDR, "100 %", "above 0 % and below 100 %"),
        (NDR, "-5 %", "above 0 % and below 100 %"),
        ("network.frame.size", "5 %", "neither more nor less is better"),
        (NDR, {"soft": "5 %"}, "one for the lab's profile hard too"),
    ],
)
def test_a_bound_that_cannot_be_meant_is_refused(kpi: str, by: Any, told: str) -> None:
    with pytest.raises(BoundProblem, match=told) as refused:
        criteria(model(OTHER, {"kpi": kpi, "not_worse_than_baseline_by": by}), KPIS, "hard", ())
    assert refused.value.key[:3] == ("criteria", 1, "not_worse_than_baseline_by")


def test_a_model_that_only_compares_is_refused() -> None:
    with pytest.raises(ValueError, match="requires nothing until there is a baseline"):
        model({"kpi": NDR, "not_worse_than_baseline_by": "5 %"})


def overlay(by: str) -> Overlay:
    return Overlay.model_validate(
        {
            "model": "network-ru",
            "overlays": "network",
            "base_version": "1",
            "version": "1-ru.1",
            "criteria": [{"kpi": NDR, "not_worse_than_baseline_by": by}],
        }
    )


def test_an_overlay_may_allow_less_and_not_more() -> None:
    base = model({"kpi": NDR, "at_least": "1 kpps", "not_worse_than_baseline_by": "5 %"}, baseline_records=7)
    tightened = merged(base, overlay("2 %"), KPIS)
    assert [each.not_worse_than_baseline_by for each in criteria(tightened, KPIS, "soft", ())] == [None, 0.02]
    assert tightened.baseline_records == 7
    with pytest.raises(Contradiction, match=r"not_worse_than_baseline_by 6 % is looser than 5 %"):
        merged(base, overlay("6 %"), KPIS)
    added = merged(model({"kpi": NDR, "at_least": "1 kpps"}), overlay("6 %"), KPIS)
    assert len(criteria(added, KPIS, "soft", ())) == 2


def test_a_comparison_that_vanishes_from_a_released_model_is_a_broken_step() -> None:
    rule = {"kpi": NDR, "at_least": "1 kpps"}
    before = model(OTHER, rule | {"not_worse_than_baseline_by": "5 %"})
    (told,) = broken_steps(before, model(OTHER, rule, version="2"))
    assert told.startswith(f"{NDR} against its baseline is required in 1, and is not in 2")
    assert broken_steps(before, model(OTHER, rule | {"not_worse_than_baseline_by": "3 %"}, version="2")) == ()
