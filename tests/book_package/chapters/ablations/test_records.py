"""The committed records of the ablations are runs of the shipped studies, and three cells are computed again."""

from __future__ import annotations

import json
import random
from functools import cache

import pytest

from clipcompat.backbones.upgrade import shipped_weights
from clipcompat.common.config import from_config, to_config
from clipcompat.runs.run import Run, tolerance
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.chapters.ablations.effects import effects, pairs
from clipcompat_book.chapters.ablations.paper import TABLES, tables_of
from clipcompat_book.committed import committed_records
from tests.book_package.test_recomputed import COLUMNS, commit

RECORDS = committed_records("ablations")
EARLIER = [*committed_records("attention"), *committed_records("compatibility")]
FOUND = 42
"""Switches that have records: none may get lost."""
STUDIES = ("parts", "lambda", "heads", "condition", "length", "readings", "shots")


@cache
def planned() -> dict[tuple, dict]:
    """What a record says of its run -> the request of a study."""
    found = {}
    for study in STUDIES:
        for request in load_spec(study).requests("mini"):
            run = from_config(Run, {**request, "device": "cpu"})
            found[key(run.dataset, run.shots, run.retrain, run.seeds, to_config(run.configured_method()))] = request
    return found


def key(dataset, shots, retrain, seeds, config) -> tuple:
    return dataset, shots, retrain, tuple(seeds), json.dumps(config, sort_keys=True)


def key_of(record) -> tuple:
    inputs = record.inputs
    return key(*(inputs[name] for name in ("dataset", "shots", "retrain", "seeds")), inputs["method"]["config"])


def test_every_record_is_a_run_of_a_study_on_the_shipped_pair_and_none_is_there_twice():
    assert len({r.id for r in RECORDS}) == len(RECORDS) and not {r.id for r in RECORDS} & {r.id for r in EARLIER}
    for record in RECORDS:
        assert key_of(record) in planned(), record.titles.label
        assert record.inputs["shipped"] == list(shipped_weights("mini")) and record.titles.upgrade == "mini"
        assert record.tolerance == tolerance(record.method)


def test_readings_with_records_have_all_sets_and_every_table_of_the_paper_has_a_row():
    found = effects([*RECORDS, *EARLIER])
    assert len(found) >= FOUND and all(pairs(e) >= 12 for e in found)
    assert list(tables_of([*RECORDS, *EARLIER])) == list(TABLES.values())


@pytest.mark.parametrize("number", range(3))
def test_a_cell_is_computed_again_within_the_tolerance_that_its_record_stores(number, tmp_path):
    rng = random.Random(f"ablations {commit()} {number}")
    record = rng.choice([r for r in RECORDS if r.inputs["dataset"] != "mini/actions"])
    stored = rng.choice(record.per_seed)
    request = {**planned()[key_of(record)], "seeds": (stored["seed"],), "retrain": False, "device": "cpu"}
    again, _ = from_config(Run, request).execute(tmp_path, tmp_path / "cache")
    assert again.inputs["method"] == record.inputs["method"]
    assert again.inputs["stamps"].items() <= record.inputs["stamps"].items()
    found = {column: again.per_seed[0][column] for column in COLUMNS}
    wanted = {column: stored[column] for column in COLUMNS}
    assert found == pytest.approx(wanted, abs=record.tolerance), (record.titles.label, record.dataset, stored["seed"])
