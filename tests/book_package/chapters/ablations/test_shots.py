"""Gains by shots are over the same sets and seeds for every number of shots; a lead is paired over both."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.ablations.readings import SETS
from clipcompat_book.chapters.ablations.shots import lead_sentence, leads, lines, numbers, shot_gains, shots_table
from tests.book_package.chapters.ablations.made import made


def study():
    records = []
    for k, shots in enumerate((1, 4, 16)):
        seeds = (1, 2, 3, 4, 5) if shots == 16 else (1, 2, 3)
        records += made(old=k, new=2 * k, method="CoOp", shots=shots, seeds=seeds)
        records += made(old=k, new=2 * k + 1, shots=shots, seeds=seeds)
    return records


def test_a_gain_is_above_zero_shot_on_its_own_backbone_over_common_seeds():
    gains = shot_gains(study())
    assert list(gains) == [("CoOp", "old"), ("CoOp", "new"), ("ContCoOp", "old"), ("ContCoOp", "new")]
    sixteen = gains["ContCoOp", "new"][16]
    assert list(gains["CoOp", "old"]) == [1, 4, 16] and sixteen.mean == pytest.approx(25, abs=0.2)
    assert {own.n for of_method in gains.values() for own in of_method.values()} == {3} and sixteen.interval < 1
    assert gains["CoOp", "old"][1].mean == pytest.approx(20, abs=0.2)


def test_a_number_of_shots_without_a_set_is_left_out():
    records = [*study(), *made(method="CoOp", shots=2, sets=SETS[1:])]
    assert 2 not in shot_gains(records)["CoOp", "old"]


def test_table_sentence_and_figure_have_what_was_made():
    gains, lead = shot_gains(study()), leads(study())
    table = shots_table(gains, lead)
    assert table.columns == ("method", "", "1 shot", "4 shots", "16 shots") and len(table.rows) == 5
    assert table.rows[-1] == ("ContCoOp − CoOp", "on new", "+1.0 ± 0.0 *", "+1.0 ± 0.0 *", "+1.0 ± 0.0 *")
    assert "by shots:** ahead: 1, 4, 16. Not made yet" in lead_sentence(lead)
    assert lead_sentence(lead).endswith("Not made yet: 2, 8 shots.") and numbers(gains) == [1, 4, 16]
    fig = lines(gains)
    assert [t.name for t in fig.data] == ["CoOp, on old", "CoOp, on new", "ContCoOp, on old", "ContCoOp, on new"]
    assert list(fig.data[3].y) == pytest.approx([21, 23, 25], abs=0.2)
