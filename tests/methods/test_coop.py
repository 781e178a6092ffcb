"""CoOp against prompts put together token by token and a tower that works row by row."""

from __future__ import annotations

import pytest
import torch

from clipcompat.common.errors import ConfigError, IncompatibleError, UnknownNameError
from clipcompat.features.encode import encode_views
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.fit import fit
from clipcompat.training.recipe import Recipe
from tests.methods.learners import batch, plugin_of, start
from tests.reference.contcoop import cross_entropy, logits
from tests.reference.dassl import learning_rates, sgd_step
from tests.slow import ids_of, slow_coop, slow_feature, slow_stream, state_of
from tests.toys import NAMES, toy_dataset


@pytest.mark.parametrize(
    ("name", "position", "csc"),
    [("mini_new", "end", False), *[("tiny", p, csc) for p in ("end", "middle", "front") for csc in (False, True)]],
)
def test_logits_loss_and_gradients_equal_the_reference(name, position, csc, request):
    backbone = request.getfixturevalue(name)
    method = CoOp(n_ctx=3, position=position, csc=csc)
    learner, (features, labels) = start(method, backbone), batch(backbone)
    ctx = learner.parameters["ctx"]
    loss = learner.loss(features, labels)
    (gradient,) = torch.autograd.grad(loss, ctx)

    slow = ctx.detach().double().requires_grad_()  # the reference is exact; the last digits of fp32 differ by CPU
    scores = logits(features.double(), slow_coop(backbone, NAMES, slow, position), backbone.logit_scale)
    expected = cross_entropy(scores, labels)
    (slow_gradient,) = torch.autograd.grad(expected, slow)
    torch.testing.assert_close(loss.double(), expected, rtol=0, atol=1e-5)
    assert (gradient - slow_gradient).abs().max() < 1e-4 * slow_gradient.abs().max()
    ours = method.logits({"ctx": ctx.detach()}, backbone, features, NAMES)
    torch.testing.assert_close(ours.double(), scores.detach(), rtol=0, atol=1e-5)
    assert ours.std() > 0.1


@pytest.mark.parametrize("csc", [False, True])
def test_context_starts_as_noise_of_deviation_002(mini_old, csc):
    classes = [f"class {i}" for i in range(30)]
    ctx = start(CoOp(n_ctx=16, csc=csc), mini_old, toy_dataset(1, classes)).parameters["ctx"].detach()
    assert ctx.shape == ((30, 16, 128) if csc else (16, 128))
    error = 5 / (2 * ctx.numel()) ** 0.5  # five standard errors
    assert ctx.std() == pytest.approx(0.02, rel=error) and abs(ctx.mean()) < 0.02 * 5 / ctx.numel() ** 0.5
    assert ctx.abs().max() > 0.06  # not uniform: that would end at 0.035


def test_words_give_the_start_and_the_number_of_tokens(full_size, mini_old):
    for backbone in (full_size.old, mini_old):
        ctx = start(CoOp(n_ctx=16, ctx_init="a photo of a"), backbone).parameters["ctx"].detach()
        table = state_of(backbone)["token_embedding.weight"]
        assert torch.equal(ctx, table[backbone.tokenizer.encode("a photo of a")])
    assert len(start(CoOp(ctx_init="a photo of a"), full_size.old).parameters["ctx"]) == 4


def test_words_give_the_zero_shot_classifier_before_training(mini_old):
    """With its words unchanged a prompt is the text "a photo of a <name>."."""
    ctx = start(CoOp(ctx_init="a photo of a"), mini_old).parameters["ctx"].detach()
    ours = CoOp(ctx_init="a photo of a").class_weights({"ctx": ctx}, mini_old, NAMES)
    texts = [f"a photo of a {name}." for name in NAMES]
    torch.testing.assert_close(ours, mini_old.encode_text(texts), rtol=0, atol=1e-6)


