"""Dual prompts are found by learner and setting, and their measures are differences of one training."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.studies.report import harmonic_mean
from clipcompat_book.chapters.dual.rows import base_gain, by_learner, common, difference, duals_of, new_change
from tests.book_package.chapters.dual.made import SETS, made


def test_learners_are_in_the_registry_s_order_and_a_changed_setting_is_left_out_unless_asked_for():
    records = [
        *made(["learner=contcoop"]),
        *made(["top_k=4"]),
        *made(),
        *made(["learner=kgcoop"], sets=SETS[:1]),
        *made(["learner=kgcoop", "top_k=4"], sets=SETS[:1]),
    ]
    duals = duals_of(records)
    assert {name: len(own) for name, own in by_learner(duals).items()} == {"CoOp": 9, "KgCoOp": 3, "ContCoOp": 9}
    assert list(by_learner(duals)) == ["CoOp", "KgCoOp", "ContCoOp"]
    assert list(by_learner(duals_of(records, "top_k=4"))) == ["CoOp", "KgCoOp"]
    with pytest.raises(UnknownNameError, match="top_k=2"):
        duals_of(records, "top_k=2")


def test_a_student_is_found_by_the_setting_that_keeps_its_teacher_from_new_labels():
    records = [*made(["learner=promptkd", "learner.teacher_classes=base"]), *made(["learner=promptkd"])]
    assert {name: len(own) for name, own in by_learner(duals_of(records)).items()} == {"PromptKD": 9}


def test_a_gain_is_a_weight_against_weight_0_over_datasets_and_seeds():
    duals = duals_of(made(base=10, new=-20, carried_base=5, noise=0))
    measures = (base_gain("old"), new_change("old"), base_gain("carried"), base_gain("old", 1.0))
    assert [difference(duals, m).mean for m in measures] == pytest.approx([2, -4, 1, 10])
    assert duals[0].harmonic("old", 0.2, 0.0) == harmonic_mean(82, 60)
    with pytest.raises(UnknownNameError, match=r"0\.25"):
        duals[0].at("old", "base", 0.25)


def test_the_most_certain_weight_is_read_from_certainty_alone():
    assert {dual.most_certain("carried") for dual in duals_of(made(certain=0.5, carried_base=-9))} == {0.5}


def test_common_keeps_the_datasets_of_both():
    whole, part = duals_of(made()), duals_of(made(["top_k=4"], sets=SETS[1:]), "top_k=4")
    assert {dual.dataset for dual in common(whole, part)} == set(SETS[1:])
