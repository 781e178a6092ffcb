"""The chapters' tables: fewer columns, the same cells; the paper's averages only where it has them."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.runs.tables import compatibility_table
from clipcompat_book.chapters.compatibility.controls import IDENTITY, TWIN, UPGRADE
from clipcompat_book.chapters.compatibility.tables import control_table, gains_table, paper_beside_ours, results_table
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_run
from tests.runs.test_tables import run


def test_the_narrow_table_has_the_full_one_s_cells_under_readable_names():
    made = [run("contcoop", news=(70.0, 75.0)), run("coop"), run("coop", dataset="dtd")]
    table, full = results_table(made, "Three runs"), compatibility_table(made[:1])
    assert [row[:2] for row in table.rows] == [("dtd", "CoOp"), ("eurosat", "CoOp"), ("eurosat", "ContCoOp")]
    cells, wide = (dict(zip(t.columns, t.rows[n], strict=True)) for t, n in ((table, 2), (full, 0)))
    assert cells.pop("method") == "ContCoOp" and cells.items() <= wide.items()
    wide = compatibility_table(made, "Three runs").caption
    assert table.caption == f"{wide} Mean ± sd: 1/2 seeds, 16 shots, 10 views."


def test_controls_have_their_accuracies_on_new_and_what_was_lost_there(monkeypatch):
    know_toys(monkeypatch)
    records = [
        toy_run(TWIN, -3.0),
        toy_run(UPGRADE, 10.0),
        toy_run(UPGRADE, 20.0, dataset="dtd"),
        toy_run(IDENTITY, 30),
    ]
    for row in records[0].per_seed:
        row["retrained"] = None
    records.append(toy_run(UPGRADE, 40.0, "kgcoop"))
    table = control_table(records, "CoOp")
    assert [row[0] for row in table.rows] == [IDENTITY, UPGRADE, TWIN], "from nothing changed to nothing kept"
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    told = rows[UPGRADE]
    assert (told["zero-shot"], told["carried"], told["retrained"], told["flips"]) == ("50.0", "65.0", "90.0", "5.0")
    assert told["carried − zero-shot"].startswith("+15.0 ± ") and told["carried − retrained"].startswith("-25.0 ± ")
    assert rows[TWIN]["carried"] == "47.0" and rows[TWIN]["retrained"] == rows[TWIN]["carried − retrained"] == "–"


def test_gains_stand_by_method_and_upgrade_and_what_has_no_records_is_a_dash(monkeypatch):
    know_toys(monkeypatch)
    records = [toy_run(TWIN, -3.0), toy_run(UPGRADE, 10.0), toy_run(UPGRADE, 20.0, dataset="dtd")]
    records += [toy_run(UPGRADE, 5.0, "kgcoop"), toy_run(IDENTITY, 30, "kgcoop")]
    for row in records[0].per_seed:
        row["retrained"] = None
    table = gains_table(records)
    assert table.columns == ("method", IDENTITY, UPGRADE, TWIN)
    assert table.rows == (("CoOp", "–", "+15.0 | +40.0", "-3.0 | –"), ("KgCoOp", "+30.0 | +40.0", "+5.0 | +40.0", "–"))


def test_the_paper_s_averages_stand_beside_ours():
    made = [run("contcoop", settings={"attention": None}), run("contcoop"), run("coop"), run("zero_shot")]
    table = paper_beside_ours([*made, run("coop", news=(60.0,), dataset="dtd")])
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["zero-shot", "CoOp", "ContCoOp", "ContCoOp (Attn off)"]
    assert rows["zero-shot"][0] == "65.5 / 70.8 / 68.0" and rows["ContCoOp"][0] == "81.3 / 79.3 / 80.3"
    assert rows["CoOp"] == ("79.9 / 75.4 / 77.6", "80.0 / 66.0 / 72.3")
    assert rows["ContCoOp"][1] == "80.0 / 72.0 / 75.8 (only 1)"
    assert rows["ContCoOp (Attn off)"][0] == "–"
    assert table.columns[1:] == ("paper, 11 datasets: old / new / H", "ours (mini, 2 datasets): old / new / H")


def test_an_own_split_is_said_beside_the_paper_s_averages():
    table = paper_beside_ours([run(upgrade="clip-to-eva-vit-b-16"), run(dataset="dtd", split="own")])
    assert table.columns[2] == "ours (2 datasets, some on an own split): old / new / H"
    assert results_table([run(split="own")]).rows[0][0] == "eurosat (own split)"


def test_a_row_beside_the_paper_s_tells_on_hover_how_ours_was_measured():
    made = [run("coop", (70.0, 72.0)), run("coop", (70.5, 74.0), dataset="dtd"), run("zero_shot")]
    table = paper_beside_ours([replace(r, environment={"device": "cpu", "torch": "2.9"}) for r in made])
    zero_shot, coop = table.hover
    assert zero_shot.startswith("ours: zero-shot; seeds 1, 10 views, cpu, torch 2.9, record ")
    assert coop.startswith("ours: +40.0 ± 0.0 on old, +21.6 ± ") and "2 records of 2026-01-01" in coop
    assert '<tr title="ours: +40.0 ± 0.0 on old' in table.to_html()


def test_rows_of_results_controls_and_gains_tell_on_hover_how_they_were_made(monkeypatch):
    know_toys(monkeypatch)
    where = {"device": "cpu (a desk)", "torch": "2.9"}
    made = [toy_run(UPGRADE, 10.0), toy_run(UPGRADE, 20.0, dataset="dtd"), toy_run(UPGRADE, 5.0, "kgcoop")]
    made = [replace(record, environment=where) for record in made]
    dtd, eurosat, kgcoop = results_table(made).hover
    assert dtd.startswith("seeds 1 2, ") and f"cpu (a desk), float32, torch 2.9, record {made[1].id} of" in dtd
    assert made[0].id in eurosat and made[2].id in kgcoop
    coop, other = gains_table(made).hover
    assert "cpu (a desk)" in coop and "2 records of 2026-01-01" in coop and made[2].id in other
    (row,) = control_table(made, "CoOp").hover
    assert row == coop and f'title="{coop}"' in control_table(made, "CoOp").to_html()
