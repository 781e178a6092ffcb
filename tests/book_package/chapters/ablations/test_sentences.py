"""Sentences and tables count what the intervals and the corrected p say, and name a switch with its direction."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.ablations.effects import effects
from clipcompat_book.chapters.ablations.readings import READINGS
from clipcompat_book.chapters.ablations.sentences import answer_sentence, records_sentence
from clipcompat_book.chapters.ablations.tables import condition_table, counts_table, movers_table
from tests.book_package.chapters.ablations.made import made, study


@pytest.fixture(scope="module")
def found():
    return effects(study())


def test_the_answer_counts_by_measure_and_names_the_movers_on_new(found):
    words = answer_sentence(found)
    assert words.startswith("**Of 4 switches, 2 are told from chance on new, on these four sets:**")
    assert "tau = 0.01, no condition. Upwards: none. By more" in words
    assert words.endswith("allows for other sets, too: tau = 0.01, no condition.")
    old, new, _ = counts_table(found).rows
    assert old == ("on old", "1", "1") and new == ("on new", "2", "2")
    nothing = effects([*made(noise=0.0), *made("attention.bias=True", noise=2.0)])
    assert answer_sentence(nothing) == "**None of 1 switches is told from chance on new, on these four sets.**"
    better = effects([*made(noise=0.0), *made("tau=0.01", new=5)])
    assert "tau = 0.01. Upwards: tau = 0.01." in answer_sentence(better)
    uneven = effects([*made(noise=0.0), *made("tau=0.01", new=0.5, bend=4)])
    assert answer_sentence(uneven).endswith("too: none.")


def test_what_was_not_made_yet_is_told(found):
    words = records_sentence(found)
    assert words.startswith(f"In the records: 4 of {len(READINGS)} switches")
    missing = words.partition("Not made yet: ")[2].removesuffix(".").split("; ")
    assert len(missing) == len(READINGS) - 4 and "no attention" in missing and "biases" not in missing


def test_movers_are_listed_from_the_lowest_with_the_verdict(found):
    on_new = [row for row in movers_table(found).rows if row[0].startswith("on new: ")]
    assert [row[0] for row in on_new] == ["on new: tau = 0.01", "on new: no condition"]
    assert on_new[0][1].startswith("-5.0 ±") and on_new[0][3:] == ("12", "both")
    few = effects([*made(noise=0.0), *made("tau=0.01", old=0.5, new=0.5, bend=4)])
    assert {row[0]: row[-1] for row in movers_table(few).rows}["on new: tau = 0.01"] == "these sets"
    still = effects([*made(noise=0.0), *made("attention.bias=True", noise=2.0)])
    assert movers_table(still).rows == ()


def test_a_mover_among_many_may_be_chance():
    one = made("tau=0.01", new=1, noise=0.2, seeds=(1,))  # four pairs cannot be told from chance
    rows = movers_table(effects([*made(noise=0.0), *one])).rows
    assert {row[0]: row[3:] for row in rows}["on new: tau = 0.01"] == ("4", "may be chance")


def test_the_condition_is_told_with_its_interval(found):
    ((label, old, new),) = condition_table(found).rows
    assert label == "no condition" and old.startswith("-0.0 ±") and "*" not in old
    assert new.startswith("-3.0 ±") and new.endswith(" *")
