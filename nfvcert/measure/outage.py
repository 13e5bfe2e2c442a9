"""How long a service gave no answer, from probes at short intervals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nfvcert.measure.stats import Estimate

__all__ = ["Probe", "outage"]


@dataclass(frozen=True)
class Probe:
    """One question to a service."""

    asked: float
    """When it was asked, in seconds of one clock."""
    answered: float
    """When the answer, or the error, came."""
    ok: bool


def outage(probes: Sequence[Probe]) -> Estimate:
    """The longest time without an answer, in seconds: between the good probes on both sides of failed ones.

    Its interval: no shorter than from the first failed question to the last one, no longer than from the last good
    answer to the next one. No failure is an outage of 0 s, up to the longest time between two good answers.
    Raises ValueError for no probe, or where the last one failed: the end of the outage was not seen.
    """
    if not probes:
        raise ValueError("no probe was made")
    ordered = sorted(probes, key=lambda probe: probe.asked)
    if not ordered[-1].ok:
        raise ValueError("the service did not answer up to the end of the probes")
    good = [probe for probe in ordered if probe.ok]
    longest = max((after.answered - before.answered for before, after in pairwise(good)), default=0.0)
    worst = Estimate(0.0, 0.0, longest, None)
    before: Probe | None = None
    failed: list[Probe] = []
    for probe in ordered:
        if not probe.ok:
            failed.append(probe)
            continue
        if failed:
            began = before.answered if before else failed[0].asked
            lower = failed[-1].answered - failed[0].asked
            found = Estimate(probe.answered - began, lower, probe.answered - began, None)
            worst = max(worst, found, key=lambda each: each.value)
        before, failed = probe, []
    return worst
