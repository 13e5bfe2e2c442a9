"""From one released version of a test model to the next: nothing that is required goes without being announced."""

from __future__ import annotations

from typing import Any

import pytest

from nfvcert.life_cycle import broken_steps
from nfvcert.testmodel import TestModel

OTHER = {"kpi": "network.failover.outage", "at_most": "1 s", "source": "s"}
NDR: dict[str, Any] = {
    "kpi": "network.throughput.ndr",
    "where": {"frame_bytes": [64, 512]},
    "at_least": "1 kpps",
    "source": "s",
}


def model(version: str, *rules: dict[str, Any]) -> TestModel:
    return TestModel.model_validate(
        {
            "model": "network",
            "version": version,
            "domain": "network",
            "title": "t",
            "profiles": {"soft": "a bridge"},
            "criteria": [OTHER, *rules],
        }
    )


def of_state(state: str) -> dict[str, Any]:
    return NDR | ({"state": state, "removed_in": "1"} if state == "removed" else {"state": state})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("advisory", "required"),
        ("advisory", "removed"),
        ("required", "required"),
        ("required", "deprecated"),
        ("deprecated", "required"),
        ("deprecated", "removed"),
        ("removed", "required"),
    ],
)
def test_a_step_of_its_life(before: str, after: str) -> None:
    assert broken_steps(model("1", of_state(before)), model("2", of_state(after))) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [("required", "removed"), ("required", "advisory"), ("deprecated", "advisory"), ("removed", "deprecated")],
)
def test_a_step_that_is_skipped(before: str, after: str) -> None:
    found = broken_steps(model("1", of_state(before)), model("2", of_state(after)))
    assert len(found) == 2  # one of each frame size
    assert found[0].startswith(f"network.throughput.ndr{{frame_bytes=64}} is {before} in 1, and {after} in 2")


@pytest.mark.parametrize("state", ["advisory", "required", "deprecated"])
def test_nothing_vanishes(state: str) -> None:
    (found,) = broken_steps(model("1", of_state(state)), model("2", {**NDR, "where": {"frame_bytes": 64}}))
    assert found == (
        f"network.throughput.ndr{{frame_bytes=512}} is {state} in 1, and is not in 2: "
        "a criterion that is removed stays there"
    )


def test_what_was_removed_may_vanish() -> None:
    assert broken_steps(model("1", of_state("removed")), model("2")) == ()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"required_for": ["large"]}, "for small releases of l2 devices"),
        ({"applies_to": "l2"}, "is not in 2 for small releases of l3 devices"),
    ],
)
def test_it_may_not_be_required_of_less(change: dict[str, Any], where: str) -> None:
    found = broken_steps(model("1", NDR), model("2", NDR | change))
    assert where in found[0]
    assert broken_steps(model("1", NDR | change), model("2", NDR)) == ()


def test_how_a_rule_is_written_does_not_matter() -> None:
    split = [{**NDR, "where": {"frame_bytes": size}} for size in (512, 64)]
    assert broken_steps(model("1", NDR), model("2", *split)) == ()
    assert broken_steps(model("1", *split), model("2", NDR)) == ()
