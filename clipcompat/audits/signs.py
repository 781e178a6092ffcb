"""What the answers of a plug-in show without labels: how sure it is, and with whom it agrees.

All signs are numbers between 0 and 1, from class probabilities [image, class] of the same pictures:
    sure_old, sure_new        the mean of the largest probability, of the plug-in on each backbone
    sure_zs                   the same of zero-shot on new
    same                      pictures that the plug-in answers alike on both backbones
    same_zs                   pictures that the plug-in and zero-shot answer alike on new
    held                      the mean probability on old of the class that it answers on new
    held_zs                   the mean probability of zero-shot on new for that class
    zs_same_old               pictures that the plug-in and zero-shot answer alike on old
    zs_same                   pictures that zero-shot answers alike on both
    chance                    1 / classes
"""

import torch
from torch import Tensor

SIGNS = ("sure_old", "sure_new", "sure_zs", "same", "same_zs", "held", "held_zs", "zs_same_old", "zs_same", "chance")


def signs(old: Tensor, new: Tensor, zs_old: Tensor, zs_new: Tensor) -> dict[str, float]:
    """The signs of one plug-in.

    old, new: probabilities of the plug-in on both backbones, [image, class]. zs_old, zs_new: those of zero-shot.
    """
    (sure_old, by_old), (sure_new, by_new) = old.max(-1), new.max(-1)
    (sure_zs, by_zs), by_zs_old = zs_new.max(-1), zs_old.argmax(-1)
    found = {
        "sure_old": sure_old,
        "sure_new": sure_new,
        "sure_zs": sure_zs,
        "same": by_old == by_new,
        "same_zs": by_zs == by_new,
        "held": _of_class(old, by_new),
        "held_zs": _of_class(zs_new, by_new),
        "zs_same_old": by_zs_old == by_old,
        "zs_same": by_zs_old == by_zs,
        "chance": torch.tensor([1 / new.shape[1]]),
    }
    return {name: float(found[name].double().mean()) for name in SIGNS}


def _of_class(probabilities: Tensor, classes: Tensor) -> Tensor:
    """[image, class], [image] -> [image]: the probability of one class of each row."""
    return probabilities.gather(1, classes[:, None])[:, 0]
