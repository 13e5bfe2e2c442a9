"""A group's test model and what an operating company lays over it: it may add and tighten, never loosen.

    base      network 2026.1      failover ≤ 500 ms     p50 advisory
    overlay   network-ru          failover ≤ 300 ms     p50 required       → both hold, and the stricter decides
    overlay   network-xx          failover ≤ 900 ms                        → refused, with the line

`merged` compares before it merges, in numbers, for every class of device. So whatever is accepted under an overlay
is accepted under its base (a property test holds it to that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from nfvcert.measure.kpi import Condition, Kpi, KpiName
from nfvcert.parts import Contradiction, Name, Part, Text
from nfvcert.testmodel import (
    DEPTHS,
    SIDES,
    Bound,
    Depth,
    DepthByClass,
    DepthParameters,
    LabKind,
    ModelVersion,
    Parameters,
    ParameterValues,
    Rule,
    Side,
    Size,
    SizeRules,
    State,
    TestModel,
    looser_parameters,
)
from nfvcert.units import UNITS, BoundProblem, convert, criteria, each_where

__all__ = ["LayeredModel", "Overlay", "OverlayRule", "OverlaySize", "merged"]

STRENGTH: tuple[State, ...] = ("removed", "advisory", "deprecated", "required")
"""The weakest first."""


class OverlayRule(Part):
    """A criterion of its own, or what is stricter in one of the base (the same KPI under the same conditions)."""

    kpi: KpiName
    where: dict[str, Condition | tuple[Condition, ...]] = {}
    """Conditions of the measurement; a list stands for one criterion each."""
    at_least: Bound | None = None
    at_most: Bound | None = None
    """As in the base; a mapping may name some profiles and leave the others as they are."""
    not_worse_than_baseline_by: Bound | None = None
    """Likewise; less is stricter."""
    applies_to: LabKind | None = None
    required_for: Annotated[tuple[Size, ...], Field(min_length=1)] | None = None
    state: State | None = None
    removed_in: ModelVersion | None = None
    source: Text | None = None


class OverlaySize(Part):
    """What is more for a size of releases; what it leaves out is as in the base."""

    radius: int | None = Field(default=None, ge=0)
    depth: Depth | DepthByClass | None = None
    mandatory: tuple[KpiName, ...] | None = None
    """All of them, those of the base too."""
    integration: tuple[KpiName, ...] | None = None
    """Likewise."""
    untested_at_most: int | None = Field(default=None, ge=0)


class Overlay(Part):
    """An operating company's test model: the group's, with what it adds and tightens.

    It brings no classes of devices: their bounds would be its own, and the group's would bind no lab that names one.
    """

    model: Name
    """Its own name."""
    overlays: Name
    """The group's model."""
    base_version: ModelVersion
    """The version of the group's model that it was written for."""
    version: ModelVersion
    title: Text | None = None
    parameters: ParameterValues | None = None
    depths: dict[Depth, DepthParameters] = {}
    sizes: dict[Size, OverlaySize] = {}
    part_valid_days: int | None = Field(default=None, ge=1)
    criteria: tuple[OverlayRule, ...] = ()


class LayeredModel(TestModel):
    """A test model that is an overlay together with its base."""

    base: TestModel
    """What it lies over."""

    @property
    def based_on(self) -> str:
        """Name and version of the base."""
        return f"{self.base.model} {self.base.version}"


def merged(base: TestModel, overlay: Overlay, kpis: Mapping[str, Kpi]) -> LayeredModel:
    """The model that an overlay makes of its base.

    Raises Contradiction, its key within the overlay, for whatever is looser than the base, and for what is wrong in
    the overlay by itself.
    """
    _refuse(_of_names(base, overlay))
    rules = _Rules(base, overlay, kpis)
    _refuse(rules.contradictions)
    try:
        parameters = _parameters(base.parameters, overlay.parameters)
    except ValidationError as error:
        raise _contradiction_of(error, ("parameters",)) from error
    try:
        model = _assembled(base, overlay, parameters, rules.rules)
    except ValidationError as error:
        raise _contradiction_of(error) from error
    _refuse(_loosenings(base, overlay, model))
    for profile in model.profiles:
        try:
            criteria(model, kpis, profile, None)
        except BoundProblem as error:
            kpi = model.criteria[int(error.key[1])].kpi
            raise Contradiction(("criteria",), f"{kpi} has {error.found}; expected {error.expected}") from error
    return model


