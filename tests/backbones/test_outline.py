"""An outline has what a plug-in must fit, without weights; its stamp is the backbone's."""

from __future__ import annotations

import pytest

from clipcompat.backbones.load import load_backbone, load_outline
from clipcompat.backbones.mini.models import ARCHITECTURES
from clipcompat.common.errors import ConfigError, UnknownNameError

SIZES = ("name", "dim", "width", "layers", "context_length", "penultimate")


def sizes(thing) -> list:
    return [getattr(thing, name) for name in SIZES]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_mini_outline_has_the_sizes_of_the_backbone(name):
    backbone = load_backbone(name, "random:1", device="cpu")
    outline = load_outline(name)
    assert sizes(outline) == sizes(backbone)
    assert all(outline.feature_width(kind) == backbone.feature_width(kind) for kind in ("projected", "penultimate"))


@pytest.mark.parametrize("name", ["ViT-B-16-quickgelu", "EVA02-B-16", "RN50"])
def test_a_public_outline_has_the_sizes_of_the_backbone(name):
    assert sizes(load_outline(name)) == sizes(load_backbone(name, "random:1", device="cpu"))


def test_the_stamp_is_read_when_it_is_asked_for():
    assert load_outline("mini-old", "random:1").stamp == load_backbone("mini-old", "random:1").stamp
    assert load_outline("mini-new").stamp == load_backbone("mini-new").stamp
    assert load_outline("ViT-B-16").stamp is None


def test_a_name_that_is_refused_with_weights_is_refused_without():
    for name, error in [
        ("mini-odd", UnknownNameError),
        ("ViT-B-17", UnknownNameError),
        ("ViT-B-16-SigLIP", ConfigError),
    ]:
        with pytest.raises(error):
            load_outline(name)
