"""Sentences on dual prompts turn with the numbers."""

from __future__ import annotations

from clipcompat_book.chapters.dual import sentences
from clipcompat_book.chapters.dual.rows import duals_of
from tests.book_package.chapters.dual.made import SETS, made


def test_missing_learners_are_named():
    told = sentences.records_sentence(duals_of([*made(), *made(["learner=kgcoop"], sets=SETS[:1])]))
    assert "CoOp on 3 datasets, KgCoOp on 1 dataset, seeds 1, 2, 3. Not made yet: CoCoOp, ContCoOp, MaPLe," in told


def test_the_trade_off_is_told_for_both_halves():
    told = sentences.trade_off_sentence(duals_of(made()))
    assert told.startswith("**CoOp against zero-shot") and "15.0 ± 0.0 points higher" in told
    assert "New classes: 6.0" in told and "lower on 3 (shapes, tints, textures)" in told


def test_what_dpc_adds_is_told_on_both_backbones_and_turns_with_its_sign():
    told = sentences.answer_sentence(duals_of([*made(carried_base=-10), *made(["learner=kgcoop"], base=0)]))
    assert "over CoOp: 2.0 ± 0.0 points higher on old, 2.0 ± 0.0 points lower carried to new" in told
    assert "over KgCoOp: no difference seen" in told


def test_hard_negatives_are_compared_with_a_second_training_on_the_datasets_of_both():
    plain = made(["learner=kgcoop", "hard_negatives=False"], base=15, sets=SETS[1:])
    told = sentences.second_training_sentence([*made(), *made(["learner=kgcoop"], base=10), *plain])
    assert "2 datasets). KgCoOp: 3.0 ± 0.1 points higher; with hard negatives" in told
    assert told.endswith("against it: 1.0 ± 0.0 points lower.") and "CoOp: 2" not in told.replace("KgCoOp", "")
