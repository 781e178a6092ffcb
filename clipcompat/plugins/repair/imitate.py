"""A plug-in trained on a new backbone to answer as it did on the old one: self-labelled pictures, a warm start.

The plug-in on its old backbone labels pictures that nobody has labelled, and its method is trained on them on the new
backbone, from the carried tensors. Pictures labelled by a model, for prompts: UPL, arXiv 2204.03649, whose labels come
from zero-shot classification; here they come from the tuned plug-in, which is better on its own task.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import DataError, IncompatibleError
from clipcompat.data.split import Dataset, Split
from clipcompat.features.encode import Cache, Progress
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.translate import is_translatable


def imitated(
    plugin: Plugin,
    old: Backbone,
    new: Backbone,
    pictures: Split,
    cache: Cache = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Plugin:
    """The plug-in trained again on `new`, with what it answers on `old` as labels.

    pictures: their labels are not read. settings: further arguments of `fit`, such as `views`.

    Raises:
        IncompatibleError: the method learns nothing, or in closed form, or keeps features of its training pictures, or
        its training needs another plug-in on the new backbone.
        DataError: there are fewer pictures than classes.
    """
    method = plugin.method
    if method.needs == "nothing":
        raise IncompatibleError(f"{method.name} learns nothing, so that there is nothing to repair: carry it as it is.")
    if is_translatable(method):
        raise IncompatibleError(
            f"{method.name} cannot go on training from tensors that were made on other pictures; use how='map'."
        )
    if method.takes_teacher:
        raise IncompatibleError(
            f"{method.name} cannot be repaired: its training needs a teacher on the new backbone, which a plug-in does "
            "not hold. Tune it again there."
        )
    if len(pictures) < len(pictures.classnames):
        raise DataError(
            f"{len(pictures)} pictures cannot show {len(pictures.classnames)} classes; give at least one per class, "
            "and 200 are advised."
        )
    start = plugin
    if method.starts_from is not None:
        start = imitated(_first_stage(plugin), old, new, pictures, cache, progress, **settings)
    labelled = replace(pictures, labels=own_labels(plugin.logits(old, pictures, cache, progress)))
    nothing = replace(labelled, images=labelled.images.select([]), labels=labelled.labels[:0])
    origin = plugin.origin
    about = {"unlabelled": labelled.images.select([]), "pool": labelled}
    data = Dataset(origin["dataset"] or "own", labelled, nothing, nothing, **about)
    seed = origin["seed"] if origin["seed"] is not None else 1
    return fit(method, new, data, seed=seed, init=start, cache=cache, progress=progress or False, **settings)


def _first_stage(plugin: Plugin) -> Plugin:
    """P of a dual prompt, as the plug-in that stage 1 made of it."""
    tensors = {name.removeprefix("stage1."): t for name, t in plugin.tensors.items() if name.startswith("stage1.")}
    return Plugin(plugin.method.starts_from, tensors, plugin.origin)


def own_labels(logits: Tensor) -> Tensor:
    """The most probable class of each picture; a class that has none gets the picture where it is most probable.

    logits: [picture, class] -> [picture], int64, on the CPU.
    """
    probabilities = logits.softmax(-1).cpu()  # [picture, class]
    labels = probabilities.argmax(-1)
    counts = torch.bincount(labels, minlength=probabilities.shape[1])
    for lacking in (counts == 0).nonzero().flatten().tolist():
        for picture in probabilities[:, lacking].argsort(descending=True).tolist():
            if counts[labels[picture]] > 1:  # no other class loses its last picture
                counts[labels[picture]] -= 1
                labels[picture], counts[lacking] = lacking, 1
                break
    return labels
