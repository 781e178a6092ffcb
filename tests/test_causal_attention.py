"""Both kernels against attention written out row by row, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from clipcompat.causal_attention import attend, lead
from clipcompat.packing import Segment

HEADS, CHANNELS = 2, 4
WIDTH = HEADS * CHANNELS


def slow(q, k, v, last):
    """One query [width] that sees the first `last` + 1 of k, v [row, width], head by head."""
    mixed = []
    for head in range(HEADS):
        own = slice(head * CHANNELS, (head + 1) * CHANNELS)
        scores = [(q[own] * k[j][own]).sum() / math.sqrt(CHANNELS) for j in range(last + 1)]
        total = sum(torch.exp(s) for s in scores)
        mixed.append(sum(torch.exp(s) / total * v[j][own] for j, s in enumerate(scores)))
    return torch.cat(mixed)


def inputs(groups, prompts, rows, shared, seed=0):
    generator = torch.Generator().manual_seed(seed)
    own = [torch.randn(groups * prompts * rows, WIDTH, generator=generator) for _ in range(3)]
    before = [torch.randn(groups * shared, WIDTH, generator=generator) for _ in range(3)]
    return [t.requires_grad_() for t in (*own, *before)]


def expected(leaves, groups, prompts, rows, shared, ends=None):
    q, k, v, _, k0, v0 = leaves
    found = []
    for p in range(groups * prompts):
        g = p // prompts
        keys = torch.cat([k0[g * shared : (g + 1) * shared], k[p * rows : (p + 1) * rows]])
        values = torch.cat([v0[g * shared : (g + 1) * shared], v[p * rows : (p + 1) * rows]])
        queries = range(rows) if ends is None else [ends[p]]
        found += [slow(q[p * rows + i], keys, values, shared + i) for i in queries]
    return torch.stack(found)


@pytest.mark.parametrize("kernel", ["fused", "split", None])
@pytest.mark.parametrize("one_row", [False, True])
@pytest.mark.parametrize(
    ("groups", "prompts", "rows", "shared"),
    [(1, 3, 4, 5), (2, 3, 2, 1), (3, 1, 3, 2), (1, 2, 4, 0), (2, 2, 1, 0), (1, 20, 1, 3)],
)
def test_attention_is_that_of_the_reference(groups, prompts, rows, shared, one_row, kernel):
    ends = [(7 * p) % rows for p in range(groups * prompts)] if one_row else None
    found = []
    for slowly in (False, True):
        leaves = inputs(groups, prompts, rows, shared)
        if slowly:
            out = expected(leaves, groups, prompts, rows, shared, ends)
        else:
            q, k, v, q0, k0, v0 = leaves
            before = lead(q0, k0, v0, groups, HEADS)[1] if shared else None
            at = torch.arange(groups * prompts) * rows + torch.tensor(ends) if one_row else slice(None)
            out = attend(q[at], k, v, Segment(0, groups, prompts, rows), HEADS, before,
                         torch.tensor(ends) if one_row else None, kernel)  # fmt: skip
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        found.append([out.detach(), *(t.grad for t in leaves if t.grad is not None and t.numel())])
    assert len(found[0]) == len(found[1]) == (6 if shared else 4)
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_segment_looks_at_the_leads_of_its_own_groups():
    q, k, v, q0, k0, v0 = inputs(3, 1, 2, 2)
    before = lead(q0, k0, v0, 3, HEADS)[1]
    whole = attend(q, k, v, Segment(0, 3, 1, 2), HEADS, before)
    for g in range(3):
        own = slice(2 * g, 2 * g + 2)
        part = attend(q[own], k[own], v[own], Segment(g, 1, 1, 2), HEADS, before)
        torch.testing.assert_close(part, whole[own])


def test_without_ends_one_query_a_prompt_sees_all_its_rows():
    q, k, v, *_ = inputs(1, 2, 3, 0)
    segment = Segment(0, 1, 2, 3)
    for kernel in ("fused", "split"):
        every = attend(q[:2], k, v, segment, HEADS, kernel=kernel)
        torch.testing.assert_close(every, attend(q[:2], k, v, segment, HEADS, ends=torch.tensor([2, 2]), kernel=kernel))


def test_rows_that_prompts_begin_with_attend_causally():
    _, _, _, q0, k0, v0 = inputs(2, 1, 1, 3)
    out, (keys, values) = lead(q0, k0, v0, 2, HEADS)
    wanted = [slow(q0[3 * g + i], k0[3 * g :], v0[3 * g :], i) for g in range(2) for i in range(3)]
    torch.testing.assert_close(out, torch.stack(wanted), rtol=1e-5, atol=1e-6)
    assert keys.shape == values.shape == (2, HEADS, 3, CHANNELS)
