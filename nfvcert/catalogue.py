"""The component catalogue: every kind of thing that has releases, what it depends on, how its version is read.

A dependency says in which way a fault can travel. What runs on a thing suffers when that thing changes; who talks
to it, or manages it, does so in both directions: a new peer may break either end, and a managed thing its manager.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, RootModel, model_validator

from nfvcert.parts import Contradiction, Name, Part, Text

__all__ = [
    "Catalogue",
    "Component",
    "Dependency",
    "Domain",
    "FactSource",
    "Relation",
    "Step",
]

Domain: TypeAlias = Literal["compute", "storage", "network", "vim", "vnf", "mano", "environment"]
"""Suites are of the first five; `mano` are the managers and support systems above, `environment` is what one operates
and tests with.
"""
Relation: TypeAlias = Literal["runs-on", "talks-to", "managed-by"]
RELATIONS: Mapping[str, Relation] = {"runs_on": "runs-on", "talks_to": "talks-to", "managed_by": "managed-by"}


class FactSource(Part):
    """One way to read a component's version in a lab; exactly one of its keys is given."""

    ssh: Name | None = None
    """A fact that every host is asked for, such as `os`, `kernel`, `bios`."""
    package: Text | None = None
    """A package of the host's own package manager (dpkg, rpm)."""
    command: Text | None = None
    """A command of an appliance, of whose output ``pattern`` takes the version."""
    pattern: Text | None = None
    """A regular expression with one group."""
    redfish: Text | None = None
    """A firmware that the BMC tells: `bios`, `bmc`, `nic`, `disk-controller`, `cpld`, each of all such parts of a host;
    of one part alone `inventory ID`, as the Redfish FirmwareInventory calls it."""

    @model_validator(mode="after")
    def _one_way(self) -> FactSource:
        given = [name for name in ("ssh", "package", "command", "redfish") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("a source of facts is one of ssh, package, command (with pattern), redfish")
        if (self.command is None) != (self.pattern is None):
            raise ValueError("command and pattern go together")
        if self.pattern is not None:
            _check_pattern(self.pattern)
        return self

    @property
    def fact(self) -> str:
        """What it is called in a lab's fingerprint; another source has another name."""
        if self.ssh is not None:
            return self.ssh
        if self.package is not None:
            return f"package {self.package}"
        return f"redfish {self.redfish}" if self.redfish is not None else f"command {self.command}: {self.pattern}"


def _check_pattern(pattern: str) -> None:
    """Raises Contradiction for one that takes no version out of a text, or does not say which."""
    try:
        groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise Contradiction(("pattern",), f"no regular expression: {error}") from None
    if groups != 1:
        problem = f"one group ( ) is needed, around the version; it has {groups} (a group that is none: (?: ))"
        raise Contradiction(("pattern",), problem)


class Component(Part):
    """A kind of thing that has releases."""

    title: Text
    domain: Domain
    owner: Literal["hardware-vendor", "infrastructure-vendor", "vim-vendor", "sdn-vendor", "vnf-vendor", "group"]
    """Who releases it."""
    runs_on: tuple[Name, ...] = ()
    """What it cannot work without: a change there can break it."""
    talks_to: tuple[Name, ...] = ()
    """Its peers: a change at either end can break the other."""
    managed_by: tuple[Name, ...] = ()
    """Who configures and watches it: a change at either end can break the other."""
    facts: tuple[FactSource, ...] = ()
    """How its version is read in a lab, the best way first; none: a lab cannot tell it by itself."""

    def dependencies(self) -> Iterator[tuple[Relation, str]]:
        """(relation, other component), as declared."""
        for key, relation in RELATIONS.items():
            for other in getattr(self, key):
                yield relation, other


class Dependency(Part):
    """``component`` depends on ``on``."""

    component: Name
    relation: Relation
    on: Name

    def __str__(self) -> str:
        return f"{self.component} {self.relation} {self.on}"


class Step(Part):
    """One step from a changed component to one that it can break."""

    component: Name
    """The one that is reached."""
    via: Name
    """The one before it on the path."""
    dependency: Dependency
    """Why."""


class Catalogue(RootModel[dict[Name, Annotated[Component, Field()]]]):
    """Name → component. No dependency dangles, and what runs on what has no cycle."""

    model_config = {"frozen": True}

    @model_validator(mode="after")
    def _cross_checks(self) -> Catalogue:
        if found := tuple(_contradictions(self.root)):
            raise found[0].followed_by(found[1:])
        return self

    def __contains__(self, name: object) -> bool:
        return name in self.root

    def __getitem__(self, name: str) -> Component:
        return self.root[name]

    def __len__(self) -> int:
        return len(self.root)

    @property
    def components(self) -> Mapping[str, Component]:
        """Name → component."""
        return self.root

    def dependencies(self) -> Iterator[Dependency]:
        """All of them, in the order of the file."""
        for name, component in self.root.items():
            for relation, other in component.dependencies():
                yield Dependency(component=name, relation=relation, on=other)

    def reached(self, changed: Collection[str], radius: int) -> dict[str, tuple[Step, ...]]:
        """Component → the shortest path to it from one of ``changed``, for all within ``radius`` steps.

        A changed component has the empty path. Paths are the same whatever the order of ``changed``.
        Raises LookupError for a component in no catalogue.
        """
        for name in changed:
            if name not in self.root:
                raise LookupError(f"no component is named {name!r}")
        edges = self._breakable()
        paths: dict[str, tuple[Step, ...]] = dict.fromkeys(sorted(changed), ())
        waiting = deque(paths)
        while waiting:
            here = waiting.popleft()
            if len(paths[here]) == radius:
                continue
            for step in edges.get(here, ()):
                if step.component not in paths:
                    paths[step.component] = (*paths[here], step)
                    waiting.append(step.component)
        return paths

    def _breakable(self) -> dict[str, list[Step]]:
        """Component → steps to what a change of it can break, sorted."""
        found: dict[str, list[Step]] = {}
        for dependency in self.dependencies():
            here, there = dependency.component, dependency.on
            found.setdefault(there, []).append(Step(component=here, via=there, dependency=dependency))
            if dependency.relation != "runs-on":
                found.setdefault(here, []).append(Step(component=there, via=here, dependency=dependency))
        for steps in found.values():
            steps.sort(key=lambda step: step.component)
        return found


def _repeated(name: str, component: Component) -> Iterator[Contradiction]:
    for key in RELATIONS:
        others = getattr(component, key)
        for index, other in enumerate(others):
            if other in others[:index]:
                yield Contradiction((name, key, index), f"{other} is named twice")


def _contradictions(components: Mapping[str, Component]) -> Iterable[Contradiction]:
    for name, component in components.items():
        for key in RELATIONS:
            for index, other in enumerate(getattr(component, key)):
                if other not in components:
                    problem = f"no component is named {other!r}"
                    yield Contradiction((name, key, index), problem, found=other, choices=components)
                elif other == name:
                    yield Contradiction((name, key, index), f"{name} depends on itself")
        yield from _repeated(name, component)
    sorter = TopologicalSorter({name: component.runs_on for name, component in components.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        yield Contradiction((circle[0], "runs_on"), f"what runs on what goes round in a circle: {' → '.join(circle)}")
