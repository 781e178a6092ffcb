"""One run from end to end on JPEGs: its record, its continuation after a kill, and doing nothing twice."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clipcompat.backbones.mini.models import load_mini, mini_weights
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError, PluginError, UnknownNameError
from clipcompat.common.files import hash_file
from clipcompat.common.version import code_hash
from clipcompat.data.indices import export_indices
from clipcompat.data.load import load_dataset
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.runs.records import Record, find_records, read_record
from clipcompat.runs.run import Run
from clipcompat.studies.accuracy import accuracy
from clipcompat.training.recipe import Recipe
from tests.children import running
from tests.trees import write_eurosat

QUICK = ("recipe.epochs=2", "recipe.batch_size=4", "recipe.lr=0.05", "n_ctx=2")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    return str(write_eurosat(tmp_path_factory.mktemp("data")))


def quick(root, **changes) -> Run:
    plain = Run(
        "coop",
        "eurosat",
        "mini",
        seeds=(1, 2),
        shots=4,
        settings=QUICK,
        root=root,
        device="cpu",
        dtype="fp32",
        old_weights="random:1",
        new_weights="random:2",
    )
    return dataclasses.replace(plain, **changes)


@pytest.fixture(scope="module")
def done(root, tmp_path_factory) -> tuple[Record, Path]:
    """The record of an undisturbed run with its features on disk."""
    out = tmp_path_factory.mktemp("done")
    return quick(root).execute(out, out / "cache")


def tuned(out: Path, seed: int, backbone) -> Path:
    """The plug-in that a run under `out` tuned on a backbone."""
    (file,) = (out / "plugins").glob(f"coop-eurosat-seed-{seed}-{backbone.name}-*.safetensors")
    return file


def numbers(record) -> list[dict]:
    return [{k: v for k, v in row.items() if k != "final_loss"} for row in record.per_seed]


def test_upgrades_that_start_or_end_at_one_backbone_share_its_plugins(done, root, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done[1].parents[1], out)
    before = {file: file.stat().st_mtime_ns for file in (out / "plugins").iterdir()}
    record, _ = quick(root, new_weights="random:3").execute(out, out / "cache")
    after = {file: file.stat().st_mtime_ns for file in (out / "plugins").iterdir()}
    assert before.items() <= after.items() and len(after) == len(before) + 2  # two seeds, on the other new backbone
    assert [row["old"] for row in record.per_seed] == [row["old"] for row in done[0].per_seed]


def test_a_record_has_everything_the_numbers_depend_on(done, root):
    record, path = done
    inputs = record.inputs
    assert record == read_record(path)
    assert inputs["method"] == {
        "name": "coop",
        "config": json.loads(json.dumps(inputs["method"]["config"])) | {"n_ctx": 2, "csc": False, "position": "end"},
    }
    assert inputs["method"]["config"]["recipe"]["epochs"] == 2 and inputs["seeds"] == [1, 2]
    assert (inputs["dataset"], inputs["classes"], inputs["shots"], inputs["upgrade"]) == ("eurosat", "all", 4, "mini")
    assert (inputs["old_weights"], inputs["new_weights"], inputs["views"]) == ("random:1", "random:2", 10)
    for seed in ("1", "2"):
        data = load_dataset("eurosat", root=root, shots=4, seed=int(seed))
        assert inputs["stamps"][seed] == {part: getattr(data, part).stamp for part in ("train", "val", "test")}
        row = record.per_seed[int(seed) - 1]
        assert row["seed"] == int(seed) and row["indices"] == data.indices and len(row["indices"]["train"]) == 12
        assert (row["views"], row["epochs"]) == (2, 2) and row["retrained"] is not None
    assert record.backbones["old"]["source"] == "random weights, seed 1"
    assert record.backbones["new"]["name"] == "mini-new" and record.backbones["new"]["dtype"] == "torch.float32"
    assert record.backbones["old"]["stamp"] != record.backbones["new"]["stamp"]
    assert record.environment["torch"] and record.environment["device"].startswith("cpu") and record.tolerance == 2.0
    assert all(took["train"] >= 0 and took["retrain"] >= 0 for took in record.training_seconds)
    assert inputs["shipped"] == [None, None] and inputs["dtype"] == "float32"
    assert record.seconds > 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", record.started)


def test_its_numbers_are_those_of_the_plain_calls(done, root, old, new):
    method = CoOp(n_ctx=2, recipe=Recipe(epochs=2, batch_size=4, lr=0.05))
    for row in done[0].per_seed:
        data = load_dataset("eurosat", root=root, shots=4, seed=row["seed"])
        plugin = fit(method, old, data, seed=row["seed"])
        retrained = fit(method, new, data, seed=row["seed"])
        assert row["old"] == accuracy(plugin, old, data.test) and row["new"] == accuracy(plugin, new, data.test)
        assert row["retrained"] == accuracy(retrained, new, data.test)


def test_its_plugins_are_beside_it(done, old):
    plugin = load_plugin(tuned(done[1].parents[1], 2, old))
    assert plugin.match(old).kind == "exact" and plugin.origin["seed"] == 2


def test_nothing_in_a_record_names_a_place_on_this_machine(done, root):
    text = done[1].read_text()
    assert root not in text and str(done[1].parent) not in text and str(Path.home()) not in text
    assert not re.search(r'": "(/|~|[A-Z]:\\)', text)


def test_a_finished_run_is_not_run_again(done, root):
    record, path = done
    before, said = path.stat(), []
    again, where = quick(root).execute(path.parents[1], say=said.append)
    assert again == record and where == path and said == [f"already done: {path}"]
    assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_ino == before.st_ino


def test_a_finished_run_of_another_state_of_the_code_is_not_served_in_silence(done, root, monkeypatch):
    record, path = done
    assert record.environment["code"] == code_hash()
    monkeypatch.setattr("clipcompat.runs.run.code_hash", lambda: "0123456789abcdef")
    said = []
    assert quick(root).execute(path.parents[1], say=said.append)[0] == record
    assert re.search(f"already done: .*other state of the code.*{code_hash()}, now 0123456789abcdef.*delete", said[0])


def test_an_alias_is_the_same_run(done, root):
    said = []
    quick(root, dataset="EuroSAT").execute(done[1].parents[1], say=said.append)
    assert "already done" in said[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (1, 3)},
        {"shots": 2},
        {"classes": "base"},
        {"settings": (*QUICK, "csc=true")},
        {"views": 1},
        {"templates": "coop"},
        {"repeat": True},
        {"old_weights": "random:5"},
        {"retrain": False},
        {"method": "contcoop"},
    ],
)
def test_whatever_the_user_changes_is_another_run(done, root, changes):
    """Told by the name of the record to be; nothing is trained here."""
    from clipcompat.common.config import override
    from clipcompat.methods import METHODS
    from clipcompat.runs.records import record_id

    run = quick(root, **changes)
    method = override(METHODS[run.method](), run.settings)
    inputs = run._inputs(method, {seed: run._data(seed) for seed in run.seeds})
    assert record_id(inputs) != done[0].id


@pytest.mark.parametrize("spelling", [{}, {"dtype": "fp32", "views": 10}, {"dtype": "float32", "device": "cpu"}])
def test_one_run_has_one_name_however_its_defaults_are_spelled(done, root, spelling):
    said = []
    quick(root, **spelling).execute(done[1].parents[1], say=said.append)
    assert "already done" in said[0]


def test_other_shipped_weights_are_another_run(monkeypatch, tmp_path):
    """With weights that were not given, the files the package ships are part of the name."""
    from clipcompat.backbones.mini import models as mini
    from clipcompat.backbones.upgrade import shipped_weights

    before = shipped_weights("mini")
    for name in ("mini-old", "mini-new"):
        (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
    monkeypatch.setattr(mini, "_WEIGHTS", tmp_path)
    assert all(a and b and a != b for a, b in zip(before, shipped_weights("mini"), strict=True))
    assert shipped_weights("clip-to-eva-vit-b-16") == (None, None)


def test_a_chain_with_another_third_generation_is_another_run_and_no_other_study_is(monkeypatch, tmp_path):
    from clipcompat.backbones.mini import models as mini

    def file(study: str) -> Path:
        return Run("zero_shot", "mini/textures", seeds=(1,), study=study).record_file("out")

    before = {study: file(study) for study in ("chain", "compatibility")}
    newer = tmp_path / "newer.safetensors"
    newer.write_bytes(b"other weights")
    shipped = mini.shipped_file
    monkeypatch.setattr(mini, "shipped_file", lambda name: newer if name == "mini-newer" else shipped(name))
    assert file("compatibility") == before["compatibility"]
    assert file("chain") != before["chain"]


def test_the_order_of_training_on_disk_and_in_memory_does_not_matter(done, root, tmp_path):
    assert numbers(quick(root).execute(tmp_path)[0]) == numbers(done[0])


def test_base_classes_and_no_retraining(root, tmp_path):
    record, _ = quick(root, classes="base", retrain=False, seeds=(1,)).execute(tmp_path)
    (row,) = record.per_seed
    assert record.inputs["classes"] == "base" and row["dataset"] == "eurosat[base]"
    assert row["retrained"] is None and row["kept_gain"] is None and len(row["indices"]["train"]) == 12
    (file,) = tmp_path.rglob("*.safetensors")
    plugin = load_plugin(file)
    assert plugin.origin["classnames"] == ["Forest", "River"]  # 2 of 3, and cleaned of underscores


def test_zero_shot_trains_nothing(root, tmp_path):
    record, _ = quick(root, method="zero_shot", settings=(), seeds=(1,)).execute(tmp_path)
    (row,) = record.per_seed
    assert row["old"] == row["zs_old"] and row["new"] == row["zs_new"]
    assert row["retrained"] is None and row["views"] is None and row["epochs"] == 0


def test_a_given_list_of_images_is_the_one_trained_on(root, tmp_path):
    data = load_dataset("eurosat", root=root, shots=2, seed=9)
    listed = {"seeds": (1,), "indices": str(export_indices(data, tmp_path / "i.json"))}
    record, _ = quick(root, **listed, shots=16).execute(tmp_path / "o")
    assert record.per_seed[0]["indices"] == data.indices
    assert record.inputs["shots"] == 2  # the list's, not the default
    assert quick(root, **listed, shots=2).execute(tmp_path / "o")[0] == record
    with pytest.raises(ConfigError, match="lists 2 images per class, and shots is 4; leave shots out"):
        quick(root, **listed, shots=4).execute(tmp_path / "o")


def test_local_weights_are_named_by_their_content(root, old, tmp_path, monkeypatch):
    path = tmp_path / "secret folder" / "w.safetensors"
    path.parent.mkdir()
    save_file({k: v.clone() for k, v in old._model.state_dict().items()}, path)
    monkeypatch.setenv("HOME", str(path.parent))
    ids = set()
    for written in (str(path), "~/w.safetensors"):
        run = quick(root, old_weights=written, seeds=(1,), retrain=False)
        record, where = run.execute(tmp_path / "out")
        ids.add(record.id)
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", record.inputs["old_weights"])
        assert "secret" not in where.read_text() and record.backbones["old"]["stamp"] == old.stamp
    assert len(ids) == 1


def test_broken_pictures_stop_a_run_unless_it_was_told_to_skip_them(done, root, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(root, copy)
    test = load_dataset("eurosat", root=copy, shots=4, seed=1).test.images
    path = test.root / test.paths[1]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=rf"{path.name}.*cannot be decoded"):
        quick(copy).execute(tmp_path / "a")
    run, said = quick(copy, skip_broken=True), []
    record, _ = run.execute(tmp_path / "a")
    assert [row["skipped"] for row in record.per_seed] == [{"test": [test.paths[1]]}] * 2
    assert record.inputs["stamps"] != done[0].inputs["stamps"] and record.id != done[0].id
    assert run.execute(tmp_path / "a", say=said.append)[0] == record and "already done" in said[0]


def test_skipping_where_nothing_is_broken_is_the_same_run(done, root):
    said = []
    assert quick(root, skip_broken=True).execute(done[1].parents[1], say=said.append)[0] == done[0]
    assert "already done" in said[0]


RUN = """
import sys
from clipcompat.cli import main
from clipcompat.common.terminal import Bars

