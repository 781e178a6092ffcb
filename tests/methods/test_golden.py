"""Golden numbers: ContCoOp on a tower whose every weight is written down, once by the slow reference, and frozen.

The literals guard both sides: whoever changes a constant in the code and, "to match", in a reference still meets them.
Each is followed by changes of one constant that must move it.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from clipcompat.backbones.text.tower import TextTower
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.parts.attention import Attention
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.training.recipe import Recipe
from tests.methods.golden import digest
from tests.methods.learners import batch, plugin_of, slow_loss, start
from tests.reference.dassl import learning_rates, sgd_step
from tests.slow import slow_contcoop
from tests.tiny import numbers, tiny_backbone
from tests.toys import NAMES

METHOD = ContCoOp(n_ctx=3, attention=Attention(heads=2), recipe=Recipe(lr=0.1, epochs=4))
LOSS, PATH = 1.772060, 93.41174
TENSORS = {
    "ctx": numbers((3, 16), 50, 0.5),
    **{f"attn.{m}.weight": numbers((16, 16), 60 + i, 0.5) for i, m in enumerate("qkvo")},
}


def loss_of(method, backbone):
    learner = start(method, backbone, init=plugin_of(method, TENSORS, backbone))
    return float(learner.loss(*batch(backbone)).detach())


def path_of(method, backbone):
    """The tensors after four epochs of one batch each, as `fit` would step them."""
    learner = start(method, backbone, init=plugin_of(method, TENSORS, backbone))
    recipe = method.recipe
    groups = [{"params": [p], **learner.options.get(name, {})} for name, p in learner.parameters.items()]
    optimizer = recipe.build_optimizer(groups)
    for epoch in range(recipe.epochs):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate(epoch, recipe.epochs) * group.get("lr_scale", 1.0)
        optimizer.zero_grad()
        learner.loss(*batch(backbone)).backward()
        optimizer.step()
    return digest({n: p.detach() for n, p in learner.parameters.items()})


def test_the_loss_is_the_golden_number(tiny):
    slow = slow_loss(tiny, slow_contcoop(tiny, NAMES, TENSORS, heads=2), *batch(tiny))
    assert float(slow) == pytest.approx(LOSS, abs=5e-6)
    assert loss_of(METHOD, tiny) == pytest.approx(LOSS, abs=5e-6)


def test_four_steps_of_training_end_at_the_golden_number(tiny):
    values, buffers = dict(TENSORS), dict.fromkeys(TENSORS)
    for rate in learning_rates(4, 0.1):
        leaves = {n: v.clone().requires_grad_() for n, v in values.items()}
        loss = slow_loss(tiny, slow_contcoop(tiny, NAMES, leaves, heads=2), *batch(tiny))
        for (name, leaf), gradient in zip(
            leaves.items(), torch.autograd.grad(loss, list(leaves.values())), strict=True
        ):
            values[name], buffers[name] = sgd_step(leaf.detach(), gradient, buffers[name], rate)
    assert digest(values) == pytest.approx(PATH, abs=1e-4)
    assert path_of(METHOD, tiny) == pytest.approx(PATH, abs=1e-4)


def change(part, **values):
    return dataclasses.replace(METHOD, **{part: dataclasses.replace(getattr(METHOD, part), **values)})


@pytest.mark.parametrize(
    "other",
    [
        change("distillation", weight=0.99),
        change("distillation", form="l2sq"),
        change("distillation", normalize=False),
        change("attention", heads=1),
        change("attention", scale="model"),
        change("attention", residual=False),
        change("attention", causal=True),
        change("attention", pos=True),
        change("condition", pool="mean"),
        change("condition", include=("period",)),
        dataclasses.replace(METHOD, tau=0.0498),  # the tower's own is e⁻³ = 0.04979
        dataclasses.replace(METHOD, attention=None),
        dataclasses.replace(METHOD, distillation=Distillation(form="cosine")),
    ],
    ids=lambda m: str(m).split("recipe")[0],
)
def test_the_golden_loss_notices_one_changed_constant_of_the_method(tiny, other):
    assert abs(loss_of(other, tiny) - LOSS) > 2e-5


def test_the_golden_loss_notices_the_towers_constants():
    assert abs(loss_of(METHOD, tiny_backbone(quick_gelu=False)) - LOSS) > 2e-5
    for name in ("ln_1", "ln_2"):  # the rows of ln_final are too large for its eps to show
        backbone = tiny_backbone()
        for part, module in backbone._model.named_modules():
            if isinstance(module, nn.LayerNorm) and part.endswith(name) and "visual" not in part:
                assert module.eps == 1e-5
                module.eps = 1e-4
        backbone.text = TextTower(backbone._model)
        assert abs(loss_of(METHOD, backbone) - LOSS) > 2e-5, name


@pytest.mark.parametrize(
    "other",
    [
        change("recipe", momentum=0.89),
        change("recipe", weight_decay=4e-4),
        change("recipe", warmup_lr=2e-3),
        change("recipe", warmup_epochs=0),
        change("recipe", lr=0.101),
        change("recipe", schedule="step"),
        change("attention", lr_scale=0.99),
        change("attention", weight_decay=4e-4),
    ],
    ids=lambda m: str(m).split("recipe=")[1] + str(m.attention),
)
def test_the_golden_path_notices_one_changed_constant_of_training(tiny, other):
    assert abs(path_of(other, tiny) - PATH) > 2e-4
