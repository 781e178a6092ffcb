"""Numbers and names are written one way."""

from __future__ import annotations

import pytest

from clipcompat.methods import METHODS
from clipcompat.studies.statistic import Statistic
from clipcompat_book.words import datasets, direction, method_rank, method_titles, name_title, points, with_interval
from tests.runs.test_tables import run


def test_a_difference_shows_its_sign_and_interval():
    assert with_interval(Statistic(1.25, 1.0, 0.5, 5), "+") == "+1.2 ± 0.5" and with_interval(None, "+") == "–"
    assert with_interval(Statistic(-2.0, None, None, 1), "+") == "-2.0"
    assert with_interval(Statistic(71.25, 1.0, 0.5, 5)) == "71.2 ± 0.5"


@pytest.mark.parametrize(
    ("gap", "word"),
    [(1.0, "higher"), (0.99, "within a point"), (0.0, "within a point"), (-0.99, "within a point"), (-1.0, "lower")],
)
def test_a_point_is_a_difference_and_less_is_not(gap, word):
    assert direction(gap) == word


def test_the_word_follows_the_sign():
    assert points(5.04, "higher", "lower") == "5.0 points higher" and points(-5.0, "above", "below").endswith("below")
    assert (datasets(1), datasets(2)) == ("1 dataset", "2 datasets")


def test_methods_come_in_the_registry_s_order_with_their_titles():
    assert sorted(METHODS, key=method_rank) == list(METHODS)
    assert method_rank("later") > max(map(method_rank, METHODS)) and name_title("later") == "later"
    made = [run("contcoop", settings={"attention": None}), run("contcoop"), run("coop")]
    assert method_titles(made) == {"CoOp": "coop", "ContCoOp": "contcoop", "ContCoOp (Attn off)": "contcoop"}
