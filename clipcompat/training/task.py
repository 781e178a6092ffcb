"""One training's inputs. A method may use all of them except the test images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import DataError
from clipcompat.data.split import Dataset, Split
from clipcompat.features.encode import Cache, Progress, encode_split, encode_views
from clipcompat.features.pixels import pixel_views, test_pixels


@dataclass(frozen=True)
class Task:
    """Backbone, data and seeds of one training.

    generator: of initial values and batch order. seed: of the views. init: a plug-in to start from. teacher: a plug-in
    and the backbone it acts on, of a method that `takes_teacher`. focal: what holds the training, or None; read here
    by a method without a training loop.
    cache, progress: the arguments of `fit`. select_on: images on which an "official" protocol selects, or None.
    """

    backbone: Backbone
    data: Dataset
    generator: torch.Generator
    seed: int = 1
    init: Any = None
    cache: Cache = None
    progress: Progress | None = None
    select_on: Split | None = None
    teacher: Any = None
    focal: Any = None

    def features(self, split: Split, kind: str = "projected") -> Tensor:
        """Features of the test transform, [image, dim], not normalised, on the backbone's device."""
        return encode_split(self.backbone, split, self.cache, self.progress, kind)

    def views(
        self,
        count: int,
        crop: tuple[float, float],
        kind: str = "projected",
        tower: Backbone | None = None,
        split: Split | None = None,
    ) -> Tensor:
        """The first `count` augmented views of the training images: [view, image, dim], not normalised.

        tower: sees them instead of the backbone. split: instead of the training images.
        """
        tower, split = tower or self.backbone, split or self.data.train
        return encode_views(tower, split, count, self.seed, crop, self.cache, self.progress, kind)

    def pixels(self, count: int, crop: tuple[float, float], split: Split | None = None) -> Tensor | None:
        """The same views before the image tower: uint8 [view, image, 3, size, size]; None if memory is too small."""
        return pixel_views(self.backbone, split or self.data.train, count, self.seed, crop, self.progress)

    @property
    def train_labels(self) -> Tensor:
        """Labels of the training images, [image], on the backbone's device."""
        return self.data.train.labels.to(self.backbone.device)

    def validation(self, kind: str = "projected") -> tuple[Tensor, Tensor]:
        """Features [image, dim], not normalised, and labels [image] of the validation images, to select on."""
        return self.features(self.data.val, kind), self.data.val.labels.to(self.backbone.device)

    def validation_pixels(self) -> Callable[[], Iterator[Tensor]]:
        """The validation images before the image tower: see `test_pixels`."""
        return test_pixels(self.backbone, self.data.val)

    def require_validation(self, what: str) -> None:
        """Refuse to select `what` without validation images, before anything is trained.

        Raises:
            DataError: there are none.
        """
        if len(self.data.val) == 0:
            raise DataError(
                f"{self.data.name} has no validation images, and {what} is chosen on them. Give the dataset some, or "
                "fix the value in the method instead of searching it."
            )