def _refuse(contradictions: Iterable[Contradiction]) -> None:
    if found := tuple(contradictions):
        raise found[0].followed_by(found[1:])


def _of_names(base: TestModel, overlay: Overlay) -> Iterable[Contradiction]:
    if overlay.model == base.model:
        yield Contradiction(("model",), f"{base.model} is the name of what it overlays: an overlay has one of its own")
    if overlay.base_version != base.version:
        problem = f"it was written for version {overlay.base_version} of {base.model}, which is at {base.version} now"
        yield Contradiction(("base_version",), problem)


class _Rules:
    """The base's rules, each for one set of conditions, with the overlay's merged into them or added."""

    def __init__(self, base: TestModel, overlay: Overlay, kpis: Mapping[str, Kpi]) -> None:
        self._base = base
        self._profiles = tuple(base.profiles)
        self._kpis = kpis
        self.rules = [
            rule.model_copy(update={"where": where}) for rule in base.criteria for where in each_where(rule.where)
        ]
        self._own = len(self.rules)
        """Index from which rules are the overlay's own."""
        self.contradictions: list[Contradiction] = []
        for index, rule in enumerate(overlay.criteria):
            self._take(index, rule)

    def _take(self, index: int, written: OverlayRule) -> None:
        at = ("criteria", index)
        kpi = self._kpis.get(written.kpi)
        if kpi is None or kpi.unit not in UNITS:
            problem = f"no KPI of the catalogue is named {written.kpi!r}"
            self.contradictions.append(Contradiction((*at, "kpi"), problem, found=written.kpi, choices=self._kpis))
            return
        if problems := [*self._unreadable(at, written, kpi.unit)]:
            self.contradictions += problems
            return
        for where in each_where(written.where):
            same = [
                place
                for place, rule in enumerate(self.rules[: self._own])
                if rule.kpi == written.kpi and rule.where == where and rule.state != "removed"
            ]
            if len(same) > 1:
                problem = f"{self._base.model} has {len(same)} criteria of {written.kpi} under these conditions"
                self.contradictions.append(Contradiction(at, f"{problem}: which one it tightens cannot be told"))
            elif same:
                self._tighten(at, same[0], written, kpi.unit)
            else:
                self._add(at, written, where)

    def _unreadable(self, at: tuple[str, int], written: OverlayRule, unit: str) -> Iterable[Contradiction]:
        for name in (name for name, values in written.where.items() if values == ()):
            yield Contradiction((*at, "where", name), "an empty list: no measurement could ever miss this criterion")
        for side in SIDES:
            bound = getattr(written, side)
            for profile, text in bound.items() if isinstance(bound, dict) else [(None, bound)]:
                key = (*at, side) if profile is None else (*at, side, profile)
                if profile is not None and profile not in self._profiles:
                    problem = f"no profile is named {profile!r} (there are: {', '.join(self._profiles)})"
                    yield Contradiction(key, problem, found=profile, choices=self._profiles)
                elif text is not None:
                    try:
                        convert(text, _unit_of(side, unit))
                    except ValueError as error:
                        yield Contradiction(key, str(error))

    def _add(self, at: tuple[str, int], written: OverlayRule, where: dict[str, Condition]) -> None:
        told = {name: getattr(written, name) for name in written.model_fields_set if name != "where"}
        if "source" not in told:
            problem = f"{self._base.model} has no such criterion, and a new one says where its bound is from"
            self.contradictions.append(Contradiction(at, f"{problem}: source is missing"))
            return
        try:
            self.rules.append(Rule.model_validate({**told, "where": where}))
        except ValidationError as error:
            self.contradictions.append(_contradiction_of(error, at))

    def _tighten(self, at: tuple[str, int], place: int, written: OverlayRule, unit: str) -> None:
        rule = self.rules[place]
        found = [*self._looser(at, rule, written, unit)]
        if found:
            self.contradictions += found
            return
        told: dict[str, Any] = {
            name: getattr(written, name)
            for name in ("applies_to", "required_for", "state", "removed_in", "source")
            if name in written.model_fields_set and (name == "applies_to" or getattr(written, name) is not None)
        }
        for side in SIDES:
            bound, before = getattr(written, side), getattr(rule, side)
            if isinstance(bound, dict) and before is not None:
                bound = self._by_profile(before) | bound
            elif isinstance(before, dict) and bound is not None:
                bound = dict.fromkeys(self._profiles, bound)
            told[side] = before if bound is None else bound
        try:
            self.rules[place] = Rule.model_validate({**rule.model_dump(), **told})
        except ValidationError as error:
            self.contradictions.append(_contradiction_of(error, at))

    def _by_profile(self, bound: Bound) -> dict[str, str | float | int]:
        return bound if isinstance(bound, dict) else dict.fromkeys(self._profiles, bound)

    def _looser(self, at: tuple[str, int], rule: Rule, written: OverlayRule, unit: str) -> Iterator[Contradiction]:
        theirs = f"in {self._base.model} {self._base.version}"
        for side in SIDES:
            before, bound = getattr(rule, side), getattr(written, side)
            if before is None or bound is None:
                continue
            base = self._by_profile(before)
            for profile, text in (bound if isinstance(bound, dict) else dict.fromkeys(base, bound)).items():
                if profile not in base:  # what bounds it now came from an earlier rule of the overlay
                    continue
                now, was = (convert(each, _unit_of(side, unit)) for each in (text, base[profile]))
                if (now < was) if side == "at_least" else (now > was):
                    key = (*at, side, profile) if isinstance(bound, dict) else (*at, side)
                    of = f" for {profile}" if isinstance(before, dict) else ""
                    told = f"{side} {text} is looser than {base[profile]}{of} {theirs}"
                    yield Contradiction(key, f"{rule.kpi}: {told}")
                    break
        if written.state is not None and STRENGTH.index(written.state) < STRENGTH.index(rule.state):
            yield Contradiction((*at, "state"), f"{rule.kpi} is {rule.state} {theirs}: {written.state} is less")
        wanted = written.required_for or rule.required_for
        if lacking := [size for size in rule.required_for if size not in wanted]:
            problem = f"{rule.kpi} is required for {', '.join(lacking)} releases {theirs}, and would be no more"
            yield Contradiction((*at, "required_for"), problem)
        if written.applies_to is not None and written.applies_to != rule.applies_to:
            problem = f"{rule.kpi} applies to {rule.applies_to or 'all'} devices {theirs}, and would not any more"
            yield Contradiction((*at, "applies_to"), problem)


