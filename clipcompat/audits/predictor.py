"""The expected accuracy of a plug-in on new, from pictures without labels.

    logit(accuracy) = logit(old) + first · (logit(held) - logit(old)) + second · (1 - same)

for the signs of `clipcompat.audits.signs`, so that nothing is lost where no answer changes. Fitted by least squares on
mini upgrades (`clipcompat_book.chapters.repair.predictor`, which a test runs again): on carried plug-ins, on those that
a map repaired, and on zero-shot. The errors below are of upgrades and datasets that a fit had not seen, and so is the
interval.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

Interval = tuple[float, float]

_LEAST = 0.005  # of a share, before its logit
_Z = 1.959964


@dataclass(frozen=True)
class Predictor:
    """first, second: the weights. error: points that 95 % of held-out predictions were within. typical: points that
    they were off on average, for carried plug-ins.
    """

    first: float
    second: float
    error: float
    typical: float

    def accuracy(self, found: Mapping[str, float], pictures: int | None = None) -> tuple[float, Interval]:
        """Percent, and its 95 % interval. pictures: how many the signs are of; fewer widen the interval."""
        old, held = logit(found["old"]), logit(found["held"])
        score = old + self.first * (held - old) + self.second * (1 - found["same"])
        share = 1 / (1 + math.exp(-score))
        drawn = 0.0 if pictures is None else 100 * _Z * math.sqrt(share * (1 - share) / pictures)
        half = math.hypot(self.error, drawn)
        return 100 * share, (max(0.0, 100 * share - half), min(100.0, 100 * share + half))


def logit(share: float) -> float:
    """Of a share of 1, kept half a percent away from both ends."""
    share = min(max(share, _LEAST), 1 - _LEAST)
    return math.log(share / (1 - share))


TOLD = Predictor(1.157, 0.8, 11.2, typical=3.0)
"""Where the accuracy on old is known. FRAP is 14.0 points off on average, ATC 14.2, DoC 16.5."""

UNTOLD = Predictor(1.212, 1.06, 17.7, typical=6.0)
"""Where it is not. The goal was 5 points: how sure a plug-in is says too little of how often it is right."""
