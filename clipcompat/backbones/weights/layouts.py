"""Checkpoints of other libraries in open_clip's names: EVA-CLIP's own, and transformers' CLIPModel.

Tensors are renamed, fused or transposed, and never changed in value. A name that does not belong to the layout stays as
it is, so that the check against the model reports it.

Sources: EVA-CLIP/rei/eva_clip/eva_vit_model.py (baaivision/EVA); models/clip/modeling_clip.py and
convert_clip_original_pytorch_to_hf.py (huggingface/transformers).
"""

import re
from collections.abc import Iterable

import torch
from torch import Tensor

_PREFIXES = ("module.", "model.", "_orig_mod.")  # DistributedDataParallel, Lightning, torch.compile

_TRANSFORMERS = {
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.encoder.layers.": "transformer.resblocks.",
    "text_model.final_layer_norm.": "ln_final.",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.": "visual.conv1.",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",  # spelt so there
    "vision_model.encoder.layers.": "visual.transformer.resblocks.",
    "vision_model.post_layernorm.": "visual.ln_post.",
}
_TRANSFORMERS_LAYER = {
    ".layer_norm1.": ".ln_1.",
    ".layer_norm2.": ".ln_2.",
    ".mlp.fc1.": ".mlp.c_fc.",
    ".mlp.fc2.": ".mlp.c_proj.",
    ".self_attn.out_proj.": ".attn.out_proj.",
}
_TRANSPOSED = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}
_COUNTERS = {f"{tower}_model.embeddings.position_ids" for tower in ("text", "vision")}
_QUERY = re.compile(r"(.*)\.self_attn\.q_proj\.(weight|bias)")


def strip_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names without what a wrapper put before all of them: "module.", "model.", "_orig_mod.", in any order."""
    while prefix := next((p for p in _PREFIXES if tensors and all(name.startswith(p) for name in tensors)), None):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def to_open_clip(tensors: dict[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """The tensors of any of the known layouts, with the names of an open_clip model.

    wanted: the model's names; those of its text tower may or may not begin with `text.`.
    """
    if any(name.startswith(("text_model.encoder.layers.", "vision_model.encoder.layers.")) for name in tensors):
        tensors = _from_transformers(tensors)
    elif any(name.startswith("visual.blocks.") for name in tensors):
        tensors = _from_eva(tensors)
    return _place_text(tensors, wanted)


def _place_text(tensors: dict[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """Add or remove `text.` before the text tower's names, as the model has it."""
    split = any(key.startswith("text.") for key in wanted)
    if split and "positional_embedding" in tensors:
        return {k if k.startswith(("visual.", "logit_")) else f"text.{k}": v for k, v in tensors.items()}
    return tensors if split else {k.removeprefix("text."): v for k, v in tensors.items()}


def _from_transformers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """CLIPModel: query, key and value apart, projections transposed, and buffers that count positions."""
    tensors = {name: tensor for name, tensor in tensors.items() if name not in _COUNTERS}
    for match in [m for m in map(_QUERY.fullmatch, tensors) if m]:
        layer, kind = match.groups()
        names = [f"{layer}.self_attn.{part}_proj.{kind}" for part in "qkv"]
        parts = [tensors.get(name) for name in names]
        if all(part is not None and part.shape == parts[0].shape and part.ndim for part in parts):
            tensors[f"{layer}.attn.in_proj_{kind}"] = torch.cat(parts)
            for name in names:
                del tensors[name]
    for theirs, ours in _TRANSPOSED.items():
        if theirs in tensors and tensors[theirs].ndim == 2:
            tensors[ours] = tensors.pop(theirs).T
    return {_translate(name): tensor for name, tensor in tensors.items()}


def _translate(name: str) -> str:
    for theirs, ours in _TRANSFORMERS.items():
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            if ".resblocks." in ours:
                for part, new in _TRANSFORMERS_LAYER.items():
                    name = name.replace(part, new)
            return name
    return name


def _from_eva(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """EVA-CLIP: blocks renamed by timm, which has the image tower; rotary tables follow from the configuration."""
    from timm.models.eva import checkpoint_filter_fn

    blocks = {k.removeprefix("visual."): v for k, v in tensors.items() if k.startswith("visual.blocks.")}
    # only the blocks: timm would resize position embeddings and patches, and those keep their names
    blocks = checkpoint_filter_fn(blocks, model=None)
    rest = {k: v for k, v in tensors.items() if not k.startswith(("visual.blocks.", "visual.rope.freqs_"))}
    renamed = {k.replace("visual.", "visual.trunk.", 1) if k.startswith("visual.") else k: v for k, v in rest.items()}
    if "text.logit_scale" in renamed:  # in files of before the text tower was a module of its own
        renamed["logit_scale"] = renamed.pop("text.logit_scale")
    return renamed | {f"visual.trunk.{k}": v for k, v in blocks.items()}
