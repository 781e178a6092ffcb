"""The sentence on a thousand plug-ins is of the shipped row."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.repair.thousand import thousand_row, thousand_sentence


def test_the_row_is_of_a_thousand_plugins_and_meets_its_goal():
    row = thousand_row()
    assert row["plugins"] == 1000 and row["ratio"] >= 20
    assert row["ratio"] == pytest.approx(row["reference_s"] / row["fast_s"])
    assert row["peak_bytes"] < 1.3 * row["peak_bytes_of_100"]  # memory does not grow with plug-ins


def test_the_sentence_has_the_row_s_numbers():
    row, said = thousand_row(), thousand_sentence()
    assert said.startswith("1,000 plug-ins") and f"{row['ratio']:.0f} times as long" in said
