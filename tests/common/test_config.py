"""Settings: what is unknown names its neighbour, what cannot be meant is refused, the rest survives a round trip."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest

from clipcompat.common.config import from_config, override, to_config
from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.methods import METHODS
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.parts.attention import Attention
from clipcompat.methods.parts.condition import Condition
from clipcompat.methods.parts.distillation import Distillation
from clipcompat.training.recipe import SHIP, Recipe

ODD = ContCoOp(
    n_ctx=3,
    ctx_init="a photo of",
    attention=Attention(heads=2, bias=True, lr_scale=0.5, weight_decay=0.0),
    condition=Condition(include=("sos", "eot"), template="a {}"),
    distillation=Distillation(weight=0.25, form="cosine"),
    tau=0.01,
    recipe=Recipe(epochs=3, crop=(0.5, 0.9)),
)


@pytest.mark.parametrize("method", [*(m() for m in METHODS.values()), ODD, dataclasses.replace(ODD, attention=None)])
def test_a_method_survives_json(method):
    assert from_config(type(method), json.loads(json.dumps(to_config(method)))) == method


def test_missing_keys_keep_their_defaults():
    assert from_config(ContCoOp, {"n_ctx": 4}) == ContCoOp(n_ctx=4)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["n_ctx=4", "recipe.epochs=2"], ContCoOp(n_ctx=4, recipe=Recipe(epochs=2))),
        (["attention=null"], ContCoOp(attention=None)),
        (["attention=null", "attention.heads=2"], ContCoOp(attention=Attention(heads=2))),
        (["ctx_init=a photo of a"], ContCoOp(ctx_init="a photo of a")),
        (["ctx_init=x=y"], ContCoOp(ctx_init="x=y")),
        (['condition.include=["sos", "eot"]'], ContCoOp(condition=Condition(include=("sos", "eot")))),
        (["recipe.crop=[0.5, 1]"], ContCoOp(recipe=Recipe(crop=(0.5, 1.0)))),
        (["recipe=ship", "recipe.epochs=5"], ContCoOp(recipe=replace(SHIP, epochs=5))),
        (["recipe=coop"], ContCoOp()),
        (["recipe.lr=1"], ContCoOp(recipe=Recipe(lr=1.0))),
        (["n_ctx=4", "n_ctx=5"], ContCoOp(n_ctx=5)),
        ([], ContCoOp()),
    ],
)
def test_settings_reach_nested_parts(settings, expected):
    changed = override(ContCoOp(), settings)
    assert changed == expected
    assert type(changed.recipe.lr) is float  # so that 1 and 1.0 name the same run


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ("n_ctxx=4", "'n_ctx'"),
        ("atention.heads=2", "'attention'"),
        ("attention.head=2", "'heads'"),
        ("recipe.Epochs=2", "'epochs'"),
        ("distillation.form=L2", "'l2'"),
        ("condition.pool=token", "'tokens'"),
    ],
)
def test_an_unknown_setting_or_word_names_the_nearest(setting, nearest):
    with pytest.raises(UnknownNameError, match=f"Did you mean {nearest}"):
        override(ContCoOp(), [setting])


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("n_ctx", "key=value"),
        ("n_ctx=0", "at least 1"),
        ("n_ctx=4.0", "n_ctx must be a whole number, not 4.0"),
        ("n_ctx=true", "whole number, not true"),
        ("n_ctx=four", 'whole number, not "four"'),
        ("n_ctx=null", "whole number, not null"),
        ("n_ctx.x=1", "n_ctx is a single value"),
        ("recipe.lr=NaN", "recipe.lr must be a finite number, not NaN"),
        ("recipe.lr=1e999", "finite number, not Infinity"),
        ("recipe.lr=-0.1", "lr must be 0 or more"),
        ("recipe.momentum=-1", "momentum must be 0 or more"),
        ("recipe.epochs=1.5", "recipe.epochs must be a whole number or null"),
        ("recipe.epochs=0", "at least 1"),
        ("recipe.crop=0.5", "recipe.crop must be a list of 2, not 0.5"),
        ("recipe.crop=[0.5]", "list of 2"),
        ("recipe.crop=[1, 0.5]", "low <= high"),
        ("recipe=ships", r"group of settings \(recipe.optimizer=…\) or coop or ship, not \"ships\""),
        ("distillation.weight=-1", "0 or more"),
        ("attention=2", r"group of settings \(attention.heads=…\) or null, not 2"),
        ("attention.bias=1", "true or false, not 1"),
        ("condition.template=plain", "needs {}"),
        ("tau=0", "positive"),
    ],
)
def test_a_value_that_cannot_be_meant_says_what_was_wanted(setting, says):
    with pytest.raises(ConfigError, match=says):
        override(ContCoOp(), [setting])


def test_parts_of_a_method_that_are_no_fields_cannot_be_set():
    with pytest.raises(UnknownNameError):
        override(CoOp(), ["name=contcoop"])
