"""A plug-in on four pairs of towers, against plain torch and against the report of compatibility."""

from __future__ import annotations

from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F

import clipcompat as cc
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, IncompatibleError
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.studies.carried.cross_tower import CELLS, cross_tower, measure, tower_pairs
from clipcompat.studies.compatibility import compatibility
from clipcompat.studies.experiment import Experiment
from clipcompat.training.recipe import Recipe
from tests.tiny import tiny_backbone
from tests.toys import toy_dataset

SHORT = Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0)
COOP, ADAPTER, PROBE = CoOp(n_ctx=2, recipe=SHORT), CLIPAdapter(ratio=0.6, recipe=SHORT), LinearProbe(c=1.0)
METHODS = pytest.mark.parametrize("method", [COOP, ADAPTER, PROBE, ZeroShot()], ids=lambda method: method.name)


@METHODS
def test_where_nothing_changes_all_four_numbers_are_equal(old, method):
    data = toy_dataset(4)
    found = cross_tower(fit(method, old, data, views=1), Upgrade(old, old), data, retrained=False)
    assert len(set(asdict(found.carried).values())) == len(set(asdict(found.zero_shot).values())) == 1


@METHODS
def test_the_diagonal_is_the_report_of_compatibility(old, new, method):
    data, upgrade = toy_dataset(4), Upgrade(old, new)
    plugin = fit(method, old, data, seed=5, views=1)
    found, pair = cross_tower(plugin, upgrade, data), compatibility(plugin, upgrade, data)
    assert (found.carried.old_old, found.carried.new_new) == (pair.old, pair.new)
    assert (found.zero_shot.old_old, found.zero_shot.new_new) == (pair.zs_old, pair.zs_new)
    assert (found.retrained.old_old, found.retrained.new_new) == (pair.old, pair.retrained)
    assert (found.method, found.dataset, found.seed) == (pair.method, pair.dataset, pair.seed)


def share(right: torch.Tensor) -> float:
    return 100 * float(right.double().mean())


def pictures(backbone, split) -> torch.Tensor:
    """Features of stored pictures, one by one, without the feature code."""
    one = (backbone.encode_image(backbone.preprocess.test(split.images[i])[None]) for i in range(len(split)))
    return torch.cat(list(one))


def prompt_vectors(backbone, context, names) -> torch.Tensor:
    """[SOS] context name . [EOT] through open_clip's own modules, one class after the other."""
    text, rows = getattr(backbone._model, "text", backbone._model), []
    for name in names:
        ids = torch.tensor([backbone.tokenizer.sot_token_id, *backbone.tokenizer.encode(f"{name}.")])
        ids = torch.cat([ids, torch.tensor([backbone.tokenizer.eot_token_id])])
        table = text.token_embedding.weight
        x = torch.cat([table[ids[:1]], context, table[ids[1:]]])
        x = x + text.positional_embedding[: len(x)]
        mask = torch.full((len(x), len(x)), float("-inf")).triu(1)
        x = text.transformer(x[None], attn_mask=mask)[0]
        rows.append(text.ln_final(x[-1]) @ text.text_projection)
    return F.normalize(torch.stack(rows), dim=-1)


@pytest.mark.parametrize("cell", ["old_new", "new_old"])
def test_a_mixed_cell_is_what_plain_torch_makes_of_stored_vectors_and_the_other_text_tower(old, new, cell):
    data, sides = toy_dataset(4), {"old": old, "new": new}
    plugin = fit(COOP, old, data, seed=5, views=1)
    found = cross_tower(plugin, Upgrade(old, new), data, retrained=False)
    image, text = (sides[side] for side in CELLS[cell])
    stored = pictures(image, data.test)
    classifier = prompt_vectors(text, plugin.tensors["ctx"], data.classnames)
    assert getattr(found.carried, cell) == pytest.approx(share((stored @ classifier.T).argmax(1) == data.test.labels))
    zero_shot = text.encode_text([data.test.template.format(name) for name in data.classnames])
    assert getattr(found.zero_shot, cell) == pytest.approx(share((stored @ zero_shot.T).argmax(1) == data.test.labels))


def test_an_adapter_acts_on_stored_vectors_beside_the_other_text_towers_classifier(old, new):
    data = toy_dataset(4)
    plugin = fit(ADAPTER, old, data, views=1)
    found = cross_tower(plugin, Upgrade(old, new), data, retrained=False)
    f = pictures(old, data.test)
    adapted = F.relu(F.relu(f @ plugin.tensors["fc.0.weight"].T) @ plugin.tensors["fc.2.weight"].T)
    zero_shot = new.encode_text([data.test.template.format(name) for name in data.classnames])
    right = ((0.6 * adapted + 0.4 * f) @ zero_shot.T).argmax(1) == data.test.labels
    assert found.carried.old_new == pytest.approx(share(right)) and found.side == "image"


