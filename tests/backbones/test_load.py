"""A backbone by name gets the weights it was asked for, whatever file they come in, or a sentence why not."""

from __future__ import annotations

import random
import re

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.preprocess import OPENAI_MEAN, OPENAI_STD
from clipcompat.backbones.weights.architecture import build_model
from clipcompat.common.errors import CheckpointError, ConfigError, UnknownNameError
from tests.backbones.weights.archives import save_script

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}
VIT = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16}
EVA = {"image_size": 224, "timm_model_name": "eva02_tiny_patch14_224", "timm_pool": "token", "timm_proj": None}
CONFIGS = {
    "Toy": {"embed_dim": 32, "vision_cfg": VIT, "text_cfg": TEXT},
    "Toy-quickgelu": {"embed_dim": 32, "quick_gelu": True, "vision_cfg": VIT, "text_cfg": TEXT},
    "Toy-wide": {"embed_dim": 48, "vision_cfg": VIT, "text_cfg": TEXT},
    "Toy-64px": {"embed_dim": 32, "vision_cfg": VIT | {"image_size": 64}, "text_cfg": TEXT},
    "Toy-oblong": {"embed_dim": 32, "vision_cfg": VIT | {"image_size": [32, 64]}, "text_cfg": TEXT},
    "Toy-EVA": {"embed_dim": 32, "vision_cfg": EVA, "text_cfg": TEXT, "custom_text": True},
    "Toy-caption": {"embed_dim": 32, "vision_cfg": VIT, "text_cfg": TEXT, "multimodal_cfg": {}},
}
TAGS = {
    "published": {"hf_hub": "nobody/toy/", "mean": OPENAI_MEAN, "std": OPENAI_STD},
    "other_mean": {"hf_hub": "nobody/toy/", "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)},
    "quick": {"hf_hub": "nobody/toy/", "mean": OPENAI_MEAN, "std": OPENAI_STD, "quick_gelu": True},
    "squashed": {"hf_hub": "nobody/toy/", "mean": OPENAI_MEAN, "std": OPENAI_STD, "resize_mode": "squash"},
}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """Small open_clip models and published tags, and a hub that does not answer."""
    import huggingface_hub

    for name, config in CONFIGS.items():
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Toy", TAGS)
    monkeypatch.setitem(
        open_clip.pretrained._PRETRAINED, "Toy-quickgelu", {"quick": TAGS["quick"], "old": TAGS["published"]}
    )
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")  # behind a proxy, the hub's client would be asked


def load(name, pretrained=None, **options):
    return load_backbone(name, pretrained, device="cpu", **options)


def state(backbone):
    return backbone._model.state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# ---- random weights


@pytest.mark.parametrize("name", ["Toy", "Toy-quickgelu", "Toy-EVA"])
def test_a_seed_names_the_weights(name):
    one, again, two = load(name, seed=1), load(name, "random:1"), load(name, seed=2)
    assert same(state(one), state(again)) and one.stamp == again.stamp
    assert not same(state(one), state(two)) and one.stamp != two.stamp
    assert one.source == again.source == "random weights, seed 1"


def test_random_weights_are_open_clips_own_initialisation():
    torch.manual_seed(3)
    expected = open_clip.model.CLIP(**open_clip.get_model_config("Toy")).state_dict()
    assert same(state(load("Toy", seed=3)), expected)
    assert float(expected["positional_embedding"].std()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("name", ["Toy", "Toy-EVA"])
def test_loading_leaves_every_global_generator_alone(name, tmp_path):
    path = tmp_path / "x.pt"
    torch.save(state(load(name, seed=1)), path)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    load(name, seed=1)
    load(name, path)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]


@pytest.mark.parametrize(
    ("pretrained", "seed", "says"),
    [
        (None, None, "need a seed"),
        ("random:", None, "random:SEED"),
        ("random:x", None, "random:SEED"),
        ("random", None, "random:SEED"),
        ("random:1", 2, "random:SEED"),
        (None, -1, "whole number"),
        (None, 1.5, "whole number"),
    ],
)
def test_random_weights_need_a_whole_seed(pretrained, seed, says):
    with pytest.raises(ConfigError, match=says):
        load("Toy", pretrained, seed=seed)


# ---- files


def test_the_weights_of_a_file_do_their_work(tmp_path):
    """Features equal those of the model that was saved: every tensor is in its place."""
    model = build_model("Toy-quickgelu", seed=5).eval()
    pixels, texts = torch.randn(2, 3, 32, 32), ["a photo of a cat.", "two dogs"]
    path = save_script(model, tmp_path / "toy.pt", pixels, open_clip.tokenize(texts))
    backbone = load("Toy-quickgelu", path)
    with torch.no_grad():
        image, text = (
            model.encode_image(pixels, normalize=True),
            model.encode_text(open_clip.tokenize(texts), normalize=True),
        )
    assert torch.allclose(backbone.encode_image(pixels), image, atol=1e-6)
    assert torch.allclose(backbone.encode_text(texts), text, atol=1e-6)


def test_half_precision_files_are_loaded_as_float32(tmp_path):
    weights = {k: v.half() for k, v in build_model("Toy", seed=1).state_dict().items()}
    save_file(weights, tmp_path / "half.safetensors")
    loaded = state(load("Toy", tmp_path / "half.safetensors"))
    assert {t.dtype for t in loaded.values()} == {torch.float32}
    assert same(loaded, {k: v.float() for k, v in weights.items()})


def test_text_names_are_translated_to_those_of_a_split_model(tmp_path):
    weights = state(load("Toy-EVA", seed=1))
    torch.save({k.removeprefix("text."): v for k, v in weights.items()}, tmp_path / "flat.pt")
    assert same(state(load("Toy-EVA", tmp_path / "flat.pt")), weights)
    plain = state(load("Toy", seed=1))
    torch.save(
        {k if k.startswith(("visual.", "logit")) else f"text.{k}": v for k, v in plain.items()}, tmp_path / "s.pt"
    )
    assert same(state(load("Toy", tmp_path / "s.pt")), plain)


def test_openai_numbers_and_a_logit_scale_of_one_element_fit(tmp_path):
    weights = state(load("Toy", seed=1))
    extra = {
        "input_resolution": torch.tensor(32),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    torch.save(weights | extra | {"logit_scale": weights["logit_scale"].reshape(1)}, tmp_path / "x.pt")
    assert same(state(load("Toy", tmp_path / "x.pt")), weights)


def test_the_weights_are_no_view_of_the_file(tmp_path):
    weights = state(load("Toy", seed=1))
    save_file(weights, tmp_path / "x.safetensors")
    backbone = load("Toy", tmp_path / "x.safetensors")
    with open(tmp_path / "x.safetensors", "r+b") as stream:
        stream.seek(-4096, 2)
        stream.write(bytes(4096))
    assert same(state(backbone), weights)


@pytest.mark.parametrize("path", ["weights/gone.pt", "gone.safetensors", "./gone", "~/gone.bin"])
def test_a_path_that_does_not_exist_is_a_missing_checkpoint(path):
    with pytest.raises(CheckpointError, match="there is no file"):
        load("Toy", path)


def test_a_checkpoint_of_another_model_says_what_differs(tmp_path):
    torch.save(state(load("Toy-wide", seed=1)), tmp_path / "wide.pt")
    differs = r"of another shape \(text_projection \[64, 48\] instead of \[64, 32\]"
    with pytest.raises(CheckpointError, match=rf"wide\.pt .*does not fit Toy, .*{differs}.*like Toy-wide"):
        load("Toy", tmp_path / "wide.pt")
    with pytest.raises(
        CheckpointError, match=r"missing \(visual.trunk.*unexpected \(visual.class_embedding, .*Toy-wide"
    ):
        load("Toy-EVA", tmp_path / "wide.pt")


def test_position_tables_are_not_resized(tmp_path):
    torch.save(state(load("Toy-64px", seed=1)), tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"visual.positional_embedding \[17, 64\] instead of \[5, 64\].*Toy-64px"):
        load("Toy", tmp_path / "x.pt")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_numbers_are_refused(tmp_path, bad):
    weights = state(load("Toy", seed=1))
    weights["ln_final.bias"][3] = bad
    torch.save(weights, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"ln_final\.bias holds NaN or infinite"):
        load("Toy", tmp_path / "x.pt")


def test_whole_numbers_in_place_of_weights_are_refused(tmp_path):
    weights = state(load("Toy", seed=1))
    torch.save(weights | {"ln_final.bias": torch.zeros(64, dtype=torch.int8)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"not floats \(ln_final\.bias\)"):
        load("Toy", tmp_path / "x.pt")


# ---- activation


@pytest.mark.parametrize(
    ("name", "tag", "right"),
    [
        ("ViT-B-16", "openai", "ViT-B-16-quickgelu"),
        ("ViT-L-14", "openai", "ViT-L-14-quickgelu"),
        ("ViT-B/16", "metaclip_400m", "ViT-B-16-quickgelu"),
        ("Toy", "quick", "Toy-quickgelu"),
        ("Toy-quickgelu", "old", "Toy"),
    ],
)
def test_a_tag_of_another_activation_is_refused(name, tag, right):
    with pytest.raises(ConfigError, match=f"Ask for '{right}'"):
        load(name, tag)


def test_a_torchscript_file_of_another_activation_is_refused(tmp_path):
    inputs = torch.zeros(1, 3, 32, 32), open_clip.tokenize(["x"])
    quick = save_script(build_model("Toy-quickgelu", seed=1).eval(), tmp_path / "quick.pt", *inputs)
    plain = save_script(build_model("Toy", seed=1).eval(), tmp_path / "plain.pt", *inputs)
    with pytest.raises(ConfigError, match="Ask for 'Toy-quickgelu'"):
        load("Toy", quick)
    with pytest.raises(ConfigError, match="Ask for 'Toy'"):
        load("Toy-quickgelu", plain)
    assert load("Toy", plain).stamp != load("Toy-quickgelu", quick).stamp


def test_a_file_of_openai_is_known_by_its_hash(tmp_path, monkeypatch):
    torch.save(state(load("Toy", seed=1)), tmp_path / "x.pt")
    assert load("Toy", tmp_path / "x.pt").source.startswith("x.pt (file, sha256 ")
    from clipcompat.common.files import hash_file

    record = {"url": f"https://openaipublic.example/{hash_file(tmp_path / 'x.pt')}/Toy.pt", "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Toy", TAGS | {"openai": record})
    with pytest.raises(ConfigError, match="trained with QuickGELU"):
        load("Toy", tmp_path / "x.pt")


def test_another_activation_is_taken_where_it_is_asked_for_and_the_source_says_so(tmp_path):
    inputs = torch.zeros(1, 3, 32, 32), open_clip.tokenize(["x"])
    quick = save_script(build_model("Toy-quickgelu", seed=1).eval(), tmp_path / "quick.pt", *inputs)
    right, control = load("Toy-quickgelu", quick), load("Toy", quick, other_activation=True)
    assert same(state(right), state(control)) and right.stamp != control.stamp
    assert (right.text.activation, control.text.activation) == ("quick_gelu", "gelu")
    assert control.source.endswith(", trained with QuickGELU, run with GELU")
    assert load("Toy-quickgelu", quick, other_activation=True).source == right.source  # nothing is wrong with these


def test_a_tag_of_another_activation_is_taken_where_it_is_asked_for(tmp_path):
    weights = state(load("Toy", seed=1))
    put_in_cache(tmp_path, weights)
    control = load("Toy", "quick", cache_dir=tmp_path, other_activation=True)
    assert same(state(control), weights)
    assert control.source == "quick (tag), trained with QuickGELU, run with GELU"
    reverse = load("Toy-quickgelu", "old", cache_dir=tmp_path, other_activation=True)
    assert reverse.source == "old (tag), trained with GELU, run with QuickGELU"


# ---- tags


def put_in_cache(folder, weights):
    snapshot = folder / "models--nobody--toy" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "models--nobody--toy" / "refs").mkdir()
    (folder / "models--nobody--toy" / "refs" / "main").write_text("abc")
    save_file(weights, snapshot / "open_clip_model.safetensors")


def test_a_tag_is_loaded_from_the_cache_without_a_network(tmp_path):
    weights = state(load("Toy", seed=1))
    put_in_cache(tmp_path, weights)
    backbone = load("Toy", "published", cache_dir=tmp_path)
    assert same(state(backbone), weights)
    assert backbone.source == "published (tag)"
    assert backbone.stamp == load("Toy", seed=1).stamp


def test_a_published_file_of_openai_is_found_in_its_own_cache(tmp_path, monkeypatch):
    torch.save(state(load("Toy", seed=1)), tmp_path / "Toy.pt")
    from clipcompat.common.files import hash_file

    for digest, found in ((hash_file(tmp_path / "Toy.pt"), True), ("0" * 64, False)):
        record = TAGS["published"] | {"url": f"https://openaipublic.example/{digest}/Toy.pt"}
        monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "Toy", {"own": record})
        if found:
            assert load("Toy", "own", cache_dir=tmp_path).source == "own (tag)"
        else:
            with pytest.raises(CheckpointError, match="in no cache"):
                load("Toy", "own", cache_dir=tmp_path)


def test_a_tag_that_cannot_be_downloaded_says_which_and_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"'published' of Toy \(nobody/toy\).*give its path as pretrained"):
        load("Toy", "published", cache_dir=tmp_path)


