"""Learners on both halves of the classes: gains over zero-shot on the same backbone."""

from __future__ import annotations

from dataclasses import replace

from clipcompat_book.chapters.dual.learners import kept_sentence, learners_of, learners_table, retraining_table
from tests.runs.test_records import record

SETS = ("mini/tints", "mini/shapes", "mini/textures")


def made(method: str, title: str, retrained: bool = True):
    """Three sets, three seeds: +20 and −5 on old, +10 and −8 carried, +15 and −2 retrained."""
    found = []
    for dataset in SETS:
        rows = []
        for seed in (1, 2, 3):
            numbers = {"old_base": 60, "old_new": 45, "carried_base": 70, "carried_new": 52}
            numbers |= {"retrained_base": 75, "retrained_new": 58} if retrained else {}
            zero_shot = {"zs_old_base": 40, "zs_old_new": 50, "zs_new_base": 60, "zs_new_new": 60}
            rows.append({"seed": seed} | {k: v + seed / 10 for k, v in numbers.items()} | zero_shot)
        one = replace(record(method, dataset=dataset), study="base_to_new", per_seed=rows)
        found.append(replace(one, titles=replace(one.titles, method=title)))
    return found


def test_a_row_has_both_halves_on_old_carried_and_retrained():
    records = [*made("kgcoop", "KgCoOp"), *made("coop", "CoOp"), *made("zero_shot", "zero-shot")]
    table = learners_table(learners_of(records))
    assert [row[0] for row in table.rows] == ["CoOp", "KgCoOp"]
    assert [cell.split(" ±")[0] for cell in table.rows[0][1:]] == ["+20.2", "+10.2", "+15.2", "-4.8", "-7.8", "-1.8"]
    assert table.columns[1:3] == ("base, old", "base, carried") and "3 datasets and 3 seeds" in table.caption


def test_retraining_is_compared_with_carrying_on_each_half():
    records = [*made("coop", "CoOp"), *made("kgcoop", "KgCoOp", retrained=False)]
    table = retraining_table(learners_of(records))
    assert table.columns == ("learner", "base classes", "new classes")
    assert table.rows == (("CoOp", "+5.0 ± 0.0 *", "+6.0 ± 0.0 *"), ("KgCoOp", "–", "–"))


def test_records_without_retraining_have_a_dash_and_a_setting_that_all_share_is_not_said():
    learners = learners_of(made("coop", "CoOp (teacher_classes=base)", retrained=False))
    (row,) = learners_table(learners).rows
    assert row[0] == "CoOp" and row[3] == row[6] == "–"


def test_what_is_kept_is_a_share_of_retraining_s_gain_on_base_classes():
    told = kept_sentence(learners_of([*made("coop", "CoOp"), *made("kgcoop", "KgCoOp", retrained=False)]))
    assert told.endswith("the carried plug-in has:** CoOp 67 %.")
