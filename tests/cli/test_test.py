"""`clipcompat test`: plug-ins that exist already get the records that a run would have written, imports too."""

from __future__ import annotations

import json

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.cli import main
from clipcompat.data.load import load_dataset
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.official.importer import import_plugin
from clipcompat.plugins.plugin import load_plugin
from clipcompat.runs.records import find_records
from clipcompat.runs.results import Results
from clipcompat.runs.tables import compatibility_table
from clipcompat.studies.compatibility import compatibility
from tests.official import write_official, write_run
from tests.trees import CLASSES, write_eurosat

WEIGHTS = ["--old-weights", "random:1", "--new-weights", "random:2", "--device", "cpu", "--dtype", "fp32"]
QUICK = ["--shots", "2", "--seeds", "1", "2", "--set", "recipe.epochs=2", "recipe.batch_size=4", "n_ctx=2"]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    return str(write_eurosat(tmp_path_factory.mktemp("data"), train=3, test=4))


@pytest.fixture(scope="module")
def ran(root, tmp_path_factory):
    """The folder of a finished `run` of two seeds: its record, and its plug-ins, tuned on old."""
    out = tmp_path_factory.mktemp("ran")
    common = ["--dataset", "eurosat", "--root", root, *WEIGHTS]
    assert main(["run", "--method", "coop", *common, *QUICK, "--out", str(out)]) == 0
    (record,) = find_records(out)
    return record, sorted(map(str, (out / "plugins").glob("*-mini-old-*")))


@pytest.fixture
def test(root, tmp_path, capsys):
    """Runs the verb: (exit code, records, what it printed)."""

    def call(*arguments, dataset="eurosat"):
        place = ["--root", root] if dataset == "eurosat" else []
        common = ["--upgrade", "mini", "--dataset", dataset, *place, *WEIGHTS, "--out", str(tmp_path / "out")]
        code = main(["test", *map(str, arguments), *common])
        found = list(Results.of(tmp_path / "out")) if (tmp_path / "out" / "compatibility").is_dir() else []
        return code, found, capsys.readouterr()

    return call


@pytest.fixture
def imported(mini_old, tmp_path):
    """An official CoOp checkpoint of the dataset's classes, imported into a file."""
    names = [name.replace("_", " ") for name in CLASSES[:3]]
    folder = write_official(tmp_path / "official", mini_old, "coop")
    plugin = import_plugin(folder, "coop", mini_old, names, dataset="eurosat")
    return plugin.save(tmp_path / "imported.safetensors")


NUMBERS = ("old", "new", "zs_old", "zs_new", "retrained", "kept_gain", "negative_flips", "h_upgrade")


def numbers(row) -> list:
    return [row[name] for name in NUMBERS]


def test_plugins_of_a_run_get_the_numbers_of_the_run_again(ran, test):
    run, files = ran
    code, (record,), said = test(*files)
    assert code == 0 and "2 plug-ins" in said.out and said.out.splitlines()[-1].endswith(".json")
    assert [numbers(row) for row in record.per_seed] == [numbers(row) for row in run.per_seed]
    for key in ("seed", "indices", "views", "epochs", "crop"):
        assert [row[key] for row in record.per_seed] == [row[key] for row in run.per_seed]
    assert record.id != run.id and record.method == "coop" and record.inputs["retrain"] is True
    for key in ("dataset", "shots", "seeds", "method", "stamps", "old_weights", "new_weights"):
        assert record.inputs[key] == run.inputs[key]


def test_a_record_names_the_plugins_by_their_stamps(ran, test):
    plugins = [load_plugin(file) for file in ran[1]]
    _, (record,), _ = test(*ran[1], "--no-retrain")
    assert record.inputs["plugins"] == {str(p.origin["seed"]): p.stamp for p in plugins}
    assert [row["plugin"]["stamp"] for row in record.per_seed] == [p.stamp for p in plugins]
    assert [row["plugin"]["file"] for row in record.per_seed] == [file.rpartition("/")[2] for file in ran[1]]
    assert record.inputs["retrain"] is False and record.per_seed[0]["retrained"] is None
    assert not record.is_plain  # so that no table puts the paper's number beside it


def test_one_plugin_is_another_record_than_two_and_is_not_tested_twice(ran, test):
    test(*ran[1], "--no-retrain")
    test(ran[1][0], "--no-retrain")
    code, found, said = test(ran[1][0], "--no-retrain")
    assert code == 0 and "already done" in said.err and len(found) == 2
    stamp = load_plugin(ran[1][0]).stamp
    assert {len(r.per_seed) for r in found} == {1, 2} and f"plug-in {stamp[:8]})" in said.out


def test_an_import_is_tested_without_retraining_and_says_why(imported, test, mini_old, mini_new, root, caplog):
    code, (record,), said = test(imported)
    assert code == 0 and "imported.safetensors is not trained again on new: it comes from official code" in caplog.text
    data = load_dataset("eurosat", root=root, shots=1, seed=1, templates="tip7")
    expected = compatibility(load_plugin(imported), Upgrade(mini_old, mini_new), data, retrained=False)
    (row,) = record.per_seed
    assert numbers(row) == [expected.to_dict()[name] for name in NUMBERS] and row["retrained"] is None
    assert row["seed"] is None and row["indices"] is None and record.inputs["shots"] is None
    assert row["plugin"]["source"].startswith("imported from") and record.inputs["stamps"]["None"]["train"] is None
    assert str(imported.parent) not in json.dumps(record.to_dict())
    stamp = load_plugin(imported).stamp
    assert record.titles.label == f"coop (n_ctx=4, plug-in {stamp[:8]})"  # a file does not tell the recipe
    assert f"imported.safetensors (plug-in {stamp[:8]}): old" in said.err
    assert compatibility_table([record]).rows[0][3] == "–"  # and not "all"


