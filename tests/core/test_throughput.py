"""Both searches bracket the capacity of a simulated device, and give up in time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfvcert.errors import InvalidMeasurement
from nfvcert.measure.throughput import Counts, search
from nfvcert.testmodel import Parameters

LINE_RATE = 14_880.95
STRATEGIES = ("mlrsearch", "binary")


def device(capacity: float, loss: float = 0.0, seed: int = 1) -> Callable[[float, float], Counts]:
    """Forwards up to a capacity in fps, and besides loses each frame with a probability."""
    dice = random.Random(seed)

    def measure(load: float, seconds: float) -> Counts:
        sent = round(load * seconds)
        excess = max(0, sent - round(capacity * seconds))
        return Counts(
            sent, excess + sum(dice.random() < loss for _ in range(sent - excess)) if loss else excess, seconds
        )

    return measure


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=40, deadline=None)
@given(capacity=st.floats(min_value=400, max_value=14_000))
def test_the_bounds_bracket_the_capacity(strategy: str, capacity: float) -> None:
    parameters = Parameters.model_validate({"search": strategy})
    found = search(device(capacity), LINE_RATE, parameters)
    assert found.ndr.low <= capacity + 1
    assert found.ndr.high >= capacity - 1
    assert found.ndr.high - found.ndr.low <= 0.035 * LINE_RATE
    assert found.pdr.value >= found.ndr.low * 0.99


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_device_that_carries_everything_reaches_the_line_rate(strategy: str) -> None:
    found = search(device(1e9), LINE_RATE, Parameters.model_validate({"search": strategy}))
    assert found.ndr.low == pytest.approx(LINE_RATE, rel=1e-6)
    assert found.ndr.low == found.ndr.high


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_dead_device_has_no_rate(strategy: str) -> None:
    found = search(device(0), LINE_RATE, Parameters.model_validate({"search": strategy}))
    assert found.ndr.low == 0
    assert found.ndr.high < 0.06 * LINE_RATE


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_loss_of_one_in_a_thousand_costs_the_non_drop_rate_but_not_the_partial_one(strategy: str) -> None:
    found = search(device(1e9, loss=0.001), LINE_RATE, Parameters.model_validate({"search": strategy}))
    assert found.ndr.high < 0.5 * LINE_RATE
    assert found.pdr.low > 0.95 * LINE_RATE


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_out_of_time_is_inconclusive_with_its_curve(strategy: str) -> None:
    parameters = Parameters.model_validate({"search": strategy, "search_seconds_max": 1e-9})
    with pytest.raises(InvalidMeasurement, match="trials"):
        search(device(9000), LINE_RATE, parameters)


def test_every_trial_is_told() -> None:
    trials = []
    simulated = device(9000)

    def measure(load: float, seconds: float) -> Counts:
        trials.append(load)
        return simulated(load, seconds)

    found = search(measure, LINE_RATE, Parameters())
    assert [trial.load_fps for trial in found.trials] == trials
    assert len(trials) < 30


@pytest.mark.parametrize("line_rate", [14_880.95, 2349.6, 812.7, 137.6])
def test_slow_ports_are_searched_too(line_rate: float) -> None:
    assert search(device(1e9), line_rate, Parameters()).ndr.low == pytest.approx(line_rate, rel=1e-6)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_goals_of_the_model_are_searched_besides(strategy: str) -> None:
    parameters = Parameters.model_validate({"search": strategy, "loss_goals": [0.2, 0.005, 0.1]})
    found = search(device(9000), LINE_RATE, parameters)
    assert list(found.within) == [0.0, 0.005, 0.1, 0.2]
    # Of 10,000 a second, 1,000 exceed the capacity: a tenth is lost.
    assert found.within[0.1].value == pytest.approx(9000 / 0.9, rel=0.02)
    assert found.within[0.2].value == pytest.approx(9000 / 0.8, rel=0.02)
    assert found.pdr is found.within[0.005]
    assert found.ndr.value == pytest.approx(9000, rel=0.02)
