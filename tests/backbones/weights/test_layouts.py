"""Weights in the names of the EVA authors and of transformers do what the model they come from does."""

from __future__ import annotations

import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.weights.architecture import build_model
from clipcompat.backbones.weights.fill import fill_model
from clipcompat.common.errors import CheckpointError
from tests.reference import published_layouts as reference

GRID, PATCH, DIM, HEADS, LAYERS, WIDTH, HIDDEN = 4, 8, 16, 2, 2, 32, 48
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 24, "heads": 2, "layers": LAYERS}
VIT = {"image_size": GRID * PATCH, "layers": LAYERS, "width": WIDTH, "head_width": WIDTH // HEADS, "patch_size": PATCH}
KINDS = {
    "EVA02": {
        "qkv_fused": False,
        "swiglu_mlp": True,
        "scale_mlp": True,
        "scale_attn_inner": True,
        "use_rot_pos_emb": True,
        "ref_feat_shape": (16, 16),
    },
    "EVA01": {},
    "postnorm": {"use_post_norm": True},
}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """A small model of each kind: timm's own builders of the EVA-CLIP towers, with other sizes."""
    sizes = {"img_size": GRID * PATCH, "patch_size": PATCH, "embed_dim": WIDTH, "depth": LAYERS, "num_heads": HEADS}
    for kind, switches in KINDS.items():

        def build(pretrained=False, switches=switches, **options):
            kept = {name: options[name] for name in ("num_classes", "global_pool")}
            kept |= sizes | {"mlp_ratio": HIDDEN / WIDTH} | switches
            return timm.models.eva._create_eva("eva02_base_patch16_clip_224", **kept)

        monkeypatch.setitem(timm.models._registry._model_entrypoints, f"toy_{kind}", build)
        vision = {"image_size": GRID * PATCH, "timm_model_name": f"toy_{kind}", "timm_pool": "token", "timm_proj": None}
        config = {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": TEXT, "custom_text": True}
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, f"Toy-{kind}", config)
    for name, quick in (("Toy", False), ("Toy-quickgelu", True)):
        config = {"embed_dim": DIM, "quick_gelu": quick, "vision_cfg": VIT, "text_cfg": TEXT}
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)
    split = {"embed_dim": DIM, "vision_cfg": VIT, "text_cfg": TEXT, "custom_text": True}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Toy-split", split)


def drawn(shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}


def load(name, path):
    return load_backbone(name, path, device="cpu")


def eva_file(kind):
    """All tensors of an EVA-CLIP file: the image tower in the authors' names, the text tower in open_clip's."""
    state = drawn(reference.eva_names(kind, WIDTH, HIDDEN, LAYERS, GRID, PATCH, DIM, HEADS))
    cos, sin = reference.eva_tables(GRID, WIDTH // HEADS)
    state |= {name: cos if name.endswith("cos") else sin for name in state if ".rope." in name}
    text = build_model(f"Toy-{kind}", seed=3).state_dict()
    return state | {k: v for k, v in text.items() if not k.startswith("visual.")}


def transformers_file():
    shapes = reference.transformers_names(WIDTH, TEXT["width"], LAYERS, GRID * GRID + 1, PATCH, 77, 49408, DIM)
    counters = {f"{tower}_model.embeddings.position_ids": torch.arange(9)[None] for tower in ("text", "vision")}
    return drawn(shapes) | counters


@pytest.mark.parametrize("kind", KINDS)
def test_the_eva_authors_own_file_computes_what_their_model_computes(tmp_path, kind):
    state, pixels = eva_file(kind), torch.randn(3, 3, GRID * PATCH, GRID * PATCH)
    torch.save(state, tmp_path / "EVA_CLIP.pt")
    backbone = load(f"Toy-{kind}", tmp_path / "EVA_CLIP.pt")
    expected = reference.eva_image(state, pixels, HEADS, kind)
    torch.testing.assert_close(
        backbone.encode_image(pixels), torch.nn.functional.normalize(expected, dim=-1), rtol=0, atol=1e-5
    )
    loaded = backbone._model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items() if not name.startswith("visual."))
    assert all(torch.isfinite(t).all() for t in loaded.values())


def test_an_eva_file_of_before_the_text_tower_was_a_module_is_read_too(tmp_path):
    state = eva_file("EVA02")
    torch.save(state, tmp_path / "new.pt")
    torch.save({k.removeprefix("text."): v for k, v in state.items()}, tmp_path / "flat.pt")
    torch.save({f"text.{k}" if k == "logit_scale" else k: v for k, v in state.items()}, tmp_path / "scale.pt")
    stamps = {load("Toy-EVA02", tmp_path / f"{name}.pt").stamp for name in ("new", "flat", "scale")}
    assert len(stamps) == 1


