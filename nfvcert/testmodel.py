"""A test model as data: which KPIs are required of which class of device, and how to test (ITIL test model).

A rule is written once with its bounds in words and units; `units.criteria` turns the rules into
the criteria of one lab's profile, with numbers. The size of a release says how far its changes are
followed and how deep is tested; nothing of that falls as a release grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema, model_validator

from nfvcert.measure.kpi import Condition, Conditions, KpiName
from nfvcert.parts import Contradiction, GrownPart, Name, Part, Text

__all__ = [
    "AGAINST_BASELINE",
    "DEPTHS",
    "LAB_KINDS",
    "SHARED_PARAMETERS",
    "SIDES",
    "SIZES",
    "Bound",
    "Criterion",
    "Depth",
    "DepthByClass",
    "DepthParameters",
    "LabKind",
    "ModelVersion",
    "ParameterValues",
    "Parameters",
    "ReleaseClass",
    "Rule",
    "Side",
    "Size",
    "SizeRules",
    "State",
    "TestModel",
    "looser_parameters",
    "parameter_domain",
]

Bound: TypeAlias = str | float | int | dict[Name, str | float | int]
"""`0.60 Mpps` for all profiles, or profile → bound."""
Side: TypeAlias = Literal["at_least", "at_most", "not_worse_than_baseline_by"]
SIDES: tuple[Side, ...] = get_args(Side)
"""The keys of a rule that bound its KPI: two by themselves, the last by what was accepted before."""
Size: TypeAlias = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")
Depth: TypeAlias = Literal["sanity", "basic", "confident", "thorough"]
DEPTHS: tuple[Depth, ...] = ("sanity", "basic", "confident", "thorough")
"""The shallowest first."""
ReleaseClass: TypeAlias = Literal["minor", "major"]
LabKind: TypeAlias = Literal["l2", "l3", "cloud", "object-store", "object-quotas", "guests", "orchestration"]
LAB_KINDS: tuple[LabKind, ...] = get_args(LabKind)
"""What not every lab is or has: a device that forwards so, a cloud, one with an object store, and with quotas in it,
one whose servers are reached from a host, one that orchestrates."""
State: TypeAlias = Literal["advisory", "required", "deprecated", "removed"]
"""The life of a criterion. `advisory` is judged and shown and decides nothing; `deprecated` still decides, and may be
removed in a later version; `removed` is not applied, and stays in the file (after OpenStack's interop guidelines)."""


VERSION = r"[0-9A-Za-z]+([._-][0-9A-Za-z]+)*"


def _model_version(value: str) -> str:
    if not re.fullmatch(VERSION, value, re.ASCII) or len(value) > 40:
        raise ValueError("a model's version has letters and digits with single inner . - _, 40 characters at most")
    return value


ModelVersion = Annotated[
    str,
    AfterValidator(_model_version),
    WithJsonSchema({"type": "string", "pattern": f"^{VERSION}$", "minLength": 1}),
]


class Rule(Part):
    """A criterion as a person writes it."""

    kpi: KpiName
    where: dict[str, Condition | tuple[Condition, ...]] = {}
    """Conditions of the measurement; a list stands for one criterion each."""
    at_least: Bound | None = None
    at_most: Bound | None = None
    not_worse_than_baseline_by: Bound | None = None
    """`5 %`: how much worse than what was accepted before in the same lab under the same conditions."""
    applies_to: LabKind | None = None
    """Only for labs whose device forwards so, or that have it; for others it is shown as not applicable."""
    required_for: Annotated[tuple[Size, ...], Field(min_length=1)] = SIZES
    """Sizes of releases; for smaller ones it is advisory."""
    state: State = "required"
    removed_in: ModelVersion | None = None
    """Version of the model since which it is not applied."""
    source: str
    """Standard and clause, or where the bound is from."""

    @model_validator(mode="after")
    def _can_fail(self) -> Rule:
        if all(getattr(self, side) is None for side in SIDES):
            raise ValueError(f"a criterion needs one of {', '.join(SIDES)}: a bound that cannot fail does not exist")
        for name, values in self.where.items():
            if values == ():
                raise Contradiction(("where", name), "an empty list: no measurement could ever miss this criterion")
        return self

    @model_validator(mode="after")
    def _grows_with_the_release(self) -> Rule:
        smallest = min(map(SIZES.index, self.required_for))
        if lacking := [size for size in SIZES[smallest:] if size not in self.required_for]:
            problem = f"required for {SIZES[smallest]} releases and not for {lacking[0]}: more is never less required"
            raise Contradiction(("required_for",), problem)
        return self

    @model_validator(mode="after")
    def _removal_is_told(self) -> Rule:
        if self.state == "removed" and self.removed_in is None:
            raise Contradiction(("state",), "a removed criterion says since when: removed_in: VERSION is missing")
        if self.state != "removed" and self.removed_in is not None:
            raise Contradiction(("removed_in",), f"only a removed criterion has it, and this one is {self.state}")
        return self

    @property
    def bounds_alone(self) -> bool:
        """Whether it has a bound of its own, besides what was accepted before."""
        return self.at_least is not None or self.at_most is not None

    def state_for(self, size: Size | None) -> State:
        """Its state for releases of a size: what is not required for them is advisory. None: of no release."""
        if size is None or size in self.required_for or self.state == "removed":
            return self.state
        return "advisory"


class ParameterValues(Part):
    """The parameters one by one; `Parameters` are those that fit each other."""

    frame_bytes: tuple[Annotated[int, Field(ge=64, le=9216)], ...] = (64, 512, 1518)
    imix: dict[Annotated[int, Field(ge=64, le=9216)], Annotated[int, Field(ge=1)]] = Field(
        default={64: 7, 594: 4, 1518: 1}, min_length=1
    )
    """Size of frames → how many of them are in a mix (the simple IMIX)."""
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
    loss_goals: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Further loss ratios to search the highest load for, in the same search (RFC 9971)."""
    min_load: float = Field(default=0.02, gt=0, lt=1)
    """Lowest load of a search, as a share of the line rate."""
    loss_curve: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
    latency_load: float = Field(default=0.5, gt=0, le=1)
    """Load of the latency tests, as a share of the non-drop rate (RFC 2544 §26.2; TST009 §11.3)."""
    latency_curve: tuple[Annotated[float, Field(gt=0, le=1)], ...] = ()
    """Further loads at which they measure, as shares of the non-drop rate."""
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
    """Length of the windows that the sustained test is told by: the resolution of its curve."""
    both_ways_load: float = Field(default=0.3, gt=0, le=1)
    """Load of each direction while both carry traffic, as a share of the line rate (RFC 2544 §14)."""
    many_flows: int = Field(default=2000, ge=1, le=10_000)
    """Flows of the test that looks for a full table; in turn, so none of them may be lost."""
    many_flows_load: float = Field(default=0.5, gt=0, le=1)
    """Load of all of them together, as a share of the line rate."""
    failover_repeats: int = Field(default=3, ge=1, le=100)
    failover_rate: float = Field(default=0.1, gt=0, le=1)
    """Load while a link is taken away, as a share of the line rate."""
    overload_load: float = Field(default=1.0, gt=0, le=1)
    """Load that is too much for a device, as a share of the line rate (RFC 2544 §26.5)."""
    overload_seconds: float = Field(default=2.0, gt=0)
    after_overload_load: float = Field(default=0.3, gt=0, le=1)
    """Load from then on, which it must carry, as a share of the line rate."""
    after_overload_seconds: float = Field(default=2.0, gt=0)
    api_requests: int = Field(default=20, ge=5, le=10_000)
    """Samples of the response time of each operation of an API."""
    api_concurrency: tuple[Annotated[int, Field(ge=1, le=500)], ...] = (1, 10)
    """At how many requests at once an API is measured."""
    api_servers: int = Field(default=3, ge=1, le=1000)
    """Servers whose time to ACTIVE is measured."""
    api_ready_seconds: float = Field(default=120.0, gt=0)
    """How long what is made in a cloud may take to be ready to use, where no criterion says."""
    interop_capabilities: tuple[Text, ...] = Field(default=("identity-v3-tokens-create",), min_length=1)
    """Capabilities of the interoperability guideline whose tests tempest runs; all among them: every required one."""
    interop_seconds_max: float = Field(default=300.0, gt=0)
    """How long tempest may take, and rally: what did not run by then is NOT_RUN."""
    rally_scenarios: tuple[Text, ...] = Field(default=("NovaFlavors.list_flavors",), min_length=1)
    """Scenarios that rally runs."""
    rally_iterations: int = Field(default=5, ge=1, le=100_000)
    """Iterations of each of rally's scenarios."""
    recovery_seconds_max: float = Field(default=60.0, gt=0)
    """How long a killed service of the control plane may be waited for."""
    object_requests: int = Field(default=10, ge=5, le=10_000)
    """Samples of the response time of each operation on objects."""
    object_concurrency: tuple[Annotated[int, Field(ge=1, le=500)], ...] = (1, 10)
    """At how many requests at once the object store is measured."""
    object_bytes: tuple[Annotated[int, Field(ge=1, le=1 << 30)], ...] = (4096, 1048576)
    """Sizes of the objects that it is measured with."""
    object_listed: int = Field(default=120, ge=20, le=100_000)
    """Objects of the container whose listing is read page by page."""
    object_listing_seconds_max: float = Field(default=30.0, gt=0)
    """How long is waited for a listing to show all that was stored."""
    volume_at_once: int = Field(default=6, ge=2, le=1000)
    """Volumes that are made, copied, extended and deleted at once."""
    volume_seconds_max: float = Field(default=60.0, gt=0)
    """How long is waited for a volume, or a snapshot, to be ready or gone."""
    compute_load_seconds: float = Field(default=2.0, ge=1, le=3600)
    """How long a host's processors, and its memory, are loaded for one measurement."""
    compute_wakeups: int = Field(default=1000, ge=100, le=10_000_000)
    """How often a thread of each processor sleeps for 1 ms, to see how late it wakes."""
    compute_bmc_requests: int = Field(default=12, ge=5, le=10_000)
    """How often a management controller is asked, twice a second."""
    fio_block_bytes: tuple[Annotated[int, Field(ge=512, le=16_777_216)], ...] = (4096,)
    """Blocks of random reads and writes."""
    fio_stream_block_bytes: tuple[Annotated[int, Field(ge=512, le=16_777_216)], ...] = (131_072,)
    """Blocks of sequential reads and writes."""
    fio_depths: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = (8,)
    """At how many operations at once storage is measured."""
    fio_round_seconds: float = Field(default=0.5, ge=0.1, le=3600)
    """Length of a round; the steady state is seen in rounds."""
    fio_window_rounds: int = Field(default=5, ge=5, le=1000)
    """Rounds of a window; all of one must be steady."""
    fio_windows_max: int = Field(default=4, ge=1, le=1000)
    """Windows after which storage that is not steady is given up as INCONCLUSIVE."""
    fio_fill_bytes_max: int = Field(default=10**15, ge=1_048_576)
    """How much of a target is filled before it is measured, at most."""
    fio_load_seconds: float = Field(default=3.0, ge=1, le=86_400)
    """How long reads and writes are mixed, to see errors and stalls."""
    storage_writer_seconds: float = Field(default=1.0, gt=0, le=3600)
    """How long a writer writes before it is killed."""


class Parameters(ParameterValues):
    """How the suites test: durations in seconds, sizes in bytes. What a test reads here is in the record."""

    @model_validator(mode="after")
    def _budget(self) -> Parameters:
        if self.repeats_max < self.repeats:
            raise ValueError(f"repeats_max {self.repeats_max} is less than repeats {self.repeats}")
        if self.duration_sum_seconds < self.trial_seconds:
            raise ValueError(
                f"duration_sum_seconds {self.duration_sum_seconds:g} is less than trial_seconds {self.trial_seconds:g}"
            )
        if self.overload_load <= self.after_overload_load:
            raise ValueError(
                f"overload_load {self.overload_load:g} is no more than after_overload_load {self.after_overload_load:g}"
            )
        return self


AGAINST_BASELINE = "against its baseline"
"""What follows the name of a criterion that compares."""


STRICTER: dict[str, Literal["more", "less", "superset"]] = {
    "frame_bytes": "superset",
    "loss_curve": "superset",
    "latency_curve": "superset",
    "loss_goals": "superset",
    "search_width": "less",
    "exceed_ratio": "less",
    "trial_seconds": "more",
    "search_seconds_max": "more",
    "duration_sum_seconds": "more",
    "latency_seconds": "more",
    "repeats": "more",
    "repeats_max": "more",
    "burst_seconds": "more",
    "soak_seconds": "more",
    "failover_repeats": "more",
    "overload_seconds": "more",
    "after_overload_seconds": "more",
    "api_requests": "more",
    "api_concurrency": "superset",
    "api_servers": "more",
    "interop_capabilities": "superset",
    "interop_seconds_max": "more",
    "rally_scenarios": "superset",
    "rally_iterations": "more",
    "object_requests": "more",
    "object_concurrency": "superset",
    "object_bytes": "superset",
    "object_listed": "more",
    "volume_at_once": "more",
    "compute_load_seconds": "more",
    "compute_wakeups": "more",
    "compute_bmc_requests": "more",
    "fio_block_bytes": "superset",
    "fio_stream_block_bytes": "superset",
    "fio_depths": "superset",
    "fio_round_seconds": "more",
    "fio_window_rounds": "more",
    "fio_windows_max": "more",
    "fio_fill_bytes_max": "more",
    "fio_load_seconds": "more",
    "storage_writer_seconds": "more",
}
"""Parameter → which way tests more. What is not here (a load, the number of flows) says what is measured, not how
thoroughly: two values of it are two questions, of which none is the stricter one."""


SHARED_PARAMETERS = frozenset({"repeats", "repeats_max"})
"""Of all domains."""


def parameter_domain(name: str) -> str:
    """The domain that a parameter is of, which is not shared."""
    if name.startswith("compute_"):
        return "compute"
    if name.startswith(("fio_", "storage_", "object_", "volume_")):
        return "storage"
    return "vim" if name.startswith(("api_", "recovery_", "interop_", "rally_")) else "network"


def looser_parameters(before: Parameters, after: Parameters) -> Iterator[tuple[str, str]]:
    """(name, sentence) of each parameter by which ``after`` tests less than ``before``, or something else."""
    for name in Parameters.model_fields:
        was, now = getattr(before, name), getattr(after, name)
        direction = STRICTER.get(name)
        if was == now:
            continue
        if direction is None:
            yield name, f"{name} {_told(now)}, where it is {_told(was)}: another question, not a stricter one"
        elif direction == "superset":
            if lacking := [each for each in was if each not in now and "all" not in now]:
                yield name, f"{name} lacks {_told(tuple(lacking))}"
        elif (now < was) == (direction == "more"):
            yield name, f"{name} {_told(now)} is {'less' if direction == 'more' else 'more'} than {_told(was)}"


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_told(each) for each in value)
    return f"{value:g}" if isinstance(value, int | float) else str(value)


