"""Every kernel against attention written out row by row, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from clipcompat.backbones.text.fused_attention import attend, prefix_keys
from clipcompat.backbones.text.masked_attention import MaskedAttention, attend_from_eot
from clipcompat.backbones.text.packing import Packing, Segment
from clipcompat.backbones.text.split_attention import SplitAttention

HEADS, CHANNELS = 2, 4
WIDTH = HEADS * CHANNELS
SHAPES = [(1, 3, 4, 5), (2, 3, 2, 1), (3, 1, 3, 2), (1, 2, 4, 0), (2, 2, 1, 0), (1, 20, 1, 3)]


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


@pytest.mark.parametrize("one_row", [False, True])
@pytest.mark.parametrize(("groups", "prompts", "rows", "shared"), SHAPES)
def test_fused_attention_is_that_of_the_reference(groups, prompts, rows, shared, one_row):
    ends = [(7 * p) % rows for p in range(groups * prompts)] if one_row else None
    found = []
    for slowly in (False, True):
        leaves = inputs(groups, prompts, rows, shared)
        if slowly:
            out = expected(leaves, groups, prompts, rows, shared, ends)
        else:
            q, k, v, _, k0, v0 = leaves
            before = prefix_keys(k0, v0, groups, HEADS) if shared else None
            at = torch.arange(groups * prompts) * rows + torch.tensor(ends) if one_row else slice(None)
            ends_given = torch.tensor(ends) if one_row else None
            out = attend(q[at], k, v, Segment(0, groups, prompts, rows), HEADS, before, ends_given)
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        found.append([out.detach(), *(t.grad for t in leaves if t.grad is not None and t.numel())])
    assert len(found[0]) == len(found[1]) == (6 if shared else 4)
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kernel", "groups", "prompts", "rows", "shared"),
    [(SplitAttention, *s) for s in SHAPES if s[-1]] + [(MaskedAttention, *s) for s in SHAPES],
)
def test_attention_over_whole_packings_is_that_of_the_reference(kernel, groups, prompts, rows, shared):
    """Leads among themselves, and prompts of two lengths behind them: values and gradients."""
    lengths = [shared + rows, *[shared + rows + 2] * prompts] * groups
    packing = Packing.of(lengths, shared, groups)
    generator, found = torch.Generator().manual_seed(1), []
    qkv = torch.randn(packing.rows, 3 * WIDTH, generator=generator)
    probe = torch.randn(packing.rows, WIDTH, generator=generator)
    for slowly in (False, True):
        leaf = qkv.clone().requires_grad_()
        if slowly:
            q, k, v = leaf.chunk(3, -1)
            out = []
            for prompt, token in zip(*packing.prompt_and_token, strict=True):
                seen = packing.find(prompt.expand(int(token) + 1), torch.arange(int(token) + 1))
                out.append(slow(q[packing.find(prompt, token)], k[seen], v[seen], int(token)))
            out = torch.stack(out)
        else:
            out = kernel.apply(leaf, packing, HEADS)
        (out * probe).sum().backward()
        found.append((out.detach(), leaf.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [SplitAttention, MaskedAttention])
def test_no_row_is_left_without_a_gradient_and_none_gets_anothers(kernel):
    packing = Packing.of([5, 7, 6, 7], 4)
    qkv = torch.randn(packing.rows, 3 * WIDTH, generator=torch.Generator().manual_seed(1)).requires_grad_()
    out = kernel.apply(qkv, packing, HEADS)
    rows = packing.find(torch.tensor([1, 1, 1]), torch.tensor([4, 5, 6]))
    out[rows].sum().backward()
    touched = set(qkv.grad.abs().sum(-1).nonzero().flatten().tolist())
    assert touched == {0, 1, 2, 3, *rows.tolist()}  # the prefix, whose keys they see, and themselves


@pytest.mark.parametrize("spare", [0, 8])
@pytest.mark.parametrize(("shared", "groups"), [(0, 1), (4, 1), (3, 2)])
def test_from_ends_alone_attention_is_what_it_is_from_all_rows(shared, groups, spare):
    packing = Packing.of([5, 7, 6, 7], shared, groups, spare)
    qkv = torch.randn(packing.rows, 3 * WIDTH, generator=torch.Generator().manual_seed(1))
    q, k, v = qkv.chunk(3, -1)
    every = MaskedAttention.apply(qkv, packing, HEADS)[packing.eot_rows[0]]
    torch.testing.assert_close(attend_from_eot(q[packing.eot_rows[0]], k, v, packing, HEADS), every)


def test_a_segment_looks_at_the_leads_of_its_own_groups():
    q, k, v, _, k0, v0 = inputs(3, 1, 2, 2)
    before = prefix_keys(k0, v0, 3, HEADS)
    whole = attend(q, k, v, Segment(0, 3, 1, 2), HEADS, before)
    for g in range(3):
        own = slice(2 * g, 2 * g + 2)
        part = attend(q[own], k[own], v[own], Segment(g, 1, 1, 2), HEADS, before)
        torch.testing.assert_close(part, whole[own])


def test_without_ends_one_query_a_prompt_sees_all_its_rows():
    q, k, v, *_ = inputs(1, 2, 3, 0)
    segment = Segment(0, 1, 2, 3)
    every = attend(q[:2], k, v, segment, HEADS)
    torch.testing.assert_close(every, attend(q[:2], k, v, segment, HEADS, last=torch.tensor([2, 2])))
