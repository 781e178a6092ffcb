"""What is kept for backward: an estimate that is true, and a plan that spends a budget and no more."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.device import free_memory, is_out_of_memory
from clipcompat.backbones.text.memory import BLOCKS, EVERYTHING, NOTHING, RowCost, plan

COST = RowCost(everything=100, blocks=10, nothing=1, working=20)


@pytest.mark.parametrize(
    ("budget", "kept"),
    [
        (0, [NOTHING] * 4),
        (20 + 4 + 9, [NOTHING, NOTHING, NOTHING, BLOCKS]),
        (20 + 4 + 36, [BLOCKS] * 4),
        (20 + 4 + 36 + 89, [BLOCKS] * 4),
        (20 + 4 + 36 + 90, [BLOCKS, BLOCKS, BLOCKS, EVERYTHING]),
        (20 + 4 + 36 + 360, [EVERYTHING] * 4),
    ],
)
def test_a_budget_buys_block_inputs_first_and_the_last_parts_first(budget, kept):
    assert plan([1, 1, 1, 1], COST, budget) == kept


@pytest.mark.parametrize("budget", [0, 500, 3000, 10_000, 10**6])
def test_a_plan_stays_within_its_budget_and_wastes_no_step(budget):
    rows = [10, 30, 20, 5]
    kept = plan(rows, COST, budget)
    spent = max(rows) * COST.working + sum(n * getattr(COST, k) for n, k in zip(rows, kept, strict=True))
    assert spent <= budget or set(kept) == {NOTHING}
    worth = [NOTHING, BLOCKS, EVERYTHING]
    assert [worth.index(k) for k in kept] == sorted(worth.index(k) for k in kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("side", ["mini_old", "mini_new"])
def test_a_row_costs_what_the_estimate_says(side, per_class, dtype, request):
    """Against every byte that autograd saves, constants that are there anyway left out."""
    from clipcompat.backbones.text.tower import TextTower
    from clipcompat.methods.parts.prompts import PromptTable

    backbone = request.getfixturevalue(side)
    tower = TextTower(backbone._model, dtype)
    table = PromptTable.of(backbone, ["owl", "red fox", "snow leopard cub"] * 20, 4)
    context = torch.randn(*([60] if per_class else []), 4, tower.width, requires_grad=True)
    prompts = table.prompts(context)
    maps = [m for b in tower._blocks for m in (b._qkv, b._q, b._kv, b._out, b._up, b._down)]
    weights = {t.untyped_storage().data_ptr() for m in maps for t in (m.weight, m.bias)}
    saved: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if tensor.is_floating_point() and storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)
        return tensor

    held: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        features = tower.run(prompts)
    features.sum().backward()
    estimate = prompts.packing.rows * RowCost.of(tower.width, tower.layers, dtype).everything
    assert 0.6 * estimate < sum(saved.values()) < 1.15 * estimate


def test_memory_that_ran_out_is_told_from_other_errors():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_free_memory_is_a_part_of_what_the_machine_has():
    import psutil

    assert 0 < free_memory(torch.device("cpu")) < psutil.virtual_memory().total