def say(self, sentence, said=Bars.say):
    said(self, sentence)
    if sentence.startswith("seed 1:"):
        sys.stdin.readline()  # the signal comes here

Bars.say = say
sys.exit(main())
"""


def command(root, out, *more) -> list[str]:
    return [
        sys.executable,
        "-c",
        RUN,
        "run",
        "--method",
        "coop",
        "--dataset",
        "eurosat",
        "--root",
        root,
        "--seeds",
        "1",
        "2",
        "--shots",
        "4",
        "--old-weights",
        "random:1",
        "--new-weights",
        "random:2",
        "--device",
        "cpu",
        "--dtype",
        "fp32",
        "--out",
        str(out),
        "--set",
        *QUICK,
        *more,
    ]


def stopped(root, out, stop: signal.Signals, *more) -> tuple[int, str]:
    """Start a run, send a signal when its first seed is done; exit code and what it said."""
    with running(command(root, out, *more), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as run:
        said = ""
        for line in run.stderr:
            said += line
            if line.startswith("seed 1:"):
                run.send_signal(stop)
        return run.wait(), said


def test_a_run_killed_between_seeds_goes_on_from_there(done, root, tmp_path, old):
    code, _ = stopped(root, tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL and find_records(tmp_path) == []
    kept = tuned(tmp_path, 1, old)
    before = kept.stat().st_mtime_ns
    record, _ = quick(root).execute(tmp_path, tmp_path / "cache")
    assert kept.stat().st_mtime_ns == before  # not trained again
    assert numbers(record) == numbers(done[0])


def test_ctrl_c_is_one_sentence(root, tmp_path):
    code, said = stopped(root, tmp_path, signal.SIGINT, "--seeds", *"12345")
    assert code == 130 and "Traceback" not in said and "clipcompat: stopped; what was finished is kept" in said
    assert find_records(tmp_path) == []


@pytest.mark.parametrize("damage", ["cut", "other method", "other pictures", "unknown setting"])
def test_a_kept_plugin_that_is_not_this_run_s_is_neither_believed_nor_overwritten(done, root, tmp_path, damage, old):
    intact = tuned(done[1].parents[1], 1, old)
    kept = tmp_path / "plugins" / intact.name
    whole = intact.read_bytes()
    kept.parent.mkdir(parents=True)
    if damage == "cut":
        kept.write_bytes(whole[:-9])
    elif damage == "other method":
        data = load_dataset("eurosat", root=root, shots=4, seed=1)
        fit(CoOp(n_ctx=3, recipe=Recipe(epochs=1)), old, dataclasses.replace(data, train=data.val)).save(kept)
    elif damage == "other pictures":
        kept.write_bytes(tuned(done[1].parents[1], 2, old).read_bytes())
    else:
        kept.write_bytes(whole.replace(b"n_ctx", b"n_cty"))
    damaged = kept.read_bytes()
    with pytest.raises(PluginError, match="delete or move the file, and the run tunes it again") as caught:
        quick(root, seeds=(1, 2)).execute(tmp_path)
    assert kept.name in str(caught.value) and kept.read_bytes() == damaged and find_records(tmp_path) == []
    kept.unlink()
    record, _ = quick(root, seeds=(1, 2)).execute(tmp_path)
    assert numbers(record) == numbers(done[0])
    assert load_plugin(kept).stamp == load_plugin(intact).stamp


def test_a_damaged_record_stops_the_run_that_would_trust_it(done, root, tmp_path):
    path = tmp_path / "compatibility" / done[1].name
    path.parent.mkdir()
    path.write_text(done[1].read_text()[:-100])
    with pytest.raises(DataError, match="not a readable record.*delete it and run again"):
        quick(root).execute(tmp_path)
    other, _ = quick(root, method="zero_shot", settings=()).execute(tmp_path / "b")
    path.write_text(next((tmp_path / "b" / "compatibility").glob("*.json")).read_text())
    with pytest.raises(DataError, match="holds the record of other inputs than its name says"):
        quick(root).execute(tmp_path)


def test_a_listed_upgrade_runs_and_its_record_says_which_weights_and_not_where_they_lie(root, tmp_path):
    file = shutil.copy(mini_weights("mini-newer"), tmp_path / "mine.safetensors")
    listed = {"old_weights": None, "new_weights": None, "upgrade": f"mini-old:random:1,mini-newer:{file}"}
    record, _ = quick(root, method="zero_shot", settings=(), **listed).execute(tmp_path)
    assert record.inputs["upgrade"] == f"mini-old:random:1,mini-newer:sha256:{hash_file(file)}"
    assert record.titles.upgrade == "mini-old (random:1) → mini-newer 1"
    assert record.backbones["new"]["stamp"] == load_mini("mini-newer").stamp
    assert str(tmp_path) not in json.dumps(record.to_dict())


@pytest.mark.parametrize("study", ["compatibility", "chain"])
def test_generations_that_a_plugin_does_not_fit_are_refused_before_it_is_tuned(study, tmp_path, monkeypatch):
    monkeypatch.setattr("clipcompat.plugins.kept.fit_many", lambda *_, **__: pytest.fail("a plug-in was tuned"))
    wide = "mini-large-new" if study == "compatibility" else "mini-new,mini-large-new"
    run = Run("coop", "mini/textures", f"mini-old,{wide}", seeds=(1,), study=study, device="cpu")
    with pytest.raises(IncompatibleError, match="has 128 channels, the text tower of mini-large-new has 160"):
        run.execute(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"method": "cop"}, UnknownNameError),
        ({"upgrade": "minni"}, UnknownNameError),
        ({"upgrade": "mini-old,mini-new"}, ConfigError),  # with weights beside
        ({"upgrade": "mini-old:random:1"}, ConfigError),
        ({"seeds": ()}, ConfigError),
        ({"classes": "old"}, UnknownNameError),
        ({"seeds": (1, 1)}, ConfigError),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_loaded(changes, error):
    with pytest.raises(error):
        quick("nowhere", **changes)


def test_global_random_state_and_threads_are_left_alone(root, tmp_path):
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    quick(root, seeds=(1,), retrain=False).execute(tmp_path)
    assert torch.equal(before, torch.get_rng_state()) and threads == torch.get_num_threads()


def test_pictures_of_the_miniature_are_not_listed_one_by_one(tmp_path):
    random = {"old_weights": "random:1", "new_weights": "random:2", "device": "cpu", "dtype": "fp32"}
    plain = Run("zero_shot", "mini/tints", "mini", seeds=(1,), shots=1, **random)
    row = plain.execute(tmp_path)[0].per_seed[0]
    assert row["indices"] is None  # dataset, shots and seed say which they are
    drawn = load_dataset("mini/tints", shots=1, seed=2).indices
    file = tmp_path / "drawn.json"
    file.write_text(json.dumps({**drawn, "dataset": "mini/tints"}))
    given = dataclasses.replace(plain, indices=str(file)).execute(tmp_path)[0].per_seed[0]
    assert given["indices"] == drawn
