"""No name lies on a dot or on another name, on a phone and on a laptop."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.ablations.labels import FRAMES, label_box, place_labels

DOTS = [(-0.1 * k, -0.08 * k) for k in range(20)] + [
    (-14.0, -12.0),
    (-5.5, -5.2),
    (-5.7, -5.0),
    (-3.3, -2.6),
    (-2.1, -3.0),
]
NAMED = {"far away": DOTS[20], "sixteen tokens,<br>from noise": DOTS[21], "tau = 0.01": DOTS[22], "λ = 2": DOTS[23]}
RANGE = (-15.5, 2.0)


def pixels(dot, frame):
    low, high = RANGE
    return frame[0] * (dot[0] - low) / (high - low), frame[1] * (high - dot[1]) / (high - low)


@pytest.mark.parametrize("frame", FRAMES)
def test_names_are_apart_from_dots_and_from_each_other(frame):
    places = place_labels(DOTS, NAMED, RANGE, RANGE)
    boxes = []
    for name, (dx, dy) in places.items():
        x, y = pixels(NAMED[name], frame)
        boxes.append(label_box((x + dx, y + dy), name))
    assert len(boxes) == 4
    for left, top, right, bottom in boxes:
        assert not any(left < x < right and top < y < bottom for x, y in (pixels(dot, frame) for dot in DOTS))
        assert left >= 0 and right <= frame[0] + 20 and top >= 0 and bottom <= frame[1]
        met = [b for b in boxes if b[0] < right and b[2] > left and b[1] < bottom and b[3] > top]
        assert len(met) == 1  # itself


def test_a_name_does_not_lie_on_a_line_of_the_figure_where_there_is_room():
    (name, dot), line = ("alone", (0.0, 0.0)), ((-15.5, 0.0), (2.0, 0.0))
    offset = place_labels([dot], {name: dot}, RANGE, RANGE, [line])[name]
    for frame in FRAMES:
        x, y = pixels(dot, frame)
        _, top, _, bottom = label_box((x + offset[0], y + offset[1]), name)
        assert not top < y < bottom
