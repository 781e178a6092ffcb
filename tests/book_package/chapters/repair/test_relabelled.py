"""Masked changes of weights, and warm starts held to old: differences of given accuracies."""

from __future__ import annotations

from dataclasses import replace

from clipcompat_book.chapters.repair.relabelled import held_sentence, held_table, masked_sentence, masked_table
from clipcompat_book.chapters.repair.rows import methods_of
from tests.book_package.chapters.repair.made import SETS
from tests.runs.test_records import record


def made(method: str, **columns: tuple[float, float]):
    """One Repaired, by its title: column -> accuracy and negative flips, with a little noise; zero-shot at 50."""
    found = []
    for dataset in SETS:
        rows = []
        for seed in (1, 2, 3):
            row = {"seed": seed, "zs_new": 50.0}
            for name, (accuracy, flips) in columns.items():
                row |= {name: accuracy + seed / 10, f"{name}_flips": flips + seed / 10}
            rows.append(row)
        found.append(replace(record(method, dataset=dataset), per_seed=rows))
    return methods_of(found, found[0].titles.upgrade)


MASKED = made("coop", new=(60, 8), signs_1=(60, 8), signs_4=(61, 7), signs_16=(65, 5), retrained=(70, 3))


def test_a_masked_change_is_shown_between_carried_and_retrained():
    _, told = zip(*masked_table(MASKED).rows, strict=True)
    assert [cell.split(" ±")[0] for cell in told[:5]] == ["+10.2", "+10.2", "+11.2", "+15.2", "+20.2"]
    assert told[5:] == ("8.2", "5.2", "3.2")
    assert masked_sentence(MASKED).endswith(f"carried whole: higher: {next(iter(MASKED))}.")


def test_counts_above_the_shots_of_the_run_are_a_dash():
    few = made("coop", new=(60, 8), signs_1=(62, 7))
    _, told = zip(*masked_table(few).rows, strict=True)
    assert told[2:5] == ("–", "–", "–") and told[5:] == ("8.2", "–", "–")


def test_a_held_training_is_compared_with_scratch_in_the_table_and_with_its_own_start_in_the_sentence():
    held = made("coop", scratch=(70, 9), warm=(71, 8), focal_1=(71, 6), focal_4=(68, 3))
    scratch, warm, weak, strong, apart = (row[1:] for row in held_table(held).rows)
    assert scratch == ("from scratch", "70.2", "9.2") and warm[1:] == ("+1.0 ± 0.0 *", "-1.0 ± 0.0 *")
    assert weak[0] == "held, λ = 1" and strong[1:] == ("-2.0 ± 0.0 *", "-6.0 ± 0.0 *")
    assert apart == ("the last − warm", "-3.0 ± 0.0 *", "-5.0 ± 0.0 *")
    told = held_sentence(held)
    assert "Accuracy: lower: CoOp. " in told and told.endswith("Negative flips: fewer: CoOp.")


def test_a_closed_form_has_no_warm_start():
    held = made("coop", scratch=(70, 9), focal_1=(71, 6), focal_4=(70, 4))
    assert [row[1] for row in held_table(held).rows] == ["from scratch", "held, λ = 1", "held, λ = 4"]
    assert "Negative flips: fewer: CoOp." in held_sentence(held)