def test_a_probe_reads_no_text(old, new):
    data = toy_dataset(4)
    found = cross_tower(fit(PROBE, old, data), Upgrade(old, new), data)
    for numbers in (found.carried, found.retrained):
        assert numbers.old_old == numbers.old_new and numbers.new_old == numbers.new_new


def test_each_plug_in_says_on_which_side_it_acts(old):
    data = toy_dataset(4)
    sides = {
        method.name: cross_tower(fit(method, old, data, views=1), Upgrade(old, old), data, retrained=False).side
        for method in (COOP, ADAPTER, PROBE, ZeroShot())
    }
    assert sides == {"coop": "text", "clip_adapter": "image", "linear_probe": "image", "zero_shot": "neither"}


def test_retraining_is_on_each_mixed_pair_with_the_plug_ins_own_seed_and_views(old, new):
    data, upgrade = toy_dataset(4), Upgrade(old, new)
    plugin = fit(COOP, old, data, seed=5, views=1)
    pairs = tower_pairs(upgrade)
    again = {cell: fit(COOP, pairs[cell], data, seed=5, views=1) for cell in ("old_new", "new_old", "new_new")}
    given, trained = (cross_tower(plugin, upgrade, data, retrained=how) for how in (again, True))
    assert given == trained
    with pytest.raises(ConfigError, match=r"for old_new, new_old and new_new, not for \['new_new'\]"):
        cross_tower(plugin, upgrade, data, retrained={"new_new": again["new_new"]})


def test_each_picture_is_opened_once_for_all_four_pairs(old, new):
    data = toy_dataset(4)
    plugin = fit(PROBE, old, data)
    cross_tower(plugin, Upgrade(old, new), data, retrained=False)
    assert sorted(data.test.images.opened) == list(range(15))


def test_a_row_is_flat_and_a_table_has_one_row_per_pair(old, new):
    data = toy_dataset(4)
    found = cross_tower(fit(COOP, old, data, views=1), Upgrade(old, new), data, retrained=False)
    row, frame = found.to_dict(), found.to_dataframe()
    assert (row["old_new"], row["zs_new_old"]) == (found.carried.old_new, found.zero_shot.new_old)
    assert row["retrained_new_new"] is None
    assert list(zip(frame.image, frame.text, strict=True)) == list(CELLS.values())
    assert list(frame.carried) == list(asdict(found.carried).values())


def test_the_study_yields_what_the_function_finds(old, new, tmp_path):
    data, upgrade = toy_dataset(4), Upgrade(old, new)
    plugins = TunedPlugins(tmp_path, COOP, views=1)
    (row,) = measure(Experiment(upgrade, {5: data}, plugins, retrain=True))
    found = cross_tower(fit(COOP, old, data, seed=5, views=1), upgrade, data)
    assert {name: row[name] for name in found.to_dict()} == found.to_dict()
    assert row["epochs"] == 2 and row["training_seconds"].keys() == {"train", "retrain"}
    assert len(list(tmp_path.glob("coop-*"))) == 4
    (plain,) = measure(Experiment(upgrade, {5: data}, plugins, retrain=False))
    assert plain["old_new"] == row["old_new"] and plain["retrained_old_new"] is None


def test_what_cannot_be_measured_is_refused_in_a_sentence(old, new):
    data = toy_dataset(4)
    plugin = fit(COOP, old, data, views=1)
    with pytest.raises(ConfigError, match="starts from mini-new"):
        cross_tower(plugin, Upgrade(new, old), data)
    with pytest.raises(ConfigError, match="joint dimension"):
        cross_tower(plugin, Upgrade(old, tiny_backbone()), data)
    with pytest.raises(ConfigError, match="tuned on other images"):
        cross_tower(plugin, Upgrade(old, new), toy_dataset(2))
    tiny = tiny_backbone()
    narrow = fit(CoOp(n_ctx=2, recipe=SHORT), tiny, data, views=1)
    wide = tiny_backbone(width=32)
    wide.stamp = wide.image_stamp = "wide"
    with pytest.raises(IncompatibleError, match="16 channels"):
        cross_tower(narrow, Upgrade(tiny, wide), data, retrained=False)


def test_it_is_public():
    assert cc.cross_tower is cross_tower and cc.mix_towers.__module__ == "clipcompat.backbones.mixed"
