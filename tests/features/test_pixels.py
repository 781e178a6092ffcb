"""Pixels in memory are the pixels that features are made of; each picture is decoded once."""

from __future__ import annotations

import torch

from clipcompat.features import pixels as module
from clipcompat.features.encode import augmented
from clipcompat.features.pixels import pixel_views
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


class _Memory:
    def __init__(self, available):
        self.available = available
