"""A sentence counts what the intervals and the corrected p say, and names a switch with its direction."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.ablations.effects import effects
from clipcompat_book.chapters.ablations.readings import READINGS
from clipcompat_book.chapters.ablations.sentences import (
    answer_sentence,
    condition_sentence,
    movers_sentence,
    records_sentence,
)
from tests.book_package.chapters.ablations.made import made, study


@pytest.fixture(scope="module")
def found():
    return effects(study())


def test_the_answer_counts_by_measure_and_names_the_movers_on_new(found):
    words = answer_sentence(found)
    assert words.startswith("**Of 4 switches, told from chance on these four sets:** 1 on old (1 by more than the")
    assert "2 on new (2 by more" in words and "tau = 0.01 -5.0; no condition -3.0. Upwards: 0." in words
    nothing = effects([*made(noise=0.0), *made("attention.bias=True", noise=2.0)])
    assert "these are:** none. Upwards: 0." in answer_sentence(nothing)


def test_what_was_not_made_yet_is_told(found):
    words = records_sentence(found)
    assert words.startswith(f"In the records: 4 of {len(READINGS)} switches")
    missing = words.partition("Not made yet: ")[2].removesuffix(".").split("; ")
    assert len(missing) == len(READINGS) - 4 and "no attention" in missing and "biases" not in missing


def test_movers_are_listed_from_the_lowest_with_the_verdict(found):
    lines = movers_sentence(found, "new").splitlines()
    assert lines[0] == "**2 of 4 switches move something on new**:" and lines[2].startswith("- tau = 0.01: -5.0 ±")
    assert lines[2].endswith("(12 pairs): by more than its interval, and not by chance.")
    few = effects([*made(noise=0.0), *made("tau=0.01", old=0.5, new=0.5, bend=4)])
    assert "on these sets; other sets may differ" in movers_sentence(few, "new")
    still = effects([*made(noise=0.0), *made("attention.bias=True", noise=2.0)])
    assert movers_sentence(still, "old") == "**0 of 1 switches move something on old**, by either measure."


def test_a_mover_among_many_may_be_chance():
    one = made("tau=0.01", new=1, noise=0.2, seeds=(1,))  # four pairs cannot be told from chance
    words = movers_sentence(effects([*made(noise=0.0), *one]), "new")
    assert words.endswith("(4 pairs): by more than its interval, but one of so many may be by chance.")


def test_the_condition_is_told_with_its_interval(found):
    words = condition_sentence(found)
    assert "no condition: no difference seen" in words and "lower" in words and "no attention" not in words
