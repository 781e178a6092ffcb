"""The pull towards zero-shot weights: forms, templates, KgCoOp as a special case."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import UnknownNameError
from clipcompat.data.templates import template_for
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.methods.parts.prompts import zero_shot_weights
from tests.methods.learners import PHOTO, agree, batch, slow_loss, start, tensors_of
from tests.reference.contcoop import cross_entropy, distance, kgcoop_penalty, logits
from tests.slow import slow_contcoop, slow_coop, slow_zero_shot
from tests.tiny import numbers
from tests.toys import NAMES, toy_dataset

NO_PULL = Distillation(weight=0.0)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("form", ["l2", "l2sq", "cosine"])
def test_distillation_forms_equal_their_formulas(tiny, form, normalize):
    pull = Distillation(weight=0.7, form=form, normalize=normalize)
    agree(
        tiny,
        ContCoOp(n_ctx=3, distillation=pull),
        lambda t: slow_contcoop(tiny, NAMES, t),
        pull=0.7,
        form=form,
        normalize=normalize,
    )


def test_distances_of_one_pair_by_hand():
    w, t = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]])  # unit: (.6, .8) and (0, 1); cos = .8
    by_hand = {
        ("l2", True): 0.4**0.5,
        ("l2sq", True): 0.4,
        ("cosine", True): 0.2,
        ("l2", False): 13**0.5,
        ("l2sq", False): 13.0,
        ("cosine", False): 0.2,
    }
    for (form, normalize), value in by_hand.items():
        ours = Distillation(form=form, normalize=normalize).distance(w, t)
        assert float(ours) == pytest.approx(value, rel=1e-6)


def test_the_pull_is_the_mean_over_all_classes_whatever_the_batch_holds(tiny):
    learner = start(ContCoOp(n_ctx=3, distillation=Distillation(weight=1.0)), tiny)
    plain = start(ContCoOp(n_ctx=3, distillation=NO_PULL), tiny)
    features, _ = batch(tiny)
    pulls = []
    for labels in (torch.zeros(5, dtype=torch.int64), torch.arange(5) % 3):
        pulls.append(float((learner.loss(features, labels) - plain.loss(features, labels)).detach()))
    weights = slow_contcoop(tiny, NAMES, tensors_of(learner))
    wanted = float(distance(weights, slow_zero_shot(tiny, NAMES, PHOTO)))
    assert pulls == pytest.approx([wanted, wanted], abs=1e-5) and wanted > 0.05


def test_a_weight_that_equals_its_target_has_a_finite_gradient():
    w = torch.tensor([[0.6, 0.8]], requires_grad=True)
    value = Distillation().distance(w, w.detach().clone())
    value.backward()
    assert float(value.detach()) == pytest.approx(1e-6, rel=1e-3)  # the root of the 1e-12 under it
    assert w.grad.isfinite().all()


def test_attention_off_cosine_8_and_four_words_is_kgcoop(tiny):
    method = ContCoOp(ctx_init="a photo of a", attention=None, distillation=Distillation(weight=8.0, form="cosine"))
    learner, (features, labels) = start(method, tiny), batch(tiny)
    with torch.no_grad():
        learner.parameters["ctx"] += numbers((4, 16), 8, 0.1)  # away from the target
    leaf = learner.parameters["ctx"].detach().clone().requires_grad_()
    weights = slow_coop(tiny, NAMES, leaf)
    penalty = kgcoop_penalty(weights, slow_zero_shot(tiny, NAMES, PHOTO), 8.0)
    expected = cross_entropy(logits(features, weights, tiny.logit_scale), labels) + penalty
    assert float(penalty.detach()) > 0.05
    loss = learner.loss(features, labels)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-5)
    (ours,) = torch.autograd.grad(loss, learner.parameters["ctx"])
    (theirs,) = torch.autograd.grad(expected, leaf)
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def dtd(data, name="dtd"):
    """The toy data under the name of a real set."""
    import dataclasses

    return dataclasses.replace(data, name=name)


@pytest.mark.parametrize("name", ["dtd", "dtd[base]"])
def test_distillation_templates_are_the_datas_own_or_a_named_style(mini_old, name):
    features, labels = batch(mini_old)
    losses = {}
    for style in ("data", "coop", "kgcoop"):
        method = ContCoOp(n_ctx=2, attention=None, distillation=Distillation(templates=style))
        learner = start(method, mini_old, dtd(toy_dataset(), name))
        template = PHOTO if style == "data" else template_for("dtd", style)
        losses[style] = float(learner.loss(features, labels).detach())
        expected = slow_loss(
            mini_old, slow_coop(mini_old, NAMES, tensors_of(learner)["ctx"]), features, labels, template=template
        )
        assert losses[style] == pytest.approx(float(expected), abs=2e-5)
    assert len({round(v, 5) for v in losses.values()}) == 3


@pytest.mark.parametrize(("name", "style"), [("imagenet", "tip7"), ("imagenet[new]", "tip7"), ("dtd", "data")])
def test_by_default_imagenet_is_pulled_to_seven_templates_and_others_to_their_own(mini_old, name, style):
    data = dtd(toy_dataset(), name)
    assert torch.equal(Distillation().target(mini_old, data), Distillation(templates=style).target(mini_old, data))


def test_unknown_template_styles_are_refused(tiny):
    for style in ("nonsense", "tip"):
        with pytest.raises(UnknownNameError):
            start(ContCoOp(distillation=Distillation(templates=style)), tiny, dtd(toy_dataset()))


@pytest.mark.parametrize("name", ["mini/textures", "folder/cloth", "dtd"])
def test_openais_80_sentences_belong_to_no_dataset_so_that_any_can_be_pulled_to_them(mini_old, name):
    data = dtd(toy_dataset(), name)
    found = Distillation(templates="openai80").target(mini_old, data)
    assert torch.equal(found, zero_shot_weights(mini_old, data.classnames, template_for("imagenet", "openai80")))