def test_an_unknown_tag_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"Did you mean 'published', .* Its tags: published, other_mean"):
        load("Toy", "publishd")
    with pytest.raises(UnknownNameError, match=r"neither a tag of EVA02-B-16 nor a file.*merged2b_s8b_b131k"):
        load("EVA02-B-16", "openai")


# ---- architectures, preprocessing, stamps


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(UnknownNameError, match="'ViT-B-16-quickgelu'"):
        load("ViT-B-16-quickgel", seed=1)


@pytest.mark.parametrize("name", ["Toy-caption", "ViT-B-16-SigLIP", "roberta-ViT-B-32", "coca_ViT-B-32"])
def test_a_model_without_clips_text_tower_is_refused(name):
    with pytest.raises(ConfigError, match="text tower"):
        load(name, seed=1)


def test_preprocessing_comes_from_the_tag(tmp_path):
    put_in_cache(tmp_path, state(load("Toy", seed=1)))
    own, other = (load("Toy", tag, cache_dir=tmp_path) for tag in ("published", "other_mean"))
    assert (own.preprocess.size, own.preprocess.mean, own.preprocess.std) == (32, OPENAI_MEAN, OPENAI_STD)
    assert (other.preprocess.mean, other.preprocess.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert own.stamp != other.stamp


def test_preprocessing_this_library_does_not_do_is_refused():
    with pytest.raises(ConfigError, match="'squash'"):
        load("Toy", "squashed")
    with pytest.raises(ConfigError, match="square"):
        load("Toy-oblong", seed=1)


def test_equal_weights_of_another_name_or_activation_have_another_stamp(tmp_path):
    torch.save(state(load("Toy", seed=1)), tmp_path / "x.pt")
    assert load("Toy", tmp_path / "x.pt").stamp != load("Toy-quickgelu", tmp_path / "x.pt").stamp


def test_the_type_of_the_towers_is_picked_and_parameters_stay_float32():
    backbone = load("Toy", seed=1, dtype="bf16")
    assert backbone.dtype == torch.bfloat16
    assert {p.dtype for p in backbone._model.parameters()} == {torch.float32}
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        load("Toy", seed=1, dtype="fp16")


# ---- full size


def test_vit_b_16_gets_one_stamp_from_torchscript_safetensors_and_state_dict(tmp_path):
    """fp16 TorchScript as OpenAI published it, fp16 safetensors, and a wrapped fp32 state dict of the same weights."""
    name = "ViT-B-16-quickgelu"
    model = build_model(name, seed=1).eval()
    assert sum(p.numel() for p in model.visual.parameters()) == 86_192_640
    assert sum(p.numel() for p in model.parameters()) == 86_192_640 + 63_428_097
    save_script(model, tmp_path / "clip.pt", torch.zeros(1, 3, 224, 224), open_clip.tokenize(["x"]), half=True)
    rounded = {k: v.half() for k, v in model.state_dict().items()}
    save_file(rounded, tmp_path / "clip.safetensors")
    rounded = {k: v.float() for k, v in rounded.items()}
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": v for k, v in rounded.items()}}, tmp_path / "clip.pth")
    stamps = set()
    for file in ("clip.pt", "clip.safetensors", "clip.pth"):
        backbone = load(name, tmp_path / file)
        assert same(state(backbone), rounded), file
        doubt = "" if file == "clip.pt" else ", activation not verified"  # only TorchScript tells
        assert re.fullmatch(rf"{file} \(file, sha256 [0-9a-f]{{8}}…, not known as published\){doubt}", backbone.source)
        stamps.add(backbone.stamp)
        (tmp_path / file).unlink()
    assert len(stamps) == 1
    assert (backbone.dim, backbone.width, backbone.layers, backbone.preprocess.size) == (512, 512, 12, 224)
    assert backbone.preprocess.mean == OPENAI_MEAN


def test_eva02_b_16_gets_one_stamp_from_safetensors_and_state_dict(tmp_path):
    random_one = load("EVA02-B-16", seed=1)
    weights = state(random_one)
    assert sum(p.numel() for p in random_one._model.visual.parameters()) == 86_263_040
    save_file(weights, tmp_path / "eva.safetensors")
    torch.save(weights, tmp_path / "eva.pt")
    for file in ("eva.safetensors", "eva.pt"):
        backbone = load("EVA02-B-16", tmp_path / file)
        assert backbone.stamp == random_one.stamp
        assert same(state(backbone), weights)
    pixels = torch.randn(1, 3, 224, 224)
    # the rotary tables are no weights: they must have survived a build without drawing
    assert torch.equal(backbone.encode_image(pixels), random_one.encode_image(pixels))
    with pytest.raises(CheckpointError, match=r"does not fit ViT-B-16-quickgelu.*looks like EVA02-B-16"):
        load("ViT-B-16-quickgelu", tmp_path / "eva.pt")


def test_a_file_that_cannot_tell_its_activation_is_taken_with_a_warning(tmp_path, caplog):
    """Mixing up is possible only where open_clip has the model with both activations."""
    save_file(
        {k: v.contiguous() for k, v in build_model("ViT-B-32", 1).state_dict().items()}, tmp_path / "b32.safetensors"
    )
    backbone = load_backbone("ViT-B-32", tmp_path / "b32.safetensors", device="cpu")
    assert backbone.source.endswith("activation not verified") and "QuickGELU" in caplog.text
