"""Tables of dual prompts: ours turn with the numbers, and the paper's are as they are printed."""

from __future__ import annotations

import pytest

from clipcompat.runs.papers import read_table
from clipcompat_book.chapters.dual import tables
from clipcompat_book.chapters.dual.rows import duals_of
from tests.book_package.chapters.dual.made import SETS, SETTINGS, made


def test_results_have_a_row_per_learner_with_its_difference():
    table = tables.results_table(duals_of([*made(), *made(["learner=kgcoop"], base=-10)]))
    coop, kgcoop = table.rows
    assert coop[:4] == ("CoOp", "80.0 → 82.0", "+2.0 ± 0.0", "60.0") and kgcoop[1] == "80.0 → 78.0"
    assert coop[5].startswith("+1.0") and "mean of 3 datasets and 3 seeds" in table.caption


def test_after_an_upgrade_every_learner_stands_against_zero_shot_on_both_halves_and_dpc_against_the_learner():
    records = [*made(carried_base=-10, noise=0), *made(["learner=maple"], sets=SETS[:2], noise=0)]
    coop, maple = tables.upgrade_table(duals_of(records)).rows
    assert coop[:4] == ("CoOp", "80.0 | +15.0 ± 0.0", "60.0 | -6.0 ± 0.0", "+2.0 ± 0.0")
    assert coop[4:] == ("70.0 | +5.0 ± 0.0", "50.0 | -16.0 ± 0.0", "-2.0 ± 0.0")
    assert maple[0] == "MaPLe (2 of 3 sets)" and maple[1:] == coop[1:6] + ("+2.0 ± 0.0",)


def test_what_the_upgrade_takes_what_decoupling_avoids_and_a_weight_chosen_again_stand_in_one_row():
    records = [*made(new=-20, carried_new=20, carried_base=-10, noise=0), *made(["learner=kgcoop"], new=0, noise=0)]
    coop, kgcoop = tables.choices_table(duals_of(records)).rows
    assert coop[:4] == ("CoOp", "-4.0 ± 0.0", "-4.0 ± 0.0", "+4.0 ± 0.0") and kgcoop[2] == "+0.0 ± 0.0"
    (row,) = tables.choices_table(duals_of(made(carried_base=10, certain=0.5, noise=0))).rows
    assert row[4] == "+3.0 ± 0.0"


def test_a_dataset_that_a_learner_lacks_is_a_dash():
    table = tables.dataset_table(duals_of([*made(), *made(["learner=kgcoop"], sets=SETS[:1])]))
    assert [row[2] for row in table.rows] == ["80.0 → 82.0 / 60.0", "–", "–"]


def test_the_paper_s_averages_stand_beside_ours_or_beside_what_was_not_run():
    rows = {row[0]: row[1:] for row in tables.paper_table(duals_of([*made(), *made(["learner=kgcoop"])])).rows}
    assert rows["CoOp"][:3] == ("81.98 → 85.15 (+3.2)", "68.84", "74.84 → 76.13")
    assert rows["CoOp"][3:5] == ("80.0 → 82.0 (+2.0 ± 0.0)", "60.0")
    assert (
        rows["PromptSRC"][0] == "83.45 → 86.10 (+2.6)"
        and rows["PromptKD"][3] == "not run here"
        and rows["KgCoOp"][0] == "not in the paper"
    )


def test_the_paper_s_dual_prompts_have_the_new_accuracy_of_their_learners():
    printed = {(row["dataset"], row["method"]): row for row in read_table("dpc_base_to_new.csv")}
    assert len(printed) == 12 * 8
    for (dataset, method), row in printed.items():
        if method.endswith("+DPC"):
            assert row["new"] == printed[dataset, method.removesuffix("+DPC")]["new"]


def test_the_ablation_has_the_paper_s_rows_and_takes_ours_from_the_right_training_and_weights():
    records = [
        *made(base=10, new=-20, noise=0),
        *made(["hard_negatives=False"], base=5, new=-1, sets=SETS[1:], noise=0),
    ]
    table = tables.ablation_table(records)
    ours = [row[3] for row in table.rows]
    assert ours[0] == "+0.0 / +0.0" and ours[1].startswith("+5.0") and ours[2].startswith("+10.0")
    assert ours[1].split(" / ")[1].startswith("-1.0") and ours[3].startswith("+2.0 ± 0.0 / -4.0")
    assert ours[4].startswith("+1.0 ± 0.0 / +0.0") and ours[5].startswith("+2.0 ± 0.0 / +0.0")
    assert table.rows[5][1] == "85.2 / 68.8 (H 76.1)" and "tints, textures" in table.caption


def test_k_and_presets_are_compared_on_the_datasets_that_all_have():
    records = [*made(noise=0)]
    for number, setting in enumerate(SETTINGS):
        records += made([setting], base=float(number), sets=SETS[:2], noise=0)
    table = tables.top_k_table(records)
    assert [row[0] for row in table.rows] == ["1", "2", "4", "8"] and "shapes, tints;" in table.caption
    assert [row[2].split()[0] for row in table.rows] == ["+1.0", "+2.0", "+3.0", "+10.0"]
    described, released = tables.preset_table(records).rows
    assert described[:2] == ("CoOp, described", "+2.0 ± 0.0") and released[:2] == ("CoOp, released", "+4.0 ± 0.0")
    distilled = ["learner=promptkd", "learner.teacher_classes=base"]
    records += [*made(distilled, base=20, noise=0), *made([*distilled, "preset=released"], base=-5, noise=0)]
    *coop, described, released = tables.preset_table(records).rows
    assert coop[1][1] == "+4.0 ± 0.0", "P' alone" and described[:2] == ("PromptKD, described", "+4.0 ± 0.0")
    assert released[:2] == ("PromptKD, released", "-5.0 ± 0.0")


def test_channels_stand_beside_a_random_step():
    (row,) = tables.channels_table(duals_of(made(noise=0))).rows
    assert row[1:3] == ("20 % of P", "0.980, random 0.980") and row[3].startswith("+0.0") and row[5].startswith("+10.0")


def test_without_the_records_of_a_setting_a_table_names_it():
    with pytest.raises(Exception, match="hard_negatives=False"):
        tables.ablation_table(made())


def test_hard_negatives_are_compared_with_a_second_training_on_the_datasets_of_both():
    plain = made(["learner=kgcoop", "hard_negatives=False"], base=15, sets=SETS[1:])
    table = tables.second_training_table([*made(), *made(["learner=kgcoop"], base=10), *plain])
    assert table.rows == (("KgCoOp", "+3.0 ± 0.1 *", "-1.0 ± 0.0 *"),) and "2 datasets" in table.caption
