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


def test_a_dataset_gives_its_test_pictures(plugin, capsys):
    assert main(["audit", plugin, *NEW, *OLD, "--dataset", "mini/tints"]) == 1
    assert "no picture is of one of them" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "says"), [
    ([*NEW, "--labels", "l.csv"], "give both"),
    ([*NEW, "--root", "data"], "leave it out without one"),
    ([*NEW, "--old-weights", "random:1"], "--old-weights are of the backbone of --old"),
    (["--new", "ViT-B-32"], "ViT-B-32 needs --new-weights"),
    ([*NEW, "--images", "absent"], "there is no absent"),
    ([*NEW, "--old-accuracy", "absent.json"], "absent.json cannot be read"),
    ([*NEW, "--old-accuracy", "120"], "a percentage above 0 and up to 100"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_a_sentence(plugin, arguments, says, capsys):
    assert main(["audit", plugin, *arguments]) == 1
    assert says in capsys.readouterr().err
