"""How big a release unit is, and of which class: derived from its changes, with the reasons.

Size decides how much is tested, class whether the baseline holds. Both can only be too high: what cannot be told
counts as the higher one, and a person may raise them, never lower.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from nfvcert.catalogue import Catalogue
from nfvcert.parts import Part
from nfvcert.release import OF_TWO_PRODUCTS, Change, ReleaseUnit, Trigger
from nfvcert.testmodel import Size
from nfvcert.versions import compare, leading_number_changes

__all__ = ["ChangeClass", "DerivedClass", "DerivedSize", "class_of", "size_of"]

ChangeClass: TypeAlias = Literal["minor", "major"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")

# A minor release has no influence on performance, functionality or architecture, and needs no new baseline (slides,
# "Minor vs. major updates"). These triggers have such an influence by what they are, whatever the version says.
BASELINE_CHANGING: dict[Trigger, str] = {
    "upgrade": "an upgrade changes functionality or architecture",
    "hardware": "other hardware changes performance",
    "feature": "a feature changes functionality",
    "new-vnf": "a new VNF has no baseline",
}


class DerivedSize(Part):
    """A size and the sentences that explain it."""

    value: Size
    because: tuple[str, ...]


class DerivedClass(Part):
    """A class and the sentences that explain it, one a change first."""

    value: ChangeClass
    because: tuple[str, ...]


def size_of(unit: ReleaseUnit, catalogue: Catalogue) -> DerivedSize:
    """`small` one component, `medium` several of one domain, `large` several domains.

    Raises LookupError for a component in no catalogue.
    """
    domains: dict[str, list[str]] = {}
    for name in dict.fromkeys(change.component for change in unit.changes):
        if name not in catalogue:
            raise LookupError(f"no component is named {name!r}")
        domains.setdefault(catalogue[name].domain, []).append(name)
    count = sum(len(names) for names in domains.values())
    if count == 1:
        value: Size = "small"
        why = f"one component changes: {next(iter(domains.values()))[0]}"
    elif len(domains) == 1:
        value = "medium"
        domain, names = next(iter(domains.items()))
        why = f"{count} components of one domain change, {domain}: {', '.join(names)}"
    else:
        value = "large"
        told = "; ".join(f"{domain}: {', '.join(names)}" for domain, names in domains.items())
        why = f"{count} components of {len(domains)} domains change: {told}"
    because = [why]
    if unit.size_at_least is not None:
        higher = max(value, unit.size_at_least, key=SIZES.index)
        because.append(_raised(f"size_at_least: {unit.size_at_least}", value, higher))
        value = higher
    return DerivedSize(value=value, because=tuple(because))


def class_of(unit: ReleaseUnit) -> DerivedClass:
    """`major` if one change is: by its trigger, by the leading number of its version, or since nothing tells."""
    judged = [_class_of(change) for change in unit.changes]
    value: ChangeClass = "major" if any(each == "major" for each, _ in judged) else "minor"
    because = [why for _, why in judged]
    if unit.class_at_least is not None:
        because.append(_raised(f"class_at_least: {unit.class_at_least}", value, unit.class_at_least))
        value = unit.class_at_least
    return DerivedClass(value=value, because=tuple(because))


def _class_of(change: Change) -> tuple[ChangeClass, str]:
    name = f"{change.component} {change.product}"
    if change.trigger in BASELINE_CHANGING or change.from_version is None:
        why = BASELINE_CHANGING.get(change.trigger, "there was no version before")
        return "major", f"{name}: major, {why} (trigger {change.trigger})"
    before, after = change.from_version, change.to_version
    step = f"{before} → {after}"
    comparison = compare(before, after, change.version_scheme)
    if comparison.order is None:
        return "major", f"{name}: major, to be safe: {comparison.why}"
    if comparison.order != "newer" and change.trigger in OF_TWO_PRODUCTS:
        return "major", f"{name}: major, to be safe: {step} does not go up (trigger {change.trigger})"
    # A rollback crosses the same border as the step upwards.
    if leading_number_changes(before, after):
        return "major", f"{name}: major, {step} changes the leading release number"
    back = "a rollback, which counts as the same step upwards; " if comparison.order == "older" else ""
    return "minor", f"{name}: minor, {back}{step} keeps the leading release number (trigger {change.trigger})"


def _raised(key: str, derived: str, higher: str) -> str:
    return f"raised from {derived} by {key}" if higher != derived else f"{key} raises nothing: it is {derived} already"
