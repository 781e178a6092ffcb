"""Tables of all methods: only what was run, in its place."""

from __future__ import annotations

from clipcompat_book.chapters.compatibility.controls import TWIN, UPGRADE
from clipcompat_book.chapters.methods.tables import live_table, overview_table
from tests.book_package.chapters.compatibility.test_averages import report
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_run


def rows(records) -> dict[str, dict[str, str]]:
    table = overview_table(records)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_the_overview_has_gains_on_both_sides_what_was_kept_and_the_twin(monkeypatch):
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
    assert told["carried to a seed twin"].startswith("-3.0 ± ")
    assert found["linear probe"]["acts"] == "deep" and found["linear probe"]["carried to a seed twin"] == "–"
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
