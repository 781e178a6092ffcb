"""What a chain loses step by step and at once, from numbers that are given."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.chains import sentences, tables
from clipcompat_book.chapters.chains.steps import by_method, chains_of, over_sets
from tests.book_package.chapters.chains.made import made_chain, zero_shot_chain

BOTH = [*made_chain("linear_probe", lost=(40.0, 30.0, 45.0)), *made_chain("coop", lost=(10.0, 6.0, 20.0))]


def test_a_chain_knows_what_each_step_takes_and_what_all_take_at_once():
    chain = chains_of(made_chain(noise=0))[0]
    assert (chain.last, chain.steps, chain.shortfall(0, 2), chain.excess) == (2, [10.0, 6.0], 20.0, 4.0)
    assert chain.gain(0, 0) == 30 and chain.gain(0, 2) == 10


def test_zero_shot_is_no_chain_and_methods_come_in_the_registry_s_order():
    assert chains_of(zero_shot_chain()) == []
    assert list(by_method(chains_of([*made_chain("coop"), *made_chain("linear_probe")]))) == ["linear probe", "CoOp"]


def test_an_interval_is_over_sets_and_seeds():
    gap = over_sets(chains_of(made_chain()), lambda c: c.shortfall(0, 1))
    assert gap.mean == pytest.approx(10) and 0 < gap.interval < 1 and len(gap.by_dataset) == 3


def test_the_answer_says_for_which_methods_steps_at_once_lose_more_than_singly():
    told = sentences.answer_sentence(chains_of(BOTH))
    assert "single steps:** more: CoOp; less: linear probe. (Over 3 datasets with 3 seeds each.)" in told
    even = sentences.answer_sentence(chains_of(made_chain(lost=(10.0, 6.0, 16.0), noise=1)))
    assert "no difference seen: CoOp" in even


def test_the_numbers_stand_in_a_table():
    table = tables.losses_table(chains_of(BOTH), ("old", "new", "newer"))
    assert table.columns[1:3] == ("old → new", "new → newer")
    probe, coop = table.rows
    assert probe == ("linear probe", "40.0 ± 0.1", "30.0 ± 0.1", "45.0 ± 0.1", "-25.0 ± 0.1 *", "-15.0 ± 0.1 *")
    assert coop[0] == "CoOp" and coop[4:] == ("+4.0 ± 0.1 *", "+10.0 ± 0.1 *")


def test_sentences_turn_with_the_numbers():
    chains = chains_of(BOTH)
    assert sentences.again_sentence(chains).endswith("against the oldest:** above: linear probe, CoOp.")
    assert sentences.left_sentence(chains).endswith("above: CoOp; below: linear probe.")
    assert sentences.second_sentence(chains).endswith("more: CoOp; less: linear probe.")
    assert sentences.records_sentence(chains) == (
        "In the records: linear probe, CoOp, on 3 datasets with 3 seeds each, over 3 generations."
    )


def test_many_small_steps_are_told_one_after_the_other():
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    lost = [3.0 if j == i + 1 else 5.0 for i, j in pairs]
    table = tables.small_steps_table(chains_of(made_chain(below=pairs, lost=lost, count=4)))
    assert table.columns == ("method", "after 1", "after 2", "after 3", "at once − sum")
    ((*after, excess),) = table.rows
    assert after == ["CoOp", "3.0 ± 0.1", "5.0 ± 0.1", "5.0 ± 0.1"]
    assert excess.startswith("-4.0 ± ") and excess.endswith(" *")