@pytest.mark.parametrize("name", ["cocoop", "kgcoop", "clip_adapter"])
def test_imports_of_every_method_are_tested(name, mini_old, test, tmp_path):
    names = [n.replace("_", " ") for n in CLASSES[:3]]
    folder = write_official(tmp_path / "official", mini_old, name)
    file = import_plugin(folder, name, mini_old, names, dataset="eurosat").save(tmp_path / "p.safetensors")
    code, (record,), _ = test(file)
    assert code == 0 and record.method == name and record.inputs["imported"] is True


def test_a_plugin_is_tested_on_another_dataset_than_its_own(ran, test, caplog):
    code, (record,), said = test(ran[1][0], dataset="mini/textures")
    assert code == 0 and "it was tuned on other images than these training images of mini/textures" in caplog.text
    assert "tuned on eurosat" in said.out and record.dataset == "mini/textures" and record.inputs["retrain"] is False
    assert "template" not in caplog.text  # another dataset has another one


def test_another_template_than_that_of_the_training_is_told(imported, ran, test, caplog):
    assert test(ran[1][0], "--templates", "openai80", "--no-retrain")[0] == 0
    assert "was tuned with the template 'a centered satellite photo of {}.'" in caplog.text


def test_a_plugin_that_cannot_be_tested_does_not_stop_the_others(ran, test, mini_new, tmp_path):
    names = [name.replace("_", " ") for name in CLASSES[:3]]
    ctx = {"ctx": torch.zeros(4, mini_new.width)}
    other = import_plugin(write_run(tmp_path / "o", ctx), "coop", mini_new, names, dataset="eurosat")
    (tmp_path / "damaged").write_bytes(b"no plug-in")
    files = [tmp_path / "damaged", other.save(tmp_path / "other.safetensors"), ran[1][0]]
    code, (record,), said = test(*files, "--no-retrain")
    assert code == 1 and record.inputs["plugins"] == {"1": load_plugin(ran[1][0]).stamp}
    assert "damaged is not a whole safetensors file" in said.err
    assert "other.safetensors was tuned on mini-new" in said.err and "the upgrade starts from mini-old" in said.err


def test_class_contexts_are_refused_on_other_classes(mini_old, test, tmp_path):
    names = [name.replace("_", " ") for name in CLASSES[:3]]
    folder = write_run(tmp_path / "csc", {"ctx": torch.zeros(3, 4, mini_old.width)})
    file = import_plugin(folder, CoOp(n_ctx=4, csc=True), mini_old, names[::-1]).save(tmp_path / "csc.safetensors")
    code, found, said = test(file)
    assert (code, found) == (1, []) and "csc.safetensors: coop cannot act on mini-old" in said.err


def test_own_pictures_get_the_sentence_of_the_training(ran, root, tmp_path, caplog):
    plugin = load_plugin(ran[1][0])
    pictures = f"folder:{root}/eurosat/2750"
    common = ["--dataset", pictures, *WEIGHTS, "--no-retrain", "--out", str(tmp_path)]
    for more, template in [([], plugin.origin["template"]), (["--template", "a {}."], "a {}.")]:
        assert main(["test", ran[1][0], *common, *more]) == 0
        assert template in [record.inputs["template"] for record in find_records(tmp_path)]


def test_own_pictures_are_turned_as_those_of_the_training(root, tmp_path):
    common = ["--dataset", f"folder:{root}/eurosat/2750", *WEIGHTS]
    assert main(["run", "--method", "coop", *common, *QUICK, "--upright", "--out", str(tmp_path / "a")]) == 0
    files = sorted(map(str, (tmp_path / "a" / "plugins").glob("*-mini-old-*")))
    assert main(["test", *files, *common, "--out", str(tmp_path / "b")]) == 0
    (made,), (tested,) = find_records(tmp_path / "a"), find_records(tmp_path / "b")
    assert tested.inputs["stamps"] == made.inputs["stamps"] and tested.inputs["retrain"] is True
    assert list(map(numbers, tested.per_seed)) == list(map(numbers, made.per_seed))


def test_details_show_classes_confusions_and_pictures(ran, test, root):
    _, _, said = test(ran[1][0], "--no-retrain", "--details")
    data = load_dataset("eurosat", root=root, shots=2, seed=1, templates="tip7")
    upgrade = Upgrade(load_backbone("mini-old", "random:1"), load_backbone("mini-new", "random:2"))
    report = compatibility(load_plugin(ran[1][0]), upgrade, data, retrained=False)
    text = said.out
    assert f"{ran[1][0].rpartition('/')[2]} on eurosat" in text
    for row in report.details.per_class():
        line = next(line.split() for line in text.splitlines() if line.startswith(row.classname + " "))
        assert [f"{row.images}", f"{row.old:.1f}", f"{row.new:.1f}"] == line[-5:-2]
    flips = report.details.flips()
    assert flips and f"Pictures right on old and wrong on new, {len(flips)}" in text
    assert all(flip.image in text for flip in flips[:20])


def test_flags_that_belong_to_the_plugin_are_a_usage_error(ran, capsys):
    for flag in (["--shots", "4"], ["--seeds", "1"], ["--method", "coop"], ["--set", "n_ctx=2"], ["--views", "3"]):
        with pytest.raises(SystemExit) as caught:
            main(["test", ran[1][0], "--dataset", "eurosat", *flag])
        assert caught.value.code == 2
