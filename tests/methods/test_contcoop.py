"""ContCoOp against its formulas, worked out one class, one head and one row at a time."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import ConfigError, IncompatibleError, UnknownNameError
from clipcompat.features.encode import encode_views
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.parts.attention import Attention
from clipcompat.methods.parts.condition import Condition
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods.learners import agree, batch, plugin_of, slow_loss, start, tensors_of
from tests.reference.dassl import learning_rates, sgd_step
from tests.slow import slow_contcoop, slow_coop, state_of
from tests.tiny import numbers, tiny_backbone
from tests.toys import NAMES, toy_dataset

NO_PULL = Distillation(weight=0.0)


@pytest.mark.parametrize("name", ["tiny", "mini_new"])
def test_loss_gradients_and_logits_equal_the_papers_formulas(name, request):
    backbone = request.getfixturevalue(name)
    agree(backbone, ContCoOp(n_ctx=3), lambda t: slow_contcoop(backbone, NAMES, t))


def test_learned_tensors_are_p_and_four_maps_without_biases(tiny):
    tensors = tensors_of(start(ContCoOp(n_ctx=5), tiny))
    assert {n: tuple(t.shape) for n, t in tensors.items()} == {
        "ctx": (5, 16),
        **{f"attn.{m}.weight": (16, 16) for m in "qkvo"},
    }


@pytest.mark.parametrize(("width", "count"), [(512, 1_056_768), (768, 2_371_584)])
def test_parameter_counts_are_the_papers(width, count):
    learner = start(ContCoOp(distillation=NO_PULL), tiny_backbone(width=width, layers=1))
    assert sum(p.numel() for p in learner.parameters.values()) == count == 16 * width + 4 * width**2


def test_context_starts_as_coops_noise_or_from_words(tiny, mini_old):
    ctx = start(ContCoOp(n_ctx=20), mini_old).parameters["ctx"].detach()
    assert torch.equal(ctx, start(CoOp(n_ctx=20), mini_old).parameters["ctx"].detach())
    assert ctx.std() == pytest.approx(0.02, rel=0.07)
    words = start(ContCoOp(ctx_init="a photo of a"), tiny).parameters["ctx"].detach()
    assert torch.equal(words, state_of(tiny)["token_embedding.weight"][tiny.tokenizer.encode("a photo of a")])


def test_frozen_tables_get_no_gradient_and_all_learned_tensors_do(tiny):
    learner = start(ContCoOp(n_ctx=3), tiny)
    learner.loss(*batch(tiny)).backward()
    assert all(p.grad.abs().max() > 0 for p in learner.parameters.values())
    assert all(p.grad is None for p in tiny._model.parameters())


def test_carried_to_a_new_backbone_the_condition_is_read_from_its_own_token_table(mini_old, mini_new):
    tensors = tensors_of(start(ContCoOp(n_ctx=2), mini_old))
    ours = plugin_of(ContCoOp(n_ctx=2), tensors, mini_old).class_weights(mini_new, NAMES)
    expected = slow_contcoop(mini_new, NAMES, tensors)
    torch.testing.assert_close(ours, expected / expected.norm(dim=-1, keepdim=True), rtol=0, atol=1e-5)


def test_class_lists_of_other_lengths_work_and_longer_names_beside_it_change_no_class(tiny):
    method = ContCoOp(n_ctx=3)
    plugin = plugin_of(method, tensors_of(start(method, tiny)), tiny)
    alone = plugin.class_weights(tiny, ["owl"])
    for names in (["owl", "grey snow leopard cub of snow"], ["a red fox", "owl", "cub"]):
        together = plugin.class_weights(tiny, names)[names.index("owl")]
        torch.testing.assert_close(together, alone[0], rtol=0, atol=1e-6)


def test_without_change_from_w_o_the_prompts_are_coops(tiny):
    for bias in (False, True):
        method = ContCoOp(n_ctx=3, attention=Attention(out_zero=True, bias=bias))
        tensors = tensors_of(start(method, tiny))
        # one context a class, as ContCoOp has it: a shared one takes the tower's faster path, equal but for rounding
        ctx = tensors["ctx"].expand(len(NAMES), -1, -1)
        coop = CoOp(n_ctx=3, csc=True).class_weights({"ctx": ctx}, tiny, NAMES)
        assert torch.equal(method.class_weights(tensors, tiny, NAMES), coop)


def test_attention_off_and_distillation_off_is_coop_bit_for_bit(mini_old):
    data = toy_dataset()
    ours, coop = ContCoOp(n_ctx=4, attention=None, distillation=NO_PULL), CoOp(n_ctx=4)
    one, two = start(ours, mini_old), start(coop, mini_old)
    features, labels = batch(mini_old)
    assert list(one.parameters) == ["ctx"] and torch.equal(one.parameters["ctx"], two.parameters["ctx"])
    for learner in (one, two):
        learner.loss(features, labels).backward()
    assert torch.equal(one.loss(features, labels), two.loss(features, labels))
    assert torch.equal(one.parameters["ctx"].grad, two.parameters["ctx"].grad)
    recipe = Recipe(epochs=2)
    a, b = (
        fit(m, mini_old, data, views=1)
        for m in (ContCoOp(n_ctx=4, attention=None, distillation=NO_PULL, recipe=recipe), CoOp(n_ctx=4, recipe=recipe))
    )
    assert torch.equal(a.tensors["ctx"], b.tensors["ctx"])
    scores = [m.logits(a.tensors, mini_old, features, NAMES) for m in (ours, coop)]
    assert torch.equal(*scores)


def test_attention_off_takes_no_notice_of_the_condition(tiny):
    agree(
        tiny,
        ContCoOp(n_ctx=3, attention=None, condition=Condition(pool="last")),
        lambda t: slow_coop(tiny, NAMES, t["ctx"]),
    )


@pytest.mark.parametrize("tau", [0.01, 0.2])
def test_tau_replaces_the_stored_scale(tiny, tau):
    assert abs(1 / tau - tiny.logit_scale) > 5
    agree(tiny, ContCoOp(n_ctx=3, tau=tau), lambda t: slow_contcoop(tiny, NAMES, t), scale=1 / tau)


def test_settings_that_cannot_be_meant_are_refused():
    with pytest.raises(ConfigError, match="n_ctx"):
        ContCoOp(n_ctx=0)
    with pytest.raises(ConfigError, match="tau"):
        ContCoOp(tau=0.0)
    with pytest.raises(UnknownNameError, match="distillation.form.*l2sq"):
        Distillation(form="l1")


def test_defaults_are_the_papers_and_the_recommended_readings():
    assert ContCoOp() == ContCoOp(
        n_ctx=16,
        ctx_init=None,
        attention=Attention(),
        condition=Condition("tokens", (), "name", "{}"),
        distillation=Distillation(1.0, "l2", True, "auto"),
        tau=None,
        recipe=Recipe(),
    )


@pytest.mark.parametrize(
    ("drop", "shape", "words"),
    [
        ("ctx", None, "ctx"),
        ("attn.k.weight", None, "attn.k.weight"),
        ("attn.k.weight", (8, 16), "attn.k.weight"),
        ("ctx", (3, 8), "its context has 8 channels"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_with_the_reason(tiny, drop, shape, words):
    tensors = tensors_of(start(ContCoOp(n_ctx=3), tiny))
    tensors = {**tensors, drop: torch.zeros(shape)} if shape else {n: t for n, t in tensors.items() if n != drop}
    with pytest.raises(IncompatibleError, match=words):
        plugin_of(ContCoOp(n_ctx=3), tensors, tiny).class_weights(tiny, NAMES)


def test_another_text_width_is_refused(tiny, mini_old):
    plugin = plugin_of(ContCoOp(n_ctx=3), tensors_of(start(ContCoOp(n_ctx=3), tiny)), tiny)
    with pytest.raises(IncompatibleError, match="16 channels.*128.*Tune it again"):
        plugin.class_weights(mini_old, NAMES)


@pytest.mark.parametrize(
    ("attention", "scale", "decay"),
    [(Attention(), 1.0, 5e-3), (Attention(lr_scale=0.3, weight_decay=0.2), 0.3, 0.2)],
    ids=["one rate for all", "own rate and decay"],
)
def test_fit_takes_the_steps_of_sgd_by_hand(mini_old, attention, scale, decay):
    data, recipe = toy_dataset(), Recipe(lr=0.02, epochs=2, weight_decay=5e-3)
    method = ContCoOp(n_ctx=2, attention=attention, recipe=recipe)
    # larger than fresh ones, whose attention is so even that W_Q and W_K hardly move
    first = {n: numbers(t.shape, i, 0.3) for i, (n, t) in enumerate(tensors_of(start(method, mini_old)).items())}
    plugin = fit(method, mini_old, data, seed=4, views=2, init=plugin_of(method, first, mini_old))
    views = encode_views(mini_old, data.train, 2, 4, recipe.crop)
    values, buffers = dict(first), dict.fromkeys(first)
    for epoch, rate in enumerate(learning_rates(2, 0.02)):
        leaves = {n: v.clone().requires_grad_() for n, v in values.items()}
        weights = slow_contcoop(mini_old, NAMES, leaves)
        loss = slow_loss(mini_old, weights, views[epoch], data.train.labels)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        for (name, value), gradient in zip(list(values.items()), gradients, strict=True):
            own = (rate, 5e-3) if name == "ctx" else (rate * scale, decay)
            values[name], buffers[name] = sgd_step(value, gradient, buffers[name], own[0], weight_decay=own[1])
    for name, value in values.items():
        assert (value - first[name]).abs().max() > 1e-4, name
        torch.testing.assert_close(plugin.tensors[name], value, rtol=0, atol=1e-6)
