"""Golden numbers of DPC over learners that see pixels: its loss, its ranking, its test and a whole stage 2."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.data.split import Split
from clipcompat.methods.dpc import DPC
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.methods import golden
from tests.methods.learners import plugin_of
from tests.methods.visual import test_golden_maple as maple
from tests.methods.visual import test_golden_promptkd as promptkd
from tests.methods.visual import test_golden_promptsrc as promptsrc
from tests.reference import dpc as reference
from tests.reference.contcoop import logits
from tests.reference.dassl import learning_rates, sgd_step
from tests.reference.promptsrc import mean_over_epochs
from tests.slow import slow_deep_text, slow_images
from tests.tiny import numbers
from tests.toys import NAMES

EPOCHS, RATE, DECAY, OMEGA = 3, 0.02, 0.05, 0.25
RECIPE = Recipe(lr=RATE, weight_decay=DECAY, epochs=EPOCHS, batch_size=2)
PIXELS, LABELS = golden.pixels(1, torch.tensor([0, 1, 2, 0, 1]), 8)[0], torch.tensor([0, 1, 2, 0, 1])
LEARNERS = {"maple": maple.METHOD, "promptsrc": promptsrc.METHOD, "promptkd": promptkd.METHOD}
LOSSES = {"maple": 2.042688, "promptsrc": 1.881583, "promptkd": 2.827267}
PATHS = {"maple": 28.028412, "promptsrc": 52.259821, "promptkd": 176.463833}
EVERY = pytest.mark.parametrize("name", LEARNERS)


@pytest.fixture(scope="module")
def teacher():
    return promptkd.teacher_of()


def learned(name):
    return {"maple": maple.TENSORS, "promptsrc": promptsrc.TENSORS, "promptkd": promptkd.LEARNED}[name]


def carried(name, teacher):
    """All tensors of a stage-1 plug-in."""
    if name != "promptkd":
        return learned(name)
    return learned(name) | promptkd.RUNNING | {"classes": promptkd.slow_classes(teacher)}


def first_of(name, backbone, teacher, tensors=None) -> Plugin:
    plugin = plugin_of(LEARNERS[name], tensors or carried(name, teacher), backbone)
    return dataclasses.replace(plugin, origin={**plugin.origin, "teacher": {"stamp": teacher[0].stamp}})


def dual(name, **settings) -> DPC:
    return DPC(learner=LEARNERS[name], omega_base=OMEGA, top_k=3, recipe=RECIPE, **settings)


def task_of(name, backbone, teacher, data=None, tensors=None) -> Task:
    taught = teacher if name == "promptkd" else None
    start = first_of(name, backbone, teacher, tensors)
    return Task(backbone, data or golden.data_of(), torch.Generator(), init=start, teacher=taught)


def slow_pair(name, backbone, teacher, tensors, pixels, training):
    """Image features [image, dim] and class vectors [class, dim], not normalised."""
    if name == "promptsrc":
        return promptsrc.slow_features(backbone, tensors, pixels)
    if name == "promptkd":
        return promptkd.slow_mapped(backbone, tensors, pixels, training)[0], promptkd.slow_classes(teacher)
    text = slow_deep_text(backbone, NAMES, "a photo of a", tensors["ctx"], tensors["deep"])
    return slow_images(backbone, pixels, maple.visual_prompts(tensors)), text


def slow_loss(name, backbone, teacher, tensors, pixels, labels):
    image, text = slow_pair(name, backbone, teacher, tensors, pixels, True)
    return reference.symmetric_loss(image, text[labels], backbone.logit_scale)


def slow_logits(name, backbone, teacher, tensors, pixels):
    return logits(*slow_pair(name, backbone, teacher, tensors, pixels, False), backbone.logit_scale)


@EVERY
def test_the_loss_is_the_golden_number_and_its_gradients_are_the_slow_reference_s(tiny_deep, teacher, name):
    learner = dual(name).setup(task_of(name, tiny_deep, teacher))
    leaves = {key: t.clone().requires_grad_() for key, t in learned(name).items()}
    loss, slow = learner.loss(PIXELS, LABELS), slow_loss(name, tiny_deep, teacher, leaves, PIXELS, LABELS)
    torch.testing.assert_close(loss, slow, rtol=0, atol=1e-4)
    assert float(loss.detach()) == pytest.approx(LOSSES[name], abs=1e-4)
    ours = torch.autograd.grad(loss, list(learner.parameters.values()), retain_graph=True)
    theirs = torch.autograd.grad(slow, [leaves[key] for key in learner.parameters])
    for key, a, b in zip(learner.parameters, ours, theirs, strict=True):
        if key == "projector.0.bias":  # BatchNorm takes it away
            assert a.abs().max() < 2e-2 and b.abs().max() < 2e-2
        else:
            assert b.abs().max() > 0 and (a - b / OMEGA).abs().max() < 2e-4 * (b / OMEGA).abs().max(), key


RANKS = {"maple": "ctx", "promptsrc": "ctx", "promptkd": "projector.3.bias"}  # a tensor that moves the ranking


@EVERY
def test_negatives_are_ranked_by_what_stage_1_says_of_the_pixels(tiny_deep, teacher, name):
    data, orders = golden.data_of(), set()
    for seed in range(6):
        tensors = carried(name, teacher)
        tensors = tensors | {RANKS[name]: numbers(tensors[RANKS[name]].shape, seed, 2.0)}
        learner = dual(name).setup(task_of(name, tiny_deep, teacher, data, tensors))
        scores = slow_logits(name, tiny_deep, teacher, tensors, PIXELS[:1])
        for label in LABELS[:3].split(1):
            found = data.train.labels[learner.join(PIXELS[:1], label)].tolist()
            assert [found] == reference.hard_negatives(scores, label, 3)
            orders.add(tuple(found))
    assert len(orders) > 3  # some label has its negatives in both orders


@EVERY
def test_base_names_are_tested_with_both_towers_of_one_mixture_and_other_names_with_the_other(
    tiny_deep, teacher, name, monkeypatch
):
    shared = {key: t for key, t in carried(name, teacher).items() if key == "classes"}
    first = {key: t for key, t in carried(name, teacher).items() if key not in shared}
    moved = {key: t + numbers(t.shape, 70 + i, 0.1).abs() for i, (key, t) in enumerate(first.items())}
    tensors = {f"stage1.{key}": t for key, t in (first | shared).items()}
    tensors |= {f"parallel.{key}": t for key, t in moved.items()}
    both = dataclasses.replace(dual(name), omega_new=0.6)
    plugin = plugin_of(both, tensors, tiny_deep, names=NAMES[:2])
    plugin = dataclasses.replace(plugin, origin={**plugin.origin, "rows": list(NAMES)})
    mixed = [{key: reference.mixed(moved[key], first[key], omega) for key in first} | shared for omega in (OMEGA, 0.6)]
    base, new = (slow_logits(name, tiny_deep, teacher, its, PIXELS) for its in mixed)
    monkeypatch.setattr(type(tiny_deep.preprocess), "test", lambda preprocess, image: image)
    split = Split(_Pixels(), LABELS, NAMES, "a photo of a {}.", "toys/test")
    ours = plugin.logits(tiny_deep, split)
    torch.testing.assert_close(ours[:, :2], base[:, :2], rtol=0, atol=2e-5)
    torch.testing.assert_close(ours[:, 2], new[:, 2], rtol=0, atol=2e-5)
    assert (base[:, 2] - new[:, 2]).abs().max() > 1e-2
    upside_down = dataclasses.replace(split, classnames=NAMES[::-1], labels=2 - LABELS)
    assert torch.equal(plugin.logits(tiny_deep, upside_down).flip(1), ours)


class _Pixels:
    """Pictures that are pixels already."""

    fingerprint = "written-down pixels of a test of DPC"

    def __len__(self):
        return len(PIXELS)

    def __getitem__(self, index):
        return _Picture(PIXELS[index])

    def key(self, index):
        return str(index)


class _Picture(torch.Tensor):
    size = (8, 8)


@EVERY
def test_stage_2_ends_at_the_golden_number(tiny_deep, teacher, seen_pixels, name):
    """One picture a class and one view, so that nothing is drawn: batches of two, and the third class as a negative."""
    data = golden.data_of(per_class=1)
    seen = golden.pixels(1, data.train.labels, 8)[0]
    order = golden.order(3)
    values, states, ends = dict(learned(name)), dict.fromkeys(learned(name)), []
    running = dict(promptkd.RUNNING) if name == "promptkd" else {}
    for rate in learning_rates(EPOCHS, RATE):
        leaves = {key: t.clone().requires_grad_() for key, t in values.items()}
        pixels, labels = seen[order], data.train.labels[order]
        loss = slow_loss(name, tiny_deep, teacher, leaves, pixels, labels)
        if running:
            _, mean, variance = promptkd.slow_mapped(tiny_deep, leaves, pixels, True)
            now = {"projector.1.mean": mean, "projector.1.variance": variance}
            running = {key: 0.9 * running[key] + 0.1 * now[key] for key in running}
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        for (key, value), gradient in zip(values.items(), gradients, strict=True):
            values[key], states[key] = sgd_step(value, gradient / OMEGA, states[key], rate, weight_decay=DECAY)
        ends.append(dict(values))
    if name == "promptsrc":
        values = mean_over_epochs(ends, 0.6 * EPOCHS, 0.4 * EPOCHS)
    slow = {f"parallel.{key}": t for key, t in (values | running).items()}
    slow |= {f"stage1.{key}": t for key, t in carried(name, teacher).items()}
    taught = {"teacher": teacher} if name == "promptkd" else {}
    plugin = fit(dual(name), tiny_deep, data, init=first_of(name, tiny_deep, teacher), views=1, **taught)
    assert plugin.fault is None and plugin.tensors.keys() == slow.keys()
    for key, tensor in slow.items():
        torch.testing.assert_close(plugin.tensors[key], tensor, rtol=0, atol=1e-3 if running else 1e-4, msg=key)
    for tensors in (plugin.tensors, slow):
        assert golden.digest(tensors) == pytest.approx(PATHS[name], abs=2e-3)
