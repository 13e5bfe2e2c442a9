"""What a lab has (resources), what a test needs of it (claims), and which resources it is given (needs). Pure.

A fixture carries its claims (`claims`), a marker of the same name adds to them. Every test of a lab
shares the lab and what its ``shares`` name; it has to itself what it claims ``exclusive``.
`allocate` answers with needs, or with a refusal that names the near-misses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Literal, TypeVar

from nfvcert.lab import Lab
from nfvcert.parts import Part, bits_per_second

__all__ = ["KINDS", "Claim", "Need", "Refusal", "Resource", "allocate", "claims", "claims_of", "resources_of"]

KINDS = ("lab", "host", "generator", "cloud", "quota", "shares")
"""Kinds of resource. `shares` are those that several labs have in common, such as this machine's processors."""

Wanted = str | int | float
Capability = float | str | tuple[str, ...]
Subject = TypeVar("Subject", bound=Callable[..., Any])


class Need(Part):
    """One resource that a test must have before it starts, and how."""

    resource: str
    """Its name within the run: `opco-ru/generator`; of a resource that labs share, its own: `machine`."""
    how: Literal["shared", "exclusive"] = "shared"
    amount: int = 0
    """Of a resource with a capacity: how much of it."""

    def __str__(self) -> str:
        return f"{self.resource} ({f'{self.amount} of it' if self.amount else self.how})"


@dataclass(frozen=True)
class Resource:
    """Something that a lab has and that tests compete for."""

    name: str
    kind: str
    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    """Numbers are minima to a claim; a text or a list of texts must be, or have, what is claimed."""
    capacity: int | None = None
    """How much there is of it; None where it is only shared or exclusive."""


@dataclass(frozen=True)
class Claim:
    """What a test needs: resources of a kind that have certain capabilities."""

    kind: str
    exclusive: bool = False
    every: bool = False
    """All resources that match, which may be none; else one, which must be there."""
    amount: int = 0
    where: Mapping[str, Wanted] = field(default_factory=dict)

    def __str__(self) -> str:
        wanted = [f"{name}{'≥' if _is_number(value) else '='}{value}" for name, value in self.where.items()]
        how = f"{self.amount} of a" if self.amount else "exclusively a" if self.exclusive else "a"
        return f"{how} {self.kind}{' with ' + ', '.join(wanted) if wanted else ''}"


@dataclass(frozen=True)
class Refusal:
    """A claim that a lab cannot meet, with what came near."""

    claim: Claim
    near_misses: tuple[str, ...]
    """A sentence for each resource of the kind: what it lacks."""

    def __str__(self) -> str:
        near = "; ".join(self.near_misses) or f"it has no {self.claim.kind} at all"
        return f"the lab cannot give {self.claim}: {near}"


def claims(
    kind: str, *, exclusive: bool = False, every: bool = False, amount: int = 0, **where: Wanted
) -> Callable[[Subject], Subject]:
    """Let a fixture carry a claim; stands below ``@pytest.fixture``. Arguments as the marker's of the same name.

    Raises ValueError for a claim that makes no sense, TypeError where it stands above ``@pytest.fixture``.
    """
    arguments = (kind,), {"exclusive": exclusive, "every": every, "amount": amount, **where}
    parse(*arguments)

    def carry(subject: Subject) -> Subject:
        if not isinstance(subject, FunctionType):  # on pytest's own object it would be lost, and nothing be locked
            raise TypeError(f"claims({kind!r}, …) stands below @pytest.fixture, next to the function")
        subject.__dict__.setdefault("nfvcert_claims", []).append(arguments)
        return subject

    return carry


def claims_of(subject: object) -> tuple[Claim, ...]:
    """The claims that a fixture's function carries, as arguments of `claims`."""
    return tuple(parse(args, kwargs) for args, kwargs in getattr(subject, "nfvcert_claims", ()))


