"""Which kinds of image features the runs of a sweep share passes for.

A linear probe reads penultimate features, and most methods read projected ones of the same pictures. Either run alone
would send the pictures through the tower for its own kind. A sweep knows both, so that the first pass makes both.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from clipcompat.backbones.backbone import Transform
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.config import to_config
from clipcompat.methods.defaults import configured_method
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.training.learner import Method

Kinds = Mapping[Transform, set[str]]
"""By transform, the kinds of image features that are read."""


def kinds_together(requests: Iterable[Mapping[str, Any]]) -> dict[str, Kinds]:
    """By data set, what its runs read.

    requests: fields of a `Request` each.
    """
    found: dict[str, dict[Transform, set[str]]] = {}
    for request in requests:
        name, settings = request["dataset"], request.get("settings", ())
        method = configured_method(request["method"], name, request["upgrade"], settings)
        seen = found.setdefault(name, {"test": {ZeroShot.image_features}})  # it is tested beside every method
        for transform in _transforms(method, name):
            seen.setdefault(transform, set()).add(method.image_features)
    return found


def plan_passes(upgrade: Upgrade, kinds: Kinds) -> None:
    """Tell both backbones; one without penultimate features makes one kind, as ever."""
    for backbone in (upgrade.old, upgrade.new):
        planned: dict[Transform, set[str]] = {}
        for transform, read in ({} if backbone.penultimate is None else kinds).items():
            here = transform if transform == "test" else backbone.preprocess.crop_range(transform)
            planned.setdefault(here, set()).update(read)
        backbone.together = planned


def _transforms(method: Method, dataset: str) -> tuple[Transform, ...]:
    """How pictures become pixels where the method reads features: tests, and its own training."""
    crops = method.needs == "features" and "recipe" in to_config(method)
    return ("test", method.recipe.crop_for(dataset)) if crops else ("test",)
