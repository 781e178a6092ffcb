"""First steps are gradients of the reference's loss."""

from __future__ import annotations

import pytest
import torch

from clipcompat.features.encode import encode_split
from clipcompat.methods.coop import CoOp
from clipcompat_book.chapters.drift.depth import HIDDEN, NOISE
from clipcompat_book.chapters.drift.first_steps import PLACEHOLDERS, FirstStep, first_steps
from tests.methods.learners import start
from tests.reference.contcoop import cross_entropy, logits
from tests.slow import ids_of, slow_feature, slow_stream, state_of
from tests.tiny import tiny_backbone
from tests.toys import NAMES, toy_dataset


@pytest.fixture(scope="module")
def tiny():
    return tiny_backbone(layers=2)


def test_first_steps_are_those_of_the_reference(tiny):
    data, table = toy_dataset(), state_of(tiny)["token_embedding.weight"]
    found = first_steps(tiny, data)
    assert [list(found[s]) for s in (NOISE, HIDDEN)] == [[0, 1]] * 2
    features = encode_split(tiny, data.train)
    for words, layer in ((None, 1), (PLACEHOLDERS, 0), (PLACEHOLDERS, 1)):
        learner = start(CoOp(layer=layer, ctx_init=words), tiny, data)
        ctx = learner.parameters["ctx"].detach().requires_grad_()
        step = found[HIDDEN if words else NOISE][layer]
        prompts = [table[ids_of(tiny, f"{PLACEHOLDERS} {name}.")] for name in NAMES]
        weights = torch.stack([slow_feature(tiny, rows, layer=layer, vectors=ctx) for rows in prompts])
        loss = cross_entropy(logits(features, weights, tiny.logit_scale), data.train.labels)
        (gradient,) = torch.autograd.grad(loss, ctx)
        stream = torch.stack(slow_stream(tiny, prompts[0])[layer][1:17])
        assert (step.context, step.gradient, step.stream) == pytest.approx(
            tuple(float(t.detach().norm()) for t in (ctx, gradient, stream)), rel=1e-3
        )


def test_a_share_is_rate_times_pull_over_the_square_of_the_norm():
    step = FirstStep(context=2.0, gradient=0.5, stream=1.0)
    assert step.share(0.1) == pytest.approx(0.025) == 0.1 * step.pull / step.context**2


def test_the_placeholders_are_sixteen_tokens_of_the_mini_tokenizer(mini_old):
    assert len(mini_old.tokenizer.encode(PLACEHOLDERS)) == CoOp().n_ctx == 16
