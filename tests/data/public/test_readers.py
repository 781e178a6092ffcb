"""All fifteen readers, on little layouts made here and on the real lists where they are beside the project."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from clipcompat.common.errors import DataError
from clipcompat.data.load import load_dataset
from clipcompat.data.public.imagenet_names import same_classes
from clipcompat.data.public.layout import LAYOUTS, Layout, dataset_names, find_layout
from clipcompat.data.public.split_zhou import read_split
from clipcompat.data.templates import template_for
from clipcompat.methods.coop import CoOp
from clipcompat.plugins.fit import fit
from clipcompat.studies.accuracy import accuracy
from clipcompat.training.recipe import Recipe
from tests.data.conftest import write_picture

CLASSES = 5
WNIDS = ("n01440764", "n01443537", "n03773504", "n04008634", "n04355933")
NAMES = ("tench", "goldfish", "missile", "missile", "sunglasses")
EACH = {"train": 3, "val": 2, "test": 2}


def write_layout(layout: Layout, root: Path, ids: tuple[str, ...] = WNIDS) -> Path:
    """Five classes of any of the fifteen, in the community's layout."""
    folder, images, number = root / layout.folder, root / layout.folder / layout.image_root, 0
    lists: dict[str, list] = {part: [] for part in EACH}
    for label, (wnid, name) in enumerate(zip(WNIDS, NAMES, strict=True)):
        for part, count in EACH.items():
            for _ in range(count):
                number += 1
                path = {
                    "json": f"{'cars_' if layout.image_root == '.' else ''}{part}/{label}_{number}.jpg",
                    "fgvc": f"{number:07d}.jpg",
                    "imagenet": f"{'train' if part != 'test' else 'val'}/{wnid}/{number}.JPEG",
                    "wnids": f"{wnid}/{number}.jpg",
                    "numbers": f"{label}/{number}.jpeg",
                }[layout.reader]
                if wnid in ids or layout.reader in ("json", "fgvc"):
                    write_picture(images / path, number)
                lists[part].append((path, label, f"{name}_{label}"))
    if layout.reader == "json":
        (folder / layout.split_file).write_text(json.dumps(lists))
    elif layout.reader == "fgvc":
        (folder / "variants.txt").write_text("".join(f"{name}_{label}\n" for label, name in enumerate(NAMES)))
        for part, items in lists.items():
            lines = [f"{Path(path).stem} {name}\n" for path, _, name in items]
            (folder / f"images_variant_{part}.txt").write_text("".join(lines))
    else:
        (folder / "classnames.txt").write_text("".join(f"{w} {n}\n" for w, n in zip(WNIDS, NAMES, strict=True)))
    return root


@pytest.mark.parametrize("layout", LAYOUTS, ids=dataset_names())
def test_every_reader_reads_its_layout(layout, tmp_path):
    data = load_dataset(layout.name, root=write_layout(layout, tmp_path), shots=1)
    lists = layout.reader in ("json", "fgvc")
    assert data.classnames == (tuple(f"{n} {i}" for i, n in enumerate(NAMES)) if lists else NAMES)
    tests = 7 if layout.reader in ("wnids", "numbers") else 2  # folders without parts are for testing altogether
    assert torch.bincount(data.test.labels).tolist() == [tests] * CLASSES
    trained = 1 if layout.train_size else 0
    assert torch.bincount(data.train.labels, minlength=CLASSES).tolist() == [trained] * CLASSES
    assert len(data.val) == len(data.train) and not set(data.train.keys) & set(data.val.keys + data.test.keys)
    assert len(data.unlabelled) == {True: 15, False: 0 if not layout.train_size else 25}[lists]
    assert data.test.template == template_for(layout.name)
    assert data.test.images[0].size == (8, 8) and not data.own_split


@pytest.mark.parametrize("layout", LAYOUTS, ids=dataset_names())
def test_base_and_new_classes_share_out_every_data_set(layout, tmp_path):
    data = load_dataset(layout.name, root=write_layout(layout, tmp_path), shots=1)
    base, new = data.base_classes(), data.new_classes()
    assert (len(base.classnames), len(new.classnames)) == (3, 2)
    assert base.classnames + new.classnames == data.classnames
    for part in ("train", "val", "test"):
        whole, some, others = (getattr(d, part) for d in (data, base, new))
        assert sorted(some.keys + others.keys) == sorted(whole.keys)
        assert some.labels.tolist() == [y for y in whole.labels.tolist() if y < 3]
        assert others.labels.tolist() == [y - 3 for y in whole.labels.tolist() if y >= 3]


