"""The study's learning rates are the best of those that were tried, and were tried with the study's own method."""

from __future__ import annotations

import pytest

from clipcompat.backbones.load import load_backbone
from clipcompat.common.config import override
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.sets import SETS as MINI
from clipcompat.methods.defaults import mini_method
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.chapters.drift.depth import HIDDEN, NOISE
from clipcompat_book.chapters.drift.rates import GRIDS, SETS, Trial, best_rates, make_trial, method_at, read_trials


def test_the_best_rate_has_the_best_mean_and_the_smaller_of_equals_is_taken():
    trials = [
        Trial(NOISE, 1, lr, {"a": a, "b": b})
        for lr, a, b in ((8.0, 50.0, 60.0), (0.5, 90.0, 0.0), (2.0, 60.0, 50.0), (32.0, 0.0, 9.0))
    ]
    assert best_rates([*trials, Trial(HIDDEN, 0, 4.0, {"a": 1.0})]) == {NOISE: {1: 2.0}, HIDDEN: {0: 4.0}}


def test_every_rate_of_the_grids_was_tried_on_every_development_set():
    trials = read_trials()
    assert {(t.start, t.layer, t.lr) for t in trials} == {
        (start, layer, lr) for start, layers in GRIDS.items() for layer, rates in layers.items() for lr in rates
    }
    assert all(set(t.val) == set(SETS) for t in trials)
    assert not any(MINI[name].mirrors for name in SETS), "no figure tests on them"


def test_the_rates_of_the_study_are_the_best_of_the_trials():
    best, plain, checked = best_rates(read_trials()), mini_method("coop"), []
    for settings in load_spec("depth").scales["mini"]["settings"]:
        method = override(plain, settings)
        start = HIDDEN if method.ctx_init else NOISE
        if method.recipe.lr != plain.recipe.lr or start == HIDDEN:
            wanted = method_at(start, method.layer, best[start][method.layer])
            assert method.recipe.weight_decay == pytest.approx(wanted.recipe.weight_decay, rel=0.05)
            assert override(method, [f"recipe.weight_decay={wanted.recipe.weight_decay}"]) == wanted
            checked.append((start, method.layer))
    assert checked == [(HIDDEN, n) for n in (0, 1, 3, 5)] + [(NOISE, n) for n in (1, 3, 5)]
    assert best[NOISE][0] == plain.recipe.lr


@pytest.mark.parametrize(("start", "layer", "lr"), [(NOISE, 3, 0.032), (HIDDEN, 1, 512.0)])
def test_a_trial_comes_out_again(start, layer, lr):
    """Within two of 44 pictures: another processor rounds otherwise."""
    (kept,) = [t for t in read_trials() if (t.start, t.layer, t.lr) == (start, layer, lr)]
    data = load_dataset("mini/dev-thermal", shots=16, seed=1)
    again = make_trial(load_backbone("mini-old", device="cpu", dtype="float32"), [data], start, layer, lr)
    assert again.val == pytest.approx({data.name: kept.val[data.name]}, abs=4.6)
