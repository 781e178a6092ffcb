"""Weights laid out once: the same product, whichever way it is taken."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F

from clipcompat.backbones.text import frozen_linear
from clipcompat.backbones.text.frozen_linear import FrozenLinear


def a_map(dtype=torch.float32, inputs=48, outputs=80):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(outputs, inputs, generator=generator).to(dtype)
    return FrozenLinear(weight, torch.randn(outputs, generator=generator).to(dtype))


def both_ways(linear, x, run):
    x = x.clone().requires_grad_()
    out = run(linear, x)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).float().sum().backward()
    return out.detach(), x.grad


@pytest.fixture
def no_operators(monkeypatch):
    """A torch without oneDNN's operators."""

    def missing(*args):
        raise AttributeError("no such operator")

    monkeypatch.setattr(frozen_linear, "_reorder", missing)
    frozen_linear._can_reorder.cache_clear()
    yield
    frozen_linear._can_reorder.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 2, 203, 512, 513])
def test_values_and_gradients_are_those_of_a_linear_layer(dtype, rows):
    linear = a_map(dtype)
    x = torch.randn(rows, 48, generator=torch.Generator().manual_seed(2)).to(dtype)
    ours = both_ways(linear, x, lambda m, x: m(x))
    theirs = both_ways(linear, x, lambda m, x: F.linear(x, m.weight, m.bias))
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_weights_are_laid_out_once_for_few_rows_and_transposed_only_for_gradients(monkeypatch):
    linear, made, reorder = a_map(), [], frozen_linear._reorder
    monkeypatch.setattr(frozen_linear, "_reorder", lambda weight: made.append(tuple(weight.shape)) or reorder(weight))
    assert frozen_linear._can_reorder(torch.float32)
    made.clear()
    linear(torch.ones(513, 48)), linear(torch.ones(1, 48))
    assert made == []
    first = linear(torch.ones(7, 48))
    torch.testing.assert_close(linear(torch.ones(100, 48))[:7], first)
    assert made == [(80, 48)]
    for rows in (7, 100):
        linear(torch.ones(rows, 48, requires_grad=True)).sum().backward()
    assert made == [(80, 48), (48, 80)]


def test_a_map_that_has_run_can_be_copied_and_written():
    linear, x = a_map(), torch.randn(9, 48).requires_grad_()
    linear(x).sum().backward()
    for other in (copy.deepcopy(linear), pickle.loads(pickle.dumps(linear))):
        assert torch.equal(other(x), linear(x)) and other.weight is not linear.weight


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_under_autocast_it_is_what_autocast_makes_of_a_linear_layer(dtype):
    linear, x = a_map(), torch.randn(9, 48, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(linear(x), F.linear(x, linear.weight, linear.bias))


def test_without_the_operators_torchs_own_linear_does_it(no_operators):
    linear, x = a_map(), torch.randn(9, 48)
    assert torch.equal(linear(x), F.linear(x, linear.weight, linear.bias))


def test_operators_that_give_something_else_are_not_used(monkeypatch):
    monkeypatch.setattr(frozen_linear, "_multiply", lambda x, blocks, bias: F.linear(x, torch.zeros(32, 16), bias))
    frozen_linear._can_reorder.cache_clear()
    try:
        assert not frozen_linear._can_reorder(torch.float32)
    finally:
        frozen_linear._can_reorder.cache_clear()


def test_gradients_flow_through_views_and_frozen_weights_get_none():
    linear = a_map()
    x = torch.randn(6, 96).requires_grad_()
    linear(x[:, ::2]).sum().backward()
    torch.testing.assert_close(x.grad[:, ::2], linear.weight.sum(0).expand(6, -1))
    assert linear.weight.grad is None and not x.grad[:, 1::2].any()