@pytest.mark.parametrize("csc", [False, True])
@pytest.mark.parametrize("insert", [False, True])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_deeper_contexts_equal_the_reference(tiny, layer, insert, csc):
    method = CoOp(n_ctx=3, layer=layer, insert=insert, csc=csc)
    learner, (features, labels) = start(method, tiny), batch(tiny)
    slow = learner.parameters["ctx"].detach().clone().requires_grad_()
    table, weights = state_of(tiny)["token_embedding.weight"], []
    for i, name in enumerate(NAMES):
        # below the layer run the placeholders "X"; inserted rows have none
        ids = ids_of(tiny, ("" if insert else "X X X ") + name + ".")
        own = slow[i] if csc else slow
        weights.append(slow_feature(tiny, table[ids], layer=layer, vectors=own, insert=insert))
    expected = cross_entropy(logits(features, torch.stack(weights), tiny.logit_scale), labels)
    loss = learner.loss(features, labels)
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-5)
    (ours,) = torch.autograd.grad(loss, learner.parameters["ctx"])
    (theirs,) = torch.autograd.grad(expected, slow)
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("insert", [False, True])
@pytest.mark.parametrize("layer", [1, 2])
def test_words_at_a_deeper_layer_give_their_hidden_states_there_averaged_over_the_classes(tiny, layer, insert):
    ctx = start(CoOp(ctx_init="a photo of a", layer=layer, insert=insert), tiny).parameters["ctx"].detach()
    table, prompts = state_of(tiny)["token_embedding.weight"], [f"a photo of a {name}." for name in NAMES]
    states = [slow_stream(tiny, table[ids_of(tiny, prompt)])[layer] for prompt in prompts]
    mean = torch.stack([torch.stack(rows[1:5]) for rows in states]).mean(0)  # [class, token, width] -> [token, width]
    torch.testing.assert_close(ctx, mean, rtol=1e-5, atol=1e-5)
    assert ctx.norm() > 2 * table[ids_of(tiny, "a photo of a")].norm()  # hidden states are larger than embeddings


@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_a_start_from_hidden_states_of_placeholders_is_the_plain_prompt_at_every_layer(name, request):
    backbone = request.getfixturevalue(name)
    plain = backbone.encode_text([f"X X X {name}." for name in NAMES])
    for layer in range(backbone.layers):
        method = CoOp(ctx_init="X X X", layer=layer)
        ctx = start(method, backbone).parameters["ctx"].detach()
        ours = method.class_weights({"ctx": ctx}, backbone, NAMES)
        torch.testing.assert_close(ours, plain, rtol=0, atol=2e-6)


def test_a_plug_in_started_from_hidden_states_is_carried_as_any_other(mini_old, mini_new):
    method = CoOp(ctx_init="X X", layer=2, recipe=Recipe(epochs=2))
    plugin = fit(method, mini_old, toy_dataset(), views=1)
    assert plugin.tensors["ctx"].shape == (2, 128) and plugin.match(mini_new, NAMES).kind == "compatible"
    assert plugin.class_weights(mini_new, NAMES).isfinite().all()


def test_layer_0_inserted_is_plain_coop_and_a_deeper_layer_is_not(mini_old):
    ctx = {"ctx": start(CoOp(n_ctx=3), mini_old).parameters["ctx"].detach()}
    plain, inserted, deeper = (
        CoOp(n_ctx=3, **k).class_weights(ctx, mini_old, NAMES) for k in ({}, {"insert": True}, {"layer": 2})
    )
    torch.testing.assert_close(plain, inserted, rtol=0, atol=1e-6)
    assert not torch.allclose(plain, deeper, atol=1e-3)


def test_class_specific_contexts_refuse_another_number_of_classes(mini_old, mini_new):
    method = CoOp(n_ctx=2, csc=True)
    plugin = plugin_of(method, {"ctx": torch.randn(3, 2, 128)}, mini_old)
    assert plugin.class_weights(mini_new, NAMES).shape == (3, 128)
    assert plugin.match(mini_new, NAMES[:2]).kind == "incompatible"
    with pytest.raises(IncompatibleError, match="belong to 3 classes.*2 class names"):
        plugin.class_weights(mini_new, NAMES[:2])
    shared = plugin_of(CoOp(n_ctx=2), {"ctx": torch.randn(2, 128)}, mini_old)
    assert shared.class_weights(mini_new, NAMES[:2]).shape == (2, 128)


