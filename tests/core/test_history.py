"""Baselines: the median of what was accepted under the same circumstances, and no other number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfvcert.catalogue import FactSource
from nfvcert.history import (
    HOW_MUCH,
    Baseline,
    Baselines,
    Circumstances,
    History,
    NoBaseline,
    PastMeasurement,
    PastRun,
    brought_by,
    trends,
)
from nfvcert.measure.kpi import Measurement
from nfvcert.release import ReleaseUnit
from nfvcert.testmodel import Parameters
from tests.core.builders import KPI, big_lab, small_lab

FACTS = {"leaf-1": {"kernel": "6.1", "os": "12.5", "nic-firmware": "8.20", "memory": "16384256 kB"}}
CASE = "suites/network/test_throughput.py::test_throughput[64B]"


def now(facts: Any = FACTS, **parameters: Any) -> Circumstances:
    return Circumstances.of(small_lab(), Parameters(**parameters), facts)


def measured(value: float = 100.0, off: float = 0.0, **changes: Any) -> Measurement:
    told: dict[str, Any] = {
        "kpi": KPI,
        "value": value,
        "low": value - off,
        "high": value + off,
        "conditions": {"frame_bytes": 64},
        "generator": "TRex 3.08.1",
        "unit": "pps",
        "test": CASE.replace("[", "[opco-ru-"),
        "at": "2026-11-25T10:00:00+00:00",
    }
    return Measurement.model_validate(told | changes)


def run(number: int, value: float = 100.0, off: float = 0.0, **changes: Any) -> PastRun:
    """The run of a day; ``changes`` of its measurement, of its circumstances (``then``), of its class."""
    then = changes.pop("then", now())
    release_class = changes.pop("release_class", None)
    old: dict[str, Any] = {
        "kpi": KPI,
        "case": CASE,
        "conditions": {"frame_bytes": 64},
        "generator": "TRex 3.08.4",
        "unit": "pps",
        "value": value,
        "low": value - off,
        "high": value + off,
    }
    return PastRun(
        run=f"run-{number}",
        record=f"{number:064}",
        finished=f"2026-11-{number:02}T10:00:00+00:00",
        stream="opco-ru",
        release_class=release_class,
        circumstances=then,
        measurements=(PastMeasurement.model_validate(old | changes),),
    )


def baselines(*runs: PastRun, last: int = 3, here: Circumstances | None = None, **more: Any) -> Baselines:
    """Of runs, the newest first."""
    history = History(folder="reports", last=last, accepted=len(runs), looked_at=len(runs), runs=runs)
    return Baselines(history, here or now(), "opco-ru", **more)


def found(*runs: PastRun, **more: Any) -> Baseline:
    baseline = baselines(*runs, **more).of(measured())
    assert isinstance(baseline, Baseline), baseline
    return baseline


def reason(*runs: PastRun, of: Measurement | None = None, **more: Any) -> str:
    none = baselines(*runs, **more).of(of or measured())
    assert isinstance(none, NoBaseline), none
    return none.reason


def test_one_record_is_its_own_median() -> None:
    baseline = found(run(1, 100, 2))
    assert (baseline.low, baseline.value, baseline.high) == (98, 100, 102)
    assert [each.run for each in baseline.of] == ["run-1"]
    assert (baseline.unit, baseline.conditions) == ("pps", {"frame_bytes": 64})


def test_the_median_of_the_last_so_many() -> None:
    runs = [run(day, value, 1) for day, value in ((5, 104), (4, 90), (3, 102), (2, 500), (1, 500))]
    baseline = found(*runs)
    assert [each.run for each in baseline.of] == ["run-5", "run-4", "run-3"]
    assert baseline.value == 102
    assert (baseline.low, baseline.high) == (89, 105)  # all that three records leave open
    assert found(*runs, last=1).value == 104


def test_of_many_records_a_stray_one_is_not_in_the_interval() -> None:
    runs = [run(10 - n, value, 1) for n, value in enumerate((100, 101, 60, 99, 100, 102, 98, 100, 101))]
    baseline = found(*runs, last=9)
    assert baseline.value == 100
    assert (baseline.low, baseline.high) == (97, 102)  # the second smallest, the second largest: 96 % of nine


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 0.5)), min_size=1, max_size=9))
def test_the_interval_holds_the_median_wherever_in_their_intervals_the_truths_are(found_: Any) -> None:
    runs = [run(20 - n, value, value * share) for n, (value, share) in enumerate(found_)]
    baseline = found(*runs, last=9)
    assert baseline.low <= baseline.value <= baseline.high
    for share in (-1.0, -0.5, 0.5, 1.0):
        truths = sorted(value * (1 + share * off) for value, off in found_)
        middle = (truths[(len(truths) - 1) // 2] + truths[len(truths) // 2]) / 2
        assert baseline.low <= middle * (1 + 1e-9)
        assert baseline.high >= middle * (1 - 1e-9)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"conditions": {"frame_bytes": 512}}, "frame_bytes was 512 and is 64"),
        ({"conditions": {"frame_bytes": 64, "flows": 9}}, "flows was 9 and is not told"),
        ({"conditions": {}}, "frame_bytes was not told and is 64"),
        ({"unit": "bit/s"}, "unit was bit/s and is pps"),
        ({"case": "another.py::test_it"}, "test was another.py::test_it and is"),
        ({"generator": "TRex 3.06"}, "generator was TRex 3.06 and is TRex 3.08"),
        ({"generator": ""}, "generator was not told and is TRex 3.08"),
        ({"then": now(trial_seconds=2.0)}, "parameter trial_seconds was 2.0 and is 1.0"),
        ({"then": now({"leaf-1": FACTS["leaf-1"] | {"kernel": "6.2"}})}, "kernel of leaf-1 was 6.2 and is 6.1"),
        ({"then": now({"leaf-1": {}})}, "kernel of leaf-1 was not told and is 6.1; "),
        ({"then": now({**FACTS, "leaf-2": {"os": "12"}})}, "os of leaf-2 was 12 and is not told"),
        (
            {"then": now().model_copy(update={"inventory": "0" * 64})},
            "the inventory describes other hosts, links, ports or devices",
        ),
        ({"then": now().model_copy(update={"lab": "opco-kz"})}, "lab was opco-kz and is opco-ru"),
        (
            {"then": now().model_copy(update={"profiles": {"network": "physical-10g"}})},
            "profile was physical-10g and is software-switch",
        ),
    ],
)
def test_whatever_must_be_equal_and_is_not_is_told(other: dict[str, Any], told: str) -> None:
    said = reason(run(1, **other))
    assert said.startswith("record run-1 is not comparable: ")
    assert told in said


@pytest.mark.parametrize(
    "other",
    [
        {"then": now(repeats=9, repeats_max=99, frame_bytes=(64,), search_seconds_max=9.0)},
        {"then": now(fio_round_seconds=9.0)},  # of another domain
        {"then": now(imix={1518: 1, 594: 4, 64: 7})},  # the same in another order
        {"then": now({"leaf-1": FACTS["leaf-1"] | {"openssh": "9.1", "system": "Debian 12", "redfish": "silent"}})},
        {"then": now({"leaf-1": FACTS["leaf-1"] | {"memory": "16384000 kB"}})},
    ],
)
def test_what_may_differ(other: dict[str, Any]) -> None:
    assert found(run(1, **other)).value == 100


def test_every_parameter_that_may_differ_is_one() -> None:
    assert set(Parameters.model_fields) >= HOW_MUCH


def test_other_labels_and_owners_are_the_same_devices() -> None:
    lab = big_lab()
    told = lab.model_dump(by_alias=True, exclude_unset=True)
    other = lab.model_validate(told | {"title": "renamed", "owner": {"organisation": "X", "role": "hq"}})
    ports = told["traffic"] | {"ports": told["traffic"]["ports"] | {"tg1": {"attached_to": "leaf-1", "speed": 1e9}}}
    slower = lab.model_validate(told | {"traffic": ports})
    moved = lab.model_validate(told | {"networks": {"management": {"subnet": "10.0.0.0/24"}}})
    again = lab.model_validate(told | {"networks": {"management": {"subnet": "10.9.0.0/24"}}})
    assert Circumstances.of(moved, Parameters(), {}) == Circumstances.of(again, Parameters(), {})
    assert Circumstances.of(lab, Parameters(), {}) == Circumstances.of(other, Parameters(), {})
    assert Circumstances.of(lab, Parameters(), {}).inventory != Circumstances.of(slower, Parameters(), {}).inventory


def test_what_the_release_brings_may_differ() -> None:
    then = now({"leaf-1": FACTS["leaf-1"] | {"nic-firmware": "8.10"}})
    assert "nic-firmware" in reason(run(1, then=then))
    assert found(run(1, then=then), brought={("leaf-1", "nic-firmware")}).value == 100
    assert "nic-firmware" in reason(run(1, then=then), brought={("leaf-2", "nic-firmware")})


def unit(component: str) -> ReleaseUnit:
    change = {
        "component": component,
        "vendor": "V",
        "product": "P",
        "from": "1.1",
        "to": "1.2",
        "trigger": "host-os" if component == "host-os" else "firmware",
    }
    return ReleaseUnit.model_validate({"unit": "u", "type": "GA", "vendor": "V", "changes": [change]})


def test_a_release_brings_the_facts_of_what_it_changes_where_it_is() -> None:
    sources = {"nic": (FactSource(redfish="nic"), FactSource(ssh="nic-firmware")), "host-os": (FactSource(ssh="os"),)}
    assert brought_by(None, big_lab(), sources) == frozenset()
    assert brought_by(unit("nic"), big_lab(), sources) == {
        ("compute-2", "redfish nic"),
        ("compute-2", "nic-firmware"),
    }
    system = brought_by(unit("host-os"), big_lab(), sources)
    assert {host for host, _ in system} == {"compute-1", "compute-2"}
    assert {fact for _, fact in system} == {"os", "kernel", "nftables", "nic-driver", "cpu-microcode"}


def test_history_begins_with_the_last_major_release() -> None:
    runs = [run(4, 70), run(3, 71, release_class="major"), run(2, 100), run(1, 100)]
    assert [each.run for each in found(*runs).of] == ["run-4", "run-3"]
    elsewhere = [run(4, 70), run(3, 71, release_class="major", conditions={"frame_bytes": 512}), run(2, 100)]
    assert [each.run for each in found(*elsewhere).of] == ["run-4", "run-2"]


def test_before_a_major_release_nothing_counts_though_it_is_not_comparable_itself() -> None:
    major = run(3, 71, release_class="major", then=now({"leaf-1": {}}))
    assert "run-3" in reason(major, run(2, 100))


def test_no_baseline_says_why() -> None:
    assert Baselines(None, now(), "opco-ru").of(measured()) == NoBaseline(reason="no history was read")
    assert reason() == "there is no accepted record of lab opco-ru in reports"
    other = [run(day, kpi="network.loss.ratio") for day in (2, 1)]
    assert reason(*other[:1]) == "it is not in the accepted record of lab opco-ru in reports"
    assert reason(*other) == "it is not in the last 2 accepted records of lab opco-ru in reports"
    many = now({"leaf-1": {"a": "1", "b": "1", "c": "1", "d": "1", "e": "1"}})
    here = now({"leaf-1": {}})
    assert reason(run(1, then=many), here=here).endswith("c of leaf-1 was 1 and is not told and 2 more")


def test_a_trend_tells_what_changed_on_the_way() -> None:
    other = now({"leaf-1": FACTS["leaf-1"] | {"kernel": "6.0"}})
    (trend,) = trends([run(1, 100, then=other), run(2, 110), run(3, 99)])
    assert [point.measured.value for point in trend.points] == [100, 110, 99]
    assert [point.differs for point in trend.points] == [(), ("kernel of leaf-1 was 6.0 and is 6.1",), ()]
    assert trend.change == pytest.approx(-0.1)
    assert trends([run(1)], "network.loss.ratio") == ()
    assert len(trends([run(1), run(2, conditions={"frame_bytes": 512})])) == 2
