"""Golden numbers of PromptKD: its logits, its loss and a whole training, by the slow reference and frozen."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.visual.promptsrc import PromptSRC
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.methods import golden
from tests.methods.learners import PHOTO, plugin_of, same_gradients
from tests.reference import promptkd
from tests.reference.contcoop import logits
from tests.reference.dassl import batches, learning_rates, sgd_step
from tests.slow import slow_deep_text, slow_images
from tests.tiny import numbers, tiny_backbone
from tests.toys import NAMES

METHOD = PromptKD(
    weight=20.0,
    tau=1.5,
    recipe=dataclasses.replace(PromptKD().recipe, lr=0.02, weight_decay=0.05, epochs=3, batch_size=5),
)
LEARNED = {
    "visual": numbers((4, 8), 31, 0.4),
    "deep_visual": numbers((2, 4, 8), 34, 0.4),
    "projector.0.weight": numbers((16, 16), 40, 0.5),
    "projector.0.bias": numbers((16,), 41, 0.3),
    "projector.1.weight": 1 + numbers((16,), 42, 0.3),
    "projector.1.bias": numbers((16,), 43, 0.3),
    "projector.3.weight": numbers((16, 16), 44, 0.5),
    "projector.3.bias": numbers((16,), 45, 0.3),
}
RUNNING = {"projector.1.mean": numbers((16,), 46, 0.5), "projector.1.variance": 1 + numbers((16,), 47, 0.5)}
TEACHES = {
    "ctx": numbers((4, 16), 50, 0.1),
    "visual": numbers((4, 8), 51, 0.4),
    "deep": numbers((1, 4, 16), 52, 0.4),
    "deep_visual": numbers((1, 4, 8), 53, 0.4),
}
PIXELS, LABELS = golden.pixels(1, torch.tensor([0, 1, 2, 0, 1]), 8)[0], torch.tensor([0, 1, 2, 0, 1])
LOGITS, LOSS, PATH = 752.6696, 2.775616, 91.510437


@pytest.fixture(scope="module")
def teacher():
    """A tuned PromptSRC on another tower: two blocks each, GELU."""
    return teacher_of()


def teacher_of():
    backbone = tiny_backbone(quick_gelu=False, layers=2, image_layers=2)
    return plugin_of(PromptSRC(depth=2), TEACHES, backbone), backbone


def slow_classes(teacher):
    text = slow_deep_text(teacher[1], NAMES, "a photo of a", TEACHES["ctx"], TEACHES["deep"])
    return text / text.norm(dim=-1, keepdim=True)


def slow_answers(teacher, pixels):
    seen = slow_images(teacher[1], pixels, [TEACHES["visual"], *TEACHES["deep_visual"]])
    return logits(seen, slow_classes(teacher), teacher[1].logit_scale)


def slow_mapped(backbone, tensors, pixels, training):
    seen = slow_images(backbone, pixels, [tensors["visual"], *tensors.get("deep_visual", ())])
    return promptkd.project(seen, tensors, training)


def slow_loss(backbone, teacher, tensors, pixels):
    student = promptkd.logits(
        slow_mapped(backbone, tensors, pixels, True)[0], slow_classes(teacher), backbone.logit_scale
    )
    return promptkd.loss(slow_answers(teacher, pixels), student, 20.0, 1.5)


def learner_of(method, backbone, teacher, learned=LEARNED):
    given = plugin_of(method, learned | RUNNING, backbone)
    return method.setup(Task(backbone, golden.data_of(), torch.Generator(), init=given, teacher=teacher))


def test_the_logits_are_the_golden_number(tiny_deep, teacher):
    tensors = LEARNED | RUNNING | {"classes": slow_classes(teacher)}
    (seeing,) = METHOD.image_towers(tensors, tiny_deep)
    slow = promptkd.logits(slow_mapped(tiny_deep, tensors, PIXELS, False)[0], tensors["classes"], tiny_deep.logit_scale)
    ours = METHOD.logits(tensors, tiny_deep, seeing.image_features(PIXELS), NAMES, PHOTO)
    torch.testing.assert_close(ours, slow, rtol=0, atol=1e-5)
    assert golden.digest({"": slow}) == pytest.approx(LOGITS, abs=1e-3)


@pytest.mark.parametrize("depth", [1, 3])
def test_loss_and_gradients_are_the_slow_reference_s(tiny_deep, teacher, depth):
    learned = {name: t for name, t in LEARNED.items() if depth > 1 or name != "deep_visual"}
    learner = learner_of(dataclasses.replace(METHOD, depth=depth), tiny_deep, teacher, learned)
    leaves = {name: t.clone().requires_grad_() for name, t in learned.items()}
    loss, slow = learner.loss(PIXELS, LABELS), slow_loss(tiny_deep, teacher, leaves, PIXELS)
    torch.testing.assert_close(loss, slow, rtol=1e-5, atol=1e-5)
    same_gradients(learner, loss, slow, leaves, within=2e-4, rounding={"projector.0.bias": 2e-3})  # BatchNorm's input


def test_the_loss_is_the_golden_number_and_reads_no_label(tiny_deep, teacher):
    assert float(slow_loss(tiny_deep, teacher, LEARNED, PIXELS)) == pytest.approx(LOSS, abs=1e-4)
    for labels in (LABELS, LABELS.flip(0)):
        loss = learner_of(METHOD, tiny_deep, teacher).loss(PIXELS, labels)
        assert float(loss.detach()) == pytest.approx(LOSS, abs=1e-4)


def test_training_ends_at_the_golden_number(tiny_deep, teacher, seen_pixels):
    data = golden.data_of()
    every, rates = golden.pixels(3, data.train.labels, 8), learning_rates(3, 0.02)
    values, states, running = dict(LEARNED), dict.fromkeys(LEARNED), dict(RUNNING)
    for epoch in range(3):
        for images in batches(golden.order(len(data.train.labels)), 5):
            seen = every[epoch, torch.tensor(images)]
            leaves = {name: t.clone().requires_grad_() for name, t in values.items()}
            _, mean, variance = slow_mapped(tiny_deep, leaves, seen, True)
            for name, now in (("mean", mean), ("variance", variance)):
                running[f"projector.1.{name}"] = 0.9 * running[f"projector.1.{name}"] + 0.1 * now
            gradients = torch.autograd.grad(slow_loss(tiny_deep, teacher, leaves, seen), list(leaves.values()))
            for (name, value), gradient in zip(values.items(), gradients, strict=True):
                values[name], states[name] = sgd_step(value, gradient, states[name], rates[epoch], weight_decay=0.05)
    slow = values | running | {"classes": slow_classes(teacher)}
    ours = trained(METHOD, tiny_deep, teacher)
    for name in slow:
        torch.testing.assert_close(ours[name], slow[name], rtol=0, atol=1e-4)
    for tensors in (ours, slow):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=2e-3)


def trained(method, backbone, teacher):
    init = plugin_of(method, LEARNED | RUNNING, backbone)
    return fit(method, backbone, golden.data_of(), init=init, teacher=teacher).tensors


CHANGES = golden.SGD_RECIPE | {
    "recipe.lr": 0.03,
    "recipe.weight_decay": 0.04,
    "recipe.batch_size": 6,
    "recipe.drop_last": False,
    "weight": 15.0,
    "tau": 1.3,
}
STARTS = {"n_ctx", "depth", "teacher", "teacher_classes"}


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) - set(CHANGES) == {"recipe.eps"} | STARTS | golden.ELSEWHERE


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_path_notices_one_changed_constant(tiny_deep, teacher, seen_pixels, field):
    moved = golden.digest(trained(golden.change(METHOD, field, CHANGES[field]), tiny_deep, teacher))
    assert abs(moved - PATH) > 6e-3


def test_the_defaults_are_the_published_ones():
    assert (PromptKD().n_ctx, PromptKD().depth, PromptKD().weight, PromptKD().tau) == (4, 9, 1000, 1)
    assert PromptKD().recipe == Recipe(lr=0.005, epochs=20, batch_size=8)