class DepthParameters(Part):
    """Durations and repetition of one depth; what it leaves out is as in `parameters`."""

    trial_seconds: float | None = Field(default=None, gt=0, le=3600)
    search_seconds_max: float | None = Field(default=None, gt=0)
    duration_sum_seconds: float | None = Field(default=None, gt=0)
    latency_seconds: float | None = Field(default=None, gt=0)
    repeats: int | None = Field(default=None, ge=1, le=100)
    repeats_max: int | None = Field(default=None, ge=1, le=1000)
    burst_seconds: float | None = Field(default=None, gt=0, le=60)
    soak_seconds: float | None = Field(default=None, gt=0)
    failover_repeats: int | None = Field(default=None, ge=1, le=100)
    overload_seconds: float | None = Field(default=None, gt=0)
    after_overload_seconds: float | None = Field(default=None, gt=0)
    api_requests: int | None = Field(default=None, ge=5, le=10_000)
    api_concurrency: tuple[int, ...] | None = None
    api_servers: int | None = Field(default=None, ge=1, le=1000)
    interop_capabilities: tuple[Text, ...] | None = Field(default=None, min_length=1)
    interop_seconds_max: float | None = Field(default=None, gt=0)
    rally_scenarios: tuple[Text, ...] | None = Field(default=None, min_length=1)
    rally_iterations: int | None = Field(default=None, ge=1, le=100_000)
    object_requests: int | None = Field(default=None, ge=5, le=10_000)
    object_concurrency: tuple[int, ...] | None = None
    object_bytes: tuple[int, ...] | None = None
    object_listed: int | None = Field(default=None, ge=20, le=100_000)
    volume_at_once: int | None = Field(default=None, ge=2, le=1000)
    compute_load_seconds: float | None = Field(default=None, ge=1, le=3600)
    compute_wakeups: int | None = Field(default=None, ge=100, le=10_000_000)
    compute_bmc_requests: int | None = Field(default=None, ge=5, le=10_000)
    fio_block_bytes: tuple[int, ...] | None = None
    fio_stream_block_bytes: tuple[int, ...] | None = None
    fio_depths: tuple[int, ...] | None = None
    fio_round_seconds: float | None = Field(default=None, ge=0.1, le=3600)
    fio_window_rounds: int | None = Field(default=None, ge=5, le=1000)
    fio_windows_max: int | None = Field(default=None, ge=1, le=1000)
    fio_fill_bytes_max: int | None = Field(default=None, ge=1_048_576)
    fio_load_seconds: float | None = Field(default=None, ge=1, le=86_400)
    storage_writer_seconds: float | None = Field(default=None, gt=0, le=3600)


