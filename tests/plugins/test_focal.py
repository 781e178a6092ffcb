"""A training that is held to what the old plug-in had right."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.features.pixels import pixel_views
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.deep.clip_lora import CLIPLoRA
from clipcompat.methods.deep.gda import GDA
from clipcompat.methods.dpc import DPC
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.plugins.fit import fit
from clipcompat.plugins.focal import FocalDistillation
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from clipcompat.training.task import Task
from tests.reference.focal import focal_loss
from tests.toys import toy_dataset

SHORT = Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0)
METHODS = [CoOp(n_ctx=2, recipe=SHORT), KgCoOp(n_ctx=2, ctx_init=None, recipe=SHORT), ContCoOp(n_ctx=2, recipe=SHORT)]


def tuned(method, backbone, **changes):
    return fit(method, backbone, toy_dataset(), seed=3, views=1, **changes)


@pytest.fixture(scope="module")
def old_plugin(mini_old):
    return tuned(METHODS[0], mini_old)


def test_the_term_is_the_weighted_divergence_of_the_reference(old_plugin, mini_old):
    focal = FocalDistillation(old_plugin, mini_old, alpha=0.5, beta=3.0, temperature=2.0)
    generator = torch.Generator().manual_seed(0)
    old, new = (3 * torch.randn(6, 4, generator=generator) for _ in range(2))
    labels = torch.tensor([0, 1, 2, 3, 0, int(old[5].argmax())])
    expected = focal_loss(old.tolist(), new.tolist(), labels.tolist(), 0.5, 3.0, 2.0)
    assert float(focal.loss(old, new, labels)) == pytest.approx(expected, rel=1e-5)
    assert float(focal.loss(old, old, labels)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_large_weight_makes_new_answer_as_old_where_old_was_right(method, mini_old, mini_new):
    old, data = tuned(method, mini_old), toy_dataset()
    method = replace(method, recipe=replace(SHORT, epochs=10, lr=0.01))
    answers = old.logits(mini_old, data.train)
    right = answers.argmax(-1) == data.train.labels
    assert right.any()
    free, held = (
        tuned(method, mini_new, init=old, focal=focal)
        for focal in (None, FocalDistillation(old, mini_old, weight=20.0))
    )
    apart = []
    for plugin in (free, held):
        log_new, log_old = (z[right].log_softmax(-1) for z in (plugin.logits(mini_new, data.train), answers))
        apart.append(float((log_old.exp() * (log_old - log_new)).sum(-1).mean()))
    assert apart[1] < apart[0]


def test_a_linear_probe_is_held_at_the_minimum_of_both_terms(mini_old, mini_new):
    old, data, method = fit(LinearProbe(c=1.0), mini_old, toy_dataset()), toy_dataset(), LinearProbe(c=0.1)
    focal = FocalDistillation(old, mini_old, weight=2.0, alpha=0.5, beta=3.0)
    held = fit(method, mini_new, data, focal=focal)
    w, b = (held.tensors[name].double().requires_grad_() for name in ("weight", "bias"))
    x = mini_new.image_features(torch.stack([mini_new.preprocess.test(i) for i in data.train.images]), "penultimate")
    z, z_old, y = x.double() @ w.T + b, old.logits(mini_old, data.train).double(), data.train.labels
    p_old, q = z_old.softmax(-1), z.softmax(-1)
    focus = 0.5 + 3.0 * (z_old.argmax(-1) == y)
    loss = -q.log()[range(len(y)), y].sum() + (focus * (p_old * (p_old / q).log()).sum(-1)).sum() * 2.0
    loss = loss + w.pow(2).sum() / (2 * 0.1)
    assert max(float(g.abs().max()) for g in torch.autograd.grad(loss, (w, b))) < 1e-2
    free = fit(method, mini_new, data)
    apart = [(p.logits(mini_new, data.train).softmax(-1) - p_old).abs().mean() for p in (free, held)]
    assert apart[1] < apart[0]


def test_a_weight_of_almost_nothing_changes_almost_nothing(old_plugin, mini_old, mini_new):
    focal = FocalDistillation(old_plugin, mini_old, weight=1e-9)
    free, held = (tuned(METHODS[0], mini_new, init=old_plugin, focal=f) for f in (None, focal))
    assert torch.allclose(free.tensors["ctx"], held.tensors["ctx"], atol=1e-5)


TOWERS = [
    CLIPLoRA(recipe=replace(SHORT, lr=0.5)),
    MaPLe(n_ctx=2, depth=2, recipe=SHORT),
    DPC(learner=MaPLe(n_ctx=2, depth=2, recipe=SHORT), omega_base=0.5, recipe=SHORT),
]


@pytest.mark.parametrize("method", TOWERS, ids=lambda m: m.name)
def test_an_old_plug_in_that_changes_the_image_tower_answers_through_its_own_tower(method, mini_old, mini_new):
    old, data, crop = tuned(method, mini_old), toy_dataset(), (0.3, 1.0)
    task = Task(mini_new, data, torch.Generator(), seed=3)
    answers = FocalDistillation(old, mini_old)._answers(task, 2, crop)
    views = pixel_views(mini_old, data.train, 2, 3, crop, None)  # uint8 [view, image, 3, size, size]
    for number, pixels in enumerate(views):
        towers = method.image_towers(old.tensors, mini_old)
        features = torch.cat([tower.image_features(pixels) for tower in towers], dim=1)
        expected = method.logits(old.tensors, mini_old, features, data.classnames, "a photo of a {}.")
        torch.testing.assert_close(answers[number], expected, rtol=1e-3, atol=1e-3)


def test_two_backbones_that_crop_otherwise_are_refused(old_plugin, mini_old, mini_new, monkeypatch):
    other = replace(mini_new.preprocess, min_crop=0.9)
    monkeypatch.setattr(mini_new, "preprocess", other)
    with pytest.raises(IncompatibleError, match="mini-old and mini-new crop pictures in different ways"):
        tuned(METHODS[0], mini_new, focal=FocalDistillation(old_plugin, mini_old))


def test_the_origin_says_what_held_it(old_plugin, mini_old, mini_new, tmp_path):
    held = tuned(METHODS[0], mini_new, init=old_plugin, focal=FocalDistillation(old_plugin, mini_old, beta=2.0))
    assert held.origin["focal"] == f"{old_plugin.stamp}, weight 1.0, alpha 0.0, beta 2.0, temperature 1.0"
    assert load_plugin(held.save(tmp_path / "p.safetensors")).origin == held.origin
    assert "focal" not in old_plugin.origin


def test_what_cannot_be_held_is_refused(old_plugin, mini_old, mini_new):
    focal = FocalDistillation(old_plugin, mini_old)
    with pytest.raises(IncompatibleError, match="the training of linear_probe, coop, kgcoop, contcoop, and not of gda"):
        fit(GDA(), mini_new, toy_dataset(), focal=focal)
    with pytest.raises(ConfigError, match="answers 3 classes that are not the 2 of toys"):
        fit(LinearProbe(c=1.0), mini_new, toy_dataset(classnames=("owl", "red fox")), focal=focal)
    with pytest.raises(ConfigError, match="answers 3 classes that are not the 2 of toys"):
        fit(METHODS[0], mini_new, toy_dataset(classnames=("owl", "red fox")), views=1, focal=focal)
    with pytest.raises(ConfigError, match="use views of 1 or more"):
        fit(METHODS[0], mini_new, toy_dataset(), views=0, focal=focal)
    with pytest.raises(ConfigError, match="needs the backbone that its plug-in was tuned on, mini-old"):
        FocalDistillation(old_plugin, mini_new)
    for wrong in ({"weight": 0.0}, {"beta": -1.0}, {"temperature": 0.0}, {"alpha": 0.0, "beta": 0.0}):
        with pytest.raises(ConfigError, match="weight and alpha \\+ beta above 0"):
            FocalDistillation(old_plugin, mini_old, **wrong)
