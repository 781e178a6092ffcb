"""Tip-Adapter and Tip-Adapter-F (Zhang et al. 2022, arXiv 2207.09519; gaopengcuhk/Tip-Adapter main.py, utils.py).

Equations: F = normalise(mean of a picture's features over passes), V = one-hot labels,
logits = s · f w^zs + α · exp(−β (1 − f Fᵀ)) V,  f of unit norm. Tip-Adapter learns nothing; Tip-Adapter-F trains F.
Carried: F, V, α, β. Recomputed: the zero-shot classifier w^zs and the test picture's f; so new features meet old keys.

α and β are searched on a grid, on validation images: those of the few-shot draw, or the whole list as upstream does, if
the data were loaded with repeat=True. Upstream's s is the constant 100.
Upstream selects on *test* images. Tip-Adapter-F takes the epoch that is best there, and reports the better of that and
of the searched mixture. On ImageNet α and β are searched there too; both results are printed, and here the better is
kept. protocol="official" does the same and must be given those images; "clean" keeps the last epoch and searches on
validation images. Deviations: float32 (upstream: fp16); views that went into keys are not trained on again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.methods.parts.logits import no_class_weights
from clipcompat.methods.parts.parameters import tensor_mismatch, trainable
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.training.learner import Learner, Method, Shape, no_loss
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task

# dataset: (initial α, largest β searched, largest α searched), from configs/*.yaml
_CONFIGS = {
    "caltech101": (3.0, 12.0, 5.0),
    "dtd": (2.0, 13.0, 13.0),
    "eurosat": (2.0, 12.0, 10.0),
    "fgvc_aircraft": (5.0, 30.0, 30.0),
    "food101": (1.17, 10.0, 10.0),
    "imagenet": (1.17, 7.0, 3.0),
    "oxford_flowers": (10.0, 50.0, 50.0),
    "oxford_pets": (1.17, 7.0, 3.0),
    "stanford_cars": (3.0, 20.0, 10.0),
    "sun397": (1.17, 12.0, 10.0),
    "ucf101": (3.0, 7.0, 3.0),
}
_OTHERS = (1.17, 12.0, 10.0)  # SUN397's: the commonest α, the middle of the searched ranges
_STEPS = (200, 20)  # values of β and of α in the search
_CACHE_RECIPE = Recipe(crop=(0.5, 1.0))
_TRAINING_RECIPE = Recipe(
    optimizer="adamw",
    lr=1e-3,
    eps=1e-4,
    weight_decay=0.01,
    epochs=20,
    eurosat_epochs=100,
    batch_size=256,
    drop_last=False,
    schedule="step",
    warmup_epochs=0,
    crop=(0.5, 1.0),
)


@dataclass(frozen=True)
class TipAdapter(Method):
    """A cache of few-shot features beside the zero-shot classifier; nothing is trained.

    alpha: weight of the cache; None is the code's value for the dataset (1.17 if it has none). beta: sharpness.
    passes: augmented views averaged into a key. search: choose alpha and beta on validation images, else keep them.
    search_scale: largest beta and alpha tried; None is the code's for the dataset. scale: s; None is the backbone's.
    protocol: "clean" or "official", see the module. recipe: only its random crops are used.
    """

    name: ClassVar[str] = "tip_adapter"
    title: ClassVar[str] = "Tip-Adapter"
    acts_on: ClassVar[str] = "image features"
    class_specific: ClassVar[bool] = True

    alpha: float | None = None
    beta: float = 1.0
    passes: int = 10
    search: bool = True
    search_scale: tuple[float, float] | None = None
    scale: float | None = 100.0
    protocol: str = "clean"
    recipe: Recipe = _CACHE_RECIPE

    def __post_init__(self):
        if self.protocol not in ("clean", "official"):
            raise ConfigError(f"protocol must be 'clean' or 'official', not {self.protocol!r}.")
        if not 1 <= self.passes <= 10_000:
            raise ConfigError(f"passes must be from 1 to 10,000, not {self.passes}.")
        for name, value in [("alpha", self.alpha or 0.0), ("beta", self.beta)]:
            if value < 0:
                raise ConfigError(f"{name} must be 0 or more, not {value}.")
        if self.scale is not None and self.scale <= 0:
            raise ConfigError(f"scale must be positive, not {self.scale}.")
        if self.search_scale and min(self.search_scale) <= 0.1:
            raise ConfigError(f"search_scale must be two numbers above 0.1, not {list(self.search_scale)}.")

    def setup(self, task: Task) -> Learner:
        cache = self._cache(task)
        return Learner({}, no_loss, finish=lambda: self._mixed(task, cache))

    def class_weights(self, tensors, backbone: Backbone, classnames, template):
        no_class_weights(self, "its cache adds something that is not linear in the image feature")

    def logits(self, tensors, backbone: Backbone, features, classnames, template) -> Tensor:
        weights = self._scale(backbone) * zero_shot_weights(backbone, classnames, template)
        images = max(1, (1 << 26) // len(tensors["keys"]))  # in one matrix of affinities [image, key]
        parts = F.normalize(features, dim=-1).split(images)
        return torch.cat([f @ weights.T + _cache_logits(f, **tensors) for f in parts])

    def shapes(self, classes: int) -> dict[str, Shape]:
        return {"keys": ("image", "dim"), "values": ("image", classes), "alpha": (), "beta": ()}

    def mismatch(self, tensors, backbone: Backbone, classnames) -> str | None:
        return tensor_mismatch(tensors, self.shapes(len(classnames)), backbone)

    def _searches_test(self, task: Task) -> bool:
        return self.protocol == "official" and task.data.name.startswith("imagenet")

    def _scale(self, backbone: Backbone) -> float:
        return backbone.logit_scale if self.scale is None else self.scale

    def _cache(self, task: Task) -> dict[str, Tensor]:
        if self.search and not self._searches_test(task):
            task.require_validation("the mixture of cache and zero-shot classifier (alpha, beta)")
        views = task.views(self.passes, self.recipe.crop_for(task.data.name))
        values = F.one_hot(task.train_labels, len(task.data.classnames)).float()
        keys = F.normalize(views.mean(0).to(task.backbone.device), dim=-1)
        alpha = initial_alpha(task.data.name) if self.alpha is None else self.alpha
        return {"keys": keys, "values": values, **_mixture(alpha, self.beta, keys.device)}

    def _mixed(self, task: Task, cache: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The cache with the alpha and beta of the search, if there is one."""
        if not self.search:
            return dict(cache)
        split = task.select_on if self._searches_test(task) else task.data.val
        features, labels = task.features(split), split.labels.to(task.backbone.device)
        largest = self.search_scale or _configured(task.data.name)[1:]
        f = F.normalize(features, dim=-1)
        zero_shot = self._scale(task.backbone) * f @ _zero_shot(task).T
        with torch.no_grad():
            alpha, beta = search_mixture(f, labels, zero_shot, cache["keys"], cache["values"], largest)
        return {**cache, **_mixture(alpha, beta, f.device)}


