"""Stage 2 of DPC over PromptKD, as the released code runs it (JREion/DPC 01e6b599, trainers/sple_promptkd.py).

It matches the student's features with T(v, P_k; c_i), texts of the teacher's text tower with prompts as in PromptSRC.
These are trained, too, by the same optimiser at the same rate (lines 804-837).
* v starts as the teacher tuned it (lines 464 and 492). Its loss gradient is scaled by 1 / ω_b, and no other one is.
* P_k, and Q_k in the student's image tower, start from N(0, 0.02²). The tuned ones are put into `ctx_list`, which no
  block reads (lines 494-497; clip/model.py, lines 220 and 363-366). u and g start as stage 1 tuned them.
* Base classes are tested with these texts (line 1191). All others are tested with the teacher's own texts, with u and
  Q_k mixed by ω_n, and with g of stage 1 (lines 1103-1126 and 1193).
* Another copy of the teacher ranks negatives. Its P_k are tuned. Its v is the words of its start, because the model
  calls it `ctx_x`, and the checkpoint has no tensor of that name (lines 315 and 797).
Here the teacher decides how many prompts its text tower has; upstream's teachers all have 4 tokens in 9 blocks.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import IncompatibleError
from clipcompat.methods.visual.both_towers import BothTowers
from clipcompat.methods.visual.depth import deep_prompts
from clipcompat.methods.visual.promptkd import Teacher
from clipcompat.training.learner import Learner, Tensors
from clipcompat.training.task import Task

MIXED = ("visual", "deep_visual")
"""The student's tensors that ω_n mixes."""


def released_student(student: Learner, task: Task) -> Learner:
    """The student with the parameters "text.ctx" [n_ctx, width] and, above depth 1, "text.deep" [block, n_ctx, width].

    student: as PromptKD sets it up from `task.init`; its "deep_visual" is drawn again, in place. The pair and `finish`
    get class vectors of the trained texts; those of `finish` are [class of stage 1, teacher dim], of unit norm.

    Raises:
        IncompatibleError: the teacher has no prompts in both towers.
    """
    plugin, backbone = _prompted_teacher(task)
    backbone = backbone.with_dtype(task.backbone.dtype).with_memory_budget(task.backbone.text.memory_budget)
    text = {"ctx": plugin.tensors["ctx"].clone()}
    if "deep" in plugin.tensors:
        text["deep"] = deep_prompts(*plugin.tensors["deep"].shape, task.generator)
    text = {name: tensor.to(backbone.device).requires_grad_() for name, tensor in text.items()}
    if (deep := student.parameters.get("deep_visual")) is not None:
        deep.data.copy_(deep_prompts(*deep.shape, task.generator))
    table = plugin.method.table(backbone, task.data.classnames)

    def pair(features: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        mapped, _ = student.pair(features)
        return mapped, classes.to(mapped.device)

    @torch.no_grad()
    def finish() -> Tensors:
        return {**student.finish(), "classes": plugin.method.class_weights(text, backbone, task.init.row_names)}

    return replace(
        student,
        parameters={**student.parameters, **{f"text.{name}": tensor for name, tensor in text.items()}},
        objective=lambda features, labels, classes: student.objective(features, labels),
        prompts=lambda features: plugin.method.prompts(text, table),
        tower=backbone.text,
        pair=pair,
        finish=finish,
    )


def untuned_teacher(task: Task) -> Teacher:
    """The teacher with the words of its start in place of its tuned context.

    Raises:
        IncompatibleError: it has no prompts in both towers.
    """
    plugin, backbone = _prompted_teacher(task)
    words = plugin.method.start(backbone, torch.Generator().manual_seed(task.seed))
    return Teacher(replace(task, teacher=(replace(plugin, tensors={**plugin.tensors, "ctx": words}), backbone)))


def _prompted_teacher(task: Task) -> tuple[Any, Backbone]:
    plugin, backbone = task.teacher
    if not isinstance(plugin.method, BothTowers):
        raise IncompatibleError(
            f"the released code trains the text prompts of promptkd's teacher, and {plugin.method.name} is not of its "
            "kind. Give a teacher of promptsrc, or use preset='described', which trains the student alone."
        )
    return plugin, backbone
