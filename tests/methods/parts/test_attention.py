"""ContCoOp's attention layer against the formulas, one class at a time, and against nn.MultiheadAttention."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.methods.parts.attention import INITS, Attention, attend
from tests.reference.contcoop import attention

WIDTH, N = 16, 5
LENGTHS = (3, 1, 6, 0)


def inputs(config: Attention, seed=0):
    """Parameters, context, condition rows with large padding, mask."""
    generator = torch.Generator().manual_seed(seed)
    parameters = config.parameters(WIDTH, generator)
    context = torch.randn(N, WIDTH, generator=generator)
    condition = torch.randn(len(LENGTHS), max(LENGTHS), WIDTH, generator=generator)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    condition[~mask] = 99.0
    return parameters, context, condition, mask


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("scale", ["head", "model"])
@pytest.mark.parametrize("heads", [1, 2, 8])
def test_attention_equals_the_formulas(heads, scale, bias, causal):
    config = Attention(heads=heads, scale=scale, bias=bias, causal=causal)
    parameters, context, condition, mask = inputs(config)
    ours = attend(config, parameters, context, condition, mask)
    weights = {n: parameters[f"attn.{n}.weight"] for n in "qkvo"}
    biases = {n: parameters[f"attn.{n}.bias"] for n in "qkvo"} if bias else None
    for i, length in enumerate(LENGTHS):
        expected = attention(context, condition[i, :length], weights, heads, scale, causal, biases)
        torch.testing.assert_close(ours[i], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("heads", [1, 4])
def test_attention_and_its_gradients_equal_torchs_multihead_attention(heads, bias):
    config = Attention(heads=heads, bias=bias)
    parameters, context, condition, mask = inputs(config)
    ours = {n: p.clone().requires_grad_() for n, p in {**parameters, "ctx": context}.items()}
    attend(config, ours, ours["ctx"], condition, mask).square().sum().backward()

    layer = nn.MultiheadAttention(WIDTH, heads, bias=bias, batch_first=True)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([parameters[f"attn.{n}.weight"] for n in "qkv"]))
        layer.out_proj.weight.copy_(parameters["attn.o.weight"])
        if bias:
            layer.in_proj_bias.copy_(torch.cat([parameters[f"attn.{n}.bias"] for n in "qkv"]))
            layer.out_proj.bias.copy_(parameters["attn.o.bias"])
    leaf = context.clone().requires_grad_()
    x = torch.cat([leaf.expand(len(LENGTHS), -1, -1), condition], dim=1)
    hidden = torch.cat([torch.zeros(len(LENGTHS), N, dtype=torch.bool), ~mask], dim=1)
    out = layer(x, x, x, key_padding_mask=hidden, need_weights=False)[0][:, :N]
    torch.testing.assert_close(attend(config, parameters, context, condition, mask), out.detach(), rtol=0, atol=1e-6)
    out.square().sum().backward()
    torch.testing.assert_close(ours["ctx"].grad, leaf.grad, rtol=1e-5, atol=1e-5)
    for i, n in enumerate("qkv"):
        theirs = layer.in_proj_weight.grad[i * WIDTH : (i + 1) * WIDTH]
        torch.testing.assert_close(ours[f"attn.{n}.weight"].grad, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours["attn.o.weight"].grad, layer.out_proj.weight.grad, rtol=1e-5, atol=1e-5)


def test_rows_of_no_class_are_never_looked_at():
    config = Attention()
    parameters, context, condition, mask = inputs(config)
    before = attend(config, parameters, context, condition, mask)
    condition[~mask] = -5.0
    assert torch.equal(before, attend(config, parameters, context, condition, mask))
    condition[0, 0] += 0.1
    after = attend(config, parameters, context, condition, mask)
    assert not torch.allclose(before[0], after[0]) and torch.equal(before[1:], after[1:])  # each class on its own


def test_causal_attention_hides_the_condition():
    for causal in (False, True):
        config = Attention(causal=causal)
        parameters, context, condition, mask = inputs(config)
        one, two = (attend(config, parameters, context, c, mask) for c in (condition, condition + 1))
        assert torch.equal(one, two) == causal
        assert torch.equal(one[0], one[2]) == causal


def test_scales_agree_for_one_head_and_differ_for_more():
    for heads in (1, 2):
        by = [attend(Attention(heads=heads, scale=s), *inputs(Attention())) for s in ("head", "model")]
        assert torch.equal(*by) == (heads == 1)


STD = {  # of one entry, D = 512
    "linear_default": 1 / math.sqrt(3 * 512),
    "kaiming_normal_relu": math.sqrt(2 / 512),
    "kaiming_uniform_relu": math.sqrt(2 / 512),
    "xavier": 1 / math.sqrt(512),
}


@pytest.mark.parametrize("init", INITS)
def test_initial_weights_have_the_named_distribution(init):
    parameters = Attention(init=init).parameters(512, torch.Generator().manual_seed(1))
    assert list(parameters) == [f"attn.{n}.weight" for n in "qkvo"]
    for weight in parameters.values():
        assert weight.shape == (512, 512) and abs(weight.mean()) < 3e-4
        assert weight.std() == pytest.approx(STD[init], rel=0.01)
        largest = weight.abs().max()
        if init == "kaiming_normal_relu":
            assert largest > 4 * STD[init]
        else:  # uniform: the bound is √3 standard deviations
            assert 0.999 < largest / (math.sqrt(3) * STD[init]) <= 1.0001
    assert len({float(w.sum()) for w in parameters.values()}) == 4  # four draws, not one


def test_default_is_nn_linears_own_initialisation():
    ours = Attention().parameters(64, torch.Generator().manual_seed(3))["attn.q.weight"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        theirs = nn.Linear(64, 64, bias=False).weight
    assert torch.equal(ours, theirs.detach())


def test_biases_come_only_when_asked_for_with_linears_bound():
    assert not any("bias" in name for name in Attention().parameters(64, torch.Generator()))
    parameters = Attention(bias=True).parameters(512, torch.Generator().manual_seed(0))
    for name in "qkvo":
        bias = parameters[f"attn.{name}.bias"]
        assert bias.shape == (512,) and 0.95 < bias.abs().max() * math.sqrt(512) <= 1


@pytest.mark.parametrize("bias", [False, True])
def test_out_zero_starts_without_any_change(bias):
    config = Attention(out_zero=True, bias=bias)
    assert attend(config, *inputs(config)).abs().max() == 0
    assert attend(Attention(bias=bias), *inputs(Attention(bias=bias))).abs().max() > 0.01
    parameters = config.parameters(WIDTH, torch.Generator())
    assert all(parameters[f"attn.{n}.weight"].abs().max() > 0 for n in "qkv")


def test_default_switches_are_the_papers_formulas():
    assert Attention() == Attention(
        heads=1,
        scale="head",
        bias=False,
        init="linear_default",
        out_zero=False,
        residual=True,
        causal=False,
        pos=False,
        lr_scale=1.0,
        weight_decay=None,
    )


def test_unknown_switches_and_impossible_heads_are_refused():
    with pytest.raises(UnknownNameError, match="attention.init.*xavier"):
        Attention(init="xavjer")
    with pytest.raises(UnknownNameError, match="attention.scale"):
        Attention(scale="sqrt")
    with pytest.raises(ConfigError, match="heads must be at least 1"):
        Attention(heads=0)
    with pytest.raises(ConfigError, match="heads=3 does not divide.*512"):
        Attention(heads=3).parameters(512, torch.Generator())
