"""Visual prompts: both kinds of image tower read them as their definition says, or say why they do not."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from clipcompat.backbones.image.prompted import PromptedTower, prompted_layers, why_no_prompts
from clipcompat.backbones.image.tower import ImageTower
from clipcompat.common.errors import IncompatibleError
from tests.backbones.image.test_tower import VARIANTS, floats, pixels, transformer
from tests.slow import slow_images
from tests.tiny import numbers, tiny_backbone


def prompts(width: int, blocks: int, rows: int = 2) -> list[torch.Tensor]:
    return [numbers((rows, width), 50 + block, 0.3).requires_grad_() for block in range(blocks)]


def gradients(features: torch.Tensor, wanted) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad((features * numbers(features.shape, 60)).sum(), wanted)


@pytest.mark.parametrize("quick_gelu", [True, False])
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_features_and_gradients_of_a_plain_tower_are_the_slow_reference_s(quick_gelu, blocks):
    backbone, learned = tiny_backbone(quick_gelu, image_layers=3), prompts(8, blocks)
    seen = pixels(backbone)
    ours, slow = backbone.prompted_features(seen, learned), slow_images(backbone, seen, learned)
    torch.testing.assert_close(ours, slow, rtol=1e-5, atol=1e-5)
    for a, b in zip(gradients(ours, learned), gradients(slow, learned), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def eva_by_prefix(trunk: nn.Module, x: torch.Tensor, learned) -> torch.Tensor:
    """timm's own attention with more prefix rows: the prompts stand behind the class token, outside the rotary part."""
    trunk, count = copy.deepcopy(trunk), len(learned[0])
    for block in trunk.blocks:
        block.attn.num_prefix_tokens += count
    x, angles = trunk._pos_embed(trunk.patch_embed(x))
    x = torch.cat([x[:, :1], learned[0].expand(len(x), -1, -1), x[:, 1:]], dim=1)
    for number, block in enumerate(trunk.blocks):
        if 0 < number < len(learned):
            x = torch.cat([x[:, :1], learned[number].expand(len(x), -1, -1), x[:, 1 + count :]], dim=1)
        x = block(x, rope=angles)
    return trunk.head(trunk.norm(x)[:, 0])


@pytest.mark.parametrize("blocks", [1, 4])
def test_an_eva_trunk_reads_prompts_as_it_reads_prefix_tokens_of_its_own(mini_new, blocks):
    seen, learned = pixels(mini_new), prompts(128, blocks)
    wanted = eva_by_prefix(mini_new._model.visual.trunk, mini_new.preprocess.normalise(seen), learned)
    ours = mini_new.prompted_features(seen, learned)
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-5)
    for a, b in zip(gradients(ours, learned), gradients(wanted, learned), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("side", ["old", "new"])
def test_both_towers_of_full_size_take_prompts(full_size, side):
    backbone = getattr(full_size, side)
    learned = prompts(768, 3)
    features = backbone.prompted_features(pixels(backbone, 1), learned)
    assert features.shape == (1, 512) and all(g.abs().max() > 0 for g in gradients(features, learned))
    assert (backbone.image_layers, backbone.no_visual_prompts) == (12, None)


def test_a_backbone_with_fixed_prompts_encodes_as_in_training_and_under_a_stamp_of_its_own(old):
    learned, seen = prompts(128, 3), pixels(old, 5)
    fixed = old.with_visual_prompts(learned)
    torch.testing.assert_close(fixed.image_features(seen), old.prompted_features(seen, learned), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(fixed.image_features(seen), old.image_features(seen), atol=1e-3)
    assert fixed.image_stamp not in (old.image_stamp, old.with_visual_prompts(prompts(128, 2)).image_stamp)
    assert fixed.image_stamp == old.with_visual_prompts(learned).image_stamp
    assert fixed.stamp == old.stamp and not fixed.image_features(seen).requires_grad
    projected = fixed.image_features(seen, "penultimate") @ old._model.visual.proj
    torch.testing.assert_close(projected, fixed.image_features(seen), rtol=1e-5, atol=1e-5)


def test_fixed_prompts_stay_at_another_type_and_budget(old):
    fixed, seen = old.with_visual_prompts(prompts(128, 3)), pixels(old, 5)
    half = fixed.with_dtype(torch.bfloat16)
    wanted = old.with_dtype(torch.bfloat16).prompted_features(seen, prompts(128, 3))
    torch.testing.assert_close(half.image_features(seen), wanted.detach(), rtol=0, atol=0)
    assert half.image_stamp == fixed.image_stamp and half.dtype == torch.bfloat16
    assert torch.equal(fixed.with_memory_budget(1 << 30).image_features(seen), fixed.image_features(seen))


def test_a_feature_with_prompts_does_not_depend_on_the_pictures_beside_it(old, new):
    for backbone in (old, new):
        fixed, many = backbone.with_visual_prompts(prompts(128, 3)), pixels(backbone, 40)
        parts = torch.cat([fixed.image_features(part) for part in many.split(8)])
        torch.testing.assert_close(parts, fixed.image_features(many), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("options", "own"), VARIANTS, ids=lambda x: "-".join(x) if isinstance(x, dict) else "")
def test_plain_towers_of_another_kind_say_why_they_take_none(options, own):
    visual = transformer(**options)
    assert (why_no_prompts(visual) is None) == own and prompted_layers(visual) == (
        len(visual.transformer.resblocks) if own else 0
    )
    if own:  # prompts of no weight at all would change nothing: without their rows it is the plain tower
        tower = PromptedTower(SimpleNamespace(visual=visual))
        empty = [torch.zeros(0, 16)]
        torch.testing.assert_close(
            tower(floats(), empty), ImageTower(SimpleNamespace(visual=visual))(floats()), rtol=1e-5, atol=1e-5
        )


def test_an_eva_trunk_that_pools_or_mixes_its_angles_says_so(mini_new):
    for name, value, why in (
        ("global_pool", "avg", "pools all rows"),
        ("attn_pool", nn.Identity(), "pools all rows"),
        ("rope_mixed", True, "differ from block to block"),
    ):
        visual = copy.deepcopy(mini_new._model.visual)
        setattr(visual.trunk, name, value)
        assert why in why_no_prompts(visual) and prompted_layers(visual) == 0
    assert "it is a Linear, and prompts are defined for" in why_no_prompts(nn.Linear(1, 1))


def test_prompts_that_do_not_fit_are_refused(old, monkeypatch):
    for bad in ([], [torch.zeros(2, 7)], prompts(128, 4), [torch.zeros(2, 128), torch.zeros(3, 128)]):
        for use in (old.with_visual_prompts, lambda p: old.prompted_features(pixels(old), p)):
            with pytest.raises(IncompatibleError, match=r"one shape \[row, 128\] for at most 3 blocks; these are"):
                use(bad)
    monkeypatch.setattr(old, "no_visual_prompts", "it is a ResNet")
    with pytest.raises(IncompatibleError, match="takes no visual prompts: it is a ResNet"):
        old.with_visual_prompts(prompts(128, 1))


def test_in_half_precision_prompts_are_read_and_trained(mini_old):
    learned, seen = prompts(128, 3), pixels(mini_old, 8)
    half = mini_old.with_dtype(torch.bfloat16).prompted_features(seen, learned)
    assert half.dtype == torch.float32
    similar = torch.cosine_similarity(half, mini_old.prompted_features(seen, learned))
    assert similar.min() > 0.999 and similar.min() < 1
    assert all(g.dtype == torch.float32 and g.abs().max() > 0 for g in gradients(half, learned))
