"""The committed records of both studies of the lead are those of their specs, and give the chapter all its rows."""

from __future__ import annotations

import pytest

from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.chapters.contcoop.factors import FACTORS, effects, upgrade_effects
from clipcompat_book.chapters.contcoop.lead import ablation, leads, parts_of_lead
from clipcompat_book.chapters.contcoop.names import lists_table
from clipcompat_book.chapters.shots.curves import name_lists
from clipcompat_book.committed import committed_records

RECORDS, ELEVEN = committed_records("attention"), committed_records("lead")
STUDIED = [*RECORDS, *committed_records("compatibility")]
ON_ELEVEN = [*ELEVEN, *committed_records("compatibility")]


@pytest.mark.parametrize(("study", "records"), [("attention", RECORDS), ("lead", ELEVEN)])
def test_every_run_of_the_spec_has_one_record(study, records):
    requests = load_spec(study).requests("mini")
    planned = sorted((r["method"], r["dataset"], len(r["seeds"])) for r in requests)
    assert sorted((r.method, r.dataset, len(r.per_seed)) for r in records) == planned
    assert len({r.id for r in records}) == len(records)
    assert all(len(r.per_seed) >= 3 and not r.inputs["retrain"] and r.tolerance for r in records)


def test_every_factor_has_a_row_over_the_same_datasets():
    found = effects(STUDIED)
    assert [effect.factor for effect in found] == list(FACTORS)
    assert {effect.datasets for effect in found} == {len({r.dataset for r in RECORDS})}
    assert {effect.datasets for effect in upgrade_effects(STUDIED)} == {11}


def test_the_published_start_is_the_same_in_every_view_of_the_study():
    three = {r.dataset for r in RECORDS}
    few, plain = parts_of_lead([r for r in ON_ELEVEN if r.dataset in three]), effects(STUDIED)[0]
    assert plain.is_plain and few["lead"].mean == pytest.approx(plain.lead.mean)
    whole = parts_of_lead(ON_ELEVEN)["lead"]
    assert whole == ablation(ON_ELEVEN)[True, True][1] == leads(ON_ELEVEN)["as published"]


def test_the_parts_are_on_all_eleven_datasets_with_five_seeds():
    for found in (parts_of_lead(ON_ELEVEN), leads(ON_ELEVEN)):
        cells = [cells for lead in found.values() for cells in lead.differences.values()]
        assert len(cells) == 11 * len(found) and {len(seeds) for seeds in cells} == {5}


def test_every_list_of_names_has_the_lead_with_and_without_distillation_and_the_rate_alone():
    records = committed_records("names_lead")
    titles = {"CoOp", "CoOp (recipe.lr=0.008)", "ContCoOp", "ContCoOp (λ = 0.0)"}
    for names in name_lists().values():
        own = [r for r in records if tuple(r.inputs["classnames"]) == names]
        assert sorted(r.titles.method for r in own) == sorted(titles)
        assert {len(r.per_seed) for r in own} == {5} and {r.inputs["shots"] for r in own} == {16}
        stamps = [{seed: stamp["test"] for seed, stamp in r.inputs["stamps"].items()} for r in own]
        assert all(stamp == stamps[0] for stamp in stamps), "the same pictures"
    table = lists_table(records)
    assert [row[0] for row in table.rows] == list(name_lists()) and len(table.columns) == len(table.rows[0])
