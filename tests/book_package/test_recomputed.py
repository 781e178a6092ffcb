"""Three cells of the committed records, computed again: other ones with every commit."""

from __future__ import annotations

import random
import subprocess

import pytest

from clipcompat.backbones.upgrade import shipped_weights
from clipcompat.common.config import from_config, to_config
from clipcompat.runs.records import Record
from clipcompat.runs.run import Run, tolerance
from clipcompat_book.committed import committed_records
from tests.trees import PROJECT

UPGRADES = ("mini", "mini-identity")  # whose weights are in the package
PROMPTS = ("coop", "kgcoop", "contcoop")  # CoCoOp takes half a minute per training
LISTS = ("plugins_today", "attention")  # further lists of the shipped upgrade
SECONDS = 15.0
COLUMNS = ("old", "new", "zs_old", "zs_new", "negative_flips")
WITHOUT_GIT = "without git"  # the draw where there is no repository, as in an unpacked archive


def commit() -> str:
    """The current commit."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return WITHOUT_GIT
    return found.stdout.strip()


def is_quick(record: Record) -> bool:
    """Of weights at hand, and trained in seconds."""
    inputs = record.inputs
    own = (inputs["old_weights"], inputs["new_weights"]) == (None, None)
    return inputs["upgrade"] in UPGRADES and own and record.method != "cocoop"


def quick_rows(record: Record) -> list[int]:
    """Of a record of a further list, the rows whose training took at most `SECONDS` when it was made."""
    times = [seconds["train"] for seconds in record.training_seconds]
    return [n for n, seconds in enumerate(times) if seconds is not None and seconds <= SECONDS]


# (record, the rows that may be drawn)
QUICK = [(r, list(range(len(r.per_seed)))) for r in committed_records("compatibility") if is_quick(r)]
FURTHER = [(r, rows) for name in LISTS for r in committed_records(name) if is_quick(r) and (rows := quick_rows(r))]


def drawn(name: str) -> list[tuple[Record, int]]:
    """Three records and a row of each: of a trained prompt method; of any; of a further list."""
    rng = random.Random(name)
    prompts = [found for found in QUICK if found[0].method in PROMPTS]
    chosen = [rng.choice(prompts), rng.choice(QUICK + FURTHER), rng.choice(FURTHER)]
    return [(record, rng.choice(rows)) for record, rows in chosen]


def settings(record: Record) -> tuple[str, ...]:
    """The settings in its label, as the command line takes them: "contcoop (distillation.weight=0.5)"."""
    words = record.titles.label.partition(" (")[2].removesuffix(")")
    return tuple(map(_written, words.split(", "))) if words else ()


def _written(setting: str) -> str:
    """ "attention=None" as "attention=null"."""
    key, _, value = setting.partition("=")
    words = {"None": "null", "True": "true", "False": "false"}
    return f"{key}={words.get(value, value)}"


@pytest.mark.parametrize("number", range(3))
def test_a_committed_cell_is_computed_again_within_the_tolerance_that_its_record_stores(number, tmp_path):
    record, row = drawn(commit())[number]
    stored, inputs = record.per_seed[row], record.inputs
    assert inputs["shipped"] == list(shipped_weights(inputs["upgrade"]))
    fields = {"method": record.method, "dataset": record.dataset, "upgrade": inputs["upgrade"]}
    fields |= {"shots": inputs["shots"], "settings": settings(record), "seeds": (stored["seed"],), "device": "cpu"}
    fields["views"] = inputs["views"] if "recipe" in inputs["method"]["config"] else None
    again, _ = from_config(Run, {**fields, "retrain": False}).execute(tmp_path, tmp_path / "cache")
    assert again.inputs["method"] == inputs["method"] and again.inputs["stamps"].items() <= inputs["stamps"].items()
    found = {column: again.per_seed[0][column] for column in COLUMNS}
    wanted = {column: stored[column] for column in COLUMNS}
    assert found == pytest.approx(wanted, abs=record.tolerance), (record.titles.label, record.dataset, stored["seed"])


def test_every_committed_record_stores_its_tolerance():
    for name in ("compatibility", "more_seeds", "names_and_shots", *LISTS):
        assert all(r.tolerance == tolerance(r.method) for r in committed_records(name))


def test_every_draw_has_a_trained_prompt_method_and_draws_differ():
    draws = [drawn(f"{n}") for n in range(20)]
    assert all(draw[0][0].method in PROMPTS for draw in draws)
    assert len({tuple((r.id, row) for r, row in draw) for draw in draws}) == 20


def test_draws_reach_every_further_list_and_the_settings_in_labels_are_those_of_the_records():
    further = {name: {r.id for r in committed_records(name)} for name in LISTS}
    draws = [drawn(f"{n}") for n in range(40)]
    assert all(any(draw[2][0].id in ids for ids in further.values()) for draw in draws)
    assert all(any(draw[2][0].id in ids for draw in draws) for ids in further.values())
    for record in {r.titles.label: r for r, _ in FURTHER + QUICK}.values():
        fields = {"method": record.method, "dataset": record.dataset, "upgrade": record.inputs["upgrade"]}
        again = from_config(Run, {**fields, "settings": settings(record), "device": "cpu"})
        assert to_config(again.configured_method()) == record.inputs["method"]["config"], record.titles.label
