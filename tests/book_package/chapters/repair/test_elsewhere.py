"""Shares of maps from other pictures, in a table and in sentences, from given accuracies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat_book.chapters.repair.elsewhere import elsewhere_sentence, elsewhere_table, sides_of
from tests.book_package.chapters.repair.made import TWIN, made

ADDED = {"other": 3.0, "mixed": 12.0, "many": 24.0}  # points above zero-shot, of 30 that retraining adds


def elsewhere(method, upgrade="mini", added=ADDED, ridge=0.0):
    """Records of the study: a rotation of each source, ridge so many points above it, a map of its own with 27."""
    found = []
    for record in made(method, carried=50.0, repaired=77.0, retrained=80.0, upgrade=upgrade, noise=0.0):
        rows = []
        for row in record.per_seed:
            for source, name in (("other", "other_{}_200"), ("mixed", "mixed_{}_200"), ("many", "mixed_{}_2000")):
                row[name.format("orthogonal")] = row["zs_new"] + added[source]
                row[name.format("ridge")] = row["zs_new"] + added[source] + ridge
            rows.append(row)
        found.append(replace(record, study="elsewhere", per_seed=rows))
    return found


@pytest.fixture
def sides():
    worse = elsewhere("linear_probe", added=ADDED | {"mixed": 11.0})
    return sides_of([*worse, *elsewhere("tip_adapter"), *elsewhere("tip_adapter", TWIN)])


def test_a_row_is_a_method_on_a_side_and_its_cells_are_shares_from_carried_to_its_own_pictures(sides):
    table = elsewhere_table(sides)
    assert table.columns == (
        "method", "carried", "200 of one other dataset", "200 of all others", "2,000 of all others", "200 of its own"
    )  # fmt: skip
    assert [row[0] for row in table.rows] == ["linear probe", "Tip-Adapter", "Tip-Adapter, another start"]
    assert table.rows[1][1:] == ("0 ± 0", "10 ± 0", "40 ± 0", "80 ± 0", "90 ± 0")


def test_the_sentence_has_the_smallest_and_the_largest_share_and_turns_with_the_directions(sides):
    assert elsewhere_sentence(sides) == (
        "Of what retraining adds, a rotation by 200 pictures of all other datasets leaves 37 ± 0 % (linear probe) to "
        "40 ± 0 % (Tip-Adapter); by its own pictures 90 ± 0 % (linear probe) to 90 ± 0 % (linear probe). **Against its "
        "own pictures.** With 200 of one other dataset, lower: linear probe, Tip-Adapter. With 200 of all others, "
        "lower: linear probe, Tip-Adapter. With 2,000 of all others, lower: linear probe, Tip-Adapter. Ridge instead "
        "of a rotation, with 200 of one other dataset: no difference seen: linear probe, Tip-Adapter."
    )
    better = sides_of(elsewhere("tip_adapter", added=ADDED | {"many": 28.0}, ridge=-2.0))
    told = elsewhere_sentence(better)
    assert "With 2,000 of all others, higher: Tip-Adapter." in told
    assert told.endswith("Ridge instead of a rotation, with 200 of one other dataset: lower: Tip-Adapter.")
