"""The attention layer of ContCoOp: context rows attend to themselves and to the class they describe.

Paper: arXiv 2412.20895; O = softmax(Q Kᵀ / √D) V W_O over X_i = [p; c_i], of which the first N rows are kept.
The paper leaves the switches open; this project's method notes list the readings (6.2, #4–#11, #16, #32).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods.parts.parameters import linear_default
from clipcompat.training.learner import Shape

INITS = {
    "linear_default": (nn.init.kaiming_uniform_, {"a": math.sqrt(5)}),
    "kaiming_normal_relu": (nn.init.kaiming_normal_, {"nonlinearity": "relu"}),
    "kaiming_uniform_relu": (nn.init.kaiming_uniform_, {"nonlinearity": "relu"}),
    "xavier": (nn.init.xavier_uniform_, {}),
}
SCALES = ("head", "model")


@dataclass(frozen=True)
class Attention:
    """One attention layer without dropout, norm or MLP.

    heads: must divide the width. scale: divide scores by the root of the head's width ("head") or of D ("model");
    the same for one head. bias: biases on all four maps. init: "linear_default" is kaiming_uniform(a=√5).
    out_zero: W_O (and its bias) start at 0, so that p(c_i) = p at first. residual: p + Attn, else Attn alone.
    causal: rows see only earlier rows of X, which hides the condition from the context. pos: first add the tower's
    positions to X. lr_scale, weight_decay: for W_* and biases; None takes the recipe's weight decay.
    """

    heads: int = 1
    scale: str = "head"
    bias: bool = False
    init: str = "linear_default"
    out_zero: bool = False
    residual: bool = True
    causal: bool = False
    pos: bool = False
    lr_scale: float = 1.0
    weight_decay: float | None = None

    def __post_init__(self):
        if self.init not in INITS:
            raise unknown_name("attention.init", self.init, INITS)
        if self.scale not in SCALES:
            raise unknown_name("attention.scale", self.scale, SCALES)
        if self.heads < 1:
            raise ConfigError(f"attention.heads must be at least 1, not {self.heads}.")
        if not 0 <= self.lr_scale <= 1e6 or not 0 <= (self.weight_decay or 0) <= 1e6:
            raise ConfigError(
                "attention.lr_scale and attention.weight_decay must be 0 or more (and at most 1e6); "
                f"they are {self.lr_scale} and {self.weight_decay}."
            )

    def parameters(self, width: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Initial values of attn.{q,k,v,o}.weight [width, width], applied as x · Wᵀ, and of their biases [width]."""
        if width % self.heads:
            raise ConfigError(f"attention.heads={self.heads} does not divide a text tower {width} wide.")
        parameters = {}
        for name in "qkvo":
            draw, options = INITS[self.init]
            parameters[f"attn.{name}.weight"] = draw(torch.empty(width, width), generator=generator, **options)
            if self.bias:
                parameters[f"attn.{name}.bias"] = linear_default(width, width, generator, bias=True)
        if self.out_zero:
            for kind in ("weight", "bias") if self.bias else ("weight",):
                parameters[f"attn.o.{kind}"].zero_()
        return parameters

    @property
    def shapes(self) -> dict[str, Shape]:
        """Of `parameters`, by name."""
        weights = {f"attn.{name}.weight": ("width", "width") for name in "qkvo"}
        return weights | ({f"attn.{name}.bias": ("width",) for name in "qkvo"} if self.bias else {})

    @property
    def options(self) -> dict[str, float]:
        """Optimiser options of the maps that differ from the recipe's."""
        own = {"lr_scale": self.lr_scale, "weight_decay": self.weight_decay}
        return {name: value for name, value in own.items() if value is not None}


def attend(
    config: Attention, parameters: Mapping[str, Tensor], context: Tensor, condition: Tensor, mask: Tensor
) -> Tensor:
    """Attn(p, c_i) for every class.

    Args:
        parameters: the maps of `Attention.parameters`. context: p, [n_ctx, width].
        condition: c_i, [class, row, width]. mask: [class, row], True where a row is real.
        With `pos`, the caller has added positions to context and condition.

    Returns:
        [class, n_ctx, width]
    """

    def linear(x: Tensor, name: str) -> Tensor:
        return nn.functional.linear(x, parameters[f"attn.{name}.weight"], parameters.get(f"attn.{name}.bias"))

    def split(x: Tensor) -> Tensor:  # [..., row, width] -> [..., head, row, width / head]
        return x.unflatten(-1, (config.heads, -1)).transpose(-3, -2)

    n_ctx, width = context.shape
    classes, rows = condition.shape[:2]
    # the context's own q, k and v are the same for every class: computed once, never copied
    q, k, v = (split(linear(context, name)) for name in "qkv")  # [head, n_ctx, channel]
    own_k, own_v = split(linear(condition, "k")), split(linear(condition, "v"))  # [class, head, row, channel]
    channels = width // config.heads if config.scale == "head" else width
    shared = (q @ k.mT).expand(classes, -1, -1, -1)  # [class, head, n_ctx, n_ctx]
    scores = torch.cat([shared, torch.einsum("hnd,chmd->chnm", q, own_k)], dim=-1) / math.sqrt(channels)
    hidden = torch.cat([torch.zeros(classes, n_ctx, dtype=torch.bool, device=mask.device), ~mask], dim=1)
    scores = scores.masked_fill(hidden[:, None, None], float("-inf"))
    if config.causal:
        later = torch.ones(n_ctx, n_ctx + rows, dtype=torch.bool, device=mask.device).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    to_context, to_condition = scores.softmax(-1).split([n_ctx, rows], dim=-1)
    mixed = torch.einsum("chnm,hmd->chnd", to_context, v) + to_condition @ own_v  # [class, head, n_ctx, channel]
    return linear(mixed.transpose(-3, -2).flatten(-2), "o")  # [class, n_ctx, width]
