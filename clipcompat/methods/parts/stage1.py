"""Where a dual prompt starts: the plug-in of its stage 1, checked, and as the frozen model that ranks negatives."""

from collections.abc import Callable

from torch import Tensor

from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.parts.logits import cosine_logits
from clipcompat.training.learner import Method, Tensors
from clipcompat.training.task import Task


def stage1_tensors(learner: Method, task: Task) -> dict[str, Tensor]:
    """The tensors of the stage-1 plug-in, `task.init`, of this learner.

    Raises:
        ConfigError: there is none. IncompatibleError: it is of another learner, backbone or class list.
    """
    plugin = task.init
    if plugin is None:
        raise ConfigError("DPC starts from a stage-1 plug-in: tune the learner first, and give it as init.")
    if plugin.method.name != learner.name:
        raise IncompatibleError(
            f"the stage-1 plug-in is of {plugin.method.name}, and this DPC clones a {learner.name}. Give one "
            f"of {learner.name}, or DPC(learner=…) with the other."
        )
    origin, names = plugin.origin, list(task.data.classnames)
    same = set(names) <= set(plugin.row_names) if learner.rows_of_classes else origin["classnames"] == names
    if not plugin.is_tuned_on(task.backbone) or not same:
        other = [f", of which it does not know {name!r}" for name in names if name not in plugin.row_names]
        raise IncompatibleError(
            f"the stage-1 plug-in was tuned on {origin['backbone']['name']} {origin['backbone']['stamp']} and "
            f"{len(plugin.row_names)} classes of {origin['dataset']}; stage 2 needs the same backbone and class "
            f"list, which here are {task.backbone.name} {task.backbone.stamp} and {len(names)} classes of "
            f"{task.data.name}{other[0] if other else '' if same else ', in another order or fewer'}."
        )
    if task.teacher is not None and (origin.get("teacher") or {}).get("stamp") != task.teacher[0].stamp:
        raise IncompatibleError(
            "the stage-1 plug-in learned from another teacher than this one: give teacher= the one that it learned "
            "from, or leave init out, so that both stages share one."
        )
    return dict(plugin.tensors)


def stage1_answers(learner: Method, stage1: Tensors, task: Task) -> Callable[[Tensor], Tensor]:
    """The frozen stage-1 model: image features [batch, dim], or pixels, -> logits [batch, class]."""
    backbone, names = task.backbone, task.data.classnames
    first = {name: tensor.to(backbone.device) for name, tensor in stage1.items()}
    (tower,) = learner.image_towers(first, backbone)
    for rows in learner.rows_of_classes:
        place = {name: i for i, name in enumerate(task.init.row_names)}
        first[rows] = first[rows][[place[name] for name in names]]
    fixed = not learner.rows_of_classes and learner.conditioned_on != "images"
    weights = learner.class_weights(first, backbone, names).detach() if fixed else None  # [class, dim]

    def answers(features: Tensor) -> Tensor:
        if learner.needs == "pixels":
            features = tower.image_features(features)
        if weights is None:
            return learner.logits(first, backbone, features, names)
        return cosine_logits(features, weights, backbone.logit_scale)

    return answers
