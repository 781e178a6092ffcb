"""Robustness on shifted sets, against numbers counted picture by picture, and one run of the study from end to end."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.public.layout import find_layout
from clipcompat.methods.clip_adapter import CLIPAdapter
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.tip_adapter import TipAdapter
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.runs.records import read_record
from clipcompat.runs.run import Run
from clipcompat.studies.compatibility import compatibility
from clipcompat.studies.ood import robustness
from clipcompat.training.recipe import Recipe
from tests.data.public.test_readers import write_layout
from tests.toys import toy_dataset

QUICK = Recipe(epochs=2, batch_size=6, lr=0.05, warmup_epochs=0)
FEWER = ("snow leopard cub", "red fox")  # of the source's three, in another order
THERE = {"snow leopard cub": 2, "red fox": 0}


def shares(plugin, backbone, split, labels, fewer) -> float:
    """Percent of these pictures that are right, one by one: scores of all three classes, of which some are kept.

    labels: of each picture among the source's three. fewer: the labels that may be chosen.
    """
    source = toy_dataset()
    right = []
    for i, label in enumerate(labels):
        pixels = backbone.preprocess.test(split.images[i])[None]
        features = backbone.image_features(pixels, plugin.method.image_features)
        scores = plugin.method.logits(plugin.tensors, backbone, features, source.classnames, split.template)[0]
        if label in fewer:
            right.append(max(fewer, key=lambda known: float(scores[known])) == label)
    return 100 * sum(right) / len(right)


@pytest.mark.parametrize(
    "method",
    [CoOp(n_ctx=2, recipe=QUICK), LinearProbe(c=1.0), TipAdapter(search=False, passes=1), CLIPAdapter(recipe=QUICK)],
    ids=lambda method: method.name,
)
def test_every_number_is_what_counting_by_hand_gives(old, new, method):
    source, shifted = toy_dataset(4), toy_dataset(classnames=FEWER)
    plugin = fit(method, old, source, seed=5)
    found = robustness(plugin, Upgrade(old, new), source, [shifted], retrained=False)
    zero_shot = fit(ZeroShot(), old, source)
    (shift,) = found.shifts
    assert (shift.dataset, shift.classes, found.method, found.seed) == ("toys", 2, method.name, 5)
    ours, theirs = source.test.labels.tolist(), [THERE[FEWER[y]] for y in shifted.test.labels.tolist()]
    for side, one, backbone in [
        ("old", plugin, old), ("new", plugin, new), ("zs_old", zero_shot, old), ("zs_new", zero_shot, new)
    ]:  # fmt: skip
        on_source = shares(one, backbone, source.test, ours, (0, 1, 2))
        assert getattr(found.on_source, side) == pytest.approx(on_source)
        assert getattr(shift.there, side) == pytest.approx(shares(one, backbone, shifted.test, theirs, (2, 0)))
        assert getattr(shift.source, side) == pytest.approx(shares(one, backbone, source.test, ours, (2, 0)))


@pytest.mark.parametrize("method", [CoOp, ContCoOp, CoCoOp, CLIPAdapter], ids=lambda method: method.name)
def test_a_classifier_of_the_fewer_names_chooses_as_the_whole_one_restricted_to_them(old, method):
    source, shifted = toy_dataset(4), toy_dataset(classnames=FEWER)
    plugin = fit(method(recipe=QUICK), old, source, views=1)
    fewer = plugin.logits(old, shifted.test)
    everything = plugin.method.logits(
        plugin.tensors, old, old.image_features(_pixels(old, shifted)), source.classnames, "a photo of a {}."
    )
    assert (fewer - everything[:, [2, 0]]).abs().max() < 1e-3


def _pixels(backbone, data):
    return torch.stack([backbone.preprocess.test(data.test.images[i]) for i in range(len(data.test))])


def test_on_the_source_it_says_what_the_report_of_compatibility_says(old, new):
    source = toy_dataset(4)
    plugin = fit(CoOp(n_ctx=2, recipe=QUICK), old, source, seed=5, views=1)
    report = compatibility(plugin, Upgrade(old, new), source)
    found = robustness(plugin, Upgrade(old, new), source, [source]).to_dict()
    assert {name: found[name] for name in report.to_dict() if name in found and name != "dataset"} == {
        name: value for name, value in report.to_dict().items() if name in found and name != "dataset"
    }
    assert found["retrained"] is not None
    assert found["shifts"][0]["there"] == found["shifts"][0]["source"]


def test_means_are_over_the_shifted_sets_and_the_source_is_not_among_them(old, new):
    source, sets = toy_dataset(4), [toy_dataset(classnames=FEWER), toy_dataset()]
    plugin = fit(CoOp(n_ctx=2, recipe=QUICK), old, source, views=1)
    found = robustness(plugin, Upgrade(old, new), source, sets, retrained=False)
    row = found.to_dict()
    assert row["shifted_old"] == pytest.approx(sum(shift.there.old for shift in found.shifts) / 2)
    assert row["retrained"] is row["shifted_retrained"] is None
    frame = found.to_dataframe()
    assert list(frame["dataset"]) == ["toys"] * 3 and list(frame["classes"])[1:] == [2, 3]
    assert frame["same_classes_old"][1] == found.shifts[0].source.old


def test_a_set_with_unknown_classes_is_refused_before_anything_is_encoded(old, new):
    source, shifted = toy_dataset(4), toy_dataset(classnames=("owl", "grey wolf"))
    plugin = fit(CoOp(n_ctx=2, recipe=QUICK), old, source, views=1)
    source.test.images.opened.clear()
    with pytest.raises(DataError, match="'grey wolf'"):
        robustness(plugin, Upgrade(old, new), source, [shifted])
    assert not source.test.images.opened and not shifted.test.images.opened


def test_no_shifted_set_and_a_plug_in_of_another_backbone_are_refused(old, new):
    source = toy_dataset(4)
    plugin = fit(ZeroShot(), old, source)
    with pytest.raises(ConfigError, match="no shifted set"):
        robustness(plugin, Upgrade(old, new), source, [])
    with pytest.raises(ConfigError, match="Tune it on upgrade.old first"):
        robustness(plugin, Upgrade(new, old), source, [source])


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for name in ("imagenet", "imagenetv2", "imagenet_sketch"):
        write_layout(find_layout(name), root)
    write_layout(find_layout("imagenet_a"), root, ids=("n01440764", "n03773504"))
    write_layout(find_layout("imagenet_r"), root, ids=("n01443537", "n04008634", "n04355933"))
    return root


def run(root, method="coop", **changes) -> Run:
    quick = ("recipe.epochs=1", "n_ctx=2") if method == "coop" else ()
    plain = {"upgrade": "mini", "seeds": (1,), "shots": 2, "settings": quick, "root": str(root), "study": "ood"}
    weights = {"device": "cpu", "dtype": "fp32", "old_weights": "random:1", "new_weights": "random:2"}
    return Run(method, "imagenet", **plain | weights | {"templates": "coop"} | changes)


@pytest.mark.parametrize("method", ["coop", "tip_adapter"])
def test_a_run_on_imagenet_tests_its_four_shifted_sets(imagenet, tmp_path, method):
    record, path = run(imagenet, method).execute(tmp_path)
    assert read_record(path) == record and path == run(imagenet, method).record_file(tmp_path)
    (row,) = record.per_seed
    names = ["imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"]
    assert [(shift["dataset"], shift["classes"]) for shift in row["shifts"]] == list(
        zip(names, (5, 5, 2, 3), strict=True)
    )
    assert list(record.inputs["shifted"]) == sorted(names) or list(record.inputs["shifted"]) == names
    assert row["retrained"] is not None and record.study == "ood"
    assert run(imagenet, method).execute(tmp_path)[0] == record  # already done


def test_other_pictures_in_a_shifted_set_are_another_run(imagenet, tmp_path):
    before = run(imagenet).record_file(tmp_path)
    assert run(imagenet, study="compatibility").record_file(tmp_path).name != before.name
    assert "shifted" not in run(imagenet, study="compatibility")._all_inputs(run(imagenet).datasets()[0], ())
    picture = next((imagenet / "imagenet-rendition").rglob("*.jpg"))
    content = picture.read_bytes()
    try:
        picture.write_bytes(next((imagenet / "imagenet-adversarial").rglob("*.jpg")).read_bytes())
        assert run(imagenet).record_file(tmp_path) != before
    finally:
        picture.write_bytes(content)
    assert run(imagenet).record_file(tmp_path) == before


def test_classes_that_do_not_match_stop_a_run_before_training(imagenet, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "others", lambda self, progress=None: (toy_dataset(),))
    with pytest.raises(DataError, match="3 of the 3 classes of toys are not among those of imagenet: 'red fox'"):
        run(imagenet).execute(tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_half_of_the_classes_is_refused_when_the_run_is_made(imagenet):
    with pytest.raises(ConfigError, match="the study ood tests all classes, not 'base'"):
        run(imagenet, classes="base")


def test_a_dataset_without_shifted_sets_is_refused_when_the_run_is_made(imagenet):
    with pytest.raises(ConfigError, match="eurosat has no shifted test sets"):
        Run("coop", "eurosat", study="ood", root=str(imagenet))
