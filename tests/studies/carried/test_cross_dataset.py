"""A plug-in on sets with other classes, against numbers counted picture by picture, and one run of the study."""

from __future__ import annotations

import pytest

import clipcompat as cc
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError
from clipcompat.common.files import to_json
from clipcompat.data.public.layout import find_layout
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.dpc import DPC
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.runs.records import checksum, read_record
from clipcompat.runs.run import Run
from clipcompat.runs.study_tables import study_tables
from clipcompat.runs.sweep.spec import load_spec
from clipcompat.studies.carried.cross_dataset import cross_dataset
from clipcompat.studies.compatibility import compatibility
from clipcompat.training.recipe import Recipe
from tests.data.public.test_readers import write_layout
from tests.toys import toy_dataset

QUICK = Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0)
COOP = CoOp(n_ctx=2, recipe=QUICK)
ELSEWHERE = ("grey wolf", "barn owl")


def share(plugin, backbone, data) -> float:
    """Percent right, one picture at a time, with vectors of the classes made for each picture anew."""
    right = []
    for i, label in enumerate(data.test.labels.tolist()):
        features = backbone.image_features(backbone.preprocess.test(data.test.images[i])[None], "projected")
        names, template = data.test.classnames, data.test.template
        scores = plugin.method.logits(plugin.tensors, backbone, features, names, template)[0].tolist()
        right.append(scores.index(max(scores)) == label)
    return 100 * sum(right) / len(right)


@pytest.mark.parametrize("method", [COOP, ContCoOp(n_ctx=2, recipe=QUICK)], ids=lambda method: method.name)
def test_every_number_is_what_counting_by_hand_gives(old, new, method):
    source, target = toy_dataset(4), toy_dataset(classnames=ELSEWHERE)
    plugin, zero_shot = fit(method, old, source, seed=5, views=1), fit(ZeroShot(), old, source)
    found = cross_dataset(plugin, Upgrade(old, new), source, [target], retrained=False)
    (there,) = found.targets
    assert (there.dataset, there.classes, found.method, found.seed) == ("toys", 2, method.name, 5)
    sides = {"old": (plugin, old), "new": (plugin, new), "zs_old": (zero_shot, old), "zs_new": (zero_shot, new)}
    for side, its in sides.items():
        assert getattr(found.on_source, side) == pytest.approx(share(*its, source))
        assert getattr(there.there, side) == pytest.approx(share(*its, target))


def test_on_the_source_it_says_what_the_report_of_compatibility_says(old, new):
    source = toy_dataset(4)
    plugin = fit(COOP, old, source, seed=5, views=1)
    report = compatibility(plugin, Upgrade(old, new), source).to_dict()
    found = cross_dataset(plugin, Upgrade(old, new), source, [source]).to_dict()
    same = [name for name in report if name in found]
    assert {name: found[name] for name in same} == {name: report[name] for name in same} and "retrained" in same
    assert found["targets"][0]["there"]["retrained"] == found["retrained"] is not None


def test_means_are_over_the_other_sets_alone(old, new):
    source, sets = toy_dataset(4), [toy_dataset(classnames=ELSEWHERE), toy_dataset(classnames=("cat", "dog", "owl"))]
    plugin = fit(COOP, old, source, views=1)
    found = cross_dataset(plugin, Upgrade(old, new), source, sets, retrained=False)
    assert found.to_dict()["targets_new"] == pytest.approx(sum(t.there.new for t in found.targets) / 2)
    assert found.to_dict()["targets_retrained"] is None
    assert list(found.to_dataframe()["classes"])[1:] == [2, 3]


