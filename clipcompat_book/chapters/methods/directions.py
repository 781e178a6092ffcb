"""Whether classes point the same way on old and on new: before and after the projection, and in the text tower.

    directions = class_directions(upgrade, data)     # {"projected, f": [0.6, …], …}: a cosine per class

A plug-in that stands on one of these places can survive only where directions do.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from clipcompat.features.encode import encode_split
from clipcompat.methods.parts.prompts import zero_shot_weights

if TYPE_CHECKING:
    from clipcompat.backbones.backbone import Backbone
    from clipcompat.backbones.upgrade import Upgrade
    from clipcompat.data.split import Dataset

TEXT, PROJECTED, PENULTIMATE = "class names, w", "projected, f", "penultimate, h"


def class_directions(upgrade: Upgrade, data: Dataset) -> dict[str, list[float]]:
    """Place -> per class, the cosine of its vector on old and on new, each seen from the mean of all classes.

    A class's vector is its text vector, or the mean feature of its test pictures after or before the projection. A
    place whose vectors have another length on new is left out.
    """
    places = {
        TEXT: lambda b: zero_shot_weights(b, data.classnames, data.test.template),
        PROJECTED: lambda b: _centres(b, data, "projected"),
        PENULTIMATE: lambda b: _centres(b, data, "penultimate"),
    }
    found = {}
    for place, vectors in places.items():
        old, new = (vectors(b).float().cpu() for b in (upgrade.old, upgrade.new))
        if old.shape == new.shape:
            found[place] = F.cosine_similarity(old - old.mean(0), new - new.mean(0)).tolist()
    return found


def directions_sentence(directions: dict[str, list[float]]) -> str:
    """The medians, from the place that kept most: Markdown."""
    middles = {place: median(cosines) for place, cosines in directions.items()}
    best_first = sorted(middles, key=lambda place: -middles[place])
    told = ", ".join(f"{middles[place]:.1f} for {place.replace(', ', ' ')}" for place in best_first)
    return f"**Median cosine of a class between old and new:** {told}.".replace("-0.0", "0.0")


def _centres(backbone: Backbone, data: Dataset, kind: str) -> torch.Tensor:
    """[class, dim]: the mean feature of each class."""
    x = encode_split(backbone, data.test, kind=kind)
    labels = data.test.labels.to(x.device)
    return torch.stack([x[labels == i].mean(0) for i in range(len(data.classnames))])
