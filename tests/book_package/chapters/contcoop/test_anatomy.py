"""What is measured of the attention is what a slow loop measures, and what the formula says before training."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.parts.attention import INITS, Attention
from clipcompat.methods.parts.condition import Condition
from clipcompat.training.task import Task
from clipcompat_book.chapters.contcoop.anatomy import GAINS, anatomy, expected_change, expected_score, reach, starting
from tests.reference.contcoop import attention as slow_attention
from tests.tiny import tiny_backbone
from tests.toys import NAMES, toy_dataset

METHOD = ContCoOp(n_ctx=4)


@pytest.fixture(scope="module")
def tiny():
    return tiny_backbone()


def tensors(width=32, init="linear_default", std=0.02, seed=0):
    generator = torch.Generator().manual_seed(seed)
    p = torch.empty(METHOD.n_ctx, width).normal_(std=std, generator=generator)
    return {"ctx": p, **Attention(init=init).parameters(width, generator)}


def test_lengths_are_those_of_the_slow_attention(tiny):
    own = {name: 20 * t if name == "ctx" else t for name, t in tensors(tiny.width).items()}  # weights that differ
    c, mask = Condition().rows(tiny, NAMES, METHOD.n_ctx)
    weights = {letter: own[f"attn.{letter}.weight"] for letter in "qkvo"}
    slow = torch.stack([slow_attention(own["ctx"], rows[real], weights) for rows, real in zip(c, mask, strict=True)])
    found = anatomy(METHOD, own, tiny, NAMES)
    lengths = {
        "context": own["ctx"],
        "change": slow,
        "by_class": slow - slow.mean(0),
        "by_row": slow - slow.mean(1, keepdim=True),
    }
    for name, rows in lengths.items():
        mean = sum(math.sqrt(float((row**2).sum())) for row in rows.flatten(0, -2)) / rows.flatten(0, -2).shape[0]
        assert getattr(found, name) == pytest.approx(mean, rel=1e-4), name


def test_equal_rows_have_uniform_weights_and_a_long_context_has_not(tiny):
    own = tensors(tiny.width)
    assert anatomy(METHOD, {**own, "ctx": 0 * own["ctx"]}, tiny, NAMES).uneven == pytest.approx(0, abs=1e-6)
    assert anatomy(METHOD, {**own, "ctx": 100 * own["ctx"]}, tiny, NAMES).uneven > 0.1


def test_without_a_condition_nothing_depends_on_the_class(tiny):
    blind = replace(METHOD, condition=Condition(pool="none"))
    assert anatomy(blind, tensors(tiny.width), tiny, NAMES).by_class < 1e-7
    assert anatomy(METHOD, tensors(tiny.width), tiny, NAMES).by_class > 1e-4


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("width", [128, 512])
def test_scores_start_at_the_formula_s_size_at_any_width(init, width):
    sizes = []
    for seed in range(4):
        own = tensors(width, init, seed=seed)
        x = torch.empty(64, width).normal_(std=0.03, generator=torch.Generator().manual_seed(100 + seed))
        q, k = own["ctx"] @ own["attn.q.weight"].T, x @ own["attn.k.weight"].T
        sizes.append((q @ k.T / math.sqrt(width)).pow(2).mean().sqrt())
    assert float(torch.stack(sizes).mean()) == pytest.approx(expected_score(0.02, 0.03, init), rel=0.1)


@pytest.mark.parametrize("init", INITS)
def test_what_attention_adds_starts_at_the_formula_s_length(init):
    own = tensors(512, init)
    x = torch.empty(16, 512).normal_(std=0.02, generator=torch.Generator().manual_seed(3))
    added = x.mean(0) @ own["attn.v.weight"].T @ own["attn.o.weight"].T
    assert float(added.norm() / x.norm(dim=-1).mean()) == pytest.approx(expected_change(16, init), rel=0.25)


def test_every_start_has_its_gain():
    assert set(GAINS) == set(INITS)


def test_the_start_is_that_of_a_training(tiny):
    learner = METHOD.setup(Task(tiny, toy_dataset(), torch.Generator().manual_seed(1), 1))
    for name, t in starting(METHOD, tiny, toy_dataset()).items():
        assert torch.equal(t, learner.parameters[name])


def test_reach_is_measured_beside_the_step_of_the_context(tiny):
    found = reach(METHOD, tiny, toy_dataset())
    assert found["ctx"] == 1 and set(found) == {"ctx", *(f"attn.{x}.weight" for x in "qkvo")}
    assert found["attn.q.weight"] < 1e-5 > found["attn.k.weight"]  # uniform weights: no gradient
    assert min(found["attn.v.weight"], found["attn.o.weight"]) > 1e-4
    larger = reach(METHOD, tiny, toy_dataset(), {"ctx": 10 * tensors(tiny.width)["ctx"]})
    assert larger["attn.o.weight"] > 5 * found["attn.o.weight"]  # it goes with the square of the rows' mean
