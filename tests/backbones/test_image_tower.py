"""Penultimate features: what the projection is applied to, on both kinds of tower and at full size."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.image_tower import penultimate_width
from clipcompat.errors import ConfigError, UnknownNameError


def projected(backbone: Backbone, hidden: torch.Tensor) -> torch.Tensor:
    visual = backbone._model.visual
    return visual.trunk.head(hidden) if hasattr(visual, "trunk") else hidden @ visual.proj


def pixels(backbone: Backbone, count: int = 2) -> torch.Tensor:
    size = backbone.preprocess.size
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("side", ["mini_old", "mini_new"])
def test_the_projection_of_the_penultimate_feature_is_the_projected_one(request, side):
    backbone = request.getfixturevalue(side)
    hidden = backbone.image_features(pixels(backbone), "penultimate")
    assert hidden.shape == (2, backbone.penultimate)
    torch.testing.assert_close(projected(backbone, hidden), backbone.image_features(pixels(backbone)))


@pytest.mark.parametrize("side", ["old", "new"])
def test_at_full_size_both_towers_have_768_channels_before_the_projection(full_size, side):
    backbone = getattr(full_size, side)
    hidden = backbone.image_features(pixels(backbone, 1), "penultimate")
    assert hidden.shape == (1, 768) and backbone.feature_width("projected") == 512
    torch.testing.assert_close(
        projected(backbone, hidden), backbone.image_features(pixels(backbone, 1)), atol=1e-5, rtol=1e-4
    )


def test_unknown_kinds_and_towers_without_such_a_feature_are_refused(mini_old, monkeypatch):
    with pytest.raises(UnknownNameError, match="Did you mean 'penultimate'"):
        mini_old.image_features(pixels(mini_old), "penultimat")
    monkeypatch.setattr(mini_old, "penultimate", penultimate_width(torch.nn.Identity()))
    with pytest.raises(ConfigError, match="features='projected'"):
        mini_old.image_features(pixels(mini_old), "penultimate")
