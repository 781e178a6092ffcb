"""What an upgrade broke and fixed, picture by picture, is what the report's details say."""

from __future__ import annotations

import pytest
from PIL import Image

from clipcompat.common.errors import ConfigError
from clipcompat.studies.details import Details
from clipcompat.studies.report import Compatibility
from clipcompat_book.chapters.compatibility.flips import KINDS, flip_pictures, more_pictures, of_kind
from clipcompat_book.explore import chosen, controls

#                  right, broken, fixed, wrong, broken, ...
LABELS, OLD, NEW = (0, 0, 1, 1, 1) * 4, (0, 0, 0, 0, 1) * 4, (0, 1, 1, 0, 0) * 4
DETAILS = Details(("cat", "dog"), tuple(map(str, range(20))), LABELS, OLD, NEW)
REPORT = Compatibility("coop", "toys", 1, 60, 40, 50, 50, None, 40, DETAILS)
IMAGES = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in range(20)]


def inside(fig) -> tuple[int, list[str]]:
    """How many pictures, and which words, lie inside the axes."""
    (left, right), (low, high) = fig.layout.xaxis.range, sorted(fig.layout.yaxis.range)
    shown = [p for p in (*fig.layout.images, *fig.layout.annotations) if left <= p.x <= right and low <= p.y <= high]
    return sum(hasattr(p, "source") for p in shown), [p.text for p in shown if not hasattr(p, "source")]


def test_every_picture_has_one_kind():
    found = {kind: of_kind(DETAILS, kind) for kind in KINDS}
    assert sorted(i for own in found.values() for i in own) == list(range(20))
    assert {kind: len(own) for kind, own in found.items()} == {
        "broken": 8, "fixed": 4, "wrong on both": 4, "right on both": 4
    }  # fmt: skip
    assert all(OLD[i] == LABELS[i] != NEW[i] for i in found["broken"])


def test_a_choice_shows_six_pictures_of_its_kind_with_both_answers_and_how_many_there_are():
    fig = flip_pictures({"CoOp": REPORT, "other": REPORT}, IMAGES)
    assert controls(fig) == {"Plug-in": ["CoOp", "other"], "Pictures": list(KINDS)}
    assert inside(fig)[0] == 6 and "<b>8</b> of 20 test pictures" in inside(fig)[1]
    count, words = inside(chosen(fig, {"Plug-in": "other", "Pictures": "fixed"}))
    assert count == 4 and words[0] == "<b>4</b> of 20 test pictures"
    assert words[1:] == ["dog<br>old: cat<br>new: dog"] * 4


def test_a_live_notebook_shows_all_of_them():
    fig = more_pictures({"CoOp": REPORT}, IMAGES, {"Plug-in": "CoOp", "Pictures": "broken"})
    assert len(fig.layout.images) == 8


def test_a_report_from_a_record_is_refused():
    with pytest.raises(ConfigError, match="read from a record"):
        flip_pictures({"CoOp": Compatibility("coop", "toys", 1, 60, 40, 50, 50, None, 40)}, IMAGES)