def parse(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Claim:
    """A claim from the arguments of a marker. Raises ValueError with what is wrong."""
    if len(args) != 1 or args[0] not in KINDS:
        raise ValueError(f"claims(kind, …) takes one kind of resource, one of {', '.join(KINDS)}, not {args!r}")
    options: dict[str, Any] = {"exclusive": False, "every": False, "amount": 0}
    where = {}
    for name, value in kwargs.items():
        if name not in options:
            if not isinstance(value, str | int | float):
                raise ValueError(f"claims({args[0]!r}, {name}=…) takes a number or a text, not {value!r}")
            where[name] = value
        elif type(value) is not type(options[name]) or (name == "amount" and value < 0):
            raise ValueError(f"claims({args[0]!r}, {name}=…) cannot be {value!r}")
        else:
            options[name] = value
    if args[0] != "quota" and options["amount"]:
        raise ValueError(f"claims({args[0]!r}, amount=…): only a quota has an amount")
    if args[0] == "quota" and options["exclusive"] == bool(options["amount"]):
        raise ValueError("claims('quota', …) takes either amount=… or exclusive=True")
    if options["every"] and options["amount"]:
        raise ValueError("claims('quota', …) takes an amount of one quota, not of every=True")
    return Claim(args[0], where=where, **options)


def resources_of(lab: Lab) -> tuple[Resource, ...]:
    """What tests can compete for in a lab."""
    found = [Resource(lab.lab, "lab", {"environment": lab.environment, "profile": lab.profile})]
    for name, host in lab.hosts.items():
        capabilities: dict[str, Capability] = {"name": name, "roles": host.roles, "components": host.components}
        if host.storage:
            capabilities["storage"] = "scratch"
        if host.cpus:
            capabilities["cpus"] = host.cpus
        found.append(Resource(f"{lab.lab}/{name}", "host", capabilities))
    if lab.traffic:
        ports = lab.traffic.ports.values()
        found.append(
            Resource(
                f"{lab.lab}/generator",
                "generator",
                {
                    "driver": lab.traffic.generator,
                    "ports": len(ports),
                    "speed": min(port.speed for port in ports),
                    "tenants": len({port.tenant for port in ports}),
                },
            )
        )
    if lab.cloud:
        found.append(Resource(f"{lab.lab}/cloud", "cloud", {"name": lab.cloud.name}))
        for name, capacity in lab.cloud.quota.items():
            found.append(Resource(f"{lab.lab}/cloud/{name}", "quota", {"name": name}, capacity))
    found += [Resource(name, "shares", {"name": name}) for name in lab.shared]
    return tuple(found)


def allocate(
    wanted: Iterable[Claim], resources: Sequence[Resource], used: Counter[str] | None = None
) -> tuple[Need, ...] | Refusal:
    """Give a test what it claims; among several that match, the one least ``used`` so far, which is then counted.

    The lab and what it shares with others are always needed, shared at least. Of two claims on one
    resource the stronger counts; amounts add up.
    """
    used = Counter() if used is None else used
    needs: dict[str, Need] = {}
    everybodys = (Claim("lab"), Claim("shares", every=True))
    for claim in (*everybodys, *wanted):
        amounts = {name: need.amount for name, need in needs.items()}
        matching = [each for each in resources if each.kind == claim.kind and not _lacks(each, claim, amounts)]
        if not claim.every:
            if not matching:
                return Refusal(claim, tuple(_near_misses(claim, resources, amounts)))
            matching = [min(matching, key=lambda resource: used[resource.name])]
        for resource in matching:
            used[resource.name] += claim.exclusive or claim.amount
            needs[resource.name] = _stronger(needs.get(resource.name), claim, resource)
    return tuple(needs.values())


def _stronger(so_far: Need | None, claim: Claim, resource: Resource) -> Need:
    exclusive = claim.exclusive or (so_far is not None and so_far.how == "exclusive")
    amount = claim.amount + (so_far.amount if so_far else 0)
    return Need(resource=resource.name, how="exclusive" if exclusive else "shared", amount=0 if exclusive else amount)


def _near_misses(claim: Claim, resources: Iterable[Resource], amounts: Mapping[str, int]) -> Iterable[str]:
    for resource in resources:
        if resource.kind == claim.kind:
            yield f"{resource.name} has {', '.join(_lacks(resource, claim, amounts))}"


def _lacks(resource: Resource, claim: Claim, amounts: Mapping[str, int]) -> list[str]:
    """What keeps a resource from meeting a claim, as it has it: `ports=2`. Amounts are what the test has already."""
    lacking = []
    for name, wanted in claim.where.items():
        has = resource.capabilities.get(name)
        if has is None:
            lacking.append(f"no {name}")
        elif not _meets(has, wanted):
            lacking.append(f"{name}={', '.join(has) if isinstance(has, tuple) else has}")
    already = amounts.get(resource.name, 0)
    if claim.amount and claim.amount + already > (resource.capacity or 0):
        of_which = f", of which this test claims {already} already" if already else ""
        lacking.append(f"a capacity of {resource.capacity}{of_which}")
    return lacking


def _meets(has: Capability, wanted: Wanted) -> bool:
    if isinstance(has, str | tuple):
        return str(wanted) in ((has,) if isinstance(has, str) else has)
    try:
        return has >= float(bits_per_second(wanted))  # type: ignore[arg-type] # a number, or ValueError
    except ValueError:
        return False


def _is_number(value: Wanted) -> bool:
    return not isinstance(value, str) or value[:1].isdigit()
