"""PromptSRC, self-regulating prompts (Khattak et al. 2023, arXiv 2307.06948; muzairkhattak/PromptSRC).

Text: v overwrites the tokens of "a photo of a", P_k rows 1 … N before block k. Images: u is appended to the patches,
and Q_k takes its place before block k. t and f of unit norm are the text and image features with prompts, t0 and f0 of
the frozen backbone: t0 from 60 sentences, f0 from the same augmented picture. z = s t f, z0 = s t0 f0 are logits.
    L = CE(z) + 25 · mean |t - t0| + 10 · mean |f - f0| + KL(softmax z0 ‖ softmax z) / (B · C)
The result is a mean over the ends of epochs e, with weights of a Gaussian: Σ_e g_e · state_e.
Learned and carried: v, P, u and Q. Recomputed: both towers. The frozen features are not needed after training.

Deviations: parameters are float32; upstream rounds deep prompts to half, and takes its mean over the frozen weights,
too, in half. The Gaussian is in shares of the training, so that it fits other numbers of epochs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.data.split import Dataset
from clipcompat.data.templates import template_for
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import trainable
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.methods.visual.both_towers import BothTowers
from clipcompat.methods.visual.depth import deep_layers, deep_prompts
from clipcompat.training.learner import Learner, Shape, Tensors
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

TEMPLATES = ("imagenet60", "data")
_LEFT_OUT = (  # upstream's list is OpenAI's 80 sentences without these
    *("a jpeg corrupted photo of the", "a good photo of a", "a plushie", "a photo of the nice", "a photo of the small"),
    *("a photo of the weird", "the cartoon", "art of the", "a drawing of the", "a photo of the large"),
    *("a black and white photo of a", "the plushie", "a dark photo of a", "itap of a", "graffiti of the", "a toy"),
    *("itap of my", "a photo of a cool", "a photo of a small", "a tattoo of the"),
)


@dataclass(frozen=True)
class PromptSRC(BothTowers):
    """Separate prompts in both towers, held near what the frozen backbone says.

    n_ctx, ctx_init, depth: as in MaPLe; the image tower has as many tokens. text_weight, image_weight, logits_weight:
    of the three terms after CE. templates: of t0: "imagenet60", as upstream on all sets, or "data", the split's own.
    gpa_mean, gpa_std: centre and width of the Gaussian, as shares of the epochs: upstream 15 and 1 of 20. Its
        cross-dataset runs: depth 3, 6 and 10 of 20. Its few-shot runs: 50 epochs, 30 and 30, or 45 and 5.
    recipe: vit_b16_c2_ep20_batch4_4+4ctx.yaml.
    """

    name: ClassVar[str] = "promptsrc"
    title: ClassVar[str] = "PromptSRC"

    n_ctx: int = 4
    ctx_init: str | None = "a photo of a"
    depth: int = 9
    text_weight: float = 25.0
    image_weight: float = 10.0
    logits_weight: float = 1.0
    templates: str = "imagenet60"
    gpa_mean: float = 0.75
    gpa_std: float = 0.05
    recipe: Recipe = field(default_factory=lambda: Recipe(lr=2.5e-3, epochs=20, batch_size=4))

    def __post_init__(self):
        super().__post_init__()
        for name in ("text_weight", "image_weight", "logits_weight"):
            if not 0 <= getattr(self, name) <= 1e30:
                raise ConfigError(f"{name} must be 0 or more, not {getattr(self, name)}.")
        if self.gpa_std <= 0:
            raise ConfigError(f"gpa_std is the width of a Gaussian and must be positive, not {self.gpa_std}.")
        if self.templates not in TEMPLATES:
            raise unknown_name("templates", self.templates, TEMPLATES)

    def setup(self, task: Task) -> Learner:
        backbone, data, generator = task.backbone, task.data, task.generator
        layers, n, seen = deep_layers(backbone, self.depth), self.n_ctx, backbone.penultimate
        start = {"ctx": self.start(backbone, generator), "visual": deep_prompts(1, n, seen, generator)[0]}
        if layers:
            start["deep"] = deep_prompts(layers, n, backbone.width, generator)
            start["deep_visual"] = deep_prompts(layers, n, seen, generator)
        parameters = trainable(start, task)
        table, t0 = self.table(backbone, data.classnames), self.target(backbone, data)
        mean = _Mean(parameters, gaussian(self.recipe.epochs_for(data.name, data.shots, len(data.train)), self))

        def see(pixels: Tensor, frozen: Tensor | None = None) -> Tensor:
            """[batch, 2 · dim]: with prompts, then without."""
            prompted = backbone.prompted_features(pixels, self.visual_prompts(parameters))
            return torch.cat([prompted, backbone.image_features(pixels) if frozen is None else frozen], dim=1)

        def objective(features: Tensor, labels: Tensor, text: Tensor) -> Tensor:
            f, f0 = features.chunk(2, dim=1)
            t = F.normalize(text, dim=-1)
            return F.cross_entropy(cosine_logits(f, t, backbone.logit_scale), labels) + self.penalty(
                F.normalize(f, dim=-1), F.normalize(f0, dim=-1), t, t0, backbone.logit_scale
            )

        return Learner(
            parameters,
            objective,
            after_epoch=mean.add,
            finish=mean.tensors,
            prompts=lambda features: self.prompts(parameters, table),
            tower=backbone.text,
            see=see,
            frozen=task.views,
            pair=lambda features, text: (features.chunk(2, dim=1)[0], text),
        )

    def target(self, backbone: Backbone, data: Dataset) -> Tensor:
        """t0: [class, dim], unit norm. Raw features are averaged over sentences and then normalised."""
        templates = data.train.template if self.templates == "data" else reference_templates()
        return F.normalize(zero_shot_weights(backbone, data.classnames, templates, normalize=False), dim=-1)

    def penalty(self, f: Tensor, f0: Tensor, t: Tensor, t0: Tensor, scale: float) -> Tensor:
        """The terms after CE; f, f0: [batch, dim], t, t0: [class, dim], all of unit norm."""
        log_p, log_p0 = (scale * f @ t.T).log_softmax(-1), (scale * f0 @ t0.T).log_softmax(-1)  # [batch, class]
        divergence = F.kl_div(log_p, log_p0, reduction="sum", log_target=True) / log_p.numel()
        return (
            self.text_weight * F.l1_loss(t, t0) + self.image_weight * F.l1_loss(f, f0) + self.logits_weight * divergence
        )

    def visual_prompts(self, tensors: Tensors) -> Sequence[Tensor]:
        return [tensors["visual"], *tensors.get("deep_visual", ())]

    def shapes(self, classes: int) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {"ctx": (self.n_ctx, "width"), "visual": (self.n_ctx, "penultimate")}
        if self.depth > 1:
            shapes["deep"] = ("block", self.n_ctx, "width")
            shapes["deep_visual"] = ("block", self.n_ctx, "penultimate")
        return shapes


def reference_templates() -> tuple[str, ...]:
    """The 60 sentences of t0."""
    return tuple(t for t in template_for("imagenet", "openai80") if t.partition(" {}")[0] not in _LEFT_OUT)


def gaussian(epochs: int, method: PromptSRC) -> list[float]:
    """g_e of epochs 1, 2, …; they sum to 1."""
    exponents = [-0.5 * ((e / epochs - method.gpa_mean) / method.gpa_std) ** 2 for e in range(1, epochs + 1)]
    raw = [math.exp(x - max(exponents)) for x in exponents]
    return [x / sum(raw) for x in raw]


class _Mean:
    """A weighted mean of parameters over the ends of epochs."""

    def __init__(self, parameters: Tensors, weights: Sequence[float]):
        self._parameters, self._weights = parameters, weights
        self._sums = {name: torch.zeros_like(p, requires_grad=False) for name, p in parameters.items()}

    @torch.no_grad()
    def add(self, epoch: int) -> None:
        """epoch: how many are finished."""
        for name, total in self._sums.items():
            total.add_(self._parameters[name], alpha=self._weights[epoch - 1])

    def tensors(self) -> Tensors:
        return self._sums
