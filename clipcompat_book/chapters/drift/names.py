"""Where the names of dots with error bars go: above the bars, and above names and bars that are near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.studies.comparison import Comparison

_FRAME, _LINE = (200, 300), 15
"""Pixels of a plot on a phone, and of a line of text."""


def name_places(
    drift: Mapping[str, float], methods: Sequence[Mapping[str, Comparison]], names: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Part -> the top of its bars, and by how many pixels its name stands above: on a phone names must not meet."""
    parts = sorted({part for losses in methods for part in losses if part in drift}, key=lambda part: drift[part])
    ends = {p: [(own[p].mean, own[p].interval or 0.0) for own in methods if p in own] for p in parts}
    top, low = ({p: f(m + sign * h for m, h in ends[p]) for p in parts} for f, sign in ((max, 1), (min, -1)))
    wide = _FRAME[0] / ((drift[parts[-1]] - drift[parts[0]]) or 1.0) if parts else 0.0
    high = _FRAME[1] / ((max(top.values()) - min(low.values())) or 1.0) if parts else 0.0
    taken = {p: [(low[p] * high, top[p] * high)] for p in parts}  # what stands above a part's place, in pixels
    found = {}
    for part in parts:
        letters = 4 * len(names[part]) + 5
        near = [p for p in parts if p != part and abs(drift[p] - drift[part]) * wide < letters]
        up = 3.0
        while any(_meet(top[part] * high + up, span) for p in near for span in taken[p]):
            up += 3
        taken[part].append((top[part] * high + up, top[part] * high + up + _LINE))
        found[part] = (top[part], up)
    return found


def _meet(bottom: float, span: tuple[float, float]) -> bool:
    return bottom < span[1] and span[0] < bottom + _LINE
