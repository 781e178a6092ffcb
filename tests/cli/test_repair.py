"""`clipcompat repair` and `clipcompat map-vectors`, from a file to a file."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clipcompat.backbones.upgrade import Upgrade, load_upgrade
from clipcompat.cli import main
from clipcompat.data.load import load_dataset
from clipcompat.features.encode import encode_split
from clipcompat.methods.coop import CoOp
from clipcompat.methods.linear_probe import LinearProbe
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import load_plugin
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.stored import map_vectors, recall_at_k
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


SENTENCES = [f"a photo of a {word}." for word in "abcdefghij"]


@pytest.fixture
def sentences(tmp_path):
    (tmp_path / "sentences.txt").write_text("\n".join(SENTENCES) + "\n\n")
    return str(tmp_path / "sentences.txt")


def test_a_plugin_of_the_new_backbone_is_written(plugin, pictures, new, tmp_path, capsys):
    out = tmp_path / "repaired.safetensors"
    assert main(["repair", plugin, *UPGRADE, "--images", pictures, "--out", str(out)]) == 0
    assert "map, 12 pictures without labels" in capsys.readouterr().out
    assert load_plugin(out).match(new).kind == "exact"


def test_pictures_are_drawn_from_a_dataset(plugin, tmp_path, capsys):
    out = tmp_path / "repaired.safetensors"
    assert main(["repair", plugin, *UPGRADE, "--dataset", "mini/tints", "--count", "9", "--out", str(out)]) == 0
    assert "map, 9 pictures" in capsys.readouterr().out


def test_sentences_are_read_from_a_file(old, sentences, tmp_path, capsys):
    plugin = fit(LinearProbe("projected", normalize=True, c=1.0), old, toy_dataset(8)).save(tmp_path / "p.safetensors")
    out = tmp_path / "repaired.safetensors"
    assert main(["repair", str(plugin), *UPGRADE, "--sentences", sentences, "--out", str(out)]) == 0
    assert "map, 10 sentences" in capsys.readouterr().out


def test_sentences_and_pictures_are_given_together(old, pictures, sentences, tmp_path, capsys):
    plugin = fit(LinearProbe("projected", normalize=True, c=1.0), old, toy_dataset(8)).save(tmp_path / "p.safetensors")
    out = tmp_path / "repaired.safetensors"
    seen = ["--images", pictures, "--sentences", sentences]
    assert main(["repair", str(plugin), *UPGRADE, *seen, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "12 pictures without labels" in said and "10 sentences" in said


@pytest.mark.parametrize("how", ["tokens", "anchors"])
def test_a_prompt_is_moved_without_pictures(how, old, new, tmp_path, capsys):
    recipe = Recipe(epochs=1, batch_size=4)
    plugin = fit(CoOp(n_ctx=2, recipe=recipe), old, toy_dataset(), views=1).save(tmp_path / "p.safetensors")
    out = tmp_path / "repaired.safetensors"
    assert main(["repair", str(plugin), *UPGRADE, "--how", how, "--out", str(out)]) == 0
    assert f"{how}, 1,274 tokens of both vocabularies" in capsys.readouterr().out
    assert load_plugin(out).match(new).kind == "exact"


@pytest.mark.parametrize(("arguments", "says"), [
    (["--sentences", "absent.txt"], "the sentences in absent.txt cannot be read: No such file or directory. Check"),
    (["--images", "PICTURES", "--count", "9"], "leave them out without one"),
    (["--images", "PICTURES", "--kind", "affine"], "unknown map 'affine'"),
    (["--images", "absent"], "there is no absent"),
    (["--images", "PICTURES", "--how", "imitate"], "use how='map'"),
    (["--images", "PICTURES", "--how", "imitate", "--kind", "ridge"], "kind is of a map"),
    ([], "a repair needs pictures or sentences, and not both; this one has neither. Give some 200"),
    (["--dataset", "mini/tints", "--count", "0"], "of which 0 cannot be drawn. Draw 8 or more"),
    (["--dataset", "mini/tints", "--count", "5"], "and 200 are advised; these are 5. Give more"),
    (["--images", "PICTURES", "--old-weights", "random:3"], "Repair it with the upgrade from its own backbone"),
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


@pytest.fixture
def stored(old, tmp_path):
    np.save(tmp_path / "old.npy", encode_split(old, toy_dataset().test).cpu().numpy())
    return str(tmp_path / "old.npy")


@pytest.mark.parametrize("seen", ["dataset", "sentences", "both"])
def test_stored_vectors_are_mapped_to_the_file_that_the_library_would_make(
    seen, old, new, stored, sentences, tmp_path, capsys
):
    arguments, given, said = [], {}, []
    if seen != "sentences":
        arguments += ["--dataset", "mini/tints", "--count", "9"]
        given["pictures"] = unlabelled_pictures(load_dataset("mini/tints", shots=1), 9)
        said.append("9 pictures")
    if seen != "dataset":
        arguments += ["--sentences", sentences]
        given["sentences"] = SENTENCES
        said.append("10 sentences")
    out = tmp_path / "new.npy"
    assert main(["map-vectors", stored, *UPGRADE, *arguments, "--kind", "ridge", "--out", str(out)]) == 0
    found, rows = np.load(out), torch.from_numpy(np.load(stored))
    expected = map_vectors(rows, Upgrade(old, new, "mini"), **given, kind="ridge").numpy()
    assert found.dtype == np.float32 and np.abs(found - expected).max() < 1e-5
    assert f"{len(rows)} vectors of {new.name}, mapped by {' and '.join(said)}" in capsys.readouterr().out


def test_mapped_vectors_of_the_mini_upgrade_lie_nearer_to_their_pictures_encoded_again(tmp_path):
    """With the shipped weights, on pictures that the map has not seen."""
    split, upgrade = load_dataset("mini/textures", shots=1).val, load_upgrade("mini", device="cpu")
    before, again = (encode_split(backbone, split) for backbone in (upgrade.old, upgrade.new))
    np.save(tmp_path / "old.npy", before.numpy().astype(np.float16))
    arguments = ["--upgrade", "mini", "--device", "cpu", "--dataset", "mini/textures", "--count", "60"]
    assert main(["map-vectors", str(tmp_path / "old.npy"), *arguments, "--out", str(tmp_path / "new.npy")]) == 0
    mapped = torch.from_numpy(np.load(tmp_path / "new.npy"))
    as_it_was, as_mapped = (torch.cosine_similarity(rows, again).mean() for rows in (before, mapped))
    assert as_it_was < 0.4 and as_mapped > 0.8
    assert recall_at_k(again, mapped, again, 3) >= recall_at_k(again, before, again, 3)


@pytest.mark.parametrize(("arguments", "says"), [
    ([], "on pictures, on sentences, or on both; give some"),
    (["--count", "9"], "leave them out without one"),
    (["--sentences", "SENTENCES", "--upright"], "--upright is of --images"),
    (["--sentences", "absent.txt"], "the sentences in absent.txt cannot be read"),
    (["--sentences", "EMPTY"], "at least 8 pictures or sentences"),
    (["--images", "absent"], "there is no absent"),
    (["--dataset", "mini/tints", "--count", "3"], "at least 8 pictures"),
    (["--dataset", "mini/tints", "--count", "3", "--sentences", "SENTENCES"], "at least 8 pictures; these are 3"),
    (["--images", "PICTURES", "--kind", "spline"], "unknown map 'spline'"),
    (["--images", "PICTURES", "--sentences", "SENTENCES", "--kind", "residual"], "no shift apart from its network"),
])  # fmt: skip
def test_what_a_map_of_vectors_cannot_be_fitted_on_is_one_sentence_and_no_file(
    arguments, says, stored, pictures, sentences, tmp_path, capsys
):
    (tmp_path / "empty.txt").write_text("\n \n")
    known = {"PICTURES": pictures, "SENTENCES": sentences, "EMPTY": str(tmp_path / "empty.txt")}
    out = tmp_path / "new.npy"
    assert main(["map-vectors", stored, *UPGRADE, *[known.get(a, a) for a in arguments], "--out", str(out)]) == 1
    assert says in capsys.readouterr().err and not out.exists()


@pytest.mark.parametrize(("change", "says"), [
    (lambda rows: rows[:, :-1], r"stored vectors of mini-old are"), (lambda rows: rows[:0], "there is no vector"),
    (lambda rows: rows[0], "stored vectors are [row, dim]"), (lambda rows: rows.astype(int), "holds int64"),
    (lambda rows: np.where(np.arange(len(rows))[:, None] == 2, np.nan, rows), "row 2 of the stored vectors"),
    (lambda rows: rows * (np.arange(len(rows))[:, None] != 1), "holds only zeros"),
    (lambda rows: rows.astype(object), "Python objects"),
])  # fmt: skip
def test_vectors_that_cannot_be_mapped_are_one_sentence_and_no_file(change, says, stored, sentences, tmp_path, capsys):
    np.save(stored, change(np.load(stored)), allow_pickle=True)
    out = tmp_path / "new.npy"
    assert main(["map-vectors", stored, *UPGRADE, "--sentences", sentences, "--out", str(out)]) == 1
    assert says in capsys.readouterr().err and not out.exists()


def test_a_file_is_overwritten_by_force_alone_and_never_one_that_is_read(stored, sentences, pictures, tmp_path, capsys):
    before, call = np.load(stored), ["map-vectors", stored, *UPGRADE, "--sentences", sentences]
    (tmp_path / "new.npy").write_text("mine")
    assert main([*call, "--out", str(tmp_path / "new.npy")]) == 1
    assert "say --force" in capsys.readouterr().err and (tmp_path / "new.npy").read_text() == "mine"
    assert main([*call, "--out", str(tmp_path / "new.npy"), "--force"]) == 0
    assert len(np.load(tmp_path / "new.npy")) == len(before)
    read = ["--images", pictures]
    for out in (stored, sentences, str(tmp_path / "pictures" / "0.png")):
        assert main([*call, *read, "--out", out, "--force"]) == 1 and "is read here" in capsys.readouterr().err
    assert np.load(stored).tolist() == before.tolist()