def test_a_dual_prompt_names_other_classes_with_its_second_weight(old, new):
    """With ω_n = 0 other classes are those of stage 1, whatever stage 2 did; with ω_n = ω_b they are not."""
    source, target = toy_dataset(4), toy_dataset(classnames=ELSEWHERE)
    dual = DPC(learner=COOP, omega_base=1.0, top_k=2, recipe=Recipe(epochs=4, batch_size=4, lr=1.0, warmup_epochs=0))
    plugin = fit(dual, old, source, seed=5, views=1)
    stage1 = fit(COOP, old, source, seed=5, views=1)
    weights = [p.class_weights(old, ELSEWHERE) for p in (plugin, stage1)]
    assert (weights[0] - weights[1]).abs().max() < 1e-5
    assert (
        plugin.class_weights(old, source.classnames) - stage1.class_weights(old, source.classnames)
    ).abs().max() > 0.01
    found = [cross_dataset(p, Upgrade(old, new), source, [target], retrained=False).targets for p in (plugin, stage1)]
    assert found[0] == found[1]


def test_a_method_of_single_classes_and_no_other_set_are_refused(old, new):
    source = toy_dataset(4)
    probe = fit(LinearProbe(c=1.0), old, source, views=1)
    with pytest.raises(IncompatibleError, match=r"linear_probe has tensors of the source's classes.*such as coop"):
        cross_dataset(probe, Upgrade(old, new), source, [toy_dataset(classnames=ELSEWHERE)])
    with pytest.raises(ConfigError, match="no other set"):
        cross_dataset(fit(ZeroShot(), old, source), Upgrade(old, new), source, [])
    with pytest.raises(ConfigError, match="Tune it on upgrade.old first"):
        cross_dataset(fit(ZeroShot(), old, source), Upgrade(new, old), source, [source])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_layout(find_layout("imagenet"), folder)
    return folder


def run(root, method="coop", **changes) -> Run:
    quick = ("recipe.epochs=1", "n_ctx=2") if method == "coop" else ()
    plain = {
        "upgrade": "mini",
        "seeds": (1,),
        "shots": 2,
        "settings": quick,
        "root": str(root),
        "study": "cross_dataset",
    }
    weights = {"device": "cpu", "dtype": "fp32", "old_weights": "random:1", "new_weights": "random:2"}
    return Run(method, "imagenet", **plain | weights | changes)


def test_a_run_tests_on_the_other_ten_sets_and_its_record_is_read_and_shown(root, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "others", lambda self, progress=None: (toy_dataset(classnames=ELSEWHERE),))
    record, path = run(root, retrain=False).execute(tmp_path)
    assert read_record(path) == record and list(record.inputs["targets"]) == ["toys"]
    (table,) = study_tables([record])
    assert table.columns == ("upgrade", "source", "method", "on source", "toys", "targets, mean", "seeds")
    assert "→" in table.rows[0][-2]


def test_a_record_with_a_damaged_target_is_refused(root, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "others", lambda self, progress=None: (toy_dataset(classnames=ELSEWHERE),))
    record, path = run(root, retrain=False).execute(tmp_path)
    content = record.to_dict()
    content["per_seed"][0]["targets"][0]["there"]["new"] = 101.0
    path.write_text(to_json(content | {"checksum": checksum(content)}))
    with pytest.raises(DataError, match="targets"):
        read_record(path)


def test_a_source_without_targets_and_a_probe_are_refused_before_any_work(root, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="mini/textures is no source"):
        Run("coop", "mini/textures", study="cross_dataset")
    monkeypatch.setattr(Run, "others", lambda self, progress=None: (toy_dataset(classnames=ELSEWHERE),))
    with pytest.raises(IncompatibleError, match="linear_probe"):
        run(root, "linear_probe").execute(tmp_path)
    assert not list(tmp_path.rglob("plugins/**/*.safetensors"))


def test_the_shipped_studies_ask_for_every_learner_of_the_second_paper():
    for name, study in (("cross_dataset", "cross_dataset"), ("domain", "ood")):
        asked = load_spec(name).requests("mini")
        assert {r["study"] for r in asked} == {study} and {r["method"] for r in asked} >= {"maple", "promptsrc", "dpc"}
        settings = [tuple(r["settings"]) for r in asked if r["method"] == "dpc"]
        assert settings == [(), ("learner=maple",), ("learner=promptsrc",)]
    assert cc.cross_dataset is cross_dataset
