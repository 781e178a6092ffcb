"""The tiny backbone whose weights are written down, for tests against slow references."""

from __future__ import annotations

import pytest
import torch

from tests.methods import golden
from tests.tiny import tiny_backbone


@pytest.fixture(scope="session")
def tiny():
    return tiny_backbone()


@pytest.fixture(scope="session")
def tiny_deep():
    """With three blocks in the image tower, too."""
    return tiny_backbone(image_layers=3)


@pytest.fixture
def seen_pixels(written_down, monkeypatch):
    """As `written_down`, but features of views are those of the written-down pixels."""

    def views(backbone, split, count, seed, crop, cache=None, progress=None, kind="projected"):
        every = golden.pixels(count, split.labels, backbone.preprocess.size, crop)
        return torch.stack([backbone.image_features(view, kind) for view in every])

    monkeypatch.setattr("clipcompat.training.task.encode_views", views)


@pytest.fixture
def written_down(monkeypatch):
    """Features of pictures and the order of images come from whole-number arithmetic, not from draws and towers."""

    def views(backbone, split, count, seed, crop, cache=None, progress=None, kind="projected"):
        return golden.views(count, split.labels, backbone.feature_width(kind), crop)

    def features(backbone, split, cache=None, progress=None, kind="projected"):
        return golden.features(split.name.rpartition("/")[2], split.labels, backbone.feature_width(kind))

    def pixels(backbone, split, count, seed, crop, progress=None):
        return golden.pixels(count, split.labels, backbone.preprocess.size, crop)

    def test_pixels(backbone, split):
        return golden.pixels(1, split.labels, backbone.preprocess.size, golden.UNCUT)[0].split(5).__iter__

    monkeypatch.setattr("clipcompat.training.task.encode_views", views)
    monkeypatch.setattr("clipcompat.training.task.pixel_views", pixels)
    monkeypatch.setattr("clipcompat.training.task.test_pixels", test_pixels)
    monkeypatch.setattr("clipcompat.training.task.encode_split", features)
    monkeypatch.setattr(torch, "randperm", lambda count, **_: torch.tensor(golden.order(count)))
