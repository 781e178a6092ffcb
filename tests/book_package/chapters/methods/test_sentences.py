"""The sentence on all methods says what the numbers say, and turns with them."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat_book.chapters.methods.sentences import carried_sentence
from tests.book_package.test_means import report


def seeds(method, old=80.0, new=60.0, dataset="a", noise=(-0.1, 0.1)) -> list:
    return [report(method, old + shift, new + shift, dataset, i) for i, shift in enumerate(noise, 1)]


def test_who_is_above_zero_shot_after_the_upgrade_and_who_is_below_is_told_from_best_to_worst():
    found = [
        *seeds("zero_shot", 40, 50),
        *seeds("linear_probe", new=8.0),
        *seeds("clip_adapter", new=40.0),
        *seeds("tip_adapter", new=56.0, noise=(-5, 5)),
        *seeds("coop", new=62.0),
        *seeds("kgcoop", new=55.0),
        *seeds("contcoop", new=51.5),
    ]
    assert carried_sentence(found) == (
        "Carried to new, **3 of 6 methods still add to zero-shot**: CoOp, KgCoOp and ContCoOp. "
        "2 do harm: CLIP-Adapter and linear probe."
    )


def test_nobody_above_and_one_below_are_told_as_well():
    assert carried_sentence(seeds("coop", new=45.0)) == (
        "Carried to new, **0 of 1 methods still add to zero-shot**. 1 does harm: CoOp."
    )
    assert carried_sentence(seeds("coop", new=55.0)).endswith("zero-shot**: CoOp.")


def test_zero_shot_alone_has_nothing_to_carry():
    with pytest.raises(ConfigError, match="nothing to carry"):
        carried_sentence([report("zero_shot")])