def _unit_of(side: Side, unit: str) -> str:
    """What a bound is written in, for a KPI in a unit."""
    return "ratio" if side == "not_worse_than_baseline_by" else unit


def _assembled(base: TestModel, overlay: Overlay, parameters: Parameters, rules: Iterable[Rule]) -> LayeredModel:
    """The overlay's values over the base's. Raises ValidationError for what does not fit together."""
    depths = dict(base.depths)
    for depth, values in overlay.depths.items():
        before = depths.get(depth, DepthParameters())
        depths[depth] = before.model_copy(update=values.model_dump(exclude_none=True))
    sizes = dict(base.sizes)
    for size, more in overlay.sizes.items():
        told = {name: value for name in OverlaySize.model_fields if (value := getattr(more, name)) is not None}
        sizes[size] = base.rules_for(size).model_copy(update=told)
    return LayeredModel(
        base=base,
        model=overlay.model,
        version=overlay.version,
        domain=base.domain,
        title=overlay.title or f"{base.title} ({overlay.model})",
        profiles=base.profiles,
        parameters=parameters,
        depths=depths,
        sizes=sizes,
        part_valid_days=overlay.part_valid_days or base.part_valid_days,
        baseline_records=base.baseline_records,
        criteria=tuple(rules),
    )


def _parameters(base: Parameters, written: ParameterValues | None) -> Parameters:
    return Parameters.model_validate(base.model_dump() | (written.model_dump(exclude_unset=True) if written else {}))


