"""The prompt viewer shows, for every vector of a context, the nearest words of both token tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import clipcompat as cc
from clipcompat.audits.words import distance_between_words, nearest_words, ranked_words
from clipcompat_book.chapters.shots.prompt_viewer import prompt_viewer
from clipcompat_book.explore import chosen, controls


@pytest.fixture(scope="module")
def upgrade():
    return cc.load_upgrade("mini", device="cpu")


@pytest.fixture(scope="module")
def plugin(upgrade):
    data = cc.load_dataset("mini/textures", shots=1, seed=1)
    method = cc.CoOp(recipe=cc.default_method("coop", "mini/textures").recipe)
    method = replace(method, recipe=replace(method.recipe, epochs=1, max_steps=None))
    fitted = cc.fit(method, upgrade.old, data, seed=1)
    ids = upgrade.old.tokenize(["red", "striped"])[:, 1]
    fitted.tensors["ctx"][:2] = upgrade.old.text.embed(ids).detach()
    return fitted


def test_a_vector_that_is_a_word_has_that_word_at_no_distance(plugin, upgrade):
    first, second, *_ = ranked_words(plugin, upgrade.old, 3)
    assert first[0] == ("red", pytest.approx(0, abs=1e-3)) and len(first) == 3
    assert first == sorted(first, key=lambda pair: pair[1])
    assert nearest_words(plugin, upgrade.old)[:2] == ("red", second[0][0])


def test_words_are_apart_from_each_other_by_a_distance_that_is_not_0(upgrade):
    vectors = upgrade.old.text.embed(upgrade.old.tokenize(["red", "striped"])[:, 1])
    assert 0 < distance_between_words(upgrade.old) <= 2 * float(torch.dist(*vectors))


def test_a_choice_shows_five_words_of_each_table_with_their_distances(plugin, upgrade):
    twin = prompt_viewer(plugin, upgrade)
    assert controls(twin) == {"Vector": [str(n) for n in range(1, 17)]}
    fig = chosen(twin, {"Vector": "2"})
    low, high = fig.layout.yaxis.range
    for name, backbone in (("old", upgrade.old), ("new", upgrade.new)):
        (bars,) = (trace for trace in fig.data if trace.name == f"in {name}'s token table")
        shown = [(w, x) for w, x, y in zip(bars.customdata, bars.x, bars.y, strict=True) if low <= y <= high]
        expected = ranked_words(plugin, backbone, 5)[1]
        assert [word for word, _ in shown] == [word for word, _ in expected]
        assert [x for _, x in shown] == pytest.approx([distance for _, distance in expected], abs=1e-3)


def test_a_plugin_without_words_is_an_empty_figure(upgrade):
    zero_shot = cc.fit(cc.ZeroShot(), upgrade.old, cc.load_dataset("mini/textures", shots=1))
    fig = prompt_viewer(zero_shot, upgrade)
    assert not fig.layout.sliders and not [x for trace in fig.data[::2] for x in trace.x]
