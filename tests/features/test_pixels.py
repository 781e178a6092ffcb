"""Pixels in memory are the pixels that features are made of; each picture is decoded once."""

from __future__ import annotations

import torch

from clipcompat.features import pixels as module
from clipcompat.features.encode import augmented, picture
from clipcompat.features.pixels import pixel_views
from clipcompat.features.pixels import test_pixels as pixels_at_test
from tests.toys import toy_split

CROP = (0.2, 1.0)


def test_views_are_those_that_are_encoded_and_each_picture_is_opened_once(old):
    split, told = toy_split("train", 30), []
    found = pixel_views(old, split, 3, 7, CROP, lambda *news: told.append(news))
    assert found.shape == (3, 90, 3, 32, 32) and found.dtype == torch.uint8
    assert sorted(split.images.opened) == list(range(90))
    for view, i in ((0, 0), (1, 64), (2, 89)):
        assert torch.equal(found[view, i], augmented(old, split, i, view, 7, CROP))
    assert told[-1][:2] == (90, 90) and "toys/train" in told[-1][2]


def test_pixels_that_would_fill_the_memory_are_not_kept(old, monkeypatch):
    split = toy_split("train", 2)
    needed = 3 * 6 * 3 * 32 * 32
    for free, kept in ((4 * needed, True), (4 * needed - 4, False)):
        monkeypatch.setattr(module.psutil, "virtual_memory", lambda free=free: _Memory(free))
        assert (pixel_views(old, split, 3, 1, CROP) is not None) == kept
    assert sorted(split.images.opened) == list(range(6))


def test_pictures_of_the_test_transform_are_walked_again_from_memory_or_decoded_again(old, monkeypatch):
    for free, opened in ((10**9, 1), (0, 2)):
        monkeypatch.setattr(module.psutil, "virtual_memory", lambda free=free: _Memory(free))
        split = toy_split("val", 30)
        walk = pixels_at_test(old, split)
        first, second = (torch.cat(list(walk())) for _ in range(2))
        assert len(split.images.opened) == opened * len(split)
        expected = torch.stack([old.preprocess.test(picture(old, split, i)) for i in range(len(split))])
        assert first.dtype == torch.uint8 and torch.equal(first, expected) and torch.equal(second, expected)
        assert max(len(block) for block in walk()) == 64


class _Memory:
    def __init__(self, available):
        self.available = available
