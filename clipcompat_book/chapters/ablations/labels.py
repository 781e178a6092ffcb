"""Where the names of dots go, so that none lies on a dot or on another name, in a wide frame and on a phone.

places = place_labels(dots, {"tau = 0.01": (-5.7, -5.0)}, x=(-15, 2), y=(-14, 2))
places["tau = 0.01"]     # (40, -22): pixels from the dot to the middle of its name, down is positive
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Dot = tuple[float, float]
Line = tuple[Dot, Dot]
Box = tuple[float, float, float, float]
"""left, top, right, bottom, in pixels."""

FRAMES = ((205.0, 350.0), (700.0, 350.0))
"""Width and height of the plot on a phone and on a laptop, in pixels."""
LETTER, LINE = 6.4, 15.0
"""Pixels of a letter and of a line, at the font size of the names."""
_DOT = 9.0
_STEPS = [(r, 2 * math.pi * k / 24) for r in (26, 34, 44, 58, 74, 92, 112, 134, 160, 190) for k in range(24)]


def label_box(middle: Dot, name: str) -> Box:
    """The room of a name, which may have several lines (`<br>`)."""
    lines = name.split("<br>")
    wide, high = LETTER * max(map(len, lines)), LINE * len(lines)
    return middle[0] - wide / 2, middle[1] - high / 2, middle[0] + wide / 2, middle[1] + high / 2


def place_labels(
    dots: Sequence[Dot],
    named: Mapping[str, Dot],
    x: tuple[float, float],
    y: tuple[float, float],
    strokes: Sequence[Line] = (),
) -> dict[str, tuple[float, float]]:
    """Offsets of the names, in pixels; the same in both frames.

    Args:
        dots: all dots, the named ones too, in the figure's units.
        named: name -> its dot.
        x, y: the range of each axis.
        strokes: lines of the figure, in its units; a name on them is harder to read.
    """
    frames = [(w, h, [_pixels(dot, x, y, w, h) for dot in dots]) for w, h in FRAMES]
    ruled = [[(_pixels(a, x, y, w, h), _pixels(b, x, y, w, h)) for a, b in strokes] for w, h in FRAMES]
    taken: list[list[Box]] = [[] for _ in FRAMES]
    lines: list[list[Line]] = [[] for _ in FRAMES]
    found = {}
    for name, dot in named.items():

        def cost(step: tuple[float, float], name: str = name, dot: Dot = dot) -> float:
            dx, dy = step[0] * math.cos(step[1]), step[0] * math.sin(step[1])
            total = step[0]
            for (w, h, marks), boxes, drawn, drawing in zip(frames, taken, lines, ruled, strict=True):
                at = _pixels(dot, x, y, w, h)
                middle = (at[0] + dx, at[1] + dy)
                box = label_box(middle, name)
                total += 1e4 * (box[0] < 0 or box[1] < 0 or box[2] > w + 20 or box[3] > h)
                total += 1e3 * sum(_meet(box, (a - _DOT, b - _DOT, a + _DOT, b + _DOT)) for a, b in marks)
                total += 1e3 * sum(_meet(box, other) for other in boxes)
                total += 3e2 * sum(_crosses(line, box) for line in drawn)
                total += 25 * sum(_crosses(line, box) for line in drawing)
                total += 3e2 * sum(_crosses((at, middle), other) for other in boxes)
            return total

        r, angle = min(_STEPS, key=cost)
        found[name] = (r * math.cos(angle), r * math.sin(angle))
        for (w, h, _), boxes, drawn in zip(frames, taken, lines, strict=True):
            at = _pixels(dot, x, y, w, h)
            middle = (at[0] + found[name][0], at[1] + found[name][1])
            boxes.append(label_box(middle, name))
            drawn.append((at, middle))
    return found


def _pixels(dot: Dot, x: tuple[float, float], y: tuple[float, float], wide: float, high: float) -> Dot:
    return wide * (dot[0] - x[0]) / (x[1] - x[0]), high * (y[1] - dot[1]) / (y[1] - y[0])


def _meet(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def _crosses(line: Line, box: Box) -> bool:
    """Whether a line goes through a box, looked at in 100 places."""
    (x0, y0), (x1, y1) = line
    along = (k / 100 for k in range(101))
    return any(box[0] < x0 + t * (x1 - x0) < box[2] and box[1] < y0 + t * (y1 - y0) < box[3] for t in along)
