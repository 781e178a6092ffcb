"""The procedural world draws the same bytes everywhere."""

from __future__ import annotations

import hashlib
from dataclasses import astuple

import numpy as np

from clipcompat.data.mini.world import (
    DOMAINS,
    FIELDS,
    SHAPES,
    TEXTURES,
    Scene,
    draw,
    draw_many,
    held_out,
    sample_scenes,
)


def test_pictures_are_the_bytes_they_have_always_been():
    index = np.arange(300)
    scenes = sample_scenes(1, index)
    pictures = draw_many(scenes, 1, index)
    assert pictures.shape == (300, 32, 32, 3) and pictures.dtype == np.uint8
    assert set(scenes[:, FIELDS.index("domain")]) == set(range(6)), "the hash should cover every captioned domain"
    assert hashlib.sha256(pictures.tobytes()).hexdigest()[:16] == "798e506fae4aa001"
    assert hashlib.sha256(scenes.astype("<i8").tobytes()).hexdigest()[:16] == "40e9e5049aebc62c"


def test_domains_that_pretraining_never_shows_are_drawn_alike_too():
    index = np.arange(40)
    scenes = sample_scenes(2, index)
    scenes[:, FIELDS.index("domain")] = 6 + index % 4
    assert len(DOMAINS) == 10
    assert hashlib.sha256(draw_many(scenes, 2, index).tobytes()).hexdigest()[:16] == "7c152a2ac58b56a2"


def test_a_picture_does_not_depend_on_the_batch_it_is_drawn_in():
    index = np.arange(40)
    scenes = sample_scenes(3, index)
    together = draw_many(scenes, 3, index)
    alone = [draw(Scene(*map(int, row)), 3, int(i)) for row, i in zip(scenes, index, strict=True)]
    assert np.array_equal(together, np.stack(alone))
    assert astuple(Scene(*map(int, scenes[0]))) == tuple(scenes[0])


def test_another_seed_or_index_draws_another_picture():
    scene = Scene(shape=0, colour=1, texture=2, backdrop=3, size=2, place=0)
    first = draw(scene, 1, 0)
    assert not np.array_equal(first, draw(scene, 2, 0))
    assert not np.array_equal(first, draw(scene, 1, 1))


def test_a_tenth_of_the_combinations_is_never_shown():
    shape, texture = np.divmod(np.arange(len(SHAPES) * len(TEXTURES)), len(TEXTURES))
    assert 0.08 < held_out(shape, texture).mean() < 0.14
    scenes = sample_scenes(1, np.arange(20_000))
    shown = held_out(scenes[:, FIELDS.index("shape")], scenes[:, FIELDS.index("texture")])
    assert not shown.any()


def test_every_shape_and_texture_is_left_right_symmetric_in_kind():
    """A random flip must not change a class: mirrored masks and patterns are those of the same class."""
    from clipcompat.data.mini.painting import masks, patterns

    moon = SHAPES.index("moon")  # mirrored, it is still a moon
    for shape in set(range(len(SHAPES))) - {moon}:
        mask = masks()[shape, 11].astype(int)
        assert np.abs(mask - mask[:, ::-1]).max() < 128, SHAPES[shape]  # one of 4×4 samples may be rounded outwards
    speckled = TEXTURES.index("speckled")  # random by nature
    for texture in set(range(len(TEXTURES))) - {speckled}:
        tile = patterns()[texture, 0].astype(int)
        flipped = tile[:, ::-1]
        shifts = (np.abs(np.roll(flipped, s, axis=1) - tile)[:, 8:-8].max() for s in range(8))
        assert min(shifts) == 0, TEXTURES[texture]
