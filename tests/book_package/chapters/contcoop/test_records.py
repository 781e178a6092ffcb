"""The committed records of the attention study are those of its spec, and give every row of the chapter's figure."""

from __future__ import annotations

from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.chapters.contcoop.factors import FACTORS, ablation, effects, parts_of_lead, upgrade_effects
from clipcompat_book.chapters.contcoop.names import teacher_table
from clipcompat_book.committed import committed_records

RECORDS = committed_records("attention")
STUDIED = [*RECORDS, *committed_records("compatibility")]


def test_every_run_of_the_spec_has_one_record():
    requests = load_spec("attention").requests("mini")
    planned = sorted((r["method"], r["dataset"], len(r["seeds"])) for r in requests)
    assert sorted((r.method, r.dataset, len(r.per_seed)) for r in RECORDS) == planned
    assert len({r.id for r in RECORDS}) == len(RECORDS)
    assert all(len(r.per_seed) >= 3 and not r.inputs["retrain"] and r.tolerance for r in RECORDS)


def test_every_factor_has_a_row_over_the_same_datasets():
    found = effects(STUDIED)
    assert [effect.factor for effect in found] == list(FACTORS)
    assert {effect.datasets for effect in found} == {len({r.dataset for r in RECORDS})}
    assert {effect.datasets for effect in upgrade_effects(STUDIED)} == {11}


def test_the_table_of_teachers_has_the_best_one_first_and_all_leads():
    table = teacher_table(STUDIED)
    teachers = [float(row[1]) for row in table.rows]
    assert len(table.rows) == 3 and teachers == sorted(teachers, reverse=True)
    assert all(len(row) == len(table.columns) and row[2] != row[3] for row in table.rows)


def test_the_published_start_is_the_same_in_every_view_of_the_study():
    parts, plain = parts_of_lead(STUDIED), effects(STUDIED)[0]
    assert plain.is_plain and parts["lead"].mean == plain.lead.mean == ablation(STUDIED)[True, True][1].mean
