"""CLIP-LoRA, low-rank additions to the attention of both towers (Zanella and Ben Ayed 2024, arXiv 2405.18541;
MaxZanella/CLIP-LoRA lora.py and loralib).

Equations: q = W_q h + b_q + γ B_q A_q d(h), k and v in the same way, in every block;  γ = alpha / √rank;  d: dropout.
    logits = s · cos(I'(x), T'(c)),  L = CE.  I', T': the two towers with these additions; c: the class's prompt.
Learned: A and B of every block of both towers. A starts as nn.Linear does, B as 0.
Carried unchanged: A and B. Block k of a tower adds its own γ B A to the weights of block k of the new tower, whatever
these are. The blocks of a taller tower above that stay as they are. A tower with fewer blocks, or of another width,
takes none (`mismatch` says which). So the additions serve only as far as a channel means the same in both towers.
Recomputed: the towers with the additions in their weights, and from them all features. It holds for any class names.

Upstream's defects: γ is alpha / √rank, with alpha / rank left as a comment beside it; a file has no backbone, class
names or template; it is read by torch.load without weights_only; `train()` of its layers returns None; its validation,
a constant that is off, would print accuracies and keep the last state all the same; the reported zero-shot classifier
has all templates of a dataset, training and test only the first (as here).
Deviations: float32 (upstream: half); the cosine ends at 0 (upstream: 1e-6); training ends with a whole epoch.
Left out: its other choices of blocks, and the output projection ("o"). ResNets have no such attention.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.image.changed import ChangedTower
from clipcompat.backbones.low_rank import LowRank, merged
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.text.input import Prompts
from clipcompat.common.config import LATER
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.data.split import Dataset
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.methods.parts.parameters import linear_default, tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import readable, zero_shot_weights
from clipcompat.methods.parts.protocol import NO_VALIDATION, VALIDATION, BestEpoch, check_protocol
from clipcompat.training.learner import Learner, Method, Shape, Template, Tensors
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

_STEPS_PER_SHOT = 500
_PARTS = 3  # queries, keys, values


def _recipe() -> Recipe:
    optimizer = {"optimizer": "adamw", "lr": 2e-4, "weight_decay": 1e-2}
    return Recipe(**optimizer, epochs=10**9, batch_size=32, drop_last=False, schedule="step", warmup_epochs=0)


@dataclass(frozen=True)
class CLIPLoRA(Method):
    """Low-rank additions to queries, keys and values of all blocks of both towers.

    rank: of A and B. alpha: of the factor γ. dropout: the share of its input that A does not see in training.
    scale: s; None is the backbone's. recipe: its max_steps None is 500 per picture of a class.
    protocol: "no-validation" keeps the last epoch, as upstream; "validation" the best one on validation pictures, which
        both towers see anew after every epoch.
    """

    name: ClassVar[str] = "clip_lora"
    title: ClassVar[str] = "CLIP-LoRA"
    acts_on: ClassVar[str] = "weights of both towers"
    needs: ClassVar[str] = "pixels"

    rank: int = 2
    alpha: float = 1.0
    dropout: float = 0.25
    scale: float | None = 100.0
    recipe: Recipe = field(default_factory=_recipe)
    protocol: str = field(default=NO_VALIDATION, metadata=LATER)

    def __post_init__(self):
        check_protocol(self.protocol)
        if self.rank < 1:
            raise ConfigError(f"rank must be at least 1, not {self.rank}.")
        if not 0 < self.alpha <= 1e30:
            raise ConfigError(f"alpha must be positive, not {self.alpha}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be from 0 to less than 1, not {self.dropout}.")
        if self.scale is not None and self.scale <= 0:
            raise ConfigError(f"scale must be positive, not {self.scale}.")

    def recipe_for(self, data: Dataset) -> Recipe:
        if self.recipe.max_steps is not None:
            return self.recipe
        shots = data.shots or -(-len(data.train) // len(data.classnames))
        return replace(self.recipe, max_steps=_STEPS_PER_SHOT * shots)

    def setup(self, task: Task) -> Learner:
        backbone, data = task.backbone, task.data
        if not backbone.image_layers:
            raise IncompatibleError(f"{self.name} cannot be tuned on {backbone.name}: {_no_attention(backbone)}.")
        parameters = self._parameters(task)
        masks = torch.Generator(backbone.device).manual_seed(int(torch.randint(2**62, (), generator=task.generator)))
        text, image = (self._additions(parameters, tower, masks) for tower in ("text", "image"))
        tower = ChangedTower(backbone._model, image, backbone.dtype)
        prompts, scale = _prompts(backbone, data.classnames, data.train.template), self._scale(backbone)

        def see(pixels: Tensor, tower: ChangedTower = tower) -> Tensor:
            return tower(backbone.preprocess.normalise(pixels.to(backbone.device)))

        def logits(features: Tensor, text: LowRank) -> Tensor:
            weights = F.normalize(backbone.text.changed(prompts, text), dim=-1)
            return cosine_logits(features, weights, scale)

        def objective(features: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(logits(features, text), labels)

        if self.protocol != VALIDATION:
            return Learner(parameters, objective, see=see)
        text_at_test, image_at_test = (self._additions(parameters, which) for which in ("text", "image"))
        tower_at_test = ChangedTower(backbone._model, image_at_test, backbone.dtype)
        task.require_validation("the epoch that is kept")
        pictures = task.validation_pixels()
        best = BestEpoch(
            task,
            parameters,
            lambda _, features: logits(features, text_at_test),
            features=lambda: torch.cat([see(block, tower_at_test) for block in pictures()]),
        )
        return Learner(parameters, objective, see=see, after_epoch=best.look, finish=lambda: best.tensors)

    def image_towers(self, tensors, backbone: Backbone) -> tuple[Backbone]:
        return (merged(backbone, image=self._additions(tensors, "image")),)

    def class_weights(self, tensors, backbone: Backbone, classnames, template: Template) -> Tensor:
        reader = merged(backbone, text=self._additions(tensors, "text"))
        return zero_shot_weights(reader, classnames, _first(template))

    def logits(self, tensors, backbone: Backbone, features, classnames, template) -> Tensor:
        weights = self.class_weights(tensors, backbone, classnames, template)
        return cosine_logits(features, weights, self._scale(backbone))

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {
            "text.down": ("text block", _PARTS, self.rank, "width"),
            "text.up": ("text block", _PARTS, "width", self.rank),
            "image.down": ("image block", _PARTS, self.rank, "penultimate"),
            "image.up": ("image block", _PARTS, "penultimate", self.rank),
        }

    def lengths(self, backbone: Backbone | Outline) -> dict[str, int]:
        return {f"{tower} block": blocks for tower, (blocks, _) in _towers(backbone).items()}

    def mismatch(self, tensors, backbone: Backbone | Outline, classnames) -> str | None:
        if not backbone.image_layers:
            return _no_attention(backbone)
        for tower, (blocks, width) in _towers(backbone).items():
            shape = tensors[f"{tower}.down"].shape if f"{tower}.down" in tensors else ()
            if len(shape) == 4 and (shape[0] > blocks or shape[-1] != width):
                return (
                    f"it changes {shape[0]} blocks of {shape[-1]} channels, and the {tower} tower of {backbone.name} "
                    f"has {blocks} of {width}"
                )
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _parameters(self, task: Task) -> dict[str, Tensor]:
        """Initial values: drawn, or those of `task.init`, which may be of a tower with fewer blocks."""
        start = {}
        for tower, (blocks, width) in _towers(task.backbone).items():
            down = linear_default(blocks * _PARTS * self.rank, width, task.generator)
            start[f"{tower}.down"] = down.view(blocks, _PARTS, self.rank, width)
            start[f"{tower}.up"] = torch.zeros(blocks, _PARTS, width, self.rank)
        given = {} if task.init is None else task.init.tensors
        for name, value in start.items():
            first = given.get(name)
            if first is None or first.shape[1:] != value.shape[1:] or len(first) > len(value):
                return trainable(start, task)  # it refuses a plug-in of other shapes
            value[: len(first)] = first
        return trainable(start, replace(task, init=None))

    def _additions(self, tensors: Tensors, tower: str, masks: torch.Generator | None = None) -> LowRank:
        """masks: of the dropout, in training."""
        factor, dropout = self.alpha / self.rank**0.5, self.dropout if masks else 0.0
        return LowRank(tensors[f"{tower}.down"], tensors[f"{tower}.up"], factor, dropout, masks)

    def _scale(self, backbone: Backbone) -> float:
        return backbone.logit_scale if self.scale is None else self.scale


def _towers(backbone: Backbone | Outline) -> dict[str, tuple[int, int | None]]:
    """Tower -> its blocks and their width."""
    return {"text": (backbone.layers, backbone.width), "image": (backbone.image_layers, backbone.penultimate)}


def _no_attention(backbone: Backbone | Outline) -> str:
    return (
        f"it changes the attention of ViTs like CLIP's and EVA02-CLIP's, and the image tower of {backbone.name} is none"
    )


def _first(template: Template) -> str:
    return template if isinstance(template, str) else template[0]


def _prompts(backbone: Backbone, classnames, template: Template) -> Prompts:
    """The prompt of every class. No rows are shared, so that dropout is drawn for each prompt."""
    ids = backbone.tokenize([_first(template).replace("{}", readable(name)) for name in classnames])
    packing = backbone.text.pack((ids.argmax(-1) + 1).tolist())
    prompt, token = packing.prompt_and_token
    return Prompts(backbone.text.embed(ids)[prompt, token], packing)
