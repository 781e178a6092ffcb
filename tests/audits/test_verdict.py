"""The rule: the cheapest step that leaves enough of what the plug-in added to zero-shot."""

from __future__ import annotations

import pytest

from clipcompat.audits.verdict import ENOUGH, SMALLEST_GAIN, Case, could_be, how_firm, judge

OLD, ZERO_SHOT = 80.0, 40.0
JUST = ZERO_SHOT + ENOUGH * (OLD - ZERO_SHOT)


@pytest.mark.parametrize(("case", "verdict", "after"), [
    (Case(JUST, ZERO_SHOT, OLD), "keep", JUST),
    (Case(JUST - 0.1, ZERO_SHOT, OLD), "warm-start", OLD),
    (Case(JUST - 0.1, ZERO_SHOT, OLD, trains=False), "retrain", OLD),
    (Case(5.0, ZERO_SHOT, OLD, repaired=JUST), "repair", JUST),
    (Case(5.0, ZERO_SHOT, OLD, repaired=JUST - 0.1, trains=False), "retrain", OLD),
    (Case(60.0, ZERO_SHOT, OLD, imitated=ENOUGH), "repair", JUST),
    (Case(60.0, ZERO_SHOT, OLD, imitated=ENOUGH - 0.01), "warm-start", OLD),
    (Case(None, ZERO_SHOT, OLD, repaired=JUST), "repair", JUST),
    (Case(OLD, OLD, OLD), "keep", OLD),  # zero-shot is as good as it was
    (Case(OLD - 1 - SMALLEST_GAIN, OLD, OLD), "warm-start", None),
    (Case(60.0, ZERO_SHOT), "keep", 60.0),  # nothing known of old
    (Case(ZERO_SHOT, ZERO_SHOT), "warm-start", None),
])  # fmt: skip
def test_the_cheapest_step_that_is_enough_is_taken(case, verdict, after):
    found, left, why = judge(case)
    assert (found, left) == (verdict, after) and why.endswith((".", ")."))


@pytest.mark.parametrize(("case", "others"), [
    (Case(OLD, ZERO_SHOT, OLD), ()),  # far above what is enough
    (Case(JUST + 2, ZERO_SHOT, OLD), ("warm-start",)),
    (Case(JUST - 2, ZERO_SHOT, OLD), ("keep",)),
    (Case(JUST - 2, ZERO_SHOT, OLD, repaired=JUST + 1), ("keep", "warm-start")),  # the map moves with the plug-in
    (Case(None, ZERO_SHOT, OLD, repaired=JUST + 1, trains=False), ("retrain",)),
    (Case(70.0, ZERO_SHOT, 71.0), ()),
    (Case(70.0, 69.0, 71.0), ("keep",)),  # zero-shot alone may be wrong, too
])  # fmt: skip
def test_a_verdict_is_firm_if_accuracies_that_are_as_wrong_as_usual_do_not_change_it(case, others):
    assert could_be(case, 3.0) == others
    told = how_firm(case, 3.0)
    assert "3.0 points off" in told and all(f"{other}" in told for other in others)
    assert ("stays the same" in told) == (not others) and ("--labels" in told) == bool(others)


def test_accuracies_that_are_not_wrong_leave_the_verdict():
    assert could_be(Case(JUST, ZERO_SHOT, OLD), 0.0) == ()
