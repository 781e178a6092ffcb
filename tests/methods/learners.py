"""Learners, plug-ins and batches for tests of methods, and one comparison with the slow references."""

from __future__ import annotations

import torch

from clipcompat.plugins.plugin import Plugin
from clipcompat.training.task import Task
from tests.reference.contcoop import cross_entropy, distance, logits
from tests.slow import slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES, toy_dataset

PHOTO = "a photo of a {}."  # the toy data's template


def start(method, backbone, data=None, seed=1, init=None):
    """A fresh learner; of a method that starts from another one's plug-in, from a fresh one of that."""
    if init is None and method.starts_from is not None:
        first = method.starts_from
        init = plugin_of(first, tensors_of(start(first, backbone, data, seed)), backbone)
    return method.setup(Task(backbone, data or toy_dataset(), torch.Generator().manual_seed(seed), seed, init))


def tensors_of(learner):
    """Of a fresh learner, or (closed-form methods) of a finished one."""
    tensors = learner.finish() if learner.finish else learner.parameters
    return {name: p.detach().clone() for name, p in tensors.items()}


def batch(backbone, count=5):
    return numbers((count, backbone.dim), 3, 2.0), torch.arange(count) % len(NAMES)


def plugin_of(method, tensors, backbone, names=NAMES):
    origin = {"backbone": {"name": backbone.name, "stamp": backbone.stamp}, "classnames": list(names)}
    return Plugin(method, tensors, {**origin, "template": PHOTO})


def slow_loss(backbone, weights, features, labels, pull=1.0, form="l2", normalize=True, template=PHOTO, scale=None):
    scores = logits(features, weights, backbone.logit_scale if scale is None else scale)
    loss = cross_entropy(scores, labels)
    if pull:
        loss = loss + pull * distance(weights, slow_zero_shot(backbone, NAMES, template), form, normalize)
    return loss


def agree(backbone, method, slow_weights, **slow):
    """Loss, gradients and logits of a fresh learner equal the reference's."""
    learner, (features, labels) = start(method, backbone), batch(backbone)
    leaves = {name: p.requires_grad_() for name, p in tensors_of(learner).items()}
    weights = slow_weights(leaves)
    expected = slow_loss(backbone, weights, features, labels, **slow)
    loss = learner.loss(features, labels)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-5)
    ours = torch.autograd.grad(loss, list(learner.parameters.values()), allow_unused=True)
    theirs = torch.autograd.grad(expected, list(leaves.values()), allow_unused=True)
    for name, a, b in zip(leaves, ours, theirs, strict=True):
        assert (a is None) == (b is None), name
        assert a is None or (a - b).abs().max() < 1e-4 * max(float(b.abs().max()), 1e-3), name
    scores = method.logits(tensors_of(learner), backbone, features, NAMES)
    wanted = logits(features, weights, slow.get("scale") or backbone.logit_scale).detach()
    torch.testing.assert_close(scores, wanted, rtol=1e-5, atol=1e-5)


def same_gradients(learner, loss, slow, leaves, within=1e-4, rounding=None):
    """Every gradient of the learner's loss is that of the reference's, by the leaves of the same names, and not 0.

    rounding: name -> bound, of a tensor that takes no part: both gradients are rounding and stay below the bound.
    """
    ours = torch.autograd.grad(loss, list(learner.parameters.values()))
    theirs = torch.autograd.grad(slow, [leaves[name] for name in learner.parameters])
    for name, a, b in zip(learner.parameters, ours, theirs, strict=True):
        if bound := (rounding or {}).get(name):
            assert a.abs().max() < bound and b.abs().max() < bound, name
        else:
            assert b.abs().max() > 0 and (a - b).abs().max() < within * b.abs().max(), name