@pytest.mark.parametrize("style", ["coop", "tip7", "openai80"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=dataset_names())
def test_every_style_of_templates_reaches_every_data_set(layout, style, tmp_path):
    data = load_dataset(layout.name, root=write_layout(layout, tmp_path), shots=1, templates=style)
    given = {getattr(data, part).template for part in ("train", "val", "test")}
    several = {"coop": 1, "tip7": 7 if layout.name.startswith("imagenet") else 1, "openai80": 80}[style]
    assert given == {template_for(layout.name, style)}
    assert several == (1 if isinstance(data.test.template, str) else len(data.test.template))


def table(shared_data) -> dict[str, dict[str, str]]:
    with open(shared_data.parent / "reference" / "contcoop_table1_datasets.csv", newline="") as stream:
        return {row["dataset"].replace("-", "").lower(): row for row in csv.DictReader(stream)}


@pytest.mark.parametrize(
    "name", ["caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "dtd", "eurosat", "ucf101"]
)
def test_the_published_splits_make_data_sets_of_the_papers_sizes(tmp_path, shared_data, name, monkeypatch, caplog):
    monkeypatch.setattr("clipcompat.data.load.check_present", lambda *arguments: None)  # the pictures are not here
    layout = find_layout(name)
    (tmp_path / layout.folder / layout.image_root).mkdir(parents=True)
    shutil.copy(shared_data / "splits" / layout.split_file, tmp_path / layout.folder)
    data = load_dataset(name, root=tmp_path, shots="all")
    row = table(shared_data)[{"oxford_flowers": "flowers102"}.get(name, name.replace("_", ""))]
    sizes = (len(data.classnames), len(data.train), len(data.test))
    assert sizes == (int(row["classes"]), int(row["train"]), int(row["test"])) and not caplog.text
    half = math.ceil(len(data.classnames) / 2)
    base, new = data.base_classes(), data.new_classes()
    assert base.classnames == data.classnames[:half] and new.classnames == data.classnames[half:]
    assert len(base.test) + len(new.test) == len(data.test) and len(base.train) + len(new.train) == len(data.train)
    few = load_dataset(name, root=tmp_path, shots=16, seed=1)
    counts = torch.bincount(few.train.labels).tolist()
    assert counts == [16] * len(data.classnames)
    drawn = zip(few.train.keys, few.train.labels, strict=True)
    assert few.base_classes().train.keys == tuple(key for key, label in drawn if label < half)


def test_published_splits_keep_train_val_and_test_apart(shared_data):
    for path in (shared_data / "splits").glob("split_zhou_*.json"):
        split = read_split(path)
        assert len({p for items in split.values() for p, _, _ in items}) == sum(map(len, split.values())), path.name


@pytest.fixture
def imagenet_and_r(tmp_path):
    """Five classes, and a shifted set of three of them, one of the two that are called "missile" among these."""
    root = write_layout(find_layout("imagenet"), tmp_path)
    write_layout(find_layout("imagenet_r"), tmp_path, ids=("n01443537", "n03773504", "n04355933"))
    return tuple(load_dataset(name, root=root, shots=1) for name in ("imagenet", "imagenet_r"))


def test_imagenets_own_pictures_of_a_shifted_sets_classes_have_its_labels_and_names(imagenet_and_r):
    imagenet, shifted = imagenet_and_r
    same = same_classes(imagenet, shifted)
    assert same.classnames == shifted.classnames == ("goldfish", "missile", "sunglasses")
    assert same.name == "imagenet[classes of imagenet_r]"
    by_folder = {key.split("/")[-2]: int(y) for key, y in zip(shifted.test.keys, shifted.test.labels, strict=True)}
    assert {key.split("/")[-2]: int(y) for key, y in zip(same.test.keys, same.test.labels, strict=True)} == by_folder
    assert (len(same.test), len(same.train)) == (6, 3)
    assert len(imagenet.subset(shifted.classnames).classnames) == 4, "by name both missiles would come"


def test_a_plug_in_of_all_classes_is_tested_on_the_shared_ones_before_and_after_the_shift(old, imagenet_and_r):
    imagenet, shifted = imagenet_and_r
    plugin = fit(CoOp(n_ctx=2, recipe=Recipe(epochs=1)), old, imagenet, seed=1, views=1)
    assert plugin.logits(old, same_classes(imagenet, shifted).test).shape == (6, 3)
    assert plugin.logits(old, shifted.test).shape == (21, 3)
    assert 0 <= accuracy(plugin, old, shifted.test) <= 100


def test_classes_that_cannot_be_matched_are_refused(imagenet_and_r, tmp_path):
    imagenet, shifted = imagenet_and_r
    with pytest.raises(DataError, match="imagenet has 2 classes that imagenet_r has not, such as n01440764"):
        same_classes(shifted, imagenet)
    other = load_dataset("eurosat", root=write_layout(find_layout("eurosat"), tmp_path / "other"), shots=1)
    with pytest.raises(DataError, match=r"eurosat are not in folders named by WordNet ids \('test'\)"):
        same_classes(imagenet, other)


@pytest.mark.parametrize("name", ["imagenet_a", "imagenet_r"])
def test_the_two_hundred_real_classes_are_the_same_in_the_shifted_set_and_in_imagenet(tmp_path, shared_data, name):
    lines = (shared_data / "splits" / "imagenet_classnames.txt").read_text()
    file = {"imagenet_a": "imagenet_a_wnids_idx1000_idx200.txt", "imagenet_r": "imagenet_r_wnids.txt"}[name]
    ids = [line.split()[0] for line in (shared_data / "splits" / file).read_text().splitlines()]
    everything = [line.split()[0] for line in lines.splitlines()]
    for dataset, folders in (("imagenet", everything), (name, ids)):
        layout = find_layout(dataset)
        root = tmp_path / layout.folder
        for part in ("train", "val") if dataset == "imagenet" else (".",):
            for wnid in folders:
                (root / layout.image_root / part / wnid).mkdir(parents=True)
                (root / layout.image_root / part / wnid / f"{wnid}.JPEG").touch()
        (root / "classnames.txt").write_text(lines)
    imagenet, shifted = (load_dataset(d, root=tmp_path, shots=1) for d in ("imagenet", name))
    same = same_classes(imagenet, shifted)
    assert len(shifted.classnames) == 200 and same.classnames == shifted.classnames
    assert [key.split("/")[1] for key in same.test.keys] == ids == [key.split("/")[0] for key in shifted.test.keys]
    assert same.test.labels.tolist() == list(range(200)) == shifted.test.labels.tolist()
