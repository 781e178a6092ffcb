"""The diagram of places has every method of the paper's table, readable on a phone."""

from __future__ import annotations

import re
from itertools import combinations

from clipcompat_book.chapters.methods.diagram import plugin_places
from clipcompat_book.chapters.methods.places import PLACES, depth
from clipcompat_book.show import INK, METHOD_COLOURS
from clipcompat_book.words import name_title

PHONE = 350
"""Pixels."""


def frames(fig) -> dict[str, tuple[float, float, float, float]]:
    """Colour -> left, right, top, bottom, in pixels of a phone, by 6.8 pixels a letter."""
    scale, found = PHONE / fig.layout.xaxis.range[1], {}
    for note in fig.layout.annotations:
        if note.bordercolor:
            lines = [re.sub("<.*?>", "", line) for line in note.text.split("<br>")]
            x, y = (note.ax, note.ay) if note.showarrow else (note.x, note.y)
            half, tall = 3.4 * max(map(len, lines)) + 5, 8 * len(lines) + 5
            found[note.bordercolor] = (x * scale - half, x * scale + half, y - tall, y + tall)
    return found


def test_every_method_that_keeps_something_has_a_frame_in_its_colour_with_its_letters():
    notes = {n.bordercolor: n for n in plugin_places().layout.annotations if n.bordercolor}
    wanted = {name for name, place in PLACES.items() if place.letters and name != "tip_adapter_f"}
    assert notes.keys() == {METHOD_COLOURS[name] for name in wanted}
    for name in wanted:
        note = notes[METHOD_COLOURS[name]]
        assert f"<b>{name_title(name)}" in note.text and f"<i>{PLACES[name].letters}</i>" in note.text
        assert PLACES[name].acts in note.hovertext and PLACES[name].again in note.hovertext


def test_frames_fit_on_a_phone_and_do_not_overlap():
    found = frames(plugin_places())
    assert all(left >= 0 and right <= PHONE for left, right, _, _ in found.values()), found
    for (a, one), (b, two) in combinations(found.items(), 2):
        apart = one[1] < two[0] or two[1] < one[0] or one[3] < two[2] or two[3] < one[2]
        assert apart, (a, b)


def test_shallow_frames_lie_above_the_towers_and_deep_ones_below():
    tower = next(note.y for note in plugin_places().layout.annotations if note.text == "text tower")
    found = frames(plugin_places())
    for name, place in PLACES.items():
        if METHOD_COLOURS[name] in found and place.letters:
            assert (found[METHOD_COLOURS[name]][3] < tower) == (depth(name) == "shallow"), name


def test_every_text_has_the_ink_that_follows_the_theme():
    assert all(note.font.color in (None, INK) for note in plugin_places().layout.annotations)
