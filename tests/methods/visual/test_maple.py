"""MaPLe's start: words, noise and one linear layer for all blocks."""

from __future__ import annotations

import torch

from clipcompat.methods.visual.maple import MaPLe
from tests.methods.learners import start, tensors_of
from tests.slow import state_of


def test_the_context_starts_as_the_first_words_and_the_rest_as_drawn(tiny_deep, mini_old):
    table = state_of(tiny_deep)["token_embedding.weight"]
    assert torch.equal(start(MaPLe(), tiny_deep).parameters["ctx"], table[tiny_deep.tokenizer.encode("a photo")])
    one, again, other = (tensors_of(start(MaPLe(n_ctx=4), mini_old, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert {name for name in one if not torch.equal(one[name], other[name])} == one.keys() - {"ctx"}
    assert abs(float(one["deep"].std()) - 0.02) < 0.002
    bound = 128**-0.5
    for name in ("proj.weight", "proj.bias", "deep_proj.weight", "deep_proj.bias"):
        assert 0.9 * bound < float(one[name].abs().max()) <= bound
    for kind in ("weight", "bias"):  # copies of one layer
        assert torch.equal(one[f"deep_proj.{kind}"][0], one[f"deep_proj.{kind}"][1])
    noise = tensors_of(start(MaPLe(n_ctx=12, ctx_init=None), mini_old))["ctx"]
    assert noise.shape == (12, 128) and abs(float(noise.std()) - 0.02) < 0.002
