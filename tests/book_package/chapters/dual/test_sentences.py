"""Sentences on dual prompts turn with the numbers."""

from __future__ import annotations

from clipcompat_book.chapters.dual import sentences
from clipcompat_book.chapters.dual.rows import duals_of
from tests.book_package.chapters.dual.made import SETS, made


def test_missing_learners_are_named():
    told = sentences.records_sentence(duals_of([*made(), *made(["learner=kgcoop"], sets=SETS[:1])]))
    assert "CoOp on 3 datasets; KgCoOp on 1 dataset, seeds 1, 2, 3. Not made yet: CoCoOp, ContCoOp, MaPLe," in told


def test_the_trade_off_is_told_for_both_halves():
    told = sentences.trade_off_sentence(duals_of(made()))
    assert told.startswith("**CoOp against zero-shot") and "15.0 ± 0.0 points higher" in told
    assert "New classes: 6.0" in told and "lower on 3 (shapes, tints, textures)" in told


def test_what_dpc_adds_is_told_on_both_backbones_and_turns_with_its_sign():
    told = sentences.answer_sentence(duals_of([*made(carried_base=-10), *made(["learner=kgcoop"], base=0)]))
    assert "On old, higher: CoOp; no difference seen: KgCoOp." in told
    assert "Carried to new, higher: KgCoOp; lower: CoOp." in told
