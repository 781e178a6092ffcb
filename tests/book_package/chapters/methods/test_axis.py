"""The axis of depth: every method in its place, with the numbers that it carries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.backbones.load import load_backbone
from clipcompat.common.config import to_config
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.sets import SETS
from clipcompat.methods import METHODS, TODAY
from clipcompat.methods.defaults import mini_method
from clipcompat.plugins.fit import fit
from clipcompat_book.chapters.methods.axis import AXIS, axis_table, carried_numbers, kept_shares
from tests.runs.test_records import record


def made(name, new=60.0, dataset="mini/tints", retrained=90.0, **settings):
    """A record of two seeds, two points apart on new."""
    one = record(name, dataset, config=to_config(replace(mini_method(name), **settings)))
    (row,) = one.per_seed
    rows = [row | {"seed": seed, "new": new + d, "retrained": retrained} for seed, d in ((1, -1), (2, 1))]
    return replace(one, per_seed=rows, training_seconds=[{"train": 0.2}, {"train": 0.6}])


def rows(records):
    table = axis_table(records)
    return {row[1]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_every_method_that_learns_has_one_place_on_the_axis():
    placed = [name for names in AXIS.values() for name in names]
    assert len(placed) == len(set(placed)) and set(placed) == {*METHODS, *TODAY} - {"zero_shot"}


def test_rows_run_from_zero_shot_and_tokens_to_the_classifier_and_have_measured_numbers_only():
    zero_shot = replace(made("zero_shot", 50.0, retrained=None), training_seconds=[])
    found = rows([made("zs_lp"), made("gda"), made("taskres"), made("coop"), zero_shot])
    assert list(found) == ["zero-shot", "CoOp", "TaskRes", "GDA", "ZS-LP"]
    told = found["TaskRes"]
    assert told["acts on"] == "text features" and told["old"].startswith("80.0") and told["new"].startswith("60.0 ± ")
    assert told["retrained"] == "90.0 ± 0.0" and told["kept gain"].startswith("25 ± ")
    residuals = 128 * len(SETS["mini/tints"].classes)
    assert told["numbers / seconds"] == f"{residuals + 1:,} / 0.4"
    assert [found["zero-shot"][c] for c in ("retrained", "kept gain", "numbers / seconds")] == ["–"] * 3
    assert "means over 1 datasets" in axis_table([made("gda")]).caption
    once = rows([made("gda", retrained=None)])["GDA"]
    assert once["retrained"] == once["kept gain"] == "–" and once["numbers / seconds"].endswith(" / 0.4")


def test_changed_settings_have_no_row():
    assert rows([made("gda"), made("gda", 20.0, passes=3)])["GDA"]["new"].startswith("60.0")


@pytest.mark.parametrize(
    "name", ["gda", "taskres", "clap", "lp_plus_plus", "prolip", "clip_lora", "clip_adapter", "tip_adapter", "coop"]
)
def test_the_numbers_are_those_of_a_plug_in_that_was_tuned(name):
    old, data = load_backbone("mini-old", device="cpu"), load_dataset("mini/tints", shots=2)
    method = mini_method(name)
    if name not in ("gda", "tip_adapter", "lp_plus_plus"):
        method = replace(method, recipe=replace(method.recipe, max_steps=1))
    plugin = fit(method, old, data, views=1)
    about = replace(made(name), inputs={**made(name).inputs, "shots": 2})
    assert carried_numbers(about) == sum(tensor.numel() for tensor in plugin.tensors.values())


def test_a_share_of_a_gain_is_none_where_nothing_was_retrained():
    assert kept_shares([made("gda", retrained=None)]) is None
    assert kept_shares([made("gda")]).mean == pytest.approx(25.0)
