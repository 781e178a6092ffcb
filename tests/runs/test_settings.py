"""On a command line with several methods, a setting may be for one of them."""

from __future__ import annotations

import dataclasses

import pytest

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.methods import METHODS
from clipcompat.runs.settings import split_settings


def test_a_setting_without_a_method_is_for_all_and_one_with_a_method_for_that_one():
    given = ["n_ctx=2", "contcoop.distillation.weight=0.5", "recipe.epochs=1", "coop.n_ctx=4"]
    assert split_settings(given, ["coop", "contcoop"]) == {
        "coop": ("n_ctx=2", "recipe.epochs=1", "n_ctx=4"),
        "contcoop": ("n_ctx=2", "distillation.weight=0.5", "recipe.epochs=1"),
    }


def test_a_method_alone_may_be_named_too():
    assert split_settings(["contcoop.attention=null"], ["contcoop"]) == {"contcoop": ("attention=null",)}


def test_no_method_has_a_field_that_is_called_like_a_method():
    assert not {f.name for kind in METHODS.values() for f in dataclasses.fields(kind)} & set(METHODS)


def test_a_setting_that_does_not_fit_every_method_says_how_to_give_it_to_one():
    says = "is for all methods, but there is no 'recipe' in zero_shot and linear_probe. .* coop.recipe.epochs=1."
    with pytest.raises(ConfigError, match=says):
        split_settings(["recipe.epochs=1"], ["zero_shot", "coop", "linear_probe"])
    with pytest.raises(ConfigError, match=r"contcoop.attention=null"):
        split_settings(["attention=null"], ["coop", "contcoop"])


def test_a_setting_of_a_method_that_does_not_run_is_an_error():
    with pytest.raises(ConfigError, match="'kgcoop.weight' is for kgcoop, but the methods are coop, contcoop"):
        split_settings(["kgcoop.weight=1"], ["coop", "contcoop"])


@pytest.mark.parametrize("methods", [["contcoop"], ["coop", "contcoop"]])
def test_an_unknown_beginning_names_the_methods(methods):
    with pytest.raises(UnknownNameError, match="'contcop'. Did you mean 'contcoop'. Known: .*contcoop.*n_ctx"):
        split_settings(["contcop.distillation.weight=1"], methods)


def test_what_is_no_method_is_left_to_the_check_of_methods():
    assert split_settings(["n_ctx=2"], ["contcop"]) == {"contcop": ("n_ctx=2",)}
