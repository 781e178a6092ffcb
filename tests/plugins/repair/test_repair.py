"""A repaired plug-in is a plug-in of the new backbone; nothing of the repair reads a label."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ClipcompatError, ConfigError, DataError, IncompatibleError, UnknownNameError
from clipcompat.features.encode import encode_split
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.methods.kgcoop import KgCoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter, TipAdapterF
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.methods.visual.promptkd import PromptKD
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin, load_plugin
from clipcompat.plugins.repair.feature_map import fit_map
from clipcompat.plugins.repair.imitate import own_labels
from clipcompat.plugins.repair.pictures import as_split, unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset

SHORT = Recipe(epochs=2, batch_size=4, lr=0.05, warmup_epochs=0)
MAPPED = [LinearProbe(c=1.0), TipAdapter(search=False), TipAdapterF(search=False, recipe=SHORT)]
IMITATING = [CoOp(n_ctx=2, recipe=SHORT), CLIPAdapter(recipe=SHORT)]


@pytest.fixture(scope="module")
def upgrade(mini_old, mini_new):
    return Upgrade(mini_old, mini_new, "mini")


def tuned(method, upgrade, **changes):
    return fit(method, upgrade.old, toy_dataset(8), seed=3, views=1 if hasattr(method, "recipe") else None, **changes)


@pytest.mark.parametrize("method", [*MAPPED, *IMITATING], ids=lambda m: m.name)
def test_it_is_a_plugin_of_the_new_backbone_with_its_own_history(method, upgrade, tmp_path):
    data = toy_dataset(8)
    plugin = tuned(method, upgrade)
    found = repair(plugin, upgrade, unlabelled_pictures(data, 20))
    assert found.match(upgrade.new).kind == "exact" and "repaired for" in found.match(upgrade.new).why
    assert found.method == method and found.fault is None
    assert found.origin["init"] == plugin.stamp and found.stamp != plugin.stamp
    for kept in ("dataset", "train_stamp", "shots", "seed", "classnames", "template"):
        assert found.origin[kept] == plugin.origin[kept]
    assert "20 pictures without labels" in found.origin["repair"]
    assert torch.isfinite(found.logits(upgrade.new, data.test)).all()
    assert load_plugin(found.save(tmp_path / "p.safetensors")).origin == found.origin


@pytest.mark.parametrize("method", [*MAPPED, *IMITATING], ids=lambda m: m.name)
def test_an_upgrade_in_which_nothing_changes_is_repaired_to_the_same_answers(method, mini_old):
    data = toy_dataset(60)
    same = Upgrade(mini_old, mini_old, "mini-identity")
    plugin = tuned(method, same)
    found = repair(plugin, same, data.unlabelled)  # more pictures than dims: they show every direction
    if method in MAPPED:
        assert torch.allclose(found.logits(mini_old, data.test), plugin.logits(mini_old, data.test), atol=2e-3)
    else:  # it learned a little more from its own answers
        assert found.origin["epochs"] == 2 and found.tensors.keys() == plugin.tensors.keys()


def test_imitation_is_training_on_the_answers_of_the_old_backbone(upgrade):
    data = toy_dataset(8)
    plugin = tuned(IMITATING[0], upgrade)
    pictures = unlabelled_pictures(data, 12)
    labelled = replace(data.train, images=pictures, labels=torch.zeros(12, dtype=torch.int64))
    answers = plugin.logits(upgrade.old, labelled).argmax(-1)
    assert len(answers.unique()) == 3  # so that no class was given a picture
    by_hand = replace(data, train=replace(labelled, labels=answers))
    expected = fit(plugin.method, upgrade.new, by_hand, seed=3, init=plugin, views=1)
    found = repair(plugin, upgrade, pictures, views=1)
    assert torch.equal(found.tensors["ctx"], expected.tensors["ctx"])


SENTENCES = [f"a photo of a {word}." for word in "red green blue owl fox cub tree leaf fish car".split()]


@pytest.mark.parametrize("method", [TipAdapter(search=False), LinearProbe("projected", normalize=True, c=1.0)])
def test_sentences_are_enough_for_a_map_of_the_joint_space(method, upgrade):
    plugin = tuned(method, upgrade)
    found = repair(plugin, upgrade, sentences=SENTENCES)
    texts = [backbone.encode_text(SENTENCES) for backbone in (upgrade.old, upgrade.new)]
    if isinstance(method, TipAdapter):
        moved = torch.nn.functional.normalize(fit_map(*texts)(plugin.tensors["keys"]), dim=-1)
        assert torch.allclose(found.tensors["keys"], moved, atol=1e-5)
    else:
        to_old = fit_map(*texts[::-1])
        assert torch.allclose(found.tensors["weight"], plugin.tensors["weight"] @ to_old.matrix, atol=1e-5)
    assert found.origin["repair"].startswith("map, 10 sentences")


def test_sentences_do_not_fit_everything(upgrade):
    with pytest.raises(IncompatibleError, match="Give pictures"):
        repair(tuned(MAPPED[0], upgrade), upgrade, sentences=SENTENCES)
    with pytest.raises(ConfigError, match="imitation, which needs pictures"):
        repair(tuned(IMITATING[0], upgrade), upgrade, sentences=SENTENCES)
    with pytest.raises(ConfigError, match="pictures or sentences, and not both; this one has neither. Give some 200"):
        repair(tuned(MAPPED[1], upgrade), upgrade)
    for method, todo in ((MAPPED[0], "drop one"), (IMITATING[0], "how='imitate' reads pictures alone: drop the sent")):
        with pytest.raises(ConfigError, match=f"pictures or sentences, and not both; {todo}"):
            repair(tuned(method, upgrade), upgrade, toy_dataset().unlabelled, sentences=SENTENCES)


@pytest.mark.parametrize("method", [TipAdapter(search=False), LinearProbe("projected", normalize=True, c=1.0)])
def test_a_map_can_have_its_matrix_from_sentences_and_its_shift_from_pictures(method, upgrade):
    plugin, pictures = tuned(method, upgrade), toy_dataset().unlabelled
    found = repair(plugin, upgrade, pictures, sentences=SENTENCES)
    split = as_split(pictures, ("a",), "{}")
    x, y = (torch.nn.functional.normalize(encode_split(b, split), dim=-1).mean(0) for b in (upgrade.old, upgrade.new))
    texts = [backbone.encode_text(SENTENCES) for backbone in (upgrade.old, upgrade.new)]
    if isinstance(method, TipAdapter):
        moved = (plugin.tensors["keys"] - x) @ fit_map(*texts).matrix.T + y
        assert torch.allclose(found.tensors["keys"], torch.nn.functional.normalize(moved, dim=-1), atol=1e-5)
    else:
        to_old = fit_map(*texts[::-1]).matrix
        assert torch.allclose(found.tensors["weight"], plugin.tensors["weight"] @ to_old, atol=1e-5)
        bias = plugin.tensors["bias"] + plugin.tensors["weight"] @ (x - to_old @ y)
        assert torch.allclose(found.tensors["bias"], bias, atol=1e-5)
    said = found.origin["repair"]
    assert said.startswith("map, 12 pictures without labels") and "10 sentences" in said
    with pytest.raises(DataError, match="at least 8 pictures; these are 2"):
        repair(plugin, upgrade, pictures.select([0, 1]), sentences=SENTENCES)


def test_a_residual_map_moves_rows_and_is_refused_by_what_needs_a_matrix(upgrade):
    cache, pictures = tuned(TipAdapter(search=False), upgrade), toy_dataset().unlabelled
    moved = repair(cache, upgrade, pictures, kind="residual").tensors["keys"]
    assert not torch.equal(moved, repair(cache, upgrade, pictures, kind="ridge").tensors["keys"])
    with pytest.raises(IncompatibleError, match="matrix over image features.*Choose an affine kind"):
        repair(tuned(LinearProbe(c=1.0), upgrade), upgrade, pictures, kind="residual")


@pytest.mark.parametrize(("settings", "says"), [
    ({"kind": "spline"}, "unknown map 'spline'"), ({"strength": 0.0}, "strength must be above 0"),
    ({"kind": "residual", "sentences": SENTENCES}, "no shift apart from its network"),
])  # fmt: skip
def test_settings_of_a_map_are_refused_before_anything_is_encoded(settings, says, upgrade, monkeypatch):
    def encode(*_):
        raise AssertionError("encoded")

    plugin = tuned(TipAdapter(search=False), upgrade)
    monkeypatch.setattr("clipcompat.plugins.repair.translate.encode_together", encode)
    with pytest.raises(ClipcompatError, match=says):
        repair(plugin, upgrade, toy_dataset().unlabelled, **settings)


DUAL = [
    *(DPC(learner=kind(n_ctx=2, ctx_init=None, recipe=SHORT), recipe=SHORT) for kind in (CoOp, KgCoOp, ContCoOp)),
    DPC(learner=IMITATING[0], recipe=SHORT, dhno_pool="full"),
    DPC(learner=MaPLe(n_ctx=2, depth=2, recipe=SHORT), recipe=SHORT),
]


@pytest.mark.parametrize("method", DUAL, ids=lambda m: f"{m.learner.name}, {m.dhno_pool}")
def test_a_dual_prompt_imitates_itself_stage_by_stage(method, upgrade):
    data = toy_dataset(8)
    plugin = tuned(method, upgrade) if method.dhno_pool == "fewshot" else dual_of_all_pictures(method, upgrade)
    pictures = unlabelled_pictures(data, 12)
    seen = replace(data.train, images=pictures, labels=torch.zeros(12, dtype=torch.int64))
    found = repair(plugin, upgrade, pictures, views=1)
    stage1 = {k.removeprefix("stage1."): t for k, t in plugin.tensors.items() if k.startswith("stage1.")}
    first = Plugin(method.learner, stage1, plugin.origin)
    by_hand = [
        replace(data, train=replace(seen, labels=own_labels(p.logits(upgrade.old, seen)))) for p in (first, plugin)
    ]
    by_hand = [replace(d, pool=d.train) for d in by_hand]
    stage1 = fit(method.learner, upgrade.new, by_hand[0], seed=3, init=first, views=1)
    expected = fit(method, upgrade.new, by_hand[1], seed=3, init=stage1, views=1)
    assert found.match(upgrade.new).kind == "exact" and found.origin["init"] == plugin.stamp
    assert found.tensors.keys() == plugin.tensors.keys()
    assert all(torch.equal(found.tensors[name], t) for name, t in expected.tensors.items())
    first, parallel = (
        {k.partition(".")[2]: t for k, t in found.tensors.items() if k.startswith(p)} for p in ("s", "p")
    )
    assert any(not torch.equal(first[name], t) for name, t in parallel.items())
    assert found.origin["repair"].startswith("imitate, 12 pictures")


def dual_of_all_pictures(method, upgrade):
    data = toy_dataset(8)
    return fit(method, upgrade.old, replace(data, pool=data.train), seed=3, views=1)


@pytest.mark.parametrize("method", [PromptKD(), DPC(learner=PromptKD())], ids=lambda m: m.name)
def test_a_method_whose_training_needs_a_teacher_is_refused(method, upgrade):
    plugin = Plugin(method, {}, tuned(IMITATING[0], upgrade).origin)
    with pytest.raises(IncompatibleError, match=f"{method.name} cannot be repaired: its training needs a teacher"):
        repair(plugin, upgrade, unlabelled_pictures(toy_dataset(8), 20))


def test_pictures_are_drawn_without_labels_and_nested():
    data = toy_dataset(8)
    more, fewer = (unlabelled_pictures(data, n, seed=2) for n in (20, 5))
    assert [more.key(i) for i in range(5)] == [fewer.key(i) for i in range(5)]
    assert len(unlabelled_pictures(data, 1000)) == len(data.unlabelled)
    with pytest.raises(DataError, match="of which 0 cannot be drawn. Draw 8 or more; 200 are advised"):
        unlabelled_pictures(data, 0)


def test_what_cannot_be_repaired_is_refused(upgrade):
    pictures = unlabelled_pictures(toy_dataset(8), 20)
    coop, probe = tuned(IMITATING[0], upgrade), tuned(MAPPED[0], upgrade)
    with pytest.raises(UnknownNameError, match="unknown way to repair 'pray'"):
        repair(probe, upgrade, pictures, how="pray")
    with pytest.raises(
        IncompatibleError,
        match="a map of image features repairs linear_probe, tip_adapter, gda, lp_plus_plus, zs_lp, and not coop",
    ):
        repair(coop, upgrade, pictures, how="map")
    with pytest.raises(IncompatibleError, match="use how='map'"):
        repair(probe, upgrade, pictures, how="imitate")
    with pytest.raises(IncompatibleError, match="nothing to repair"):
        repair(tuned(ZeroShot(), upgrade), upgrade, pictures)
    with pytest.raises(ConfigError, match="Repair it with the upgrade from its own backbone"):
        repair(probe, Upgrade(upgrade.new, upgrade.old), pictures)
    with pytest.raises(DataError, match="2 pictures cannot show 3 classes"):
        repair(coop, upgrade, pictures.select([0, 1]))
    with pytest.raises(DataError, match="at least 8 pictures"):
        repair(probe, upgrade, pictures.select([0, 1]))
