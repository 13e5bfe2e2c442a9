"""Faults right at the bound: what is just inside may never be FAIL, what is just outside never PASS.

    python -m tests.faults.thresholds --times 20        # as root; prints the table of docs/faults.md

Here a certifier is wrong most easily. It may say that it does not know: INCONCLUSIVE is right on both sides.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nfvcert import embedded
from nfvcert.embedded.faults import seeded
from tests.certify import ROOT, certify, quick_model, up_alone
from tests.faults.catalogue import BOTH_WAYS, FLOWS, LOSS, NDR, P99, PDR, RECOVERY, SOAK, TAIL

__all__ = ["LIMITS", "Limit", "verdicts"]

SIDES = ("inside", "outside")
WRONG = {"inside": "FAIL", "outside": "PASS"}
NOT_INSIDE = "was not inside"
"""The machine was held up, and the fault with it: frames were later than asked for, and so than the bound."""
VERDICTS = ("PASS", "INCONCLUSIVE", "FAIL", "NOT_RUN", NOT_INSIDE)
"""NOT_RUN: the generator vouched for no measurement."""


@dataclass(frozen=True)
class Limit:
    """One fault on both sides of the bounds of some KPIs."""

    title: str
    fault: str
    kpis: tuple[str, ...]
    inside: Mapping[str, object]
    outside: Mapping[str, object]
    parameters: Mapping[str, object] = field(default_factory=dict)
    latest_s: float | None = None
    """Inside is where no frame is later than this."""


LIMITS = (
    Limit(
        "0.09 % and 0.11 % of the frames are lost",
        "loss",
        (LOSS, BOTH_WAYS, FLOWS),
        {"one_in": 1100},
        {"one_in": 900},
        {"trial_seconds": 2.0, "duration_sum_seconds": 2.0},
    ),
    Limit(
        "0.045 % and 0.056 % of the frames are lost",
        "loss",
        (SOAK,),
        {"one_in": 2200},
        {"one_in": 1800},
        {"soak_seconds": 8.0},
    ),
    Limit(
        "The device forwards 13,200 and 12,800 pps",
        "rate-cap",
        (NDR, PDR),
        {"fps": 13_200, "burst": 20},
        {"fps": 12_800, "burst": 20},
        {"search_width": 0.01},
    ),
    Limit(
        "3 frames of 10 take 28 and 32 ms more",
        "late-frames",
        (P99,),
        {"late_s": 0.028},
        {"late_s": 0.032},
    ),
    Limit(
        "Now and then all frames take 135 and 165 ms more",
        "latency-spikes",
        (TAIL,),
        {"late_s": 0.135, "every_s": 2.0},
        {"late_s": 0.165, "every_s": 2.0},
        {"soak_seconds": 4.0},
        latest_s=0.15,
    ),
    Limit(
        "Frames are lost until 160 and 240 ms after an overload",
        "slow-recovery",
        (RECOVERY,),
        {"for_s": 0.16},
        {"for_s": 0.24},
    ),
)


def verdicts(lab: embedded.EmbeddedLab, limit: Limit, side: str, where: Path) -> Iterator[tuple[str, str]]:
    """KPI and verdict of each criterion, in one run with the fault on one side of the bound."""
    model = quick_model(where, limit.kpis, **limit.parameters)
    with seeded(lab, limit.fault, **getattr(limit, side)) as fault:
        run = certify("opco-ru", model, where / "reports")
    late = side == "inside" and limit.latest_s is not None and getattr(fault, "latest_s", 0.0) > limit.latest_s
    for found in run.stream.judgement.criteria:
        yield found.criterion.kpi, NOT_INSIDE if late else found.verdict.value


def _main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--times", type=int, default=20)
    asked.add_argument(
        "--fault", choices=sorted({limit.fault for limit in LIMITS}), help="at the bounds of this one only"
    )
    given = asked.parse_args()
    times = given.times
    limits = [limit for limit in LIMITS if given.fault in (None, limit.fault)]
    found: Counter[tuple[str, str, str, str]] = Counter()
    began, runs = time.monotonic(), times * len(limits) * len(SIDES)
    with suppress(KeyboardInterrupt), up_alone(ROOT / "lab_inventory/opco-ru.yaml") as lab:  # what was found is told
        for number in range(runs):
            limit, side = limits[number // len(SIDES) % len(limits)], SIDES[number % len(SIDES)]
            with tempfile.TemporaryDirectory() as folder:
                for kpi, verdict in verdicts(lab, limit, side, Path(folder)):
                    found[limit.title, kpi, side, verdict] += 1
            left_s = (time.monotonic() - began) / (number + 1) * (runs - number - 1)
            sys.stderr.write(f"\r{number + 1} of {runs} runs, {left_s / 60:.0f} min left ")
    sys.stderr.write("\n")
    print("\n".join(_table(limits, found, times)))  # noqa: T201
    return int(any(verdict not in VERDICTS or verdict == WRONG[side] for _, _, side, verdict in found))


def _table(limits: Sequence[Limit], found: Counter[tuple[str, str, str, str]], times: int) -> Iterator[str]:
    yield f"| {times} runs each | KPI | just inside | just outside |"
    yield "|---|---|---|---|"
    for limit in limits:
        for kpi in limit.kpis:
            cells = [
                ", ".join(
                    f"{verdict} {count}" for verdict in VERDICTS if (count := found[limit.title, kpi, side, verdict])
                )
                for side in SIDES
            ]
            yield f"| {limit.title} | `{kpi}` | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(_main())
