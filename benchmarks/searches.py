"""What a search for the non-drop rate takes on the embedded lab, beside the search of RFC 2544."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.figures import ROOT, Figure, labs_of_its_own, summed
from nfvcert import embedded
from nfvcert.access import open_lab
from nfvcert.embedded.faults import seeded
from nfvcert.files import read_lab
from nfvcert.measure.throughput import Counts, Throughput, search
from nfvcert.measure.trial import TrafficPath, Trials
from nfvcert.testmodel import Parameters

FRAME_BYTES = 64
CAPPED_FPS = 12_000
"""Below the line rate: at a device that carries it, any search ends at once."""
WIDTH = 0.005
RFC_2544_TRIAL_S = 60.0
"""What RFC 2544 §24 asks a trial to last at least."""
TIMES = 10


def figures() -> Iterator[Figure]:
    """Time and spread of NDR and PDR within 0.5 %, and how many seconds of trials RFC 2544 would have taken for it."""
    with labs_of_its_own():
        lab = read_lab(ROOT / "lab_inventory/opco-ru.yaml")
        found = embedded.up(lab)
        access = open_lab(lab, on_completed=lambda *_: None)
        path = TrafficPath.of(lab)

        def measure(load_fps: float, seconds: float) -> Counts:
            result = trials.run(FRAME_BYTES, load_fps, seconds)
            return Counts(result.sent, result.lost, result.seconds)

        def searched(strategy: str) -> tuple[Throughput, float]:
            parameters = Parameters.model_validate(
                {"search": strategy, "search_width": WIDTH, "search_seconds_max": 300}
            )
            began = time.perf_counter()
            result = search(measure, path.line_rate_fps(FRAME_BYTES), parameters)
            return result, time.perf_counter() - began

        try:
            generator = access.generator()
            trials = Trials(generator, generator.calibrate(), path)
            with seeded(found, "rate-cap", fps=CAPPED_FPS, burst=20):
                runs = [searched("mlrsearch") for _ in range(TIMES)]
                binary, _ = searched("binary")
        finally:
            access.close()
            found.down()
    rates = [run.ndr.value for run, _ in runs]
    off = (max(rates) - min(rates)) / statistics.median(rates)
    own = [sum(trial.seconds for trial in run.trials) for run, _ in runs]
    theirs = len(binary.trials) * RFC_2544_TRIAL_S
    how = f"mlrsearch on opco-ru, a device that forwards {CAPPED_FPS:,} pps, {TIMES} runs"
    yield summed("NDR and PDR within 0.5 %", [seconds for _, seconds in runs], "s", 60.0, how)
    yield Figure("spread of the NDR of ten runs", off * 100, "%", 2.0, f"greatest less least, of their median; {how}")
    yield summed(
        "seconds of trials, as a share of RFC 2544's",
        [seconds / theirs for seconds in own],
        "",
        0.2,
        f"{how}; RFC 2544: {len(binary.trials)} trials of its search, counted as {RFC_2544_TRIAL_S:.0f} s each (§24)",
    )
