"""Differences are paired by seed, controls have rows of their own, and upgrades are the unit of replication."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError
from clipcompat.runs import titles
from clipcompat.runs.records import Record
from clipcompat.studies.summary import Statistic
from clipcompat_book.chapters.compatibility.replication import (
    by_seed,
    controls_table,
    difference,
    methods_table,
    over_upgrades,
    over_zero_shot,
    signed,
)
from tests.runs.test_tables import run

KNOWN = {
    "a1": {"name": "mini-old", "number": 1, "steps": 9, "steps_taken": 9},
    "b1": {"name": "mini-new", "number": 1, "steps": 9, "steps_taken": 9},
    "b1-5": {"name": "mini-new", "number": 1, "steps": 9, "steps_taken": 5},
    "a2": {"name": "mini-old", "number": 2, "steps": 9, "steps_taken": 9},
    "b2": {"name": "mini-new", "number": 2, "steps": 9, "steps_taken": 9},
}


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(titles, "weights", lambda: KNOWN)


def of(old, new, method="coop", news=(72.0, 74.0), upgrade="mini", dataset="eurosat") -> Record:
    """A record of a pair of weights; a1 and b1 are shipped."""
    given = [None if sha in ("a1", "b1") else f"sha256:{sha}" for sha in (old, new)]
    shipped = [None if g else sha for g, sha in zip(given, (old, new), strict=True)]
    weights = {"old_weights": given[0], "new_weights": given[1], "shipped": shipped}
    return run(method, news, upgrade=upgrade, dataset=dataset, **weights)


@pytest.mark.parametrize(
    ("old", "new", "upgrade", "title"),
    [
        ("a1", "b1", "mini", "mini"),
        ("a2", "b2", "mini", "mini, pair 2"),
        ("a1", "b2", "mini", "mini, old 1 → new 2"),
        ("a1", "b1-5", "mini", "mini, step 5"),
        ("a1", "a1", "mini-identity", "mini-identity"),
        ("a1", "unknown", "mini", "mini*"),
    ],
)
def test_an_upgrade_is_named_by_what_its_weights_are(old, new, upgrade, title):
    assert of(old, new, upgrade=upgrade).titles.upgrade == title


def test_a_difference_is_paired_by_seed_and_averaged_over_datasets():
    records = [
        of("a1", "b1", "coop", (60.0, 70.0)), of("a1", "b1", "contcoop", (61.0, 75.0)),
        of("a1", "b1", "coop", (50.0, 50.0), dataset="dtd"), of("a1", "b1", "contcoop", (51.0, 53.0), dataset="dtd"),
    ]  # fmt: skip
    found = difference(records, "ContCoOp", "CoOp", lambda report: report.new)
    assert list(found) == ["mini"] and found["mini"].n == 2
    assert found["mini"].mean == pytest.approx((1.0 + 4.0) / 2)  # seed 1: (1 + 1) / 2; seed 2: (5 + 3) / 2
    assert found["mini"].interval == pytest.approx(12.7062047 * (4.0 - 1.0) / 2**0.5 / 2**0.5)


def test_over_upgrades_the_number_of_values_is_that_of_pairs():
    found = {"mini": Statistic(1.0, 0.1, 0.2, 5), "mini, pair 2": Statistic(3.0, 0.1, 0.2, 5)}
    total = over_upgrades(found, ("mini", "mini, pair 2", "mini, pair 3"))
    assert (total.mean, total.n) == (2.0, 2) and total.interval > 10


def test_the_controls_table_has_a_row_for_every_upgrade():
    records = [of("a1", "b1"), of("a1", "b2", news=(50.0, 50.0)), of("a1", "a1", upgrade="mini-identity")]
    table = controls_table(records, ("CoOp", "ContCoOp"))
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["mini", "mini, old 1 → new 2", "mini-identity"]
    assert rows["mini, old 1 → new 2"] == ("40.0 → 50.0", "+0.0 ± 0.0", "–")
    assert rows["mini"][1] == "+23.0 ± 12.7"


def test_a_seed_that_is_missing_on_a_dataset_is_not_averaged_over():
    with pytest.raises(ConfigError, match="same seeds"):
        by_seed([of("a1", "b1"), of("a1", "b1", news=(1.0,), dataset="dtd")], over_zero_shot)


def test_a_difference_shows_its_sign_and_interval():
    assert signed(Statistic(1.25, 1.0, 0.5, 5)) == "+1.2 ± 0.5" and signed(None) == "–"
    assert signed(Statistic(-2.0, None, None, 1)) == "-2.0"


def test_the_table_of_methods_has_means_over_datasets_and_intervals_over_seeds():
    records = [
        of("a1", "b1", "contcoop", (61.0, 75.0)), of("a1", "b1", "coop", (60.0, 70.0)),
        of("a1", "b1", "coop", (50.0, 54.0), dataset="dtd"),
    ]  # fmt: skip
    table = methods_table(records, "Two.")
    assert [row[0] for row in table.rows] == ["CoOp", "ContCoOp"]  # in the order of METHODS
    cells = dict(zip(table.columns, table.rows[0], strict=True))
    rows = [row for record in records[1:] for row in record.per_seed]
    new = [(60.0 + 50.0) / 2, (70.0 + 54.0) / 2]
    assert cells["new"] == f"{sum(new) / 2:.1f} ± {12.706 * 7 / 2:.1f}" and cells["datasets"] == "2"  # sd 7 / √2, n = 2
    for side in ("old", "retrained"):
        assert cells[side].startswith(f"{sum(row[side] for row in rows) / len(rows):.1f}")
    mean = {k: [(rows[i][k] + rows[i + 2][k]) / 2 for i in (0, 1)] for k in ("old", "zs_new", "retrained")}
    h = [2 * o * n / (o + n) for o, n in zip(mean["old"], new, strict=True)]
    assert cells["H"].startswith(f"{sum(h) / 2:.1f}")
    kept = [100 * (n - z) / (r - z) for n, z, r in zip(new, mean["zs_new"], mean["retrained"], strict=True)]
    assert cells["kept gain"].startswith(f"{sum(kept) / 2:.1f}")
    for record in records:
        for row in record.per_seed:
            row["retrained"] = None
    assert methods_table(records).rows[0][3] == methods_table(records).rows[0][5] == "–"
