"""Test models of several domains that judge one stream together: what any of them asks for is asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nfvcert.measure.kpi import Kpi
from nfvcert.testmodel import (
    DEPTHS,
    SHARED_PARAMETERS,
    SIZES,
    Criterion,
    Depth,
    Parameters,
    ReleaseClass,
    Size,
    SizeRules,
    TestModel,
    parameter_domain,
)
from nfvcert.units import criteria

__all__ = ["JointModel", "criteria_of", "join"]


class JointModel(TestModel):
    """Several models as one. Made by `join`, of models that were checked one by one."""

    __test__ = False  # pytest: this is no test class

    parts: tuple[TestModel, ...]

    @property
    def members(self) -> tuple[TestModel, ...]:
        """The models that it is made of, one a domain."""
        return self.parts

    @property
    def based_on(self) -> str:
        """What its members lie over, where they are overlays."""
        return ", ".join(member.based_on for member in self.parts if member.based_on)

    def rules_for(self, size: Size) -> SizeRules:
        """The widest radius, all mandatory KPIs, and the fewest components that may stay untested."""
        rules = [member.rules_for(size) for member in self.parts]
        return SizeRules(
            radius=max(each.radius for each in rules),
            mandatory=tuple(kpi for each in rules for kpi in each.mandatory),
            integration=tuple(kpi for each in rules for kpi in each.integration),
            untested_at_most=min(each.untested_at_most for each in rules),
        )

    def depth_for(self, size: Size, release_class: ReleaseClass) -> Depth | None:
        """The deepest that any member asks for."""
        asked = [member.depth_for(size, release_class) for member in self.parts]
        return max((each for each in asked if each is not None), key=DEPTHS.index, default=None)

    def parameters_at(self, depth: Depth | None) -> Parameters:
        """Those of each domain as its own model has them at the depth; of what they share, the most."""
        found = {
            member.domain: member.parameters_at(depth if depth in member.depths else None) for member in self.parts
        }
        values: dict[str, Any] = {}
        for name in Parameters.model_fields:
            if name in SHARED_PARAMETERS:
                values[name] = max(getattr(each, name) for each in found.values())
            elif (domain := parameter_domain(name)) in found:
                values[name] = getattr(found[domain], name)
        return Parameters.model_validate(values)


def join(models: Sequence[TestModel]) -> TestModel:
    """Models of different domains as one, in the order of their domains; a single one as it is.

    Raises ValueError for none, or for two of one domain.
    """
    ordered = sorted(models, key=lambda model: model.domain)
    if not ordered or len({model.domain for model in ordered}) < len(ordered):
        raise ValueError("a stream is judged by one test model of each domain, and by one at least")
    if len(ordered) == 1:
        return ordered[0]
    versions = list(dict.fromkeys(model.version for model in ordered))
    joint = JointModel.model_construct(
        model="+".join(model.model for model in ordered),
        version="+".join(versions),
        domain=ordered[0].domain,
        title="; ".join(model.title for model in ordered),
        profiles={},
        depths={depth: each for model in ordered for depth, each in model.depths.items()},
        sizes={size: each for size in SIZES for model in ordered if (each := model.sizes.get(size))},
        part_valid_days=min(model.part_valid_days for model in ordered),
        baseline_records=max(model.baseline_records for model in ordered),
        criteria=tuple(rule for model in ordered for rule in model.criteria),
        parts=tuple(ordered),
    )
    return joint.model_copy(update={"parameters": joint.parameters_at(None)})


def criteria_of(
    model: TestModel,
    kpis: Mapping[str, Kpi],
    profile_for: Callable[[TestModel], str],
    kinds: Collection[str] | None,
    size: Size | None = None,
) -> tuple[Criterion, ...]:
    """The criteria of each member for its own profile. Raises BoundProblem as `criteria`."""
    return tuple(
        criterion for member in model.members for criterion in criteria(member, kpis, profile_for(member), kinds, size)
    )
