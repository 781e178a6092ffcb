"""Two halves of two backbones: each does what it does at home, and the stamp tells both."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.mixed import mix_towers
from clipcompat.common.errors import ConfigError
from clipcompat.features.encode import encode_split
from tests.tiny import tiny_backbone
from tests.toys import NAMES, toy_split


@pytest.fixture
def mixed(old, new):
    return mix_towers(old, new)


def test_it_sees_with_one_and_reads_with_the_other(mixed, old, new):
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(mixed.image_features(pixels), old.image_features(pixels))
    assert torch.equal(mixed.image_features(pixels, "penultimate"), old.image_features(pixels, "penultimate"))
    assert torch.equal(mixed.text_features(NAMES), new.text_features(NAMES))
    assert not torch.equal(mixed.text_features(NAMES), old.text_features(NAMES))
    assert (mixed.tokenizer, mixed.preprocess) == (new.tokenizer, old.preprocess)


def test_the_logit_scale_is_the_text_sides(old):
    tiny = tiny_backbone()
    other = tiny_backbone()
    other.stamp = "another"
    other._model.logit_scale.fill_(1.0)
    assert mix_towers(tiny, other).logit_scale == pytest.approx(2.718, abs=1e-3)
    assert mix_towers(other, tiny).logit_scale == tiny.logit_scale


def test_name_stamp_and_source_tell_both_halves(mixed, old, new):
    assert mixed.name == "mini-old images, mini-new text" and mixed.kind == "mini"
    assert mixed.stamp == f"{old.stamp}+{new.stamp}" != mix_towers(new, old).stamp
    assert old.source in mixed.source and new.source in mixed.source
    assert mixed.with_dtype(torch.bfloat16).stamp == mixed.stamp
    assert mixed.with_dtype(torch.bfloat16).image_stamp == old.stamp


def test_two_halves_of_one_backbone_are_that_backbone(old):
    assert mix_towers(old, old) is old


def test_a_mix_can_be_mixed_again(mixed, old, new):
    assert mix_towers(mixed, old).image_stamp == old.stamp
    pixels = torch.rand(1, 3, 32, 32)
    assert torch.equal(mix_towers(new, mixed).image_features(pixels), new.image_features(pixels))
    assert torch.equal(mix_towers(new, mixed).text_features(NAMES), new.text_features(NAMES))


@pytest.mark.parametrize("kept", ["in memory", "on disk"])
def test_pictures_that_the_image_tower_has_seen_are_not_opened_again(old, new, tmp_path, kept):
    cache, split = (tmp_path if kept == "on disk" else None), toy_split("test", 2)
    features = encode_split(old, split, cache)
    opened = len(split.images.opened)
    mixed = mix_towers(old, new)
    if kept == "on disk":
        old.memory.clear()
    assert torch.equal(encode_split(mixed, split, cache), features)
    assert len(split.images.opened) == opened
    assert not torch.equal(encode_split(mix_towers(new, old), split, cache), features)


def test_weights_are_shared_and_frozen(mixed, old):
    assert mixed._model.visual is old._model.visual
    assert not any(p.requires_grad for p in mixed._model.parameters())


def test_halves_that_do_not_meet_are_refused(old):
    with pytest.raises(ConfigError, match="mini-old have 128 numbers and text features of tiny have 16"):
        mix_towers(old, tiny_backbone())
    with pytest.raises(ConfigError, match=r"mini-old has the dtype torch\.float32 and mini-old has torch\.bfloat16"):
        mix_towers(old, old.with_dtype(torch.bfloat16))
