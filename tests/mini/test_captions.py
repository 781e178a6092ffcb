"""Captions name shape and colour often, the rest seldom, and some words hardly ever."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from clipcompat.mini.captions import RARE_COLOURS, RARE_SHAPES, RARE_TEXTURES, captions
from clipcompat.mini.world import COLOURS, DOMAINS, FIELDS, SHAPES, TEXTURES, sample_scenes


@pytest.fixture(scope="module")
def told():
    index = np.arange(20_000)
    scenes = sample_scenes(1, index)
    return scenes, captions(scenes, 1, index)


def test_captions_repeat_and_do_not_depend_on_the_batch(told):
    scenes, texts = told
    assert captions(scenes[100:103], 1, np.arange(100, 103)) == texts[100:103]


def test_frequencies_have_a_long_tail(told):
    words = Counter(word for text in told[1] for word in text.lower().rstrip(".").replace(",", "").split())
    shapes = np.mean([words[s] for s in SHAPES])
    textures = np.mean([words[t] for t in TEXTURES])
    rare = np.mean([words[w.split()[0]] for w in (*RARE_COLOURS.values(), *RARE_TEXTURES.values())])
    assert shapes > 2 * textures > 6 * rare > 0
    assert 0 < words["border"] < 0.05 * len(told[1])


def test_most_pictures_of_a_rare_domain_do_not_say_so(told):
    scenes, texts = told
    thermal = np.flatnonzero(scenes[:, FIELDS.index("domain")] == DOMAINS.index("thermal"))
    named = np.mean(["thermal" in texts[i] or "infrared" in texts[i] for i in thermal])
    assert 0.1 < named < 0.4


def test_a_bare_colour_may_be_the_objects_or_the_backdrops(told):
    scenes, texts = told
    bare = [(COLOURS.index(t.rstrip(".")), s) for s, t in zip(scenes, texts, strict=True) if t.rstrip(".") in COLOURS]
    of_object = np.mean([code == s[FIELDS.index("colour")] for code, s in bare])
    of_backdrop = np.mean([code == s[FIELDS.index("backdrop")] for code, s in bare])
    assert of_object > of_backdrop > 0.1


def test_every_common_word_has_one_rare_word():
    assert set(RARE_SHAPES) == set(SHAPES) and set(RARE_COLOURS) == set(COLOURS) and set(RARE_TEXTURES) == set(TEXTURES)
