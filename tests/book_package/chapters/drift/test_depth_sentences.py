"""Sentences of depth take every direction from an interval, and set the paper's claim beside it."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.drift.depth import HIDDEN, HIDDEN_TUNED, NOISE, depth
from clipcompat_book.chapters.drift.depth_sentences import (
    PAPER_CLAIM,
    headroom_sentence,
    headroom_table,
    layers_table,
    paper_sentence,
    steps_table,
)
from clipcompat_book.chapters.drift.first_steps import FirstStep
from tests.book_package.chapters.drift.toys import SETS, depth_records, depth_run


@pytest.fixture(scope="module")
def found():
    return depth(depth_records())


def study(by_layer, wide=False):
    """One way with these cells by layer; wide: seeds differ so much between layers that no difference is seen."""
    noise = {0: 1.0, 1: 40.0} if wide else {0: 1.0, 1: 1.0}
    return depth(
        depth_run(NOISE, n, cell, d, more, noise[n]) for n, cell in by_layer.items() for d, more in SETS.items()
    )


def test_a_loss_with_depth_agrees_with_the_paper_and_a_gain_contradicts_it(found):
    worse = paper_sentence(found)
    assert PAPER_CLAIM in worse and "layer 2 against layer 0: 25.0 ± 0.5 points lower" in worse
    assert "agrees with the paper's direction" in worse and "lower on dtd, eurosat" in worse
    assert "Mini data. Mean of 2 datasets, 3 seeds" in worse
    assert "for what others would do: 25.0 ± " in worse
    better = paper_sentence(study({0: (80, 60, 70), 1: (80, 70, 80)}))
    assert "10.0 ± 0.2 points higher" in better and "contradicts the paper's direction" in better


def test_a_difference_within_its_interval_decides_nothing():
    words = paper_sentence(study({0: (80, 60, 70), 1: (80, 50, 60)}, wide=True))
    assert "no difference seen (-10.0 ± " in words and "decides nothing" in words
    assert "no difference seen on dtd, eurosat" in words and "lower on" not in words


def test_every_layer_has_a_direction_on_old_new_and_retrained(found):
    table = layers_table(found, NOISE)
    lower = table.columns.index("lower at")
    assert [(row[0], row[lower]) for row in table.rows] == [
        ("old", "1, 2"), ("carried to new", "1, 2"), ("retrained on new", "1, 2"),
    ]  # fmt: skip
    assert table.rows[0][-1] == "-25.0 ± 0.0 *" and table.columns[-1] == "layer 2 − layer 0", "old: 90 and 65"
    assert all(row[table.columns.index("higher at")] == "–" for row in table.rows)


@pytest.mark.parametrize(
    ("deep", "verdict"),
    [
        ((80, 55, 72), "More is lost by carrying at this depth"),
        ((80, 66, 72), "Less is lost by carrying at this depth"),
        (
            (80, 62, 72),
            "A larger loss by carrying is not seen; the share that is kept is smaller, because there is less to ",
        ),
        ((90, 75, 85), "A larger loss by carrying is not seen."),
    ],
)
def test_the_verdict_is_that_of_the_points_lost_and_not_of_a_share_of_less(deep, verdict):
    words = headroom_sentence(study({0: (90, 75, 85), 1: deep}))
    assert words.startswith(f"**Noise.** {verdict}")
    assert ("because there is less to gain" in words) == ("because" in verdict)


def test_a_layer_where_retraining_gains_nothing_is_named_and_not_judged(found):
    words = headroom_sentence(found)
    assert words.startswith(
        "Retraining on new gains nothing over zero-shot, so that nothing could be kept, beyond layer 1 (noise)."
    )
    rows = {row[0]: row[1:] for row in headroom_table(found).rows}
    assert rows["noise, layer 0"][:3] == ("+30.0 ± 2.5", "5.0 ± 0.0", "")
    assert rows["noise, layer 1"][:3] == ("+15.0 ± 2.5", "10.0 ± 0.2", "+5.0 ± 0.2 *") and "noise, layer 2" not in rows
    alone = study({0: (90, 80, 85), 1: (60, 50, 49)})
    assert headroom_sentence(alone).endswith("There is no deeper layer on which a loss could be compared.")
    assert headroom_table(alone).rows == ()


def test_a_row_says_on_hover_on_which_datasets_more_is_lost(found):
    table = headroom_table(found)
    told = {row[0]: words for row, words in zip(table.rows, table.hover, strict=True)}
    assert told["noise, layer 1"] == "more on dtd, eurosat" and told["noise, layer 0"] == ""


def test_losses_are_compared_at_the_deepest_layer_that_gains(found):
    words, rows = headroom_sentence(found), [row[0] for row in headroom_table(found).rows]
    assert (
        f"{HIDDEN_TUNED}, layer 2" in rows and words.count(HIDDEN_TUNED) + words.count(HIDDEN_TUNED.capitalize()) == 1
    )
    assert f"{HIDDEN_TUNED}.** More is lost by carrying" in words.replace("Hidden", "hidden")


def test_the_table_splits_a_smaller_share_into_norm_and_pull():
    own = {0: FirstStep(1.0, 4.0, 1.1), 3: FirstStep(20.0, 0.1, 20.0)}
    table = steps_table({NOISE: own, HIDDEN: own}, 0.002, HIDDEN, {3: 2048.0})
    assert table.rows[0] == ("0", "1.1", "1.0", "8.0e-03", "1.0 ×", "1.0 ×", "–")
    assert table.rows[1] == ("3", "20.0", "20.0", "1.0e-05", "400.0 ×", "2.0 ×", "2048")
    assert own[0].share(1) / own[3].share(1) == pytest.approx(400 * 2)


def test_datasets_that_differ_leave_other_datasets_open():
    cells = {"dtd": {0: (80, 60, 70), 1: (80, 30, 60)}, "eurosat": {0: (80, 60, 70), 1: (80, 60, 60)}}
    records = [depth_run(NOISE, n, cell, d, 0.0) for d, layers in cells.items() for n, cell in layers.items()]
    words = paper_sentence(depth(records))
    assert "On these datasets, this agrees" in words and "lower on dtd; no difference seen on eurosat" in words
    assert "for what others would do: no difference seen" in words
