"""Tables of all methods: only what was run, in its place."""

from __future__ import annotations

from clipcompat_book.chapters.compatibility.controls import TWIN, UPGRADE
from clipcompat_book.chapters.methods.tables import live_table, methods_table, overview_table
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_run
from tests.book_package.test_means import report
from tests.runs.test_tables import run


def rows(records) -> dict[str, dict[str, str]]:
    table = overview_table(records)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_the_overview_has_gains_on_both_sides_what_was_kept_and_what_was_lost_also_on_the_twin(monkeypatch):
    know_toys(monkeypatch)
    records = [
        toy_run(UPGRADE, 20.0, "linear_probe"),
        toy_run(UPGRADE, 10.0),
        toy_run(TWIN, -3.0),
        toy_run(UPGRADE, 0.0, "zero_shot"),
    ]
    found = rows(records)
    assert list(found) == ["linear probe", "CoOp"], "zero-shot is what the others are measured from"
    told = found["CoOp"]
    assert told["acts"] == "shallow" and told["on old"] == "+40.0" and told["carried to new"].startswith("+10.0 ± ")
    assert told["retrained"] == "+40.0" and told["kept"] == "25 %" and told["flips"] == "5.0"
    assert told["lost"].startswith("-30.0 ± ") and told["lost on a seed twin"].startswith("-43.0 ± "), "retrained: 90"
    assert found["linear probe"]["acts"] == "deep" and found["linear probe"]["lost on a seed twin"] == "–"
    assert "means over 1 datasets" in overview_table(records).caption
    assert list(rows([*records, toy_run(UPGRADE, 1.0, dataset="dtd")])) == ["linear probe (only 1)", "CoOp"]


def test_the_overview_leaves_out_changed_settings_and_what_ran_on_controls_only(monkeypatch):
    know_toys(monkeypatch)
    changed = toy_run(UPGRADE, 30.0, settings={"n_ctx": 4})
    assert rows([toy_run(UPGRADE, 10.0), changed, toy_run(TWIN, 9.0, "kgcoop")]).keys() == {"CoOp"}
    assert rows([toy_run(UPGRADE, 10.0), changed])["CoOp"]["carried to new"].startswith("+10.0")


def test_nothing_is_kept_of_a_gain_of_less_than_a_point(monkeypatch):
    know_toys(monkeypatch)
    made = toy_run(UPGRADE, 10.0)
    for row in made.per_seed:
        row["retrained"] = 50.5
    assert rows([made])["CoOp"]["kept"] == "–"
    for row in made.per_seed:
        row["retrained"] = None
    assert rows([made])["CoOp"]["retrained"] == rows([made])["CoOp"]["kept"] == "–"


def test_the_table_of_methods_has_means_over_datasets_and_intervals_over_seeds():
    records = [run("contcoop", (61.0, 75.0)), run("coop", (60.0, 70.0)), run("coop", (50.0, 54.0), dataset="dtd")]
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


def test_a_live_table_has_a_row_a_method_and_a_dash_where_nothing_ran():
    found = [
        report("coop", dataset="mini/x"),
        report("coop", new=45.0, dataset="mini/y"),
        report("cocoop", dataset="mini/y"),
    ]
    table = live_table(found, "Live")
    assert table.columns[1:4] == ("x: old → new", "over zero-shot", "flips") and table.columns[4] == "y: old → new"
    assert table.rows == (
        ("CoOp", "80.0 → 60.0", "+40.0 → +10.0", "5.0", "80.0 → 45.0", "+40.0 → -5.0", "5.0"),
        ("CoCoOp", "–", "–", "–", "80.0 → 60.0", "+40.0 → +10.0", "5.0"),
    )
