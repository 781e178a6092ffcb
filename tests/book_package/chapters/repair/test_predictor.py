"""The fit finds known weights, nothing is predicted by a fit that saw it, and the table has every estimate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clipcompat.audits.predictor import logit
from clipcompat_book.chapters.repair import predictor
from clipcompat_book.chapters.repair.verdicts import (
    Judged,
    agreement,
    confusions,
    judged,
    missed_sentence,
    predictor_sentence,
    verdicts_table,
)

FIRST, SECOND = 1.2, 0.7


def made(upgrades=4, sets=3, noise=0.0):
    rng, lines = np.random.default_rng(0), []
    for upgrade in range(upgrades):
        for dataset in range(sets):
            for method in ("coop", "linear_probe"):
                for what in ("carried", "zero-shot", *(["repaired"] if method == "linear_probe" else [])):
                    old, held, same = (float(rng.uniform(*ends)) for ends in ((0.6, 0.9), (0.2, 0.6), (0.3, 0.9)))
                    score = logit(old) + FIRST * (logit(held) - logit(old)) + SECOND * (1 - same)
                    new = 1 / (1 + math.exp(-score - noise * rng.standard_normal()))
                    line = {"upgrade": f"u{upgrade}", "dataset": f"d{dataset}", "method": method, "seed": 1}
                    line |= {
                        "what": what,
                        "new": new,
                        "accuracy": old,
                        "atc": 0.9,
                        "atc_entropy": 0.9,
                        "doc": 1,
                        "frap": 1,
                    }
                    for how in ("", "_val", "_untold"):
                        line |= {f"held{how}": held, f"old{how}": old, f"same{how}": same}
                    lines.append(line)
    return lines


def test_the_fit_finds_the_weights_that_made_the_lines():
    lines = made()
    assert predictor.fit(lines, "") == pytest.approx([FIRST, SECOND], abs=0.02)
    found = predictor.predictor(lines, "")
    assert (found.first, found.second) == pytest.approx((FIRST, SECOND), abs=0.02) and found.error < 1
    assert found.accuracy({k: lines[0][k] for k in ("held", "old", "same")})[0] == pytest.approx(
        100 * lines[0]["new"], abs=1
    )


@pytest.mark.parametrize("datasets", [False, True])
def test_a_prediction_does_not_change_with_what_was_held_out(datasets):
    lines = made(noise=0.3)
    spoilt = [dict(line) for line in lines]
    for line in spoilt:
        if line["upgrade"] == "u0" or (datasets and line["dataset"] == "d0"):
            line["new"] = 0.01
    at = [line["upgrade"] == "u0" and (not datasets or line["dataset"] == "d0") for line in lines]
    both = [predictor.held_out(x, "", datasets)[at] for x in (lines, spoilt)]
    assert both[0] == pytest.approx(both[1], abs=1e-9)


def test_errors_are_points_and_every_estimate_has_a_row():
    lines = made()
    found = predictor.errors(lines)
    known, rival = found["the audit, accuracy on old known"], found["DoC"]
    truth = [100 * line["new"] for line in lines if line["what"] == "carried"]
    assert known.mean < 1 and rival.mean == pytest.approx(100 - np.mean(truth))
    assert set(rival.by_upgrade) == {"u0", "u1", "u2", "u3"}
    table = predictor.errors_table(lines)
    assert len(table.rows) == len(found) == 8 and "4 upgrades" in table.caption


def test_verdicts_agree_where_predictions_are_exact_and_are_counted_where_not():
    found = judged(made())
    assert len(found) == 24 and agreement(found) == 1
    assert agreement(judged(made(noise=1.5))) < 1
    said = predictor_sentence(made())
    assert "in 100 % of 24 plug-ins" in said and "by 0." in said


def test_right_verdicts_are_counted_for_parts_of_the_plug_ins_and_for_what_is_measured():
    lines = made(noise=1.5)
    rows, found = {row[0]: row[1:] for row in verdicts_table(lines).rows}, judged(lines)
    near = [one for one in found if abs(one.added) < 3]
    rows = {words: row[:2] for words, row in rows.items()}
    assert rows["all"] == ("24", f"{100 * agreement(found):.0f}")
    assert rows["within 3 points of zero-shot on new"] == (str(len(near)), f"{100 * agreement(near):.0f}")
    firm, open_ = ([one for one in found if one.firm is kind] for kind in (True, False))
    assert firm and open_ and agreement(firm) > agreement(open_)
    assert rows["the same verdict if accuracies are 3 points off"] == (str(len(firm)), f"{100 * agreement(firm):.0f}")
    assert rows["another one then"] == (str(len(open_)), f"{100 * agreement(open_):.0f}")
    told = f"{100 * agreement(judged(lines, known=('repaired',))):.0f}"
    assert rows["all, repaired plug-in measured"] == ("24", told)
    assert "upgrades proper, without the controls" not in rows, "there are none among these"


def test_what_a_plug_in_adds_is_measured_on_new():
    lines = made()
    carried = {tuple(x[k] for k in ("upgrade", "dataset", "method")): x for x in lines if x["what"] == "carried"}
    zero = {tuple(x[k] for k in ("upgrade", "dataset", "method")): x for x in lines if x["what"] == "zero-shot"}
    expected = sorted(100 * (carried[key]["new"] - zero[key]["new"]) for key in carried)
    assert sorted(one.added for one in judged(lines)) == pytest.approx(expected)


def test_what_a_wrong_verdict_leaves_behind_is_counted_in_measured_points():
    """By hand, for every wrong verdict: what its step reaches, against the step that labels name."""
    lines = made(noise=1.5)
    at = {}
    for x in lines:
        at.setdefault(tuple(x[k] for k in ("upgrade", "dataset", "method", "seed")), {})[x["what"]] = x
    left = []
    for one, what in zip(judged(lines), at.values(), strict=True):
        trained = 100 * what["carried"]["accuracy"]
        reached = {"keep": 100 * what["carried"]["new"], "warm-start": trained, "retrain": trained}
        if "repaired" in what:
            reached["repair"] = 100 * what["repaired"]["new"]
        expected = max(0.0, reached[one.measured] - reached[one.guessed])
        assert one.left == pytest.approx(expected)
        left.append(expected)
        if one.right or (one.guessed in ("warm-start", "retrain") and reached[one.measured] <= trained):
            assert one.left == 0
    assert 0 < sum(x > 0 for x in left) < len(left)
    row = {row[0]: row[1:] for row in verdicts_table(lines).rows}["all"]
    assert row[2] == f"{np.mean(left):.1f}"


def test_confusions_are_shares_of_all_plug_ins_with_the_most_frequent_first():
    kinds = [("keep", "keep")] * 5 + [("keep", "warm-start")] * 3 + [("retrain", "repair")] * 2
    found = confusions([Judged("u", 0.0, *kind, firm=True, left=0.0) for kind in kinds])
    assert list(found.items()) == [(("keep", "warm-start"), 0.3), (("retrain", "repair"), 0.2)]


def test_what_is_measured_is_not_predicted():
    lines = made(noise=1.5)
    assert agreement(judged(lines, known=("carried", "repaired", "zero-shot"))) == 1 > agreement(judged(lines))


def test_a_missed_goal_is_told_with_what_is_confused_and_a_reached_one_is_not():
    assert missed_sentence(made()) == ""
    lines = made(noise=1.5)
    said, found = missed_sentence(lines), judged(lines)
    assert f"missed by {90 - 100 * agreement(found):.0f} points" in said
    (first, second), share = next(iter(confusions(found).items()))
    assert f"The most frequent: *{first}* is called *{second}* ({100 * share:.0f} %)" in said
    dear = ["keep", "repair", "warm-start", "retrain"].index
    dearer = sum(dear(one.guessed) > dear(one.measured) for one in found) / len(found)
    assert f"{100 * dearer:.0f} % get a dearer verdict than labels give" in said
    assert f"is {np.mean([one.left for one in found]):.1f} points on new behind who has labels" in said
    firm = [one for one in found if one.firm]
    share, right = len(firm) / len(found), agreement(firm)
    assert said.endswith(f"on average: {100 * share:.0f} % of them, of which {100 * right:.0f} % are right.")
