"""A test model as data: which KPIs are required of which class of device, and how to test (ITIL test model).

A rule is written once with its bounds in words and units; `units.criteria` turns the rules into
the criteria of one lab's profile, with numbers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nfvcert.measure.kpi import Condition, Conditions, KpiName
from nfvcert.parts import Name, Part

__all__ = ["Criterion", "Parameters", "Rule", "Size", "TestModel"]

Bound = str | float | int | dict[Name, str | float | int]
"""`0.60 Mpps` for all profiles, or profile → bound."""
Size = Literal["small", "medium", "large"]


class Rule(Part):
    """A criterion as a person writes it."""

    kpi: KpiName
    where: dict[str, Condition | tuple[Condition, ...]] = {}
    """Conditions of the measurement; a list stands for one criterion each."""
    at_least: Bound | None = None
    at_most: Bound | None = None
    applies_to: Literal["l2", "l3"] | None = None
    """Only for devices that forward so; others are shown as not applicable."""
    required_for: tuple[Size, ...] = ("small", "medium", "large")
    source: str

    @model_validator(mode="after")
    def _can_fail(self) -> Rule:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a criterion needs at_least or at_most: a bound that cannot fail does not exist")
        return self


class Parameters(Part):
    """How the suites test: durations in seconds, sizes in bytes. What a test reads here is in the record."""

    frame_bytes: tuple[Annotated[int, Field(ge=64, le=9216)], ...] = (64, 512, 1518)
    flows: int = Field(default=1, ge=1, le=10_000)
    search: Literal["mlrsearch", "binary"] = "mlrsearch"
    trial_seconds: float = Field(default=1.0, gt=0, le=3600)
    search_seconds_max: float = Field(default=120.0, gt=0)
    search_width: float = Field(default=0.01, gt=0, lt=1)
    """Relative width at which a search ends."""
    duration_sum_seconds: float = Field(default=3.0, gt=0)
    """MLRsearch: seconds of trials that make a load a bound (RFC 9971)."""
    exceed_ratio: float = Field(default=0.5, ge=0, lt=1)
    pdr_loss_ratio: float = Field(default=0.005, gt=0, lt=1)
    min_load: float = Field(default=0.02, gt=0, lt=1)
    """Lowest load of a search, as a share of the line rate."""
    loss_curve: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
    latency_load: float = Field(default=0.5, gt=0, le=1)
    """Load of the latency tests, as a share of the non-drop rate (RFC 2544 §26.2; TST009 §11.3)."""
    latency_seconds: float = Field(default=2.0, gt=0)
    repeats: int = Field(default=3, ge=1, le=100)
    """Samples of a repeated measurement to begin with."""
    repeats_max: int = Field(default=9, ge=1, le=1000)
    """Samples at which an undecided criterion is given up as INCONCLUSIVE."""
    burst_seconds: float = Field(default=0.5, gt=0, le=60)
    """Longest back-to-back burst (RFC 2544 §26.4)."""
    soak_seconds: float = Field(default=20.0, gt=0)
    soak_load: float = Field(default=0.7, gt=0, le=1)
    """Load of the sustained test, as a share of the line rate."""
    soak_slice_seconds: float = Field(default=2.0, gt=0)
    """Length of the trials that make up the sustained test: the resolution of its curve."""
    both_ways_load: float = Field(default=0.3, gt=0, le=1)
    """Load of each direction while both carry traffic, as a share of the line rate (RFC 2544 §14)."""
    failover_repeats: int = Field(default=3, ge=1, le=100)
    failover_rate: float = Field(default=0.1, gt=0, le=1)
    """Load while a link is taken away, as a share of the line rate."""

    @model_validator(mode="after")
    def _budget(self) -> Parameters:
        if self.repeats_max < self.repeats:
            raise ValueError(f"repeats_max {self.repeats_max} is less than repeats {self.repeats}")
        if self.duration_sum_seconds < self.trial_seconds:
            raise ValueError(
                f"duration_sum_seconds {self.duration_sum_seconds:g} is less than trial_seconds {self.trial_seconds:g}"
            )
        return self


class TestModel(Part):
    """A versioned set of criteria and the parameters to test them with."""

    __test__ = False  # pytest: this is no test class

    model: Name
    version: str
    domain: Literal["compute", "storage", "network", "vim", "vnf"]
    title: str
    profiles: dict[Name, str] = Field(min_length=1)
    """Class of device → what it is."""
    parameters: Parameters = Parameters()
    criteria: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _profiles_are_known(self) -> TestModel:
        for rule in self.criteria:
            for bound in (rule.at_least, rule.at_most):
                if isinstance(bound, dict):
                    for profile in bound:
                        if profile not in self.profiles:
                            raise ValueError(
                                f"a bound of {rule.kpi} is for profile {profile!r}, which the model does not declare "
                                f"(it has: {', '.join(self.profiles)})"
                            )
        return self


class Criterion(Part):
    """A required bound on a KPI for one profile: numbers in the KPI's unit."""

    kpi: KpiName
    where: Conditions = {}
    at_least: float | None = None
    at_most: float | None = None
    unit: str
    as_written: str
    """The bound in its author's words, such as ≥ 0.60 Mpps."""
    applies: bool = True
    """False where the lab's device is not of the kind that the rule is for."""
    source: str

    @property
    def subject(self) -> str:
        """`network.throughput.ndr{frame_bytes=64}`."""
        inner = ",".join(f"{name}={value}" for name, value in self.where.items())
        return f"{self.kpi}{{{inner}}}" if inner else self.kpi
