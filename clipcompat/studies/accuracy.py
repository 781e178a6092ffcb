"""The one test loop, and the few numbers everything is reported in."""

from pathlib import Path

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import DataError
from clipcompat.data.split import Split
from clipcompat.features.encode import Progress
from clipcompat.plugins.plugin import Plugin


def correct(
    plugin: Plugin,
    backbone: Backbone,
    split: Split,
    *,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Which images are classified rightly: [image], bool, on the CPU. Ties go to the first class."""
    if len(split) == 0:
        raise DataError(f"{split.name} has no images, so there is nothing to measure.")
    logits = plugin.logits(backbone, split, cache, progress)
    if not torch.isfinite(logits).all():
        raise DataError(
            f"{plugin.method.name} gives logits that are not numbers on {split.name}; is the plug-in damaged?"
        )
    return logits.argmax(-1).cpu() == split.labels


def accuracy(
    plugin: Plugin,
    backbone: Backbone,
    split: Split,
    *,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> float:
    """Plain top-1 over the whole split, percent (Dassl's metric for every dataset; no per-class mean)."""
    return percent(correct(plugin, backbone, split, cache=cache, progress=progress))


def percent(hits: Tensor) -> float:
    """Share of True values, in percent."""
    return 100 * float(hits.double().mean())
