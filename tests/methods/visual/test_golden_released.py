"""Golden numbers of the released stage 2 over PromptKD: loss and gradients, three steps, and its test."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.methods.visual import released
from clipcompat.plugins.fit import fit
from tests.methods import golden
from tests.methods.learners import plugin_of, same_gradients
from tests.methods.visual import test_golden_dpc as described
from tests.methods.visual import test_golden_promptkd as promptkd
from tests.reference import dpc as reference
from tests.reference.contcoop import logits
from tests.reference.dassl import learning_rates, sgd_step
from tests.slow import slow_deep_text
from tests.tiny import numbers
from tests.toys import NAMES

PIXELS, LABELS, OMEGA = described.PIXELS, described.LABELS, described.OMEGA
DRAWN = {(2, 4, 8): numbers((2, 4, 8), 81, 0.4), (1, 4, 16): numbers((1, 4, 16), 82, 0.4)}  # in place of N(0, 0.02²)
START = promptkd.LEARNED | {
    "deep_visual": DRAWN[2, 4, 8],
    "text.ctx": promptkd.TEACHES["ctx"],
    "text.deep": DRAWN[1, 4, 16],
}
LOSS, PATH = 3.638538, 163.80004


@pytest.fixture(scope="module")
def teacher():
    return promptkd.teacher_of()


@pytest.fixture
def written_prompts(monkeypatch):
    monkeypatch.setattr(released, "deep_prompts", lambda *shape_and_generator: DRAWN[shape_and_generator[:3]].clone())


def dual(**settings):
    return described.dual("promptkd", preset="released", **settings)


def slow_text(teacher, tensors, names=NAMES):
    return slow_deep_text(teacher[1], names, "a photo of a", tensors["text.ctx"], tensors["text.deep"])


def slow_loss(backbone, teacher, tensors, pixels, labels):
    image, _, _ = promptkd.slow_mapped(backbone, tensors, pixels, True)
    text = slow_text(teacher, tensors | {"text.ctx": reference.decoupled(tensors["text.ctx"], OMEGA)})
    return reference.symmetric_loss(image, text[labels], backbone.logit_scale)


def test_the_loss_is_the_golden_number_and_its_gradients_are_the_slow_reference_s(tiny_deep, teacher, written_prompts):
    """Those of the teacher's text prompts among them."""
    learner = dual().setup(described.task_of("promptkd", tiny_deep, teacher))
    assert learner.parameters.keys() == START.keys()
    leaves = {key: t.clone().requires_grad_() for key, t in START.items()}
    loss, slow = learner.loss(PIXELS, LABELS), slow_loss(tiny_deep, teacher, leaves, PIXELS, LABELS)
    torch.testing.assert_close(loss, slow, rtol=0, atol=1e-4)
    assert float(loss.detach()) == pytest.approx(LOSS, abs=1e-4)
    same_gradients(learner, loss, slow, leaves, within=2e-4, rounding={"projector.0.bias": 2e-2})  # BatchNorm's input


def test_three_steps_end_at_the_golden_number(tiny_deep, teacher, seen_pixels, written_prompts):
    """One picture a class and one view, so that nothing is drawn: batches of two, and the third class as a negative."""
    data = golden.data_of(per_class=1)
    order = golden.order(3)
    pixels, labels = golden.pixels(1, data.train.labels, 8)[0][order], data.train.labels[order]
    values, states, running = dict(START), dict.fromkeys(START), dict(promptkd.RUNNING)
    for rate in learning_rates(described.EPOCHS, described.RATE):
        leaves = {key: t.clone().requires_grad_() for key, t in values.items()}
        _, mean, variance = promptkd.slow_mapped(tiny_deep, leaves, pixels, True)
        now = {"projector.1.mean": mean, "projector.1.variance": variance}
        running = {key: 0.9 * running[key] + 0.1 * now[key] for key in running}
        loss = slow_loss(tiny_deep, teacher, leaves, pixels, labels)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        for (key, value), gradient in zip(values.items(), gradients, strict=True):
            values[key], states[key] = sgd_step(value, gradient, states[key], rate, weight_decay=described.DECAY)
    slow = {f"stage1.{key}": t for key, t in described.carried("promptkd", teacher).items()}
    slow |= {f"parallel.{key}": t for key, t in (values | running).items() if not key.startswith("text.")}
    slow["parallel.classes"] = torch.nn.functional.normalize(slow_text(teacher, values), dim=-1)
    first = described.first_of("promptkd", tiny_deep, teacher)
    plugin = fit(dual(), tiny_deep, data, init=first, views=1, teacher=teacher)
    assert plugin.fault is None and plugin.tensors.keys() == slow.keys()
    for key, tensor in slow.items():
        torch.testing.assert_close(plugin.tensors[key], tensor, rtol=0, atol=1e-3, msg=key)
    for tensors in (plugin.tensors, slow):
        assert golden.digest(tensors) == pytest.approx(PATH, abs=2e-3)


def test_base_names_have_the_trained_texts_and_other_names_the_teacher_s_and_the_projector_of_stage_1(
    tiny_deep, teacher
):
    first, omega = described.carried("promptkd", teacher), 0.6
    parallel = {key: t + numbers(t.shape, 70 + i, 0.1).abs() for i, (key, t) in enumerate(first.items())}
    parallel["classes"] = torch.nn.functional.normalize(slow_text(teacher, START), dim=-1)
    tensors = {f"stage1.{key}": t for key, t in first.items()} | {f"parallel.{key}": t for key, t in parallel.items()}
    plugin = plugin_of(dual(omega_new=omega), tensors, tiny_deep, names=NAMES[:2])
    plugin = dataclasses.replace(plugin, origin={**plugin.origin, "rows": list(NAMES)})
    new = dict(first) | {key: reference.mixed(parallel[key], first[key], omega) for key in ("visual", "deep_visual")}
    slow = [
        logits(promptkd.slow_mapped(tiny_deep, its, PIXELS, False)[0], its["classes"], tiny_deep.logit_scale)
        for its in (parallel, new)
    ]
    for names in (NAMES, NAMES[::-1]):
        own = plugin._tensors_for(tiny_deep, names)
        towers = plugin.method.image_towers(own, tiny_deep)
        seen = torch.cat([tower.image_features(PIXELS) for tower in towers], dim=1)
        ours = plugin.method.tuned_on(NAMES[:2]).logits(own, tiny_deep, seen, names)
        for column, name in enumerate(names):
            place = NAMES.index(name)
            torch.testing.assert_close(ours[:, column], slow[place == 2][:, place], rtol=0, atol=2e-5)
    assert (slow[0] - slow[1]).abs().amax(0).min() > 1e-2
