"""Low-rank additions: row by row with dropout, merged into a copy, and the same in training as after merging."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.models.eva import EvaAttention
from torch import nn

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.image.changed import ChangedTower
from clipcompat.backbones.low_rank import LowRank, merged
from clipcompat.backbones.text.input import Prompts
from tests.backbones.image.test_tower import pixels
from tests.reference.clip_lora import added_row
from tests.tiny import numbers, tiny_backbone


def additions(blocks: int, width: int, seed: int = 1, rank: int = 2) -> LowRank:
    down, up = numbers((blocks, 3, rank, width), seed, 0.3), numbers((blocks, 3, width, rank), seed + 1, 0.3)
    return LowRank(down, up, 0.7)


def of_towers(backbone: Backbone) -> tuple[LowRank, LowRank]:
    return additions(backbone.layers, backbone.width), additions(backbone.image_layers, backbone.penultimate, 5)


def fused(backbone: Backbone, bias: bool = True) -> Backbone:
    """The same EVA trunk with one projection for queries, keys and values; biases other than 0, or none."""
    model = copy.deepcopy(backbone._model)
    for number, block in enumerate(model.visual.trunk.blocks):
        apart = block.attn
        made = EvaAttention(128, apart.num_heads, qkv_bias=bias, norm_layer=nn.LayerNorm)
        made.norm, made.proj = apart.norm, apart.proj
        made.qkv.weight.data = torch.cat([apart.q_proj.weight, apart.k_proj.weight, apart.v_proj.weight])
        for name, projection in (("q_bias", apart.q_proj), ("v_bias", apart.v_proj)):
            if bias:
                projection.bias.data = numbers((128,), number, 0.5)
                getattr(made, name).data = projection.bias.data
        block.attn = made
    about = {"name": "fused", "stamp": "fused", "source": "test"}
    return Backbone(model, backbone.tokenizer, backbone.preprocess, **about)


@pytest.fixture(params=["plain", "separate", "fused", "fused without bias"])
def backbone(request, mini_new):
    """One backbone for each way in which a tower stores its projections."""
    if request.param == "plain":
        return tiny_backbone(image_layers=3)
    return mini_new if request.param == "separate" else fused(mini_new, request.param == "fused")


def test_the_same_attention_with_fused_and_separate_projections_gives_the_same_features(mini_new):
    seen, together, apart = pixels(mini_new), fused(mini_new), copy.deepcopy(mini_new._model)
    for number, block in enumerate(apart.visual.trunk.blocks):
        for projection in (block.attn.q_proj, block.attn.v_proj):
            projection.bias.data = numbers((128,), number, 0.5)
    apart = Backbone(apart, mini_new.tokenizer, mini_new.preprocess, name="apart", stamp="apart", source="test")
    change = of_towers(together)[1]
    one, other = (merged(b, image=change).image_features(seen) for b in (together, apart))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_images_seen_in_training_are_those_of_the_tower_with_the_additions_in_its_weights(backbone):
    change, seen = of_towers(backbone)[1], pixels(backbone)
    kept = {name: t.clone() for name, t in backbone._model.state_dict().items()}
    tower = ChangedTower(backbone._model, change)
    ours = tower(backbone.preprocess.normalise(seen))
    theirs = merged(backbone, image=change).image_features(seen)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (theirs - backbone.image_features(seen)).abs().max() > 0.01
    assert all(torch.equal(t, kept[name]) for name, t in backbone._model.state_dict().items())


def test_every_block_and_part_of_an_image_tower_gets_a_gradient(backbone):
    change = of_towers(backbone)[1]
    leaves = change.down.requires_grad_(), change.up.requires_grad_()
    features = ChangedTower(backbone._model, change)(backbone.preprocess.normalise(pixels(backbone)))
    for grad in torch.autograd.grad((features * numbers(features.shape, 60)).sum(), leaves):
        assert (grad.flatten(2).abs().amax(-1) > 0).all()
    assert not any(p.requires_grad for p in backbone._model.parameters())


def prompts(backbone: Backbone, texts) -> Prompts:
    ids = backbone.tokenize(texts)
    packing = backbone.text.pack((ids.argmax(-1) + 1).tolist())
    prompt, token = packing.prompt_and_token
    return Prompts(backbone.text.embed(ids)[prompt, token], packing)


@pytest.mark.parametrize("count", [3, 90])  # few rows, and more than masked attention takes
def test_text_read_in_training_is_that_of_the_tower_with_the_additions_in_its_weights(count, old, new):
    texts = [f"a photo of a {'red ' * (i % 4)}fox." for i in range(count)]
    for backbone in (old, new):
        change = of_towers(backbone)[0]
        ours, other = backbone.text.changed(prompts(backbone, texts), change), merged(backbone, text=change)
        torch.testing.assert_close(ours, other.text_features(texts), rtol=1e-4, atol=1e-4)
        assert (ours - backbone.text_features(texts)).abs().max() > 0.01
        assert other.memory is backbone.memory and other.image_stamp == backbone.image_stamp
        assert other.stamp != backbone.stamp


def test_what_is_added_with_dropout_is_that_of_every_row_alone():
    made = additions(2, 6)
    change = LowRank(made.down, made.up, 0.7, 0.4, torch.Generator().manual_seed(3))
    rows = numbers((2, 5, 6), 9)
    ours = change(1, slice(1, 3), rows).unflatten(-1, (2, 6))  # keys and values
    kept = torch.empty(2, 10, 6).bernoulli_(0.6, generator=torch.Generator().manual_seed(3)).view(2, 2, 5, 6)
    assert not torch.equal(kept[0], kept[1])
    for n, part in enumerate((1, 2)):
        for i in range(2):
            for j in range(5):
                slow = added_row(rows[i, j], made.down[1, part], made.up[1, part], 0.7, kept[n, i, j], 0.4)
                torch.testing.assert_close(ours[i, j, n], torch.tensor(slow), rtol=1e-5, atol=1e-6)


def test_a_merged_backbone_shares_all_tensors_but_those_that_change(backbone):
    text, image = of_towers(backbone)
    made, own = merged(backbone, text, image), dict(backbone._model.named_parameters())
    apart = {name for name, p in made._model.named_parameters() if p.data_ptr() != own[name].data_ptr()}
    assert apart and all("attn" in name and "weight" in name and "out" not in name for name in apart)
    assert len({made.image_stamp, backbone.image_stamp, merged(backbone, image=image).image_stamp}) == 2
    assert (
        merged(backbone, text, image).stamp
        == made.stamp
        != merged(backbone, text, additions(1, backbone.penultimate, 9)).stamp
    )


def test_fewer_blocks_than_a_tower_has_change_its_first_ones(new):
    change, seen = additions(2, 128), pixels(new)
    pad = [torch.cat([t, torch.zeros(2, *t.shape[1:])]) for t in (change.down, change.up)]
    one, other = (merged(new, image=c).image_features(seen) for c in (change, LowRank(*pad, 0.7)))
    assert torch.equal(one, other)


def test_in_bfloat16_both_towers_add_what_they_add_in_float32(old, new):
    for backbone in (old, new):
        half = backbone.with_dtype(torch.bfloat16)
        text, image = of_towers(backbone)
        seen, read = pixels(backbone), prompts(backbone, ["a photo of a fox."])
        normal = backbone.preprocess.normalise(seen)
        pairs = [(half.text.changed(read, text), backbone.text.changed(read, text))]
        pairs += [
            (ChangedTower(half._model, image, torch.bfloat16)(normal), ChangedTower(backbone._model, image)(normal))
        ]
        for ours, wanted in pairs:
            assert ours.dtype == torch.float32
            assert torch.cosine_similarity(ours, wanted, dim=-1).min() > 0.99