@dataclass(frozen=True)
class TipAdapterF(TipAdapter):
    """Tip-Adapter with trained keys; its recipe is main.py's: AdamW with eps 1e-4, a cosine over all steps."""

    name: ClassVar[str] = "tip_adapter_f"
    title: ClassVar[str] = "Tip-Adapter-F"

    recipe: Recipe = _TRAINING_RECIPE

    def setup(self, task: Task) -> Learner:
        cache = self._cache(task)
        parameters = trainable({"keys": cache["keys"].clone()}, task)
        weights = self._scale(task.backbone) * _zero_shot(task)
        best: dict[str, Tensor] = {}

        def loss(features: Tensor, labels: Tensor) -> Tensor:
            f = F.normalize(features, dim=-1)
            return F.cross_entropy(f @ weights.T + _cache_logits(f, **{**cache, **parameters}), labels)

        def hits(tensors: Mapping[str, Tensor]) -> Tensor:
            split = task.select_on
            scores = self.logits(tensors, task.backbone, task.features(split), split.classnames, split.template)
            return (scores.argmax(-1).cpu() == split.labels).sum()

        def select(epoch: int) -> None:
            now = {**cache, "keys": parameters["keys"].detach().clone()}
            if not best or hits(now) > hits(best):
                best.update(now)

        def finish() -> dict[str, Tensor]:
            if self.protocol == "clean":
                return self._mixed(task, {**cache, **parameters})
            searched = self._mixed(task, best)
            return searched if hits(searched) > hits(best) else best

        after_epoch = select if self.protocol == "official" else None
        return Learner(parameters, loss, first_view=self.passes, finish=finish, after_epoch=after_epoch)


def search_mixture(
    features: Tensor, labels: Tensor, zero_shot: Tensor, keys: Tensor, values: Tensor, largest: tuple[float, float]
) -> tuple[float, float]:
    """The (alpha, beta) of most hits: 200 values of beta, 20 of alpha for each; of equals the first.

    Args:
        features: [image, dim], unit norm. labels: [image]. zero_shot: s · f w^zs, [image, class].
        keys: [key, dim]. values: [key, class]. largest: beta and alpha.
    """
    steps = zip(largest, _STEPS, strict=True)
    betas, alphas = ([0.1 + i * (top - 0.1) / n for i in range(n)] for top, n in steps)
    best, most = (0.0, 0.0), 0
    for beta in betas:
        cache = _cache_logits(features, keys, values, 1.0, beta)
        hits = torch.stack([((zero_shot + a * cache).argmax(-1) == labels).sum() for a in alphas]).tolist()
        if max(hits) > most:
            most = max(hits)
            best = alphas[hits.index(most)], beta
    return best


def _cache_logits(f: Tensor, keys: Tensor, values: Tensor, alpha: Tensor | float, beta: Tensor | float) -> Tensor:
    """α · exp(−β (1 − f Fᵀ)) V: [image, class], from f [image, dim], keys [key, dim] and values [key, class]."""
    return alpha * torch.exp(-beta * (1 - f @ keys.T)) @ values


def _zero_shot(task: Task) -> Tensor:
    return zero_shot_weights(task.backbone, task.data.classnames, task.data.train.template)


def _mixture(alpha: float, beta: float, device: torch.device) -> dict[str, Tensor]:
    return {"alpha": torch.tensor(alpha, device=device), "beta": torch.tensor(beta, device=device)}


def initial_alpha(dataset: str | None) -> float:
    """Upstream's α before any search. dataset: a name as in `Dataset.name`, or None."""
    return _configured(dataset)[0]


def _configured(dataset: str | None) -> tuple[float, float, float]:
    return _CONFIGS.get(str(dataset).partition("[")[0], _OTHERS)  # "dtd[base]" is half of dtd