class DepthByClass(Part):
    """Depths of the two classes of releases: a minor one keeps the baseline, a major one needs a new one."""

    minor: Depth
    major: Depth


class SizeRules(Part):
    """What a model asks for of releases of one size."""

    radius: int = Field(ge=0)
    """Steps along the dependencies that a change is followed."""
    depth: Depth | DepthByClass | None = None
    """None: the model's `parameters` as they are."""
    mandatory: tuple[KpiName, ...] = ()
    """KPIs whose tests always run, whatever changed."""
    integration: tuple[KpiName, ...] = ()
    """KPIs whose tests still run where a release is made of certified parts."""
    untested_at_most: int = Field(default=0, ge=0)
    """Components that the release can break and no test covers, of which so many are accepted."""

    def depth_for(self, release_class: ReleaseClass) -> Depth | None:
        """The depth of a class of releases; None: the model's `parameters`."""
        if isinstance(self.depth, DepthByClass):
            return self.depth.minor if release_class == "minor" else self.depth.major
        return self.depth


WITHOUT_RULES: dict[Size, SizeRules] = {
    "small": SizeRules(radius=1),
    "medium": SizeRules(radius=2),
    "large": SizeRules(radius=3),
}
"""What holds for a size of which the model says nothing."""


class TestModel(Part):
    """A versioned set of criteria and the parameters to test them with."""

    __test__ = False  # pytest: this is no test class

    model: Name
    version: ModelVersion
    domain: Literal["compute", "storage", "network", "vim", "vnf"]
    title: str
    profiles: dict[Name, str] = Field(min_length=1)
    """Class of device → what it is."""
    parameters: Parameters = Parameters()
    depths: dict[Depth, DepthParameters] = {}
    """How much longer, and how often, is measured."""
    sizes: dict[Size, SizeRules] = {}
    """Size of a release → what is asked for."""
    part_valid_days: int = Field(default=180, ge=1)
    """How old the acceptance of a part may be for a larger release to build on it."""
    baseline_records: int = Field(default=3, ge=1, le=100)
    """Of how many accepted records, the last ones, the median is the baseline; of as many as there are until then."""
    criteria: tuple[Rule, ...] = Field(min_length=1)

    @property
    def based_on(self) -> str:
        """Name and version of the model that it is an overlay of; empty for one that stands alone."""
        return ""

    @property
    def members(self) -> tuple[TestModel, ...]:
        """The models that judge together: this one alone (see `joint`)."""
        return (self,)

    @property
    def domains(self) -> frozenset[str]:
        """The domains whose tests it judges."""
        return frozenset(member.domain for member in self.members)

    def depth_for(self, size: Size, release_class: ReleaseClass) -> Depth | None:
        """The depth of a size and class of releases; None: the `parameters` as they are."""
        return self.rules_for(size).depth_for(release_class)

    def rules_for(self, size: Size) -> SizeRules:
        """What is asked for of releases of a size."""
        return self.sizes.get(size, WITHOUT_RULES[size])

    def parameters_at(self, depth: Depth | None) -> Parameters:
        """The parameters at a depth that the model defines; None: those of no depth."""
        if depth is None:
            return self.parameters
        deeper = self.depths[depth].model_dump(exclude_none=True)
        return Parameters.model_validate(self.parameters.model_dump() | deeper)

    @model_validator(mode="after")
    def _profiles_are_known(self) -> TestModel:
        for index, rule in enumerate(self.criteria):
            for side in SIDES:
                bound = getattr(rule, side)
                for profile in bound if isinstance(bound, dict) else ():
                    if profile not in self.profiles:
                        raise Contradiction(
                            ("criteria", index, side, profile),
                            f"a bound of {rule.kpi} is for profile {profile!r}, which the model does not declare "
                            f"(it has: {', '.join(self.profiles)})",
                            found=profile,
                            choices=self.profiles,
                        )
        return self

    @model_validator(mode="after")
    def _requires_something(self) -> TestModel:
        if all(rule.state in ("advisory", "removed") for rule in self.criteria):
            raise Contradiction(("criteria",), "all of them are advisory or removed: a model that requires nothing")
        if not any(rule.bounds_alone for rule in self.criteria if rule.state not in ("advisory", "removed")):
            problem = "none of them has at_least or at_most: a model that requires nothing until there is a baseline"
            raise Contradiction(("criteria",), problem)
        return self

    @model_validator(mode="after")
    def _sizes_and_depths(self) -> TestModel:
        contradictions = tuple(_of_depths(self)) or tuple(_of_sizes(self))
        if contradictions:
            raise contradictions[0].followed_by(contradictions[1:])
        return self