@pytest.mark.parametrize(("name", "activation"), [("Toy", "gelu"), ("Toy-quickgelu", "quick_gelu")])
def test_the_file_of_transformers_computes_what_its_clip_model_computes(tmp_path, name, activation):
    state, pixels, texts = transformers_file(), torch.randn(3, 3, 32, 32), ["a photo of a cat.", "dogs"]
    save_file(state, tmp_path / "model.safetensors")
    backbone = load(name, tmp_path / "model.safetensors")
    image = reference.transformers_image(state, pixels, HEADS, activation)
    text = reference.transformers_text(state, open_clip.tokenize(texts), 2, activation)
    for ours, theirs in ((backbone.encode_image(pixels), image), (backbone.encode_text(texts), text)):
        torch.testing.assert_close(ours, torch.nn.functional.normalize(theirs, dim=-1), rtol=0, atol=1e-5)
    assert torch.equal(backbone._model.logit_scale, state["logit_scale"])


def test_the_file_of_transformers_fits_a_model_whose_text_tower_is_apart(tmp_path):
    state = transformers_file()
    torch.save({k: v for k, v in state.items() if not k.endswith("position_ids")}, tmp_path / "pytorch_model.bin")
    split, plain = (load(name, tmp_path / "pytorch_model.bin") for name in ("Toy-split", "Toy"))
    pixels = torch.randn(1, 3, 32, 32)
    assert torch.equal(split.encode_image(pixels), plain.encode_image(pixels))
    assert torch.equal(split.encode_text(["a cat"]), plain.encode_text(["a cat"]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"vision_model.encoder.layers.1.self_attn.k_proj.weight": None},
            r"missing \(visual.transformer.resblocks.1.attn.in_proj_weight\)",
        ),
        (
            {"text_model.encoder.layers.0.self_attn.v_proj.bias": torch.zeros(5)},
            r"missing \(transformer.resblocks.0.attn.in_proj_bias\)",
        ),
        (
            {"text_model.encoder.layers.0.self_attn.q_proj.weight": torch.zeros(())},
            r"missing \(transformer.resblocks.0.attn.in_proj_weight\)",
        ),
        (
            {"visual_projection.weight": torch.zeros(3)},
            r"missing \(visual.proj\).*unexpected \(visual_projection.weight\)",
        ),
        ({"text_projection.weight": torch.zeros(16, 8)}, r"text_projection \[8, 16\] instead of \[24, 16\]"),
        ({"text_model.surplus": torch.zeros(2)}, r"1 unexpected \(text_model.surplus\)"),
    ],
)
def test_a_file_of_transformers_that_does_not_fit_is_refused_with_what_differs(tmp_path, change, says):
    state = transformers_file() | change
    torch.save({k: v for k, v in state.items() if v is not None}, tmp_path / "x.bin")
    with pytest.raises(CheckpointError, match=rf"does not fit Toy, .*{says}"):
        load("Toy", tmp_path / "x.bin")


def test_position_tables_of_an_eva_file_are_not_resized(tmp_path):
    state = eva_file("EVA02")
    torch.save(state | {"visual.pos_embed": torch.zeros(1, 26, WIDTH)}, tmp_path / "positions.pt")
    with pytest.raises(CheckpointError, match=r"pos_embed \[1, 26, 32\] instead of \[1, 17, 32\]"):
        load("Toy-EVA02", tmp_path / "positions.pt")
    torch.save(state | {"visual.patch_embed.proj.weight": torch.zeros(WIDTH, 3, 7, 7)}, tmp_path / "patches.pt")
    with pytest.raises(CheckpointError, match=r"patch_embed.proj.weight \[32, 3, 7, 7\]"):
        load("Toy-EVA02", tmp_path / "patches.pt")


def test_a_file_in_another_layout_and_of_another_model_says_which_it_looks_like(tmp_path):
    torch.save(transformers_file(), tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match=r"does not fit Toy-EVA02.*looks like Toy"):
        load("Toy-EVA02", tmp_path / "model.bin")
    torch.save(eva_file("EVA02"), tmp_path / "eva.pt")
    with pytest.raises(CheckpointError, match=r"does not fit Toy, .*unexpected \(visual\.trunk"):
        load("Toy", tmp_path / "eva.pt")


def test_both_layouts_have_the_names_and_shapes_of_the_full_size_pair():
    """EVA02-CLIP-B/16 of 2,048 hidden units, and CLIP ViT-B/16: every tensor of the models, and none besides."""
    eva = reference.eva_names("EVA02", width=768, hidden=2048, layers=12, grid=14, patch=16, dim=512, heads=12)
    clip = reference.transformers_names(768, 512, 12, 197, patch=16, context=77, vocabulary=49408, dim=512)
    for name, shapes in (("EVA02-B-16", eva), ("ViT-B-16-quickgelu", clip)):
        model = build_model(name)
        text = {k: v for k, v in model.state_dict().items() if not k.startswith("visual.")} if name[0] == "E" else {}
        tensors = {k: torch.zeros(shape, dtype=torch.half) for k, shape in shapes.items()}
        fill_model(model, tensors | {k: torch.zeros_like(v) for k, v in text.items()}, name, "file")
        assert not any(tensor.any() for tensor in model.state_dict().values())