def _loosenings(base: TestModel, overlay: Overlay, model: TestModel) -> Iterator[Contradiction]:
    """What the merged model asks less of than its base, besides criteria."""
    theirs = f"({base.model} {base.version})"
    for name, sentence in looser_parameters(base.parameters, model.parameters):
        yield Contradiction(("parameters", name), f"{sentence} {theirs}")
    for depth in base.depths:
        for name, sentence in looser_parameters(base.parameters_at(depth), model.parameters_at(depth)):
            yield Contradiction(("depths", depth, name), f"{sentence} {theirs}")
    if model.part_valid_days > base.part_valid_days:
        problem = f"parts would count for {model.part_valid_days} days, and count for {base.part_valid_days}"
        yield Contradiction(("part_valid_days",), f"{problem} {theirs}")
    for size in overlay.sizes:
        yield from _looser_size(base, model, size, theirs)


def _looser_size(base: TestModel, model: TestModel, size: Size, theirs: str) -> Iterator[Contradiction]:
    before, after = base.rules_for(size), model.rules_for(size)
    at = ("sizes", size)
    if after.radius < before.radius:
        yield Contradiction((*at, "radius"), f"{after.radius} steps are less than {before.radius} {theirs}")
    for name in ("mandatory", "integration"):
        if lacking := [kpi for kpi in getattr(before, name) if kpi not in getattr(after, name)]:
            yield Contradiction((*at, name), f"it lacks {', '.join(lacking)} {theirs}")
    if after.untested_at_most > before.untested_at_most:
        problem = f"{after.untested_at_most} untested components are more than {before.untested_at_most}"
        yield Contradiction((*at, "untested_at_most"), f"{problem} {theirs}")
    yield from _looser_depth(base, model, before, after, size, theirs)


def _looser_depth(
    base: TestModel, model: TestModel, before: SizeRules, after: SizeRules, size: Size, theirs: str
) -> Iterator[Contradiction]:
    at = ("sizes", size, "depth")
    classes: tuple[Literal["minor", "major"], ...] = ("minor", "major")
    for release_class in classes:
        was, now = before.depth_for(release_class), after.depth_for(release_class)
        if was is not None and now is not None and DEPTHS.index(now) < DEPTHS.index(was):
            yield Contradiction(at, f"{now} is less deep than {was} for {release_class} releases {theirs}")
            return
        for _, sentence in looser_parameters(base.parameters_at(was), model.parameters_at(now)):
            yield Contradiction(at, f"for {release_class} releases, {sentence} {theirs}")
            return


def _contradiction_of(error: ValidationError, at: tuple[str | int, ...] = ()) -> Contradiction:
    """What pydantic says of a merged model, as a contradiction of the overlay's file."""
    found = error.errors()[0]
    cause = found["ctx"].get("error") if "ctx" in found else None
    if isinstance(cause, Contradiction):
        # The merged criteria are counted otherwise than the file's.
        key = cause.key[:1] if cause.key[:1] == ("criteria",) else cause.key
        return Contradiction((*at, *key), str(cause), found=cause.found, choices=cause.choices)
    return Contradiction((*at, *found["loc"]), found["msg"].removeprefix("Value error, "))
