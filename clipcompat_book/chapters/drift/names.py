"""Where the names of dots with error bars go: above the bars, and above names and bars that are near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.studies.comparison import Comparison

_FRAME, _LINE, _LETTER = (200, 300), 15, 7.0
"""Pixels of a plot on a phone, of a line of text, and of a letter."""


def name_places(
    drift: Mapping[str, float], methods: Sequence[Mapping[str, Comparison]], names: Mapping[str, str]
) -> dict[str, tuple[float, float, str]]:
    """Part -> the top of its bars, by how many pixels its name stands above, and which end of it is at the bars.

    On a phone names must not meet, nor lie on bars.
    """
    parts = sorted((p for p in drift if any(p in losses for losses in methods)), key=lambda part: drift[part])
    ends = {p: [(own[p].mean, own[p].interval or 0.0) for own in methods if p in own] for p in parts}
    top, low = ({p: f(m + sign * h for m, h in ends[p]) for p in parts} for f, sign in ((max, 1), (min, -1)))
    wide = _FRAME[0] / ((drift[parts[-1]] - drift[parts[0]]) or 1.0) if parts else 0.0
    high = _FRAME[1] / ((max(top.values()) - min(low.values())) or 1.0) if parts else 0.0
    taken = {p: [(-3.0, 3.0, low[p] * high, top[p] * high)] for p in parts}  # left, right, bottom, top, in pixels
    found = {}
    for part in parts:
        size = _LETTER * len(names[part])
        ends_of = {"center": (-size / 2, size / 2), "left": (0, size), "right": (-size, 0)}

        def free(up: float, sides: tuple[float, float], part: str = part) -> bool:
            bottom = top[part] * high + up
            return not any(
                sides[0] - 3 < right + (drift[p] - drift[part]) * wide
                and left + (drift[p] - drift[part]) * wide < sides[1] + 3
                and bottom < end
                and start < bottom + _LINE
                for p in parts
                if p != part
                for left, right, start, end in taken[p]
            )

        tries = ((up, anchor) for up in range(3, 600, 3) for anchor in ends_of)
        up, anchor = next(((up, a) for up, a in tries if free(up, ends_of[a])), (3, "center"))
        bottom = top[part] * high + up
        taken[part].append((*ends_of[anchor], bottom, bottom + _LINE))
        found[part] = (top[part], up, anchor)
    return found
