"""What the released code of DPC saves of stage 2 (JREion/DPC trainers/sple_coop.py, sple_promptkd.py): P', without P.

Over CoOp that is a context. Over PromptKD it is the student, as PromptKD saves it, and the text prompts of the teacher,
which stage 2 trains, too: at test, base classes have the class vectors that these make, and all others the teacher's.
So the class vectors of P' are made from the file, and base classes are tested with P' alone.
There was no release over other learners.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.plugins.official.dassl import LEARNERS, TEXT_OF_TEACHER, DasslLearner
from clipcompat.plugins.plugin import Plugin

_STUDENT = LEARNERS["promptkd"]
_FILES = {
    "coop": LEARNERS["coop"],
    "promptkd": replace(_STUDENT, keys=_STUDENT.keys | TEXT_OF_TEACHER.keys, deep=_STUDENT.deep | TEXT_OF_TEACHER.deep),
}


def file_over(init: Plugin | None, backbone: Backbone, names: Sequence[str]) -> DasslLearner:
    """How stage 2 is saved over the learner of this stage-1 plug-in.

    Raises:
        ConfigError: there is no plug-in, or nothing was released over its learner. IncompatibleError: it was tuned on
        another backbone or other classes than `names`, those of stage 2.
    """
    if init is None:
        raise ConfigError(
            "an import of dpc needs init=, the plug-in of its stage 1, which is a file of its own: import that first."
        )
    if init.method.name not in _FILES:
        raise ConfigError(
            f"DPC was released over {' and '.join(_FILES)}, so it has no official checkpoints over {init.method.name}."
        )
    same = set(names) <= set(init.row_names) if init.method.rows_of_classes else init.row_names == list(names)
    if not init.is_tuned_on(backbone) or not same:
        raise IncompatibleError(
            f"the stage-1 plug-in was tuned on {init.origin['backbone']['name']} and {len(init.row_names)} classes; "
            f"stage 2 needs the same backbone and class names, and {backbone.name} and {len(names)} were given."
        )
    return _FILES[init.method.name]


def settings_over(init: Plugin) -> dict[str, Any]:
    """The fields of DPC that the file and its stage 1 tell."""
    return {"learner": init.method, **({"preset": "released"} if init.method.takes_teacher else {})}


def dual_tensors(
    init: Plugin, learned: Mapping[str, Tensor], teacher: tuple[Plugin, Backbone] | None
) -> dict[str, Tensor]:
    """Both prompts: P of stage 1, and P' of the file.

    Raises:
        IncompatibleError: the text prompts in the file are not those of such a teacher.
    """
    parallel = {name: tensor for name, tensor in learned.items() if not name.startswith("text.")}
    if teacher is not None:
        text = {name.removeprefix("text."): t for name, t in learned.items() if name.startswith("text.")}
        parallel["classes"] = _class_vectors(text, init.row_names, *teacher)
    return {f"stage1.{n}": t for n, t in init.tensors.items()} | {f"parallel.{n}": t for n, t in parallel.items()}


def _class_vectors(text: Mapping[str, Tensor], names: Sequence[str], plugin: Plugin, backbone: Backbone) -> Tensor:
    """The teacher's class vectors [class, dim] with other text prompts."""
    own = {name: plugin.tensors[name].shape for name in ("ctx", "deep") if name in plugin.tensors}
    given = {name: tensor.shape for name, tensor in text.items()}
    if own != given:
        shapes = [{name: list(shape) for name, shape in each.items()} for each in (given, own)]
        raise IncompatibleError(
            f"the file holds text prompts {shapes[0]}, and the teacher {plugin.method.name} has {shapes[1]}. Give the "
            "teacher that stage 2 started from, a plug-in of promptsrc."
        )
    return replace(plugin, tensors={**plugin.tensors, **text}).class_weights(backbone, names).float().cpu()
