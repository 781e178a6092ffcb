"""The one test loop: which images a plug-in classifies correctly, and their share in percent."""

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import DataError
from clipcompat.data.split import Split
from clipcompat.features.encode import Cache, Progress
from clipcompat.plugins.plugin import Plugin


def checked_logits(
    plugin: Plugin, backbone: Backbone, split: Split, *, cache: Cache = None, progress: Progress | None = None
) -> Tensor:
    """The plug-in's logits, all of them finite: [image, class].

    Raises:
        DataError: the split is empty, or a logit is not a finite number.
    """
    if len(split) == 0:
        raise DataError(f"{split.name} has no images, so there is nothing to measure.")
    logits = plugin.logits(backbone, split, cache, progress)
    if not torch.isfinite(logits).all():
        advice = "The plug-in may be damaged: load or tune it again"
        raise DataError(f"{plugin.method.name} gives logits that are not numbers on {split.name}. {advice}.")
    return logits


def predictions(
    plugin: Plugin, backbone: Backbone, split: Split, *, cache: Cache = None, progress: Progress | None = None
) -> Tensor:
    """The class that each image is given: [image], int64, on the CPU. Ties go to the first class.

    Errors as for `checked_logits`.
    """
    return checked_logits(plugin, backbone, split, cache=cache, progress=progress).argmax(-1).cpu()


def correct(
    plugin: Plugin, backbone: Backbone, split: Split, *, cache: Cache = None, progress: Progress | None = None
) -> Tensor:
    """Which images are classified correctly: [image], bool, on the CPU. Errors as for `predictions`."""
    return predictions(plugin, backbone, split, cache=cache, progress=progress) == split.labels


def accuracy(
    plugin: Plugin, backbone: Backbone, split: Split, *, cache: Cache = None, progress: Progress | None = None
) -> float:
    """Plain top-1 accuracy over the whole split, in percent: Dassl's metric for every dataset, no mean per class."""
    return percent(correct(plugin, backbone, split, cache=cache, progress=progress))


def percent(hits: Tensor) -> float:
    """Share of True values, in percent."""
    return 100 * float(hits.double().mean())
