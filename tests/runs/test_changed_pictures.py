"""Pictures that change under the same names and sizes: no record, plug-in or feature of the former ones is believed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clipcompat.data.custom.from_folder import dataset_from_folder
from clipcompat.features.encode import encode_split, encode_views
from clipcompat.runs.records import Record
from clipcompat.runs.run import Run
from clipcompat.runs.tables import compatibility_table

CLASSES = ("cat", "dog")


def write_pets(root: Path, kind: str = "bmp", seed: int = 0, count: int = 10) -> Path:
    """Noise of equal sizes; a seed gives other pictures of the same names and sizes."""
    for label, folder in enumerate(CLASSES):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng([seed, label, i]).integers(0, 120, (40, 40, 3))
            pixels[..., label] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(root / folder / f"{i}.{kind}")
    return root


def copy_onto(root: Path, other: Path) -> None:
    """The contents of `other` under the names, inodes and times of `root`."""
    for path in sorted(root.rglob("*.*")):
        before, content = path.stat(), (other / path.relative_to(root)).read_bytes()
        with open(path, "r+b") as stream:
            stream.write(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_ino) == (before.st_size, before.st_ino)


def run(folder: Path, out: Path, **changes) -> tuple[Record, bool]:
    """A quick run, and whether it was already done."""
    given = {"seeds": (1,), "shots": 4, "settings": ("recipe.epochs=2", "recipe.batch_size=4"), "retrain": False}
    weights = {"old_weights": "random:1", "new_weights": "random:2", "device": "cpu", "dtype": "fp32"}
    said: list[str] = []
    wanted = Run("coop", f"folder:{folder}", "mini", **(given | weights | changes))
    record, _ = wanted.execute(out, out / "cache", say=said.append)
    return record, "already done" in said[0]


@pytest.mark.parametrize("kind", ["bmp", "ppm", "tif"])
def test_features_in_the_cache_are_those_of_the_pictures_as_they_are(tmp_path, old, kind):
    root, cache = write_pets(tmp_path / "pets", kind), tmp_path / "cache"

    def features(cache: Path | None) -> list[torch.Tensor]:
        old.memory.clear()
        data = dataset_from_folder(root, shots=4)
        views = encode_views(old, data.train, 2, 1, (0.5, 1.0), cache)
        return [encode_split(old, data.test, cache), views]

    before = features(cache)
    assert all(map(torch.equal, before, features(cache)))
    copy_onto(root, write_pets(tmp_path / "others", kind, seed=1))
    after = features(cache)
    assert all(map(torch.equal, after, features(None))) and not any(map(torch.equal, after, before))


def test_pictures_in_memory_are_those_of_the_data_set_that_was_loaded(tmp_path, old):
    root = write_pets(tmp_path / "pets")
    before = encode_split(old, dataset_from_folder(root, shots=4).test)
    copy_onto(root, write_pets(tmp_path / "others", seed=1))
    after = encode_split(old, dataset_from_folder(root, shots=4).test)
    assert not torch.equal(before, after)


def test_two_folders_of_one_name_have_a_record_each_and_a_table_tells_them_apart(tmp_path):
    raw, filtered = (write_pets(tmp_path / name / "pets", seed=seed) for seed, name in enumerate(("raw", "filtered")))
    first, _ = run(raw, tmp_path / "out")
    second, done = run(filtered, tmp_path / "out")
    alone, _ = run(filtered, tmp_path / "other out")
    assert not done and second.id != first.id and first.dataset == second.dataset == "folder/pets"
    assert second.id == alone.id and second.per_seed == alone.per_seed
    assert run(raw, tmp_path / "out") == (first, True) and run(filtered, tmp_path / "out") == (second, True)
    cells = [row[1] for row in compatibility_table([first, second]).rows]
    assert len(set(cells)) == 2 and all(cell.startswith("folder/pets (data ") for cell in cells)
    assert compatibility_table([first]).rows[0][1] == "folder/pets"


def test_equal_pictures_elsewhere_are_the_same_run(tmp_path):
    first, _ = run(write_pets(tmp_path / "pets"), tmp_path / "out")
    shutil.copytree(tmp_path / "pets", tmp_path / "copy" / "pets")
    assert run(tmp_path / "copy" / "pets", tmp_path / "out") == (first, True)


@pytest.mark.parametrize("deleted", [True, False])
def test_pictures_swapped_between_classes_are_another_run_even_with_records_deleted(tmp_path, deleted):
    root, out = write_pets(tmp_path / "pets"), tmp_path / "out"
    first, _ = run(root, out)
    if deleted:
        shutil.rmtree(out / "compatibility")  # plug-ins and features are kept
    shutil.copytree(root, tmp_path / "swapped")
    (tmp_path / "swapped" / "cat").rename(tmp_path / "swapped" / "mouse")
    (tmp_path / "swapped" / "dog").rename(tmp_path / "swapped" / "cat")
    (tmp_path / "swapped" / "mouse").rename(tmp_path / "swapped" / "dog")
    copy_onto(root, tmp_path / "swapped")
    second, done = run(root, out)
    alone, _ = run(root, tmp_path / "other out")
    assert not done and second.id != first.id
    assert (second.id, second.per_seed) == (alone.id, alone.per_seed)
    assert len(list((out / "plugins").iterdir())) == 2


def test_orientations_edited_in_place_are_another_run_with_upright(tmp_path):
    root, turned = write_pets(tmp_path / "pets", "jpg"), tmp_path / "turned"
    for path in sorted(root.rglob("*.jpg")):
        for orientation, folder in ((1, root), (6, turned)):
            exif = Image.Exif()
            exif[0x0112] = orientation
            to = folder / path.relative_to(root)
            to.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                image.load()
            image.save(to, exif=exif, quality=90)
            path = to if folder is root else path
    first, _ = run(root, tmp_path / "out", upright=True)
    copy_onto(root, turned)
    second, done = run(root, tmp_path / "out", upright=True)
    alone, _ = run(root, tmp_path / "other out", upright=True)
    assert not done and (second.id, second.per_seed) == (alone.id, alone.per_seed) and second.id != first.id


def test_a_changed_validation_picture_is_another_run(tmp_path):
    root, out = write_pets(tmp_path / "pets"), tmp_path / "out"
    first, _ = run(root, out)
    picture = root / dataset_from_folder(root, shots=4).val.keys[0]
    Image.new("RGB", (40, 40)).save(picture)
    second, done = run(root, out)
    assert not done and second.inputs["stamps"]["1"]["train"] == first.inputs["stamps"]["1"]["train"]
    assert len(list((out / "plugins").iterdir())) == 2  # it may have been selected on


def test_a_run_that_is_done_reads_no_picture_once_they_have_been_left_alone(tmp_path, monkeypatch):
    root, out = write_pets(tmp_path / "pets"), tmp_path / "out"
    monkeypatch.setattr("clipcompat.data.pictures.hashes._SETTLED", -(10**10))  # as if they were ten seconds old
    first, _ = run(root, out)
    monkeypatch.setattr("clipcompat.data.pictures.hashes.hash_file", lambda path: pytest.fail(f"{path} was read"))
    assert run(root, out) == (first, True)