def _of_depths(model: TestModel) -> Iterable[Contradiction]:
    for depth in model.depths:
        try:
            model.parameters_at(depth)
        except ValidationError as error:
            problem = error.errors()[0]["msg"].removeprefix("Value error, ")
            yield Contradiction(("depths", depth), f"together with parameters: {problem}")
            return
    defined = [depth for depth in DEPTHS if depth in model.depths]
    for shallower, deeper in pairwise(defined):
        for name, sentence in looser_parameters(model.parameters_at(shallower), model.parameters_at(deeper)):
            at = ("depths", deeper, name) if getattr(model.depths[deeper], name) is not None else ("depths", deeper)
            yield Contradiction(at, f"{deeper} is deeper than {shallower}, and its {sentence}")


def _of_sizes(model: TestModel) -> Iterable[Contradiction]:
    unknown = [*_unknown_in_sizes(model)]
    yield from unknown
    if unknown:
        return
    for smaller, larger in pairwise(SIZES):
        before, after = model.rules_for(smaller), model.rules_for(larger)
        if after.radius < before.radius:
            problem = f"{larger} releases are followed {after.radius} steps, and {smaller} ones {before.radius}"
            yield Contradiction(_key_of(model, smaller, larger, "radius"), problem)
        for name in ("mandatory", "integration"):
            if lacking := [kpi for kpi in getattr(before, name) if kpi not in getattr(after, name)]:
                problem = f"{', '.join(lacking)}: {name} for {smaller} releases and not for {larger} ones"
                yield Contradiction(_key_of(model, smaller, larger, name), problem)
        for release_class in ("minor", "major"):
            told = f"a {larger} {release_class} release", f"a {smaller} one"
            at = _key_of(model, smaller, larger, "depth")
            yield from _no_shallower(model, before.depth_for(release_class), after.depth_for(release_class), told, at)
    for size in SIZES:
        rules = model.rules_for(size)
        told = f"a {size} major release", "a minor one"
        at = _key_of(model, size, size, "depth")
        yield from _no_shallower(model, rules.depth_for("minor"), rules.depth_for("major"), told, at)


