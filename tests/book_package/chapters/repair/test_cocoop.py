"""CoCoOp's repairs stand between carried and retrained, each from the study that has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.chapters.repair.tables import cocoop_table
from clipcompat_book.committed import committed_records
from tests.book_package.chapters.repair.made import made


@pytest.fixture
def both():
    seen = made("cocoop", carried=60, repaired=64, retrained=70)
    blind = []
    for record in made("cocoop", carried=60):
        rows = [{k: row[k] for k in ("seed", "zs_new", "zs_old", "old", "new")} for row in record.per_seed]
        told = [row | {"tokens": row["zs_new"] + 7.0, "tokens_200": row["zs_new"] + 12.0} for row in rows]
        blind.append(replace(record, study="without_pictures", per_seed=told))
    return [*seen, *blind]


def test_a_row_per_repair_is_above_zero_shot_and_against_carried(both):
    table = cocoop_table(both)
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows)[0] == "carried unchanged" and list(rows)[-1] == "retrained, with labels"
    assert rows["prompt moved by tokens"][0] == "+7.0 ± 0.0" and rows["prompt moved by tokens"][1].startswith("-3.0")
    assert rows["… network by 200 captions"][1] == "+2.0 ± 0.0 *"
    assert "prompt moved by anchors" not in rows, "no record has it"
    assert "3 datasets" in table.caption


def test_the_records_are_those_of_the_spec_and_fill_every_row():
    records = committed_records("repair_cocoop")
    planned = sorted((r["study"], r["dataset"], tuple(r["seeds"])) for r in load_spec("repair_cocoop").requests("mini"))
    assert sorted((r.study, r.dataset, tuple(r.inputs["seeds"])) for r in records) == planned
    assert len(cocoop_table(records).rows) == 8
