"""Files of CLIP-LoRA's code: factors come back to the last bit, in the tower and block of their number."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import CheckpointError, ConfigError
from clipcompat.methods.deep.clip_lora import CLIPLoRA
from clipcompat.plugins.plugin import load_plugin
from tests.methods.learners import plugin_of
from tests.official import learned, refused
from tests.toys import toy_split

WIDTH, TEXT, IMAGE = 128, 6, 3  # of mini-old


def weights(layers, params="qkv", rank=2):
    """layer_0 … as upstream saves them."""
    names = {letter: "proj" if letter == "o" else f"{letter}_proj" for letter in params}
    return {
        f"layer_{i}": {
            name: {"w_lora_A": learned((rank, WIDTH), 10 * i + n), "w_lora_B": learned((WIDTH, rank), 10 * i + n + 5)}
            for n, name in enumerate(names.values())
        }
        for i in range(layers)
    }


def written(path, layers=TEXT + IMAGE, **about):
    params = list(about.get("params", "qkv"))
    metadata = {"r": 2, "alpha": 1, "encoder": "both", "params": params, "position": "all"} | about
    held = weights(layers, [p for p in params if isinstance(p, str)], metadata["r"])
    torch.save({"weights": held, "metadata": metadata | {"params": params}}, path)
    return held


def test_it_comes_back_to_the_last_bit_acts_like_any_other_and_is_saved(old, new, official_import, tmp_path):
    path = tmp_path / "lora_weights.pt"
    held = written(path)
    plugin = official_import(path, "clip_lora")
    for number, layer in enumerate(held.values()):
        tower, block = ("text", number) if number < TEXT else ("image", number - TEXT)
        for part, name in enumerate(("q_proj", "k_proj", "v_proj")):
            assert torch.equal(plugin.tensors[f"{tower}.down"][block, part], layer[name]["w_lora_A"])
            assert torch.equal(plugin.tensors[f"{tower}.up"][block, part], layer[name]["w_lora_B"])
    assert plugin.match(old).kind == "exact" and "lora_weights.pt, sha256" in plugin.origin["source"]
    plain = plugin_of(CLIPLoRA(), plugin.tensors, old)
    again, split = load_plugin(plugin.save(tmp_path / "p.safetensors")), toy_split("test", 2)
    for backbone in (old, new):
        assert torch.equal(again.logits(backbone, split), plain.logits(backbone, split))


def test_rank_and_alpha_are_the_file_s_and_a_method_may_not_contradict_them(official_import, tmp_path):
    path = tmp_path / "lora_weights.pt"
    written(path, r=4, alpha=2)
    plugin = official_import(path, "clip_lora")
    assert (plugin.method.rank, plugin.method.alpha) == (4, 2.0)
    assert official_import(path, CLIPLoRA(rank=4, alpha=2.0, dropout=0.1)).method.dropout == 0.1
    with pytest.raises(ConfigError, match=r"lora_weights.pt says rank=4, alpha=2.0, but the given CLIPLoRA has rank=2"):
        official_import(path, CLIPLoRA())
    with pytest.raises(ConfigError, match="whose template is not in the file"):
        official_import(path, "clip_lora", template=None)


def test_what_a_file_leaves_out_changes_nothing(official_import, tmp_path):
    path = tmp_path / "some.pt"
    held = written(path, IMAGE, encoder="vision", params=["v", "q"])
    tensors = official_import(path, "clip_lora").tensors
    assert not tensors["text.up"].any() and not tensors["image.up"][:, 1].any()
    assert torch.equal(tensors["image.up"][2, 0], held["layer_2"]["q_proj"]["w_lora_B"])
    assert torch.equal(tensors["image.up"][2, 2], held["layer_2"]["v_proj"]["w_lora_B"])


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"params": ["q", "o"]}, "reads additions to q, k and v in all blocks"),
        ({"position": "top3"}, "in the blocks 'top3'"),
        ({"encoder": "everything"}, "names the encoder 'everything'"),
        ({"encoder": ["both"]}, "names the encoder"),
        ({"params": [["q"], 1]}, "and params"),
        ({"alpha": 0}, "positive numbers were expected"),
    ],
)
def test_a_file_that_changes_something_else_is_refused(about, says, official_import, tmp_path):
    path = tmp_path / "other.pt"
    written(path, **about)
    with pytest.raises(CheckpointError) as caught:
        official_import(path, "clip_lora")
    refused(caught, says)


def test_a_file_of_another_backbone_or_a_damaged_one_is_refused(new, official_import, tmp_path):
    path = tmp_path / "lora.pt"
    held = written(path)
    with pytest.raises(CheckpointError, match="has 9 layers, and mini-new has 10 blocks in text and image"):
        official_import(path, "clip_lora", backbone=new)
    metadata = {"r": 2, "alpha": 1, "encoder": "both", "params": ["q", "k", "v"], "position": "all"}
    held["layer_4"]["k_proj"]["w_lora_A"] = torch.zeros(2, 64)
    torch.save({"weights": held, "metadata": metadata}, path)
    with pytest.raises(CheckpointError, match=r"layer_4.k_proj.w_lora_A is \[2, 64\], and \[2, 128\] was expected"):
        official_import(path, "clip_lora")
    del held["layer_4"]["k_proj"]
    torch.save({"weights": held, "metadata": metadata}, path)
    with pytest.raises(CheckpointError, match="lacks layer_4.k_proj, which its metadata names"):
        official_import(path, "clip_lora")
    torch.save({"vit_proj": torch.zeros(2, 2)}, path)
    with pytest.raises(CheckpointError, match="does not hold `weights` and `metadata`"):
        official_import(path, "clip_lora")
