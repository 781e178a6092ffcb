"""Few-shot lists of other projects train on the very pictures that they name."""

from __future__ import annotations

import json

import pytest

from clipcompat.common.errors import DataError
from clipcompat.data.load import load_dataset
from clipcompat.data.public.published_lists import read_2sfs


def jsonl(folder, data, part, prefix="eurosat/2750", shots=2):
    """A file as 2SFS writes it."""
    split = getattr(data, part)
    lines = [
        {"_impath": f"{prefix}/{key}", "_label": int(y), "_domain": 0, "_classname": split.classnames[int(y)]}
        for key, y in zip(split.keys, split.labels, strict=True)
    ]
    path = folder / f"shot_{shots}-seed_3_{part}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def cross_modal(folder, data, prefix="./data/eurosat/2750"):
    """A file as cross-modal adaptation writes it."""
    parts = {
        part: {
            "data": [
                {"impath": f"{prefix}/{key}", "label": int(y), "classname": "x"}
                for key, y in zip(s.keys, s.labels, strict=True)
            ],
            "indices": list(range(len(s))),
        }
        for part, s in (("train", data.train), ("val", data.val))
    }
    path = folder / "shot_2-seed_1.json"
    path.write_text(json.dumps(parts, indent=4))
    return path


@pytest.mark.parametrize("prefix", ["eurosat/2750", "/home/someone/datasets/eurosat/2750", r"D:\sets\eurosat\2750"])
def test_a_list_of_2sfs_is_the_draw_that_it_was_written_from(eurosat, tmp_path, prefix):
    drawn = load_dataset("eurosat", root=eurosat, shots=2, seed=7)
    jsonl(tmp_path, drawn, "val", prefix)
    again = load_dataset("eurosat", root=eurosat, indices=jsonl(tmp_path, drawn, "train", prefix))
    assert again.indices == drawn.indices and (again.shots, again.seed) == (2, 3)
    from_val = load_dataset("eurosat", root=eurosat, indices=tmp_path / "shot_2-seed_3_val.jsonl")
    assert from_val.indices == drawn.indices


def test_without_a_list_of_validation_pictures_there_are_none(eurosat, tmp_path):
    drawn = load_dataset("eurosat", root=eurosat, shots=2, seed=7)
    again = load_dataset("eurosat", root=eurosat, indices=jsonl(tmp_path, drawn, "train"))
    assert again.indices == {"train": drawn.indices["train"], "val": []}


def test_a_list_of_cross_modal_adaptation_is_the_draw_that_it_was_written_from(eurosat, tmp_path):
    drawn = load_dataset("eurosat", root=eurosat, shots=2, seed=7)
    again = load_dataset("eurosat", root=eurosat, indices=cross_modal(tmp_path, drawn))
    assert again.indices == drawn.indices and (again.shots, again.seed) == (2, 1)


def test_a_list_of_another_dataset_is_refused(eurosat, tmp_path):
    drawn = load_dataset("eurosat", root=eurosat, shots=2)
    path = jsonl(tmp_path, drawn, "train", "dtd/images")
    with pytest.raises(DataError, match="is not under eurosat/2750/. It is a list of another dataset than eurosat"):
        load_dataset("eurosat", root=eurosat, indices=path)
    with pytest.raises(DataError, match="is a published list of a public dataset, and mini/tints is none"):
        load_dataset("mini/tints", indices=path)


def test_a_picture_that_is_not_there_is_named_as_for_every_list(eurosat, tmp_path):
    path = tmp_path / "shot_1-seed_1_train.jsonl"
    path.write_text('{"_impath": "eurosat/2750/nowhere.jpg"}\n')
    with pytest.raises(DataError, match=r"are not among its .* train images: nowhere\.jpg"):
        load_dataset("eurosat", root=eurosat, indices=path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("mine.jsonl", "", "is not named as a few-shot list of 2SFS, such as shot_16-seed_1_train.jsonl"),
        ("shot_1-seed_1_test.jsonl", "", "is not named as a few-shot list of 2SFS"),
        ("shot_1-seed_1_train.jsonl", "{", "is not JSON, one picture per line"),
        ("shot_1-seed_1_train.jsonl", "[1]\n", "a picture should have its path as _impath or impath"),
        ("shot_1-seed_1_train.jsonl", '{"label": 1}\n', "a picture should have its path as _impath or impath"),
        ("shot_1-seed_1_train.jsonl", None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_such_list_is_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        read_2sfs(tmp_path / name, "eurosat")


def test_cars_lie_right_below_their_folder_and_imagenets_key_has_its_split(tmp_path):
    path = tmp_path / "shot_1-seed_1_train.jsonl"
    for name, given, key in (
        ("stanford_cars", "stanford_cars/cars_train/00467.jpg", "cars_train/00467.jpg"),
        ("imagenet", "imagenet/images/train/n01440764/a.JPEG", "train/n01440764/a.JPEG"),
    ):
        path.write_text(json.dumps({"_impath": given}))
        assert read_2sfs(path, name) == {"dataset": name, "shots": 1, "seed": 1, "train": [key], "val": []}