@pytest.mark.parametrize(
    ("method", "shape", "words"),
    [
        (CoOp(n_ctx=2), (2, 64), "64 channels"),
        (CoOp(n_ctx=2), (3, 2, 128), "2 dimensions"),
        (CoOp(n_ctx=2, csc=True), (2, 128), "3 dimensions"),
        (CoOp(n_ctx=2, layer=6), (2, 128), "layer 6"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_with_the_reason(mini_old, method, shape, words):
    plugin = plugin_of(method, {"ctx": torch.zeros(shape)}, mini_old)
    with pytest.raises(IncompatibleError, match=words):
        plugin.class_weights(mini_old, NAMES)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"n_ctx": 0}, "n_ctx"),
        ({"csc": True, "ctx_init": "a photo of a"}, "ctx_init"),
        ({"layer": 2, "position": "front"}, "position 'end'"),
        ({"insert": True, "position": "middle"}, "position 'end'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        CoOp(**values)


def test_unknown_positions_and_layers_are_refused_before_training(mini_old):
    with pytest.raises(UnknownNameError, match="position"):
        start(CoOp(position="back"), mini_old)
    for words in (None, "X X"):
        with pytest.raises(ConfigError, match="layers 0 … 5"):
            fit(CoOp(n_ctx=2, ctx_init=words, layer=6, recipe=Recipe(epochs=1)), mini_old, toy_dataset(), views=1)


def test_a_plug_in_given_as_init_is_the_start(mini_old):
    given = plugin_of(CoOp(n_ctx=2), {"ctx": torch.randn(2, 128)}, mini_old)
    learner = start(CoOp(n_ctx=2), mini_old, init=given)
    assert torch.equal(learner.parameters["ctx"].detach(), given.tensors["ctx"])
    with torch.no_grad():
        learner.parameters["ctx"].zero_()
    assert given.tensors["ctx"].abs().max() > 0  # training does not change the plug-in it started from
    with pytest.raises(IncompatibleError, match=r"ctx \[2, 128\].*starts from ctx \[3, 128\]"):
        start(CoOp(n_ctx=3), mini_old, init=given)


def test_fit_takes_the_steps_of_sgd_by_hand(mini_old):
    """Three epochs of one batch: the reference's loss and gradient, Dassl's rates, momentum and decay by hand."""
    data, recipe = toy_dataset(), Recipe(lr=0.02, epochs=3, weight_decay=5e-3)
    first = torch.randn(3, 128, generator=torch.Generator().manual_seed(2)) * 0.02
    plugin = fit(
        CoOp(n_ctx=3, recipe=recipe),
        mini_old,
        data,
        seed=4,
        views=3,
        init=plugin_of(CoOp(n_ctx=3), {"ctx": first}, mini_old),
    )
    views = encode_views(mini_old, data.train, 3, 4, recipe.crop)
    value, buffer = first.clone(), None
    for epoch, rate in enumerate(learning_rates(3, 0.02)):
        leaf = value.clone().requires_grad_()
        weights = slow_coop(mini_old, NAMES, leaf)
        loss = cross_entropy(logits(views[epoch], weights, mini_old.logit_scale), data.train.labels)
        (gradient,) = torch.autograd.grad(loss, leaf)
        value, buffer = sgd_step(value, gradient, buffer, rate, weight_decay=5e-3)
    assert (value - first).abs().max() > 1e-3
    torch.testing.assert_close(plugin.tensors["ctx"], value, rtol=0, atol=1e-6)
    assert plugin.origin["final_loss"] == pytest.approx(float(loss.detach()), abs=1e-5)


def test_training_lowers_the_loss_and_leaves_the_backbone_alone(mini_old):
    from clipcompat.backbones.weights.fill import hash_weights

    before, data = hash_weights(mini_old._model), toy_dataset()
    losses = [
        fit(CoOp(n_ctx=4, recipe=Recipe(epochs=e, lr=0.05)), mini_old, data, views=1).origin["final_loss"]
        for e in (1, 12)
    ]
    assert losses[1] < losses[0] - 0.1
    assert hash_weights(mini_old._model) == before and all(p.grad is None for p in mini_old._model.parameters())
