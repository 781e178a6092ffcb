"""The table of losses: only what was run, in its place."""

from __future__ import annotations

from clipcompat_book.chapters.compatibility.controls import TWIN, UPGRADE
from clipcompat_book.chapters.methods.tables import lost_table
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_run


def rows(records) -> dict[str, dict[str, str]]:
    table = lost_table(records)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_what_was_lost_is_told_on_the_upgrade_and_on_the_twin(monkeypatch):
    know_toys(monkeypatch)
    records = [
        toy_run(UPGRADE, 20.0, "linear_probe"),
        toy_run(UPGRADE, 10.0),
        toy_run(TWIN, -3.0),
        toy_run(UPGRADE, 0.0, "zero_shot"),
    ]
    found = rows(records)
    assert list(found) == ["linear probe", "CoOp"], "zero-shot has nothing to lose"
    told = found["CoOp"]
    assert told["acts"] == "shallow" and told["flips"] == "5.0"
    assert told["lost"].startswith("-30.0 ± ") and told["lost on a seed twin"].startswith("-43.0 ± "), "retrained: 90"
    assert found["linear probe"]["acts"] == "deep" and found["linear probe"]["lost on a seed twin"] == "–"
    assert "Means over 1 datasets" in lost_table(records).caption
    assert list(rows([*records, toy_run(UPGRADE, 1.0, dataset="dtd")])) == ["linear probe (only 1)", "CoOp"]


def test_changed_settings_and_what_ran_on_controls_only_are_left_out(monkeypatch):
    know_toys(monkeypatch)
    changed = toy_run(UPGRADE, 30.0, settings={"n_ctx": 4})
    assert rows([toy_run(UPGRADE, 10.0), changed, toy_run(TWIN, 9.0, "kgcoop")]).keys() == {"CoOp"}
    assert rows([toy_run(UPGRADE, 10.0), changed])["CoOp"]["lost"].startswith("-30.0")


def test_without_retraining_a_loss_is_unknown(monkeypatch):
    know_toys(monkeypatch)
    made = toy_run(UPGRADE, 10.0)
    for row in made.per_seed:
        row["retrained"] = None
    assert rows([made])["CoOp"]["lost"] == "–"
