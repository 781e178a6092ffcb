"""Drift as curves: each number is that of a report, and names say what an upgrade is."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.drift.curves import (
    TWIN,
    UNRELATED,
    UPGRADE,
    blocks,
    by_part,
    curve,
    drifts,
    features,
    panels,
    parameters,
    rank_correlation,
)
from tests.book_package.chapters.drift.made import drift, drift_record


def test_a_curve_is_the_mean_over_reports_from_input_to_output():
    found = curve([drift(), drift(blocks=(0.3, 0.2, 0.3))], parameters())
    assert list(found) == ["embeddings", "block 1", "block 2", "block 3", "head"]
    assert found["block 1"].mean == pytest.approx(0.2) and found["block 1"].interval > 0
    assert found["block 2"].mean == pytest.approx(0.2) and found["block 2"].interval == pytest.approx(0)
    assert curve([drift()], features("absolute"))["output"].mean == pytest.approx(1.4)


def test_layers_without_a_number_are_left_out():
    assert curve([drift()], features("cka", "sos")) == {} and "output" not in curve([drift()], features(place="sos"))


def test_panels_have_every_measure_of_every_upgrade():
    found = panels({"a": iter([drift()]), "b": [drift()]}, {"one": parameters(), "two": features()})
    assert {title: list(own) for title, own in found.items()} == {"one": ["a", "b"], "two": ["a", "b"]}
    assert found["two"]["a"]["block 3"].mean == pytest.approx(0.6)


def test_upgrades_have_short_names_and_random_weights_are_called_so():
    records = [
        drift_record(upgrade="mini", weights="random:1", title="mini*"),
        drift_record(upgrade="mini", dataset="mini/b"),
        drift_record(upgrade="mini"),
        drift_record(upgrade="mini-identity", weights="sha256:x", title="mini-identity, old 1 → old 2"),
        drift_record(upgrade="mini-text-only", weights="sha256:y", title="mini-text-only, made again"),
        drift_record(upgrade="clip-to-eva-vit-b-16"),
    ]
    found = drifts(records)
    assert list(found) == [UPGRADE, "text only", "clip-to-eva-vit-b-16", UNRELATED, TWIN] or set(found) == {
        UPGRADE,
        "text only",
        UNRELATED,
        TWIN,
        "clip-to-eva-vit-b-16",
    }
    assert list(found[UPGRADE]) == ["mini/b", "mini/a"] and found[UPGRADE]["mini/a"] == drift()


def test_a_pair_made_again_is_called_by_its_number():
    again = drift_record(upgrade="mini", weights="sha256:z", title="mini, pair 2, made again")
    assert list(drifts([again])) == [f"{UPGRADE}, pair 2"]


def test_parts_that_can_be_exchanged_have_a_change_each():
    assert by_part(drift(tokens=0.01, positions=0.9)) == {
        "tokens": 0.01,
        "positions": 0.9,
        "block 1": 0.1,
        "block 2": 0.2,
        "block 3": 0.3,
        "head": 0.1,
    }
    assert blocks(by_part(drift())) == ["block 1", "block 2", "block 3"]


def test_a_rank_correlation_needs_three_values_that_vary():
    assert rank_correlation([1, 2, 3], [5, 6, 90]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 1, 2]) == pytest.approx(-0.5)
    assert rank_correlation([1, 2], [1, 2]) is rank_correlation([1, 1, 1], [1, 2, 3]) is None