def _unknown_in_sizes(model: TestModel) -> Iterable[Contradiction]:
    kpis = list(dict.fromkeys(rule.kpi for rule in model.criteria if rule.state != "removed"))
    for size, rules in model.sizes.items():
        for depth in dict.fromkeys(rules.depth_for(each) for each in ("minor", "major")):
            if depth is not None and depth not in model.depths:
                problem = f"depth {depth} is defined nowhere: depths has {', '.join(model.depths) or 'none'}"
                yield Contradiction(("sizes", size, "depth"), problem)
        for name in ("mandatory", "integration"):
            for index, kpi in enumerate(getattr(rules, name)):
                if kpi not in kpis:
                    problem = f"no criterion asks for {kpi}, so none of its tests would run"
                    yield Contradiction(("sizes", size, name, index), problem, found=kpi, choices=kpis)


def _key_of(model: TestModel, smaller: Size, larger: Size, name: str) -> tuple[str, ...]:
    """Where a contradiction between two sizes is to be mended: a size that is not written has no line."""
    return "sizes", larger if larger in model.sizes else smaller, name


def _no_shallower(
    model: TestModel, before: Depth | None, after: Depth | None, told: tuple[str, str], at: tuple[str, ...]
) -> Iterable[Contradiction]:
    if before is not None and after is not None and DEPTHS.index(after) < DEPTHS.index(before):
        yield Contradiction(at, f"{told[0]} is tested {after}, and {told[1]} {before}")
        return
    for _, sentence in looser_parameters(model.parameters_at(before), model.parameters_at(after)):
        yield Contradiction(at, f"{told[0]} is tested less than {told[1]}: {sentence}")
        return


