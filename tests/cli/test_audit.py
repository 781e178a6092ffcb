"""`clipcompat audit`, from files to a report and an exit code."""

from __future__ import annotations

import json

import pytest

from clipcompat.cli import main
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from tests.toys import toy_dataset, toy_split

NEW = ["--new", "mini-new", "--new-weights", "random:2", "--device", "cpu"]
OLD = ["--old", "mini-old", "--old-weights", "random:1"]


@pytest.fixture
def plugin(mini_old, tmp_path):
    return str(fit(LinearProbe(c=1.0), mini_old, toy_dataset(8)).save(tmp_path / "probe.safetensors"))


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    split = toy_split("test", 5)
    lines = ["path,classname"]
    for i in range(len(split)):
        split.images[i].save(folder / f"{i:02}.png")
        lines.append(f"{i:02}.png,{split.classnames[split.labels[i]]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return ["--images", str(folder), "--labels", str(tmp_path / "labels.csv")]


def test_a_report_goes_to_the_terminal_and_to_files(plugin, pictures, tmp_path, capsys):
    outs = {kind: tmp_path / f"audit.{kind}" for kind in ("html", "json", "csv")}
    files = [word for kind, out in outs.items() for word in (f"--{kind}", str(out))]
    code = main(["audit", plugin, *NEW, *OLD, *pictures, *files])
    said = json.loads(outs["json"].read_text())
    assert code == said["exit_code"] and said["evidence"] == "measured" and said["old"] == "mini-old"
    assert said["plugins"][0]["pictures"] == 15 and said["plugins"][0]["old"] is not None
    printed = capsys.readouterr()
    assert "probe.safetensors  linear probe" in printed.out and "audit.html" in printed.err
    assert "probe.safetensors" in outs["html"].read_text() and outs["csv"].read_text().count("\n") == 2
    assert main(["audit", plugin, *NEW, "--html", str(outs["html"])]) == 1
    assert "exists" in capsys.readouterr().err


def test_the_exit_code_tells_good_plugins_from_work_and_from_errors(plugin, mini_old, tmp_path, capsys):
    kept = str(fit(ZeroShot(), mini_old, toy_dataset(8)).save(tmp_path / "kept.safetensors"))
    assert main(["audit", kept, *NEW]) == 0
    assert main(["audit", kept, plugin, *NEW]) == 3
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    assert main(["audit", kept, plugin, str(tmp_path / "bad.safetensors"), *NEW]) == 1
    assert "1 keep, 1 repair, 1 error" in capsys.readouterr().out


def test_pictures_without_labels_are_predicted_with_the_accuracies_of_a_file_or_of_a_number(plugin, pictures, tmp_path):
    images, out, file = pictures[:2], tmp_path / "audit.json", tmp_path / "old.json"
    file.write_text(json.dumps({"probe.safetensors": 71.5}))
    for told, old in (("64", 64.0), (str(file), 71.5)):
        arguments = ["audit", plugin, *NEW, *OLD, *images, "--old-accuracy", told, "--json", str(out), "--force"]
        assert main(arguments) in (0, 3)
        said = json.loads(out.read_text())["plugins"][0]
        assert (said["evidence"], said["old"], said["negative_flips"]) == ("predicted", old, None)


def test_a_table_under_other_class_names_and_a_folder_for_a_plugin_say_what_to_give(plugin, pictures, tmp_path, capsys):
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["path,classname", *(f"{i:02}.png,animal {i % 5}" for i in range(15))]))
    assert main(["audit", plugin, str(tmp_path / "pictures"), *NEW, *OLD, *pictures]) == 1
    said = capsys.readouterr().out
    assert "knows 3 classes ('red fox', 'owl', 'snow leopard cub'), and no picture is of one of them" in said
    assert "their classes are 'animal 0', 'animal 1', 'animal 2', …. Give pictures of its task, under its class" in said
    assert "pictures is a folder; give the plug-ins in it" in said


def test_an_accuracy_under_a_name_that_no_plugin_has_is_told(plugin, pictures, tmp_path, caplog):
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"probe": 71.5}))
    assert main(["audit", plugin, *NEW, *OLD, *pictures[:2], "--old-accuracy", str(file)]) in (0, 3)
    assert "old_accuracy has 'probe', and no plug-in is called so; they are called 'probe.safetensors'" in caplog.text


def test_a_dataset_gives_its_test_pictures(plugin, capsys):
    assert main(["audit", plugin, *NEW, *OLD, "--dataset", "mini/tints"]) == 1
    assert "no picture is of one of them" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "says"), [
    ([*NEW, "--labels", "l.csv"], "give both"),
    ([*NEW, "--root", "data"], "leave it out without one"),
    ([*NEW, "--old-weights", "random:1"], "--old-weights are of the backbone of --old"),
    (["--new", "ViT-B-32"], "ViT-B-32 needs --new-weights"),
    ([*NEW, "--images", "absent"], "there is no absent"),
    ([*NEW, "--images", "{folder}", "--labels", "absent.csv"], "absent.csv cannot be read: No such file"),
    ([*NEW, "--images", "{folder}", "--labels", "{blank}"], "line 2: the class name is empty; write it"),
    ([*NEW, "--images", "{folder}", "--labels", "{other}"], "x00.png, x01.png, x02.png, …. Its paths must be relative"),
    ([*NEW, *OLD, "--images", "{few}"], "at least 8 pictures, and 200 are advised; these are 1. Give more, or none"),
    ([*NEW, *OLD, "--images", "{folder}", "{broken}"], "broken.png (3 bytes) cannot be decoded as a picture"),
    ([*NEW, "--old-accuracy", "absent.json"], "absent.json cannot be read"),
    ([*NEW, "--old-accuracy", "120"], "a percentage above 0 and up to 100"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_a_sentence(plugin, pictures, arguments, says, tmp_path, capsys):
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    known = {"few": f"{pictures[1]}/00.png", "folder": pictures[1]}
    written = {"blank": "path,classname\n00.png,", "other": "\n".join([lines[0], *(f"x{line}" for line in lines[1:])])}
    written["broken"] = "no!"
    for name, text in written.items():
        known[name] = str(tmp_path / f"{name}.{'png' if name == 'broken' else 'csv'}")
        (tmp_path / known[name]).write_text(text)
    assert main(["audit", plugin, *(word.format(**known) for word in arguments)]) == 1
    assert says in capsys.readouterr().err
