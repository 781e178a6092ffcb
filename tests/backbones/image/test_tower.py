"""Image towers compute what open_clip's modules do; the hidden feature is what the projection is applied to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from open_clip.transformer import LayerNorm, QuickGELU, VisionTransformer
from torch import nn

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.image import tower as image_tower
from clipcompat.backbones.image.tower import ImageTower, penultimate_width
from clipcompat.common.errors import ConfigError, UnknownNameError


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


@pytest.mark.parametrize("name", ["mini_old", "mini_new", "old", "new"])
@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["fp32", "bf16"])
def test_what_is_projected_later_is_the_projected_feature_to_the_last_bit(request, full_size, name, dtype):
    mini = name.startswith("mini")
    backbone = (request.getfixturevalue(name) if mini else getattr(full_size, name)).with_dtype(dtype)
    seen = pixels(backbone, 100 if mini else 3)  # more than one batch, of a miniature
    later = backbone.project(backbone.image_features(seen, "penultimate"))
    assert later.dtype == torch.float32 and torch.equal(later, backbone.image_features(seen))


def test_prompted_towers_project_as_they_do_without_prompts(mini_new):
    prompted = mini_new.with_visual_prompts([torch.randn(2, mini_new.penultimate, generator=torch.Generator())])
    hidden = prompted.image_features(pixels(prompted), "penultimate")
    torch.testing.assert_close(prompted.project(hidden), prompted.image_features(pixels(prompted)))


def test_unknown_kinds_and_towers_without_such_a_feature_are_refused(mini_old, monkeypatch):
    with pytest.raises(UnknownNameError, match="Did you mean 'penultimate'"):
        mini_old.image_features(pixels(mini_old), "penultimat")
    monkeypatch.setattr(mini_old, "penultimate", penultimate_width(torch.nn.Identity()))
    with pytest.raises(ConfigError, match="features='projected'"):
        mini_old.image_features(pixels(mini_old), "penultimate")
    with pytest.raises(ConfigError, match="has no penultimate features"):
        mini_old.project(torch.zeros(1, 8))


def transformer(**options) -> nn.Module:
    options = {"layers": 3, "act_layer": QuickGELU, "norm_layer": LayerNorm, "output_dim": 8} | options
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(1)
        visual = VisionTransformer(image_size=16, patch_size=4, width=16, heads=2, mlp_ratio=4.0, **options)
        for parameter in visual.parameters():  # none as it starts: biases are 0 there, and scales 1
            nn.init.normal_(parameter, std=0.5)
    return visual.eval().requires_grad_(False)


def floats(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(2))


VARIANTS = [  # options, and whether our own blocks run them
    ({}, True),
    ({"act_layer": nn.GELU}, True),
    ({"layers": 1}, True),
    ({"ls_init_value": 0.1}, True),
    ({"no_ln_pre": True}, True),
    ({"final_ln_after_pool": True}, True),
    ({"pos_embed_type": "sin_cos_2d"}, True),
    ({"pool_type": "avg"}, False),
    ({"qk_norm": True}, False),
    ({"scale_fc": True}, False),
    ({"attentional_pool": True, "output_dim": 16, "attn_pooler_heads": 2}, False),
]


@pytest.fixture
def narrow_too(monkeypatch):
    """Blocks of our own read towers of any width."""
    monkeypatch.setattr(image_tower, "NARROW", 0)


@pytest.mark.parametrize(("options", "own"), VARIANTS, ids=lambda x: "-".join(x) if isinstance(x, dict) else "")
def test_every_variant_of_the_plain_transformer_is_open_clips_function(options, own, narrow_too):
    visual, pixels = transformer(**options), floats()
    before = pixels.clone(), {name: p.clone() for name, p in visual.state_dict().items()}
    tower = ImageTower(SimpleNamespace(visual=visual))
    assert bool(tower._blocks) == own, "a block of our own reads what it does not know, or not what it knows"
    wanted = visual(pixels)
    wanted = wanted[:, 0] if wanted.ndim == 3 else wanted
    found = tower(pixels)
    torch.testing.assert_close(found[:, 0] if found.ndim == 3 else found, wanted, rtol=1e-5, atol=1e-5)
    hidden = tower(pixels, "penultimate")
    torch.testing.assert_close(hidden @ visual.proj, tower(pixels), rtol=1e-5, atol=1e-5)
    assert torch.equal(pixels, before[0])
    assert all(torch.equal(p, before[1][name]) for name, p in visual.state_dict().items())


@pytest.mark.parametrize("options", [{}, {"ls_init_value": 0.1}, {"pool_type": "avg"}])
def test_in_half_precision_it_is_no_farther_from_the_truth_than_open_clip_is(options, narrow_too):
    visual, pixels = transformer(**options), floats(8)
    found = ImageTower(SimpleNamespace(visual=visual), torch.bfloat16)(pixels)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = visual(pixels).float()
    truth = visual.double()(pixels.double())
    assert found.dtype == torch.float32 and not torch.allclose(found.double(), truth, rtol=1e-5, atol=1e-5)
    ours, theirs = (1 - F.cosine_similarity(x.double(), truth) for x in (found, theirs))
    assert ours.max() < 1e-3 and ours.mean() < 1.5 * theirs.mean()


@pytest.mark.parametrize("side", ["old", "new"])
def test_at_full_size_unit_features_are_open_clips_within_a_millionth(full_size, side):
    backbone = getattr(full_size, side)
    wanted = backbone._model.encode_image(backbone.preprocess.normalise(pixels(backbone)), normalize=True)
    torch.testing.assert_close(backbone.encode_image(pixels(backbone)), wanted, rtol=0, atol=1e-6)


def test_a_narrow_tower_gives_the_same_bits_with_however_many_others(mini_old):
    many = pixels(mini_old, 40)
    whole = mini_old.image_features(many)
    assert not mini_old.images._blocks
    for count in (8, 20):
        assert torch.equal(torch.cat([mini_old.image_features(part) for part in many.split(count)]), whole)


def test_pictures_at_once_are_so_many_that_their_rows_stay_in_a_cpu_s_cache(mini_old, mini_new, full_size):
    assert [b.images.at_once for b in (mini_old, mini_new, full_size.old, full_size.new)] == [94, 94, 8, 8]
    assert ImageTower(SimpleNamespace(visual=nn.Linear(1, 1))).at_once == 8
