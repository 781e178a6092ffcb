"""The mini backbones are open_clip models of the two kinds the papers use, with shipped weights that work."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.mini.models import ARCHITECTURES, build_mini, load_mini, mini_weights
from clipcompat.backbones.text.parts import text_state
from clipcompat.common.errors import CheckpointError, ConfigError, UnknownNameError
from clipcompat.data.mini import datasets


@pytest.fixture(scope="module")
def pair():
    return load_mini("mini-old"), load_mini("mini-new")


def test_the_pair_shares_what_plug_ins_need(pair):
    old, new = pair
    for attribute in ("width", "dim", "layers", "context_length", "preprocess"):
        assert getattr(old, attribute) == getattr(new, attribute), attribute
    assert old.tokenizer.encoder == new.tokenizer.encoder
    assert old.stamp != new.stamp


def test_old_is_built_as_clip_and_new_as_eva_clip():
    old, new = build_mini("mini-old")[0], build_mini("mini-new")[0]
    assert type(old).__name__ == "CLIP" and type(new).__name__ == "CustomTextCLIP"
    assert "QuickGELU" in repr(old) and "QuickGELU" not in repr(new)
    block = new.visual.trunk.blocks[0]
    assert type(block.mlp).__name__ == "SwiGLU" and new.visual.trunk.rope is not None
    shapes = [{k: v.shape for k, v in text_state(m).items()} for m in (old, new)]
    assert shapes[0] == shapes[1]


def test_loading_twice_gives_the_same_stamp(pair):
    assert load_backbone("mini-old").stamp == pair[0].stamp


def test_random_weights_depend_on_the_seed_only(pair):
    torch.manual_seed(1)
    first = load_mini("mini-new", seed=4)
    torch.manual_seed(2)
    assert load_mini("mini-new", seed=4).stamp == first.stamp
    assert len({first.stamp, load_mini("mini-new", seed=5).stamp, pair[1].stamp}) == 3


def test_loading_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_mini("mini-old", seed=4)
    assert torch.equal(torch.rand(1), expected)


def test_shipped_files_are_small():
    sizes = [file.stat().st_size for file in mini_weights("mini-old").parent.glob("*.safetensors")]
    assert max(sizes) < 5_000_000 and sum(sizes) <= 24_000_000


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_generations_of_a_size_carry_the_same_plug_ins(name):
    first = load_mini("mini-large-old" if "large" in name else "mini-old", seed=1)
    backbone = load_mini(name, seed=1)
    for attribute in ("width", "dim", "layers", "context_length", "preprocess"):
        assert getattr(backbone, attribute) == getattr(first, attribute), attribute


def test_weights_that_are_not_shipped_say_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setattr("clipcompat.backbones.mini.models._WEIGHTS", tmp_path)
    with pytest.raises(CheckpointError, match="python -m clipcompat_book.miniature pretrain"):
        load_mini("mini-newer")


@pytest.mark.parametrize("name", datasets.mini_names())
def test_zero_shot_is_above_chance(pair, name):
    test = datasets.load_mini(name).test
    rows = list(range(0, len(test), 3))
    for backbone in pair:
        pixels = torch.stack([backbone.preprocess.test(test.images[i]) for i in rows])
        texts = backbone.encode_text([test.template.format(c) for c in test.classnames])
        guess = (backbone.encode_image(pixels) @ texts.T).argmax(1)
        accuracy = (guess == test.labels[rows]).float().mean().item()
        assert accuracy > 1.7 / len(test.classnames), (backbone.name, accuracy)


def test_wrong_requests_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(UnknownNameError, match="mini-old"):
        load_mini("mini-odl")
    with pytest.raises(ConfigError, match="exclude"):
        load_mini("mini-old", pretrained=mini_weights("mini-old"), seed=1)
    with pytest.raises(CheckpointError, match="mini-old"):
        load_mini("mini-old", pretrained=mini_weights("mini-new"))
    with pytest.raises(CheckpointError):
        load_mini("mini-old", pretrained=tmp_path / "nothing.safetensors")
