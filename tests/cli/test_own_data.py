"""An own folder all the way: to a report, to a plug-in file and back, to a record of the command line."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import clipcompat as cc
from clipcompat.cli import main
from clipcompat.common.errors import ConfigError
from clipcompat.data.custom import from_folder
from clipcompat.runs.records import find_records
from clipcompat_book.miniature.cloth import cloth_names, write_cloth

FOUR = list(cloth_names())[::3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Four classes of cloth, enough for 16 shots."""
    folder = write_cloth(tmp_path_factory.mktemp("secret-place"), 33)
    for other in set(cloth_names()) - set(FOUR):
        shutil.rmtree(folder / other)
    return folder


@pytest.fixture(scope="module")
def upgrade():
    return cc.load_upgrade("mini", device="cpu")


def short(name: str, data):
    method = cc.default_method(name, data.name, "mini")
    return replace(method, recipe=replace(method.recipe, epochs=2))


def test_five_lines_lead_from_a_folder_to_a_report(folder, tmp_path, monkeypatch, capsys):
    lines = re.search(r"```python\n(.*?)```", from_folder.__doc__, re.DOTALL)[1].split("\n")
    lines = [line for line in lines if line]
    assert len(lines) == 5
    (tmp_path / "pictures").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(lines), "from_folder.py", "exec"), {})
    found = {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", capsys.readouterr().out)}
    assert found["old"] > found["zs_old"] and found["retrained"] > 50 and found["seed"] == 1


def test_a_plug_in_of_a_folder_is_saved_and_loaded(folder, upgrade, tmp_path):
    data = cc.dataset_from_folder(folder, shots=2)
    plugin = cc.fit(short("coop", data), upgrade.old, data)
    again = cc.load_plugin(plugin.save(tmp_path / "plugin.safetensors"))
    assert again.origin["dataset"] == "folder/cloth" and again.origin["classnames"] == list(data.classnames)
    assert cc.accuracy(again, upgrade.new, data.test) == cc.accuracy(plugin, upgrade.new, data.test)


def test_fewer_classes_are_tuned_and_tested_like_all(folder, upgrade):
    data = cc.dataset_from_folder(folder, shots=2).base_classes()
    plugin = cc.fit(short("coop", data), upgrade.old, data)
    report = cc.compatibility(plugin, upgrade, data, retrained=False)
    assert report.dataset == "folder/cloth[base]" and 0 < report.new <= 100


def test_a_name_that_does_not_fit_into_the_context_is_refused(folder, upgrade):
    data = cc.dataset_from_folder(folder, shots=2, names={FOUR[0]: "very " * 60 + "red"})
    with pytest.raises(ConfigError, match=r"tokens, SOS and EOT included; mini-old reads 40. Shorten the class name"):
        cc.fit(short("coop", data), upgrade.old, data)
    with pytest.raises(ConfigError, match="Shorten the class name"):
        cc.accuracy(cc.fit(cc.ZeroShot(), upgrade.old, data), upgrade.old, data.test)


def test_own_pictures_get_the_mini_recipe_on_mini_backbones_only():
    mini = cc.default_method("coop", "mini/textures")
    assert cc.default_method("coop", "folder/pets", "mini") == cc.default_method("coop", "csv:a.csv", "mini") == mini
    assert cc.default_method("coop", "folder/pets", "clip-to-eva-vit-b-16") == cc.CoOp() != mini
    assert cc.default_method("coop", "eurosat", "mini") == cc.CoOp()


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """Runs the command line over the folder; its exit code and its records."""
    out = tmp_path_factory.mktemp("out")

    def call(*arguments: str) -> int:
        plain = ["--method", "kgcoop", "--upgrade", "mini", "--shots", "2", "--seeds", "1", "--device", "cpu"]
        dataset = ["--dataset", f"folder:{folder}", "--no-retrain", "--out", str(out)]
        return main(["run", *plain, *dataset, *arguments])

    return call, out


def test_a_record_names_the_folder_and_not_its_place(run, folder, capsys):
    call, out = run
    assert call() == 0
    said = capsys.readouterr()
    (record,) = find_records(out)
    inputs = record.inputs
    assert (inputs["dataset"], inputs["template"]) == ("folder/cloth", "a photo of a {}.")
    assert inputs["classnames"][0] == "Vermilion Barred" and len(inputs["classnames"]) == 4
    assert "secret-place" not in json.dumps(record.to_dict()) and record.titles.label == "kgcoop"
    assert record.per_seed[0]["indices"]["train"][0].startswith("001.VermilionBarred/")
    assert "folder/cloth" in said.out


def test_other_words_are_another_run_with_a_plug_in_of_its_own(run, folder):
    call, out = run
    assert call() == 0 and call("--template", "{} cloth.") == 0
    assert call("--names", str(folder.parent / "plain.json")) == 1  # it names classes that are not there
    names = out / "names.txt"
    names.write_text(json.dumps({name: cloth_names()[name] for name in FOUR}))
    assert call("--names", str(names)) == 0
    records = find_records(out)
    assert len({record.id for record in records}) == 3
    assert len({row["final_loss"] for record in records for row in record.per_seed}) == 3


def test_a_place_that_cannot_be_written_is_said_before_anything_is_trained(run, tmp_path, capsys, monkeypatch):
    call, _ = run
    monkeypatch.setattr("clipcompat.plugins.kept.fit_many", lambda *args, **options: pytest.fail("it was trained"))
    (tmp_path / "file").write_text("")
    assert call("--seeds", "7", "--out", str(tmp_path / "file"), "--cache", str(tmp_path / "cache")) == 1
    error = capsys.readouterr().err
    assert f"results cannot be written to {tmp_path / 'file'}" in error and "Traceback" not in error


def test_a_folder_of_a_long_name_leads_to_a_record(run, folder, tmp_path):
    call, _ = run
    long = tmp_path / ("布" * 80)  # 240 bytes
    shutil.copytree(folder, long)
    assert call("--dataset", f"folder:{long}", "--out", str(tmp_path / "out")) == 0
    assert len(find_records(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--repeat"], "it is for public data sets. Leave it out"),
        (["--root", "."], "root has no effect on folder:"),
        (["--template", "a {}.", "--templates", "openai80"], "give one of the two"),
        (["--indices", "x.json", "--allow-fewer"], "leave allow_fewer and repeat out"),
        (["--dataset", "folder:nowhere"], "there is no folder nowhere"),
        (["--dataset", "csv:none.csv"], "none.csv cannot be read"),
        (["--dataset", "folder:"], "folder: names no folder; write folder:PATH"),
        (["--dataset", "csv:"], "csv: names no table; write csv:PATH"),
        (["--template", ""], "the template is empty"),
        (["--dataset", "mini/textures", "--template", "a {}."], "it is for folder:PATH and csv:PATH. Leave it out"),
        (["--dataset", "mini/textures", "--upright"], "upright has no effect on mini/textures"),
        (["--template", "a photo."], "a template needs {}"),
        (["--templates", "poem"], "unknown template style 'poem'"),
        (["--shots", "40"], "40 shots were asked for"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(run, capsys, arguments, said):
    call, _ = run
    assert call(*arguments) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
