"""A test as pytest found it: what it is called in every lab, what it measures, covers, needs and shares."""

from __future__ import annotations

from dataclasses import dataclass

from nfvcert.claims import Claim
from nfvcert.testmodel import Size

__all__ = ["CollectedTest", "case_of"]


@dataclass(frozen=True)
class CollectedTest:
    """A test as pytest found it, before anything was deselected."""

    test: str
    """Node id."""
    title: str
    """First line of its docstring."""
    domains: frozenset[str]
    measures: tuple[str, ...]
    case: str = ""
    """Its node id without the stream: what it is called in every lab."""
    needs: frozenset[str] = frozenset()
    """What not every lab is or has (`LAB_KINDS`), and a test cannot do without."""
    expected_seconds: float | None = None
    seconds_max_parameter: str = ""
    """The parameter of the test model that says how long what it does may take, if one does."""
    claims: tuple[Claim, ...] = ()
    shared_fixtures: frozenset[str] = frozenset()
    """Fixtures of a wider scope than the test that are set up for its stream: whoever shares one stays together."""
    destructive: bool = False
    frame_bytes: int | None = None
    """The size that it is parametrised for: another stream's model may have asked for it."""
    covers: frozenset[str] = frozenset()
    """Components whose faults it can find."""
    size: Size = "small"
    """The smallest release whose scope it is part of."""


def case_of(test: str, stream: str) -> str:
    """A node id without its stream: `test_x[opco-ru-64B]` → `test_x[64B]`, `test_x[opco-ru]` → `test_x`."""
    alone = f"[{stream}]"
    return test.removesuffix(alone) if test.endswith(alone) else test.replace(f"[{stream}-", "[", 1)
