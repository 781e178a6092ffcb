"""Numbers and names are written one way."""

from __future__ import annotations

import pytest

from clipcompat.methods import METHODS
from clipcompat.studies.comparison import Comparison
from clipcompat.studies.statistic import Statistic
from clipcompat_book.words import (
    apart,
    by_direction,
    counted,
    datasets,
    direction,
    indexed,
    method_rank,
    method_titles,
    name_title,
    points,
    starred,
    upgrades,
    with_interval,
)
from tests.runs.test_tables import run


def test_an_index_is_set_low_and_names_with_underscores_stay():
    assert indexed("start: W_O = 0, n_ctx, ω_b") == "start: W<sub>O</sub> = 0, n_ctx, ω<sub>b</sub>"


def test_a_difference_shows_its_sign_and_interval():
    assert with_interval(Statistic(1.25, 1.0, 0.5, 5), "+") == "+1.2 ± 0.5" and with_interval(None, "+") == "–"
    assert with_interval(Statistic(-2.0, None, None, 1), "+") == "-2.0"
    assert with_interval(Statistic(71.25, 1.0, 0.5, 5)) == "71.2 ± 0.5"


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (Statistic(5.0, 1.0, 1.24, 5), "5.0 ± 1.2 points above"),
        (Statistic(-5.0, 1.0, 1.24, 5), "5.0 ± 1.2 points below"),
        (Statistic(5.0, 9.0, 11.2, 5), "no difference seen (+5.0 ± 11.2 points)"),
        (Statistic(-30.0, None, None, 1), "no difference seen (-30.0 points, one seed)"),
    ],
)
def test_a_difference_has_the_direction_of_its_interval(gap, words):
    assert apart(gap, "above", "below") == words


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        ([1.0, 1.2, 1.4, 1.6, 1.8, 2.0], "1.5 ± 0.4 points above"),
        ([2.0, 2.0, 2.0, 2.0, -6.0], "no difference seen (+0.4 ± 4.4 points; above without 4)"),
        ([-2.0, -2.0, -2.0, -2.0, 6.0], "no difference seen (-0.4 ± 4.4 points; below without 4)"),
        ([5.0, 4.0, 2.0, 1.0, 1.0, 0.9], "2.3 ± 1.8 points above (no difference seen without 1 or without 2)"),
        ([7.0, 6.0, 2.0, 1.5, 1.4, 1.2], "3.2 ± 2.7 points above (no difference seen without any one of 3 datasets)"),
    ],
)
def test_a_direction_that_one_dataset_makes_or_breaks_is_told_with_it(gaps, words):
    found = Comparison({("pair", f"mini/{n}"): (gap,) for n, gap in enumerate(gaps)})
    assert apart(found, "above", "below") == words


def test_a_cell_is_starred_where_its_interval_leaves_0_out_and_in_brackets_where_one_dataset_decides():
    def cell(*gaps):
        return starred(Comparison({("pair", f"mini/{n}"): (gap,) for n, gap in enumerate(gaps)}))

    assert cell(1.0, 1.2, 1.4, 1.6, 1.8, 2.0) == "+1.5 ± 0.4 *"
    assert cell(2.0, 2.0, 2.0, 2.0, -6.0) == "+0.4 ± 4.4 (*)" and cell(5.0, 4.0, 2.0, 1.0, 1.0, 0.9) == "+2.3 ± 1.8 (*)"
    assert cell(1.0, -1.0, 1.0, -1.0) == "+0.0 ± 1.8" and starred(None) == "–"
    assert starred(Statistic(-5.0, 1.0, 1.24, 5)) == "-5.0 ± 1.2 *"


def test_names_are_grouped_by_direction_with_a_doubt_where_one_dataset_decides():
    gaps = {"a": (1.0, 1.1, 1.2, 1.3), "b": (1.0, -1.0, 1.0, -1.0), "c": (2.0, 2.0, 2.0, 2.0, -6.0)}
    found = {name: Comparison({("", str(n)): (x,) for n, x in enumerate(own)}) for name, own in gaps.items()}
    assert by_direction(found) == "higher: a; no difference seen: b, c (hangs on one dataset)"


def test_a_direction_is_told_without_numbers_and_turns_in_its_own_words():
    words = ("above it", "below it", "not told apart from it")
    assert direction(Statistic(5.0, 1.0, 1.24, 5), *words) == "above it"
    assert direction(Statistic(-30.0, None, None, 1), *words) == "not told apart from it"
    found = Comparison({("pair", f"mini/{n}"): (gap,) for n, gap in enumerate([-2.0, -2.0, -2.0, -2.0, 6.0])})
    assert direction(found, *words) == "not told apart from it (lower without 4)"


def test_directions_are_counted_with_and_without_names():
    directions = {"a": "lower", "b": "higher", "c": "lower"}
    assert counted(directions) == "higher on 1 (b); lower on 2 (a, c)"
    assert counted(directions, named=False) == "higher on 1; lower on 2"
    assert counted({"a": "no difference seen"}) == "no difference seen on 1 (a)"


def test_the_word_follows_the_sign():
    assert points(5.04, "higher", "lower") == "5.0 points higher" and points(-5.0, "above", "below").endswith("below")
    assert (datasets(1), datasets(2)) == ("1 dataset", "2 datasets")


def test_where_records_were_made_is_said():
    one, other = run("coop"), run("coop", upgrade="mini-large")
    assert upgrades([one, one]) == "mini alone" and upgrades([one, other]) == "2 upgrades (mini; mini-large)"


def test_methods_come_in_the_registry_s_order_with_their_titles():
    assert sorted(METHODS, key=method_rank) == list(METHODS)
    assert method_rank("later") > max(map(method_rank, METHODS)) and name_title("later") == "later"
    made = [run("contcoop", settings={"attention": None}), run("contcoop"), run("coop")]
    assert method_titles(made) == {"CoOp": "coop", "ContCoOp": "contcoop", "ContCoOp (Attn off)": "contcoop"}
