"""What a chapter says of a plug-in's place is read from the plug-in, or checked against it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.data.load import load_dataset
from clipcompat.methods import METHODS
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat_book.chapters.methods.places import PLACES, carried_table, depth, match_table

ORIGIN = {"classnames": ["a cat", "a dog"], "template": "a photo of {}.", "backbone": {"name": "x", "stamp": "none"}}


def plugin(name: str, **shapes: tuple[int, ...]) -> Plugin:
    tensors = {tensor.replace("_", "."): torch.zeros(shape) for tensor, shape in shapes.items()}
    return Plugin(METHODS[name](), tensors, ORIGIN)


def test_every_column_of_the_paper_s_table_has_a_place():
    assert {"zero_shot", "linear_probe", "clip_adapter", "tip_adapter_f", "coop", "cocoop", "kgcoop", "contcoop"} <= {
        *PLACES
    }
    assert {*PLACES} <= {*METHODS}
    assert depth("nothing like it") == depth("zero_shot") == ""


@pytest.mark.parametrize("name", [name for name in PLACES if depth(name)])
def test_shallow_plugins_hold_vectors_for_prompts_and_deep_ones_do_not(name, mini_old):
    data = load_dataset("mini/shapes", shots=1, seed=1).subset(["circle", "square"])
    method = METHODS[name]()
    if "recipe" in {f.name for f in fields(method)}:
        method = replace(method, recipe=replace(method.recipe, epochs=1, batch_size=2))
    made = fit(method, mini_old, data, views=11 if name == "tip_adapter_f" else 1)
    assert ("ctx" in made.tensors) == (depth(name) == "shallow")


def test_what_is_carried_is_told_tensor_by_tensor_and_equal_shapes_once():
    made = plugin("contcoop", ctx=(16, 8), attn_q_weight=(8, 8), attn_k_weight=(8, 8))
    table = carried_table([made, plugin("zero_shot")], "Carried")
    assert table.rows == (
        ("ContCoOp", "shallow", "256", "ctx 16×8; attn.q.weight, attn.k.weight 8×8"),
        ("zero-shot", "–", "0", "nothing"),
    )
    assert table.caption == "Carried"
    assert carried_table([plugin("clip_adapter", ratio=())]).rows[0][2:] == ("1", "ratio")


def test_whether_it_fits_is_told_for_old_new_and_other_classes(mini_old, mini_new):
    upgrade = Upgrade(mini_old, mini_new)
    context = plugin("coop", ctx=(16, mini_old.width))
    probe = plugin("linear_probe", weight=(2, mini_old.penultimate), bias=(2,), c=())
    narrow = plugin("coop", ctx=(16, 3))
    rows = match_table([context, probe, narrow], upgrade, ["a fish", "a bird"]).rows
    assert [row[1:4] for row in rows] == [
        ("compatible", "compatible", "compatible"),
        ("compatible", "compatible", "incompatible"),
        ("incompatible", "incompatible", "incompatible"),
    ]
    assert [row[4] for row in rows] == ["f, c, w", "h", "f, c, w"]
    exact = Plugin(context.method, context.tensors, {**ORIGIN, "backbone": {"name": "x", "stamp": mini_old.stamp}})
    assert match_table([exact], upgrade, ["a fish", "a bird"]).rows[0][1:3] == ("exact", "compatible")
