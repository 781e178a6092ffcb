"""Optimiser constants and the learning-rate schedule of a training.

Sources: Dassl.pytorch optim/lr_scheduler.py and the configs of KaiyangZhou/CoOp for `COOP`; mrflogs/SHIP, the
re-implementation of CoOp by ContCoOp's authors, for `SHIP`. A method with another recipe keeps it beside its equations.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from clipcompat.common.errors import ConfigError

_MOST = 10**9  # of anything that is counted; torch takes 63 bits


@dataclass(frozen=True)
class Recipe:
    """Optimiser constants, epochs, batch size and random-crop range.

    optimizer: "sgd" (with momentum), "adam" or "adamw" (betas 0.9 and 0.999, and eps), with weight_decay. "sgd" and
        "adam" add that to the gradient, "adamw" shrinks the parameter by it.
    epochs: None follows CoOp, by shots: 200 for 8 or more, 100 for 2 to 7, 50 for 1; always 50 on ImageNet.
    eurosat_epochs: epochs on EuroSAT, if different (Tip-Adapter-F).
    max_steps: stop after the epoch in which this many optimiser steps are reached; None: no limit.
    drop_last: leave out an epoch's incomplete last batch, unless it is the only one (Dassl).
    schedule: "epoch" changes the rate once per epoch: `warmup_lr` during `warmup_epochs`, then a cosine,
        0.5 · lr · (1 + cos(pi · (epoch - warmup_epochs) / epochs)), which ends before it reaches 0.
        "step" is a plain cosine over all steps, without warm-up.
    crop: smallest and largest share of the image's area that a random crop takes.
    imagenet_crop: the same on ImageNet, if different.
    """

    PRESETS: "ClassVar[Mapping[str, Recipe]]"
    """"coop" and "ship", for settings such as recipe=ship."""

    optimizer: str = "sgd"
    lr: float = 2e-3
    momentum: float = 0.9
    eps: float = 1e-8
    weight_decay: float = 5e-4
    epochs: int | None = None
    eurosat_epochs: int | None = None
    max_steps: int | None = None
    batch_size: int = 32
    drop_last: bool = True
    warmup_epochs: int = 1
    warmup_lr: float = 1e-5
    schedule: str = "epoch"
    crop: tuple[float, float] = (0.08, 1.0)
    imagenet_crop: tuple[float, float] | None = None

    def __post_init__(self):
        if self.schedule not in ("epoch", "step"):
            raise ConfigError(f"schedule must be 'epoch' or 'step', not {self.schedule!r}.")
        if self.optimizer not in ("sgd", "adam", "adamw"):
            raise ConfigError(f"optimizer must be 'sgd', 'adam' or 'adamw', not {self.optimizer!r}.")
        for count in ("epochs", "eurosat_epochs", "max_steps", "batch_size"):
            if getattr(self, count) is not None and not 1 <= getattr(self, count) <= _MOST:
                raise ConfigError(f"{count} must be at least 1 (and at most {_MOST:,}), not {getattr(self, count)}.")
        for rate in ("lr", "momentum", "eps", "weight_decay", "warmup_epochs", "warmup_lr"):
            if not 0 <= getattr(self, rate) <= 1e30:  # larger rates overflow in float32
                raise ConfigError(f"{rate} must be 0 or more (and at most 1e30), not {getattr(self, rate)}.")
        for crop in (self.crop, self.imagenet_crop or self.crop):
            if not 0 < crop[0] <= crop[1] <= 1:
                raise ConfigError(f"crop must be two shares with 0 < low <= high <= 1, not {crop}.")

    def epochs_for(self, dataset: str, shots: int | None, images: int) -> int:
        """Number of epochs over `images` training images of this dataset."""
        epochs = self.epochs
        if self.eurosat_epochs and dataset.startswith("eurosat"):
            epochs = self.eurosat_epochs
        elif epochs is None and dataset.startswith("imagenet"):
            epochs = 50
        elif epochs is None:
            epochs = 200 if shots is None or shots >= 8 else 100 if shots >= 2 else 50
        steps = self.steps_for(images)
        return epochs if self.max_steps is None else min(epochs, -(-self.max_steps // steps))

    def steps_for(self, images: int) -> int:
        """Optimiser steps per epoch."""
        return max(1, images // self.batch_size if self.drop_last else -(-images // self.batch_size))

    def crop_for(self, dataset: str) -> tuple[float, float]:
        """The range of random crops on this dataset."""
        return self.imagenet_crop if self.imagenet_crop and dataset.startswith("imagenet") else self.crop

    def learning_rate(self, epoch: int, epochs: int, step: int = 0, steps: int = 1) -> float:
        """Learning rate in step `step` of `steps` of epoch `epoch` of `epochs`; both count from 0."""
        if self.schedule == "step":
            return 0.5 * self.lr * (1 + math.cos(math.pi * (epoch * steps + step) / (epochs * steps)))
        if epoch < self.warmup_epochs:
            return self.warmup_lr
        return 0.5 * self.lr * (1 + math.cos(math.pi * (epoch - self.warmup_epochs) / epochs))

    def build_optimizer(self, groups: list[dict]) -> torch.optim.Optimizer:
        """An optimiser over parameter groups, which may have their own weight_decay and an lr_scale."""
        if self.optimizer != "sgd":
            kind = torch.optim.AdamW if self.optimizer == "adamw" else torch.optim.Adam
            return kind(groups, lr=self.lr, eps=self.eps, weight_decay=self.weight_decay)
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)


COOP = Recipe()
SHIP = Recipe(  # deviations: no generated features; upstream trains ImageNet with AdamW
    drop_last=False,
    momentum=0.0,
    weight_decay=0.0,
    epochs=200,
    batch_size=256,
    warmup_epochs=0,
    schedule="step",
    crop=(0.5, 1.0),
    imagenet_crop=(0.08, 1.0),
)
Recipe.PRESETS = {"coop": COOP, "ship": SHIP}