class Criterion(GrownPart):
    """A required bound on a KPI for one profile: numbers in the KPI's unit.

    It has bounds of its own, or it compares with a baseline: a rule that says both stands for two criteria.
    """

    later: ClassVar[frozenset[str]] = frozenset({"not_worse_than_baseline_by", "better"})
    kpi: KpiName
    where: Conditions = {}
    at_least: float | None = None
    at_most: float | None = None
    not_worse_than_baseline_by: float | None = None
    """Share of the baseline."""
    better: Literal["higher", "lower"] | None = None
    """Which way is better, of a criterion that compares with a baseline."""
    unit: str
    as_written: str
    """The bound in its author's words, such as ≥ 0.60 Mpps."""
    applies: bool = True
    """False where the lab's device is not of the kind that the rule is for."""
    state: Literal["advisory", "required", "deprecated"] = "required"
    note: str = ""
    """What its state means here; empty for one that is simply required."""
    source: str

    @property
    def decides(self) -> bool:
        """Whether a stream can be rejected or held for it."""
        return self.applies and self.state != "advisory"

    @property
    def subject(self) -> str:
        """Its name in sentences and waivers: as `named`, and `… against its baseline` where it compares with that."""
        return self.named if self.not_worse_than_baseline_by is None else f"{self.named} {AGAINST_BASELINE}"

    @property
    def named(self) -> str:
        """What is measured: `network.throughput.ndr{frame_bytes=64}`."""
        inner = ",".join(f"{name}={value}" for name, value in self.where.items())
        return f"{self.kpi}{{{inner}}}" if inner else self.kpi
