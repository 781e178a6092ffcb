"""The references of tests/reference, fed from a backbone: its tensors and its tokenizer's ids, nothing else of it."""

from __future__ import annotations

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from tests.reference import clip_adapter, cocoop, tip_adapter
from tests.reference.contcoop import attention, condition_rows
from tests.reference.coop import prompt_rows
from tests.reference.text_transformer import residual_stream, text_feature
from tests.reference.vision_transformer import image_feature


def state_of(backbone: Backbone) -> dict[str, Tensor]:
    """The text tower's tensors, without the `text.` of CustomTextCLIP."""
    state = backbone._model.state_dict()
    split = any(key.startswith("text.") for key in state)
    return {key.removeprefix("text."): value for key, value in state.items() if key.startswith("text.") == split}


def ids_of(backbone: Backbone, text: str) -> list[int]:
    """SOS … EOT."""
    tokenizer = backbone.tokenizer
    return [tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id]


def name_ids(backbone: Backbone, name: str) -> tuple[list[int], int]:
    """Ids of "name." with SOS and EOT, and how many the bare name has."""
    name = name.replace("_", " ")
    return ids_of(backbone, name + "."), len(backbone.tokenizer.encode(name))


def slow_feature(backbone: Backbone, rows: Tensor, **injection) -> Tensor:
    """Rows of one prompt -> its feature, computed in the type of the rows."""
    heads, state = backbone.text.heads, {name: tensor.to(rows.dtype) for name, tensor in state_of(backbone).items()}
    return text_feature(state, rows, heads, backbone.text.activation, **injection)


def slow_stream(backbone: Backbone, rows: Tensor) -> list[list[Tensor]]:
    """Rows of one prompt -> the rows before block 0 and after each block."""
    return residual_stream(state_of(backbone), rows, backbone.text.heads, backbone.text.activation)


def slow_zero_shot(backbone: Backbone, names, template: str, dtype: torch.dtype = torch.float32) -> Tensor:
    table = state_of(backbone)["token_embedding.weight"].to(dtype)
    texts = [template.replace("{}", name.replace("_", " ")) for name in names]
    return torch.stack([slow_feature(backbone, table[ids_of(backbone, text)]) for text in texts])


def slow_ensemble(backbone: Backbone, names, templates) -> Tensor:
    """Zero-shot weights of several templates, [class, dim]: each made a unit vector, then their mean."""
    every = [slow_zero_shot(backbone, names, template) for template in templates]
    return sum(weights / weights.norm(dim=-1, keepdim=True) for weights in every) / len(every)


def slow_coop(backbone: Backbone, names, ctx: Tensor, position: str = "end") -> Tensor:
    """CoOp's class weights, [class, dim], not normalised, in the type of ctx: [N, D] or [class, N, D]."""
    table, weights = state_of(backbone)["token_embedding.weight"].to(ctx.dtype), []
    for i, name in enumerate(names):
        ids, length = name_ids(backbone, name)
        own = ctx[i] if ctx.ndim == 3 else ctx
        weights.append(slow_feature(backbone, prompt_rows(table, ids[0], ids[1:], length, own, position)))
    return torch.stack(weights)


def slow_condition(backbone: Backbone, name: str, n_ctx: int, pos: bool = False, **switches) -> Tensor:
    state = state_of(backbone)
    ids, length = name_ids(backbone, name)
    positions = state["positional_embedding"] if pos else None
    return condition_rows(state["token_embedding.weight"], ids, length, positions=positions, n_ctx=n_ctx, **switches)


def slow_contcoop(backbone: Backbone, names, tensors, conditions=None, residual=True, pos=False, **switches) -> Tensor:
    """ContCoOp's class weights, [class, dim], not normalised.

    tensors: as a plug-in has them. conditions: rows of each class; None takes the name's tokens.
    switches: of the reference's attention.
    """
    p = tensors["ctx"]
    maps = {n: tensors[f"attn.{n}.weight"] for n in "qkvo"}
    biases = {n: tensors[f"attn.{n}.bias"] for n in "qkvo" if f"attn.{n}.bias" in tensors}
    conditions = conditions or [slow_condition(backbone, name, len(p), pos) for name in names]
    seen = p + state_of(backbone)["positional_embedding"][1 : 1 + len(p)] if pos else p
    changes = [attention(seen, c, maps, biases=biases, **switches) for c in conditions]
    return slow_coop(backbone, names, torch.stack([p + change if residual else change for change in changes]))


def slow_cocoop(backbone: Backbone, names, tensors, features: Tensor) -> Tensor:
    """CoCoOp's logits, [image, class]: the text tower reads every class's prompt anew for every image."""
    return cocoop.logits(features, tensors, lambda ctx: slow_coop(backbone, names, ctx), backbone.logit_scale)


def slow_clip_adapter(backbone: Backbone, names, tensors, features: Tensor, template: str, ratio=None) -> Tensor:
    """CLIP-Adapter's logits, [image, class]; ratio: None takes the one the tensors carry."""
    weights = slow_zero_shot(backbone, names, template)
    ratio = float(tensors["ratio"]) if ratio is None else ratio
    maps = tensors["fc.0.weight"], tensors["fc.2.weight"]
    return clip_adapter.logits(features, *maps, weights, backbone.logit_scale, ratio)


def slow_tip_adapter(backbone: Backbone, names, tensors, features: Tensor, template: str, **constants) -> Tensor:
    """Tip-Adapter's logits, [image, class]; constants: alpha, beta, instead of those the tensors carry, and scale."""
    weights = slow_zero_shot(backbone, names, template)
    mix = {name: float(tensors[name]) for name in ("alpha", "beta") if name not in constants}
    return tip_adapter.logits(features, weights, tensors["keys"], tensors["values"], **mix, **constants)


def slow_images(backbone: Backbone, pixels: Tensor, prompts=()) -> Tensor:
    """Pixels uint8 [image, 3, side, side] -> features [image, dim], not normalised, of a plain tower with prompts."""
    state = {k.removeprefix("visual."): t for k, t in backbone._model.state_dict().items() if k.startswith("visual.")}
    heads = backbone._model.visual.transformer.resblocks[0].attn.num_heads
    mean, std = (torch.tensor(x)[:, None, None] for x in (backbone.preprocess.mean, backbone.preprocess.std))
    seen = [(picture / 255 - mean) / std for picture in pixels]
    return torch.stack([image_feature(state, one, heads, backbone.text.activation, prompts) for one in seen])


def slow_deep_text(backbone: Backbone, names, words: str, ctx: Tensor, deep=()) -> Tensor:
    """Class weights [class, dim], not normalised: ctx over the first tokens of "words name.", deep before blocks 1, ….

    ctx: [token, width]. deep: [block, token, width].
    """
    table, weights = state_of(backbone)["token_embedding.weight"], []
    for name in names:
        ids = ids_of(backbone, f"{words} {name.replace('_', ' ')}.")
        rows = torch.cat([table[ids[:1]], ctx, table[ids[1 + len(ctx) :]]])
        weights.append(slow_feature(backbone, rows, deep=dict(enumerate(deep, 1))))
    return torch.stack(weights)
