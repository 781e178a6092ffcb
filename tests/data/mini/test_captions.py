"""Captions name shape and colour often, the rest seldom, and some words hardly ever."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from clipcompat.data.mini import words
from clipcompat.data.mini.captions import captions
from clipcompat.data.mini.world import COLOURS, DOMAINS, FIELDS, SHAPES, TEXTURES, sample_scenes


@pytest.fixture(scope="module")
def told():
    index = np.arange(20_000)
    scenes = sample_scenes(1, index)
    return scenes, captions(scenes, 1, index)


def test_captions_repeat_and_do_not_depend_on_the_batch(told):
    scenes, texts = told
    assert captions(scenes[100:103], 1, np.arange(100, 103)) == texts[100:103]


def test_frequencies_have_a_long_tail(told):
    count = Counter(word for text in told[1] for word in text.lower().rstrip(".").replace(",", "").split())
    shapes = np.mean([count[s] for s in SHAPES])
    textures = np.mean([count[t] for t in TEXTURES])
    tiers = [
        np.mean([count[w[tier]] for w in (*words.RARE_COLOURS.values(), *words.RARE_SHAPES.values())])
        for tier in range(3)
    ]
    assert shapes > 2 * textures > 6 * tiers[0] > 12 * tiers[1] > 24 * tiers[2] > 0
    assert 0 < count["border"] < 0.05 * len(told[1])


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


KINDS = {"SHAPES": SHAPES, "COLOURS": COLOURS, "TEXTURES": TEXTURES}


@pytest.mark.parametrize("kind", KINDS)
def test_every_thing_has_three_rare_words_and_an_unseen_one(kind):
    rare, unseen = getattr(words, f"RARE_{kind}"), getattr(words, f"UNSEEN_{kind}")
    assert set(rare) == set(unseen) == set(KINDS[kind])
    assert all(len(set(names)) == 3 for names in rare.values())


def test_no_caption_uses_an_unseen_word(told):
    said = set(" ".join(told[1]).lower().replace(".", "").replace(",", "").split())
    unseen = {**words.UNSEEN_SHAPES, **words.UNSEEN_COLOURS, **words.UNSEEN_TEXTURES}.values()
    assert len(said) > 100 and not said & {name for name in unseen if " " not in name}
