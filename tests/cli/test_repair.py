"""`clipcompat repair`, from a file to a file."""

from __future__ import annotations

import pytest

from clipcompat.cli import main
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.training.recipe import Recipe
from tests.toys import toy_dataset, toy_split

UPGRADE = ["--upgrade", "mini", "--old-weights", "random:1", "--new-weights", "random:2", "--device", "cpu"]


@pytest.fixture
def plugin(old, tmp_path):
    return str(fit(LinearProbe(c=1.0), old, toy_dataset(8)).save(tmp_path / "probe.safetensors"))


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    images = toy_split("train", 4).images
    for i in range(len(images)):
        images[i].save(folder / f"{i}.png")
    return str(folder)


def test_a_plugin_of_the_new_backbone_is_written(plugin, pictures, new, tmp_path, capsys):
    out = tmp_path / "repaired.safetensors"
    assert main(["repair", plugin, *UPGRADE, "--images", pictures, "--out", str(out)]) == 0
    assert "map, 12 pictures without labels" in capsys.readouterr().out
    assert load_plugin(out).match(new).kind == "exact"


def test_pictures_are_drawn_from_a_dataset(plugin, tmp_path, capsys):
    out = tmp_path / "repaired.safetensors"
    assert main(["repair", plugin, *UPGRADE, "--dataset", "mini/tints", "--count", "9", "--out", str(out)]) == 0
    assert "map, 9 pictures" in capsys.readouterr().out


def test_sentences_are_read_from_a_file(old, tmp_path, capsys):
    plugin = fit(LinearProbe("projected", normalize=True, c=1.0), old, toy_dataset(8)).save(tmp_path / "p.safetensors")
    (tmp_path / "sentences.txt").write_text("\n".join(f"a photo of a {word}." for word in "abcdefghij") + "\n\n")
    out = tmp_path / "repaired.safetensors"
    assert (
        main(["repair", str(plugin), *UPGRADE, "--sentences", str(tmp_path / "sentences.txt"), "--out", str(out)]) == 0
    )
    assert "map, 10 sentences" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["tokens", "anchors"])
def test_a_prompt_is_moved_without_pictures(how, old, new, tmp_path, capsys):
    recipe = Recipe(epochs=1, batch_size=4)
    plugin = fit(CoOp(n_ctx=2, recipe=recipe), old, toy_dataset(), views=1).save(tmp_path / "p.safetensors")
    out = tmp_path / "repaired.safetensors"
    assert main(["repair", str(plugin), *UPGRADE, "--how", how, "--out", str(out)]) == 0
    assert f"{how}, 1,274 tokens of both vocabularies" in capsys.readouterr().out
    assert load_plugin(out).match(new).kind == "exact"


@pytest.mark.parametrize(("arguments", "says"), [
    (["--sentences", "absent.txt"], "the sentences in absent.txt cannot be read"),
    (["--images", "PICTURES", "--count", "9"], "leave them out without one"),
    (["--images", "PICTURES", "--kind", "affine"], "unknown map 'affine'"),
    (["--images", "absent"], "there is no absent"),
    (["--images", "PICTURES", "--how", "imitate"], "use how='map'"),
    (["--images", "PICTURES", "--how", "imitate", "--kind", "ridge"], "kind is of a map"),
    ([], "a repair needs pictures or sentences"),
    (["--how", "tokens"], "Use how='map'"),
    (["--how", "tokens", "--images", "PICTURES"], "reads no pictures"),
])  # fmt: skip
def test_what_cannot_be_is_one_sentence_and_no_file(arguments, says, plugin, pictures, tmp_path, capsys):
    out = tmp_path / "repaired.safetensors"
    arguments = [pictures if a == "PICTURES" else a for a in arguments]
    assert main(["repair", plugin, *UPGRADE, *arguments, "--out", str(out)]) == 1
    assert says in capsys.readouterr().err and not out.exists()


def test_the_plugin_itself_is_not_overwritten(plugin, pictures, capsys):
    assert main(["repair", plugin, *UPGRADE, "--images", pictures, "--out", plugin, "--force"]) == 1
    assert "probe.safetensors" in capsys.readouterr().err
