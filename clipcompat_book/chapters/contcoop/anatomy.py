"""What ContCoOp's attention does in numbers: its scores, what it adds to the context, and how far a step moves it.

Letters as in clipcompat.methods.contcoop: p [N, D], c_i, Attn(p, c_i) [class, N, D]. A size is a root mean square.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.data.split import Dataset
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.parts.attention import attend
from clipcompat.training.task import Task

GAINS = {"linear_default": 1 / 3, "kaiming_normal_relu": 2.0, "kaiming_uniform_relu": 2.0, "xavier": 1.0}
"""attention.init -> D times the variance of one number of a map: what a map does to the mean square of a row."""


@dataclass(frozen=True)
class Anatomy:
    """One set of tensors on one backbone and class list.

    score: size of q · k / √D. uneven: the largest attention weight relative to its row's mean, minus 1.
    context, change: mean length of a row of p, and of Attn(p, c_i). by_class, by_row: length of what is left of Attn
    when its mean over classes, or over context rows, is taken away.
    """

    score: float
    uneven: float
    context: float
    change: float
    by_class: float
    by_row: float


def anatomy(method: ContCoOp, tensors: Mapping[str, Tensor], backbone: Backbone, names: Sequence[str]) -> Anatomy:
    """Of a method with one head and no positions. tensors: a plug-in's, or a learner's parameters before training."""
    tensors = {name: t.detach().to(backbone.device) for name, t in tensors.items()}
    p = tensors["ctx"]
    c, mask = method.condition.rows(backbone, names, len(p))
    change = attend(method.attention, tensors, p, c, mask)  # [class, N, D]
    scores, uneven = [], 0.0
    for rows, real in zip(c, mask, strict=True):
        x = torch.cat([p, rows[real]])
        score = (p @ tensors["attn.q.weight"].T) @ (x @ tensors["attn.k.weight"].T).T / math.sqrt(p.shape[1])
        weights = score.softmax(-1)
        scores.append(score.flatten())
        uneven = max(uneven, float((weights * weights.shape[1]).max()) - 1)
    return Anatomy(
        score=_size(torch.cat(scores)),
        uneven=uneven,
        context=_length(p),
        change=_length(change),
        by_class=_length(change - change.mean(0)),
        by_row=_length(change - change.mean(1, keepdim=True)),
    )


def starting(method: ContCoOp, backbone: Backbone, data: Dataset, seed: int = 1) -> Mapping[str, Tensor]:
    """The tensors that a training starts from."""
    return method.setup(Task(backbone, data, torch.Generator().manual_seed(seed), seed)).parameters


def reach(
    method: ContCoOp, backbone: Backbone, data: Dataset, tensors: Mapping[str, Tensor] | None = None, seed: int = 1
) -> dict[str, float]:
    """How far one small step of each tensor moves the prompts p(c_i), in multiples of what the step of p itself does.

    The step is along the gradient of the loss on all training images, one rate for all. tensors: where the step is
    made; None means the start of the training. The test images' transform is used, which augments nothing.
    """
    task = Task(backbone, data, torch.Generator().manual_seed(seed), seed)
    learner = method.setup(task)
    own = learner.parameters
    with torch.no_grad():
        for name, t in (tensors or {}).items():
            own[name].copy_(t)
    learner.loss(task.features(data.train), task.train_labels).backward()
    condition = method.condition.rows(backbone, data.classnames, len(own["ctx"]))

    def prompts(values: Mapping[str, Tensor]) -> Tensor:  # [class, N, D]
        return values["ctx"] + attend(method.attention, values, values["ctx"], *condition)

    with torch.no_grad():
        here = prompts(own)
        moved = {}
        for name, t in own.items():
            step = 1e-3 / max(_size(t.grad), 1e-30)  # of this tensor alone, then scaled back: float32 sees it
            moved[name] = _size(prompts({**own, name: t - step * t.grad}) - here) / step
    return {name: distance / moved["ctx"] for name, distance in moved.items()}


def expected_score(context: float, row: float, init: str = "linear_default") -> float:
    """Size of a score at the start of training, for rows of p and of X whose numbers have these sizes.

    A map of gain g turns numbers of size s into numbers of size s·√g. A sum of D products of two such numbers has size
    √D · g · context · row; √D is divided out. So it does not depend on the width.
    """
    return GAINS[init] * context * row


def expected_change(rows: int, init: str = "linear_default") -> float:
    """Length of Attn at the start relative to that of p, where all rows of X are independent and equally long."""
    return GAINS[init] / math.sqrt(rows)


def _size(x: Tensor) -> float:
    return float(x.double().pow(2).mean().sqrt())


def _length(x: Tensor) -> float:
    return float(x.norm(dim=-1).mean())
