"""How long a device still loses frames after an overload, from the windows of a stream. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from nfvcert.errors import InvalidMeasurement
from nfvcert.measure.stats import Estimate
from nfvcert.protocols import Window

__all__ = ["A_DAY_S", "recovery"]

A_DAY_S = 86_400.0
"""The upper end of a time whose end was not seen: no bound is above it, so it can only fail or be undecided."""
_LOOKED_AT = 20
"""So many windows must follow the last loss, or it may go on."""
_CHANCE = 0.999


def recovery(windows: Sequence[Window], overload_s: float, usual: Estimate, resolution: int = 0) -> Estimate:
    """Time from the end of an overload to the last frame that it cost, in s (RFC 2544 §26.5).

    ``overload_s``: when the overload ended. ``usual``: the share of the frames that the device loses without one, 0…1,
    with its interval. It has recovered when it loses no more than that from some time on, but for chance (Poisson,
    0.1 %): at the earliest if it usually loses most, at the latest if least. ``resolution``: of how many lost frames
    the generator does not know the window. A device that loses frames up to the end was not seen to recover: its
    interval ends after `A_DAY_S`.
    Raises InvalidMeasurement where frames may have been lost by the generator, or it does not vouch for the time in
    which they would show.
    """
    after = [window for window in windows if window.start_s + window.seconds > overload_s]
    if not after:
        raise InvalidMeasurement("nothing was sent after the overload", what="traffic generator")
    first, last = (_last_lossy(after, share, resolution) for share in (usual.high, usual.low))
    doubtful = [
        window
        for number, window in enumerate(after)
        if window.invalid and (window.lost or max(0, last) <= number < last + _LOOKED_AT)
    ]
    if doubtful:
        at_s = doubtful[0].start_s - overload_s
        raise InvalidMeasurement(
            f"{at_s:.2f} s after the overload: {'; '.join(doubtful[0].invalid)}", what="traffic generator"
        )
    low_s = max(0.0, after[first].start_s - overload_s) if first >= 0 else 0.0
    high_s = after[max(0, last)].start_s + after[max(0, last)].seconds - overload_s
    if last < 0:
        return Estimate(0.0, 0.0, high_s, None)
    if len(after) - last <= _LOOKED_AT:
        return Estimate(high_s, low_s, A_DAY_S, None, note="frames were lost up to the end")
    return Estimate(high_s, low_s, high_s, None)


def _last_lossy(windows: Sequence[Window], usual: float, resolution: int) -> int:
    """The last window from which on more is lost than a share of all frames explains; -1 for none."""
    import numpy as np
    from scipy.special import pdtrik

    backwards = windows[::-1]
    sent, lost = (np.cumsum(counts) for counts in zip(*((each.sent, each.lost) for each in backwards), strict=True))
    forgiven = (np.ceil(pdtrik(_CHANCE, usual * sent)) if usual else np.zeros(len(sent))) + resolution
    lossy = np.flatnonzero(lost > forgiven)
    return len(windows) - 1 - int(lossy[0]) if len(lossy) else -1
