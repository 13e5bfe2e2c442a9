"""Loss-bound search: the highest load that a device carries with no loss (NDR), little (PDR), or as much as asked for.

Two strategies, one injected measuring method: multiple loss ratio search by the MLRsearch library
(RFC 9971; ETSI GS NFV-TST 009 §12), and the plain binary search of RFC 2544 §26.1 with the loss
verification of TST009 §12.3.3. Loads are frames per second, durations seconds. The library is imported
when something is searched: it takes as long as all else that a suite imports.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nfvcert.errors import InvalidMeasurement
from nfvcert.measure.stats import Estimate
from nfvcert.testmodel import Parameters

__all__ = ["Counts", "NotConverged", "Throughput", "Trial", "binary_search", "mlrsearch", "search"]


@dataclass(frozen=True)
class Counts:
    """What a trial at one load did: frames sent, frames lost, and how long it took in all."""

    sent: int
    lost: int
    seconds: float

    @property
    def loss_ratio(self) -> float:
        """Lost / sent, 0…1."""
        return self.lost / self.sent if self.sent else 0.0


Measure = Callable[[float, float], Counts]
"""(load in fps, duration in s) → counts of one valid trial."""


@dataclass(frozen=True)
class Trial:
    """One step of a search."""

    load_fps: float
    seconds: float
    loss_ratio: float


@dataclass(frozen=True)
class Throughput:
    """The rates that were searched, with the bounds that the search left, in fps."""

    within: Mapping[float, Estimate]
    """Goal, a loss ratio 0…1 → the highest rate at which no more is lost."""
    pdr_loss_ratio: float
    trials: tuple[Trial, ...] = field(repr=False)

    @property
    def ndr(self) -> Estimate:
        """Non-drop rate."""
        return self.within[0.0]

    @property
    def pdr(self) -> Estimate:
        """Partial-drop rate."""
        return self.within[self.pdr_loss_ratio]


class NotConverged(InvalidMeasurement):
    """A search did not end within its time: nothing is known of the rate, but for the trials."""

    trials: tuple[Trial, ...] = ()


class _Trace:
    """Measures, and remembers every trial for the curve and for the search's budget."""

    def __init__(self, measure: Measure, seconds_max: float) -> None:
        self._measure = measure
        self._end = time.monotonic() + seconds_max
        self._seconds_max = seconds_max
        self.trials: list[Trial] = []

    def __call__(self, load: float, seconds: float) -> Counts:
        if late := self.late():
            raise self.unfinished(late)
        counts = self._measure(load, seconds)
        self.trials.append(Trial(load, seconds, counts.loss_ratio))
        return counts

    def late(self) -> str:
        """That the time is over, in words; empty while it is not."""
        return f"the search did not end within {self._seconds_max:g} s" if time.monotonic() > self._end else ""

    def unfinished(self, why: str) -> NotConverged:
        """The error that ends the search, with its trials."""
        last = ", ".join(f"{trial.load_fps:.0f} pps: {trial.loss_ratio:.3%} lost" for trial in self.trials[-5:])
        error = NotConverged(f"{why} ({len(self.trials)} trials, the last: {last or 'none'})")
        error.trials = tuple(self.trials)
        return error


def search(measure: Measure, max_load: float, parameters: Parameters) -> Throughput:
    """Search by the strategy that the test model names; ``max_load`` is the line rate in fps.

    Raises NotConverged, which has its trials, when the search does not end within its time.
    """
    strategy = {"mlrsearch": mlrsearch, "binary": binary_search}[parameters.search]
    return strategy(measure, max_load, parameters)


def mlrsearch(measure: Measure, max_load: float, parameters: Parameters) -> Throughput:
    """All goals in one multiple loss ratio search (RFC 9971)."""
    from MLRsearch import AbstractMeasurer, Config, MeasurementResult, MultipleLossRatioSearch, SearchGoal

    class Measurer(AbstractMeasurer):  # type: ignore[misc]  # the library has no types
        """The library's seam to our measuring method."""

        def measure(self, intended_duration: float, intended_load: float) -> MeasurementResult:
            counts = trace(intended_load, intended_duration)
            return MeasurementResult(
                intended_duration=intended_duration,
                intended_load=intended_load,
                offered_count=counts.sent,
                loss_count=counts.lost,
                duration_with_overheads=counts.seconds,
            )

    trace = _Trace(measure, parameters.search_seconds_max)
    goals = {
        loss_ratio: SearchGoal(
            loss_ratio=loss_ratio,
            exceed_ratio=parameters.exceed_ratio,
            relative_width=parameters.search_width,
            initial_trial_duration=parameters.trial_seconds,
            final_trial_duration=parameters.trial_seconds,
            duration_sum=parameters.duration_sum_seconds,
            fail_fast=False,
        )
        for loss_ratio in _goals(parameters)
    }
    config = Config()
    config.goals = list(goals.values())
    config.min_load = max_load * parameters.min_load  # first: a maximum below the library's own minimum is refused
    config.max_load = max_load
    config.search_duration_max = parameters.search_seconds_max
    config.warmup_duration = None
    try:
        results = MultipleLossRatioSearch(config).search(measurer=Measurer(), debug=lambda _: None)
    except RuntimeError as error:  # the library looks at the clock too, after a trial
        raise trace.unfinished(trace.late() or f"the search did not converge: {error}") from error
    within = {ratio: _estimate(results[goal], config.min_load, max_load) for ratio, goal in goals.items()}
    return Throughput(within, parameters.pdr_loss_ratio, tuple(trace.trials))


def _goals(parameters: Parameters) -> Sequence[float]:
    """Loss ratios, the strictest first."""
    return sorted({0.0, parameters.pdr_loss_ratio, *parameters.loss_goals})


def _estimate(result: Any, min_load: float, max_load: float) -> Estimate:
    """Bounds of the library → estimate of the load. No lower bound: even the lowest load lost too much.

    The load that was offered, as TST009 §11.2 has it and as a binary search finds it. What the library calls
    conditional throughput is what was forwarded of it.
    """
    lower = getattr(result, "relevant_lower_bound", None)
    upper = getattr(result, "relevant_upper_bound", None)
    if lower is None:
        return Estimate(0.0, 0.0, min_load, None)
    low = min(float(lower), max_load)
    return Estimate(low, low, float(upper) if upper is not None else low, None)


def binary_search(measure: Measure, max_load: float, parameters: Parameters) -> Throughput:
    """One goal after the other, each by halving the interval (RFC 2544 §26.1).

    A lossy trial is repeated once before it counts (TST009 §12.3.3): transient loss is not capacity.
    """
    trace = _Trace(measure, parameters.search_seconds_max)
    within = {loss_ratio: _bisect(trace, loss_ratio, max_load, parameters) for loss_ratio in _goals(parameters)}
    return Throughput(within, parameters.pdr_loss_ratio, tuple(trace.trials))


def _bisect(trace: _Trace, loss_ratio: float, max_load: float, parameters: Parameters) -> Estimate:
    def carries(load: float) -> bool:
        return any(trace(load, parameters.trial_seconds).loss_ratio <= loss_ratio for _ in range(2))

    if carries(max_load):
        return Estimate.exact(max_load)
    low, high = 0.0, max_load
    while high - low > parameters.search_width * max_load:
        load = (low + high) / 2
        if load < parameters.min_load * max_load:
            break
        if carries(load):
            low = load
        else:
            high = load
    return Estimate(low, low, high, None)
