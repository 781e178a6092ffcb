"""Captions of the procedural world, with a long-tailed vocabulary.

Captions name the object's shape and colour; now and then its texture, the backdrop, the size; seldom the border or how
the picture was made (night, thermal, …), and seldom with a rare word. A bare colour word may mean the object's, the
backdrop's or the border's colour. That leaves a tuned prompt something to learn: which role a class name plays, which
domain it is about, and what a rare word means.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from clipcompat.data.mini.words import DOMAIN_PHRASES, RARE_COLOURS, RARE_SHAPES, RARE_TEXTURES
from clipcompat.data.mini.world import COLOURS, DOMAINS, FIELDS, PLACES, SHAPES, SIZES, TEXTURES, hashed

_SIZE_WORDS = {"small": ("small", "tiny"), "medium": ("", ""), "large": ("big", "huge")}
_PLACE_PHRASES = {"middle": "in the middle", "top": "at the top", "bottom": "at the bottom", "side": "at the side"}
_OPENINGS = ("", "", "", "", "", "a photo of", "a picture of", "a picture of", "an image of", "this is")
_BACKDROPS = ("on a {} background", "on a {} background", "on {}", "in front of a {} wall", "against a {} backdrop")

# percent of captions that mention an attribute (border and second object: of pictures that have one)
MENTIONED = {
    "shape": 92,
    "colour": 70,
    "texture": 45,
    "backdrop": 45,
    "size": 15,
    "place": 8,
    "second": 30,
    "border": 15,
    "domain": 30,
}
RARELY = (60, 25, 8)
"""Mentions in a thousand that use the first, second and third rare word."""

_BOUNDS = tuple(accumulate(RARELY))
_SHORT, _WRONG, _STOP = 18, 3, 30  # percent: captions of a word or two, a wrong colour, a full stop at the end


def captions(scenes: np.ndarray, seed: int, index: np.ndarray) -> list[str]:
    """One caption per scene [n, field]; caption i depends on scenes[i], seed and index[i] only."""
    draws = hashed(seed ^ 0xCA97, index, 24).tolist()
    return [_caption(dict(zip(FIELDS, row, strict=True)), d) for row, d in zip(scenes.tolist(), draws, strict=True)]


def _caption(s: dict[str, int], d: list[int]) -> str:
    def chance(slot: int, percent: int) -> bool:
        return d[slot] % 100 < percent

    def word(common: str, rare: dict[str, tuple[str, ...]], slot: int) -> str:
        lot = (d[slot] >> 20) % 1000
        for bound, candidate in zip(_BOUNDS, rare[common], strict=True):
            if lot < bound:
                return candidate
        return common

    colour_code = d[1] % len(COLOURS) if chance(0, _WRONG) else s["colour"]
    colour = word(COLOURS[colour_code], RARE_COLOURS, 2)
    texture = word(TEXTURES[s["texture"]], RARE_TEXTURES, 3)
    shape = word(SHAPES[s["shape"]], RARE_SHAPES, 4)
    backdrop = word(COLOURS[s["backdrop"]], RARE_COLOURS, 5)
    if chance(6, _SHORT):
        text = _short(s, d[7], colour, texture, shape, backdrop)
    else:
        words = [
            _SIZE_WORDS[SIZES[s["size"]]][d[8] % 2] if chance(9, MENTIONED["size"]) else "",
            colour if chance(10, MENTIONED["colour"]) else "",
            texture if chance(11, MENTIONED["texture"]) else "",
            shape if chance(12, MENTIONED["shape"]) else ("thing", "object")[d[7] % 2],
        ]
        text = " ".join(w for w in words if w)
        text = ("an " if text[0] in "aeiou" else "a ") + text
        if s["second_shape"] >= 0 and chance(13, MENTIONED["second"]):
            text += f" and a {COLOURS[s['second_colour']]} {SHAPES[s['second_shape']]}"
        if chance(14, MENTIONED["backdrop"]):
            text += " " + _BACKDROPS[d[15] % len(_BACKDROPS)].format(backdrop)
        if s["border"] >= 0 and chance(16, MENTIONED["border"]):
            text += f" with a {COLOURS[s['border']]} border"
        if chance(17, MENTIONED["place"]):
            text += " " + _PLACE_PHRASES[PLACES[s["place"]]]
        opening = _OPENINGS[d[18] % len(_OPENINGS)]
        if s["domain"] and chance(19, MENTIONED["domain"]):
            phrase = DOMAIN_PHRASES[DOMAINS[s["domain"]]][d[20] % 2]
            text, opening = (f"{text} {phrase}", opening) if s["domain"] == 1 else (text, phrase)
        text = f"{opening} {text}".strip()
    return text + "." if chance(21, _STOP) else text


def _short(s: dict[str, int], draw: int, colour: str, texture: str, shape: str, backdrop: str) -> str:
    """A word or two: tags rather than sentences; a bare colour is the object's two times in three."""
    kind = draw % 10
    if kind < 3:
        bare = (draw >> 8) % 12
        return COLOURS[s["border"]] if bare == 11 and s["border"] >= 0 else colour if bare < 8 else backdrop
    coloured, textured = f"{colour} {shape}", f"{texture} {shape}"
    tags = (shape, coloured, coloured, texture, textured, f"{shape}, {backdrop}", f"{shape}, {colour}")
    return tags[kind - 3]
