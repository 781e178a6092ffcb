from __future__ import annotations

import random
import sys
import types

import pytest
import torch
from PIL import Image

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.custom.from_samples import dataset_from_samples
from clipcompat.data.indices import export_indices

NAMES = ["sea_lake", "forest"]


class Pairs:
    """Like a torchvision data set: (picture, label) by number."""

    def __init__(self, count: int = 20, start: int = 0, **given):
        self.count, self.start, self.decoded = count, start, 0
        self.__dict__.update(given)

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if not 0 <= i < self.count:
            raise IndexError(i)
        self.decoded += 1
        return Image.new("RGB", (8, 8), (self.start + i, 0, 0)), i % 2


class Rows(Pairs):
    """Like a Hugging Face data set: mappings by number, a column by name."""

    column_names = ["image", "label"]

    def __getitem__(self, i):
        if i == "label":
            return [n % 2 for n in range(self.count)]
        image, label = super().__getitem__(i)
        return {"image": image, "label": label}


def features(names=NAMES):
    return {"image": object(), "label": types.SimpleNamespace(names=names)}


def test_pairs_with_class_names_are_divided_by_the_rule():
    data = dataset_from_samples(Pairs(classes=NAMES), shots=2)
    assert data.classnames == ("sea lake", "forest") and data.name == "samples/samples"
    assert (len(data.unlabelled), len(data.train), len(data.val), len(data.test)) == (10, 4, 4, 6)
    numbers = [{int(key.split("/")[1][:6]) for key in split.keys} for split in (data.train, data.val, data.test)]
    assert not numbers[0] & numbers[1] and not (numbers[0] | numbers[1]) & numbers[2]
    assert all(data.test.images[i].getpixel((0, 0))[0] % 2 == y for i, y in enumerate(data.test.labels.tolist()))


def test_one_data_set_for_two_parts_is_refused():
    rows = Rows(10, features=features())
    with pytest.raises(DataError, match="train and test are one data set"):
        dataset_from_samples({"train": rows, "test": rows}, shots=1)


def test_a_mapping_of_parts_is_taken_as_it_is():
    parts = {"train": Rows(10, features=features()), "validation": Rows(4, 100), "test": Rows(6, 200)}
    data = dataset_from_samples(parts, shots=2, name="my set")
    assert (len(data.train), len(data.val), len(data.test), data.name) == (4, 4, 6, "samples/my-set")
    assert {data.test.images[i].getpixel((0, 0))[0] for i in range(6)} == set(range(200, 206))


@pytest.mark.parametrize(
    "dataset",
    [
        Pairs(classes=NAMES, targets=[i % 2 for i in range(20)]),
        Pairs(classes=NAMES, targets=torch.arange(20) % 2),
        Pairs(classes=NAMES, _labels=[i % 2 for i in range(20)]),
        Rows(features=features()),
    ],
    ids=["list", "tensor", "private list", "column"],
)
def test_labels_that_are_listed_are_read_without_decoding(dataset):
    dataset_from_samples(dataset, shots=1, version="1")
    assert dataset.decoded < 6


def test_a_list_of_other_labels_than_the_samples_is_not_believed():
    data = dataset_from_samples(Pairs(classes=NAMES, targets=[1 - i % 2 for i in range(20)]), shots=1)
    assert all(data.test.images[i].getpixel((0, 0))[0] % 2 == y for i, y in enumerate(data.test.labels.tolist()))


def test_names_of_columns_may_be_others():
    class Other(Pairs):
        def __getitem__(self, i):
            image, label = super().__getitem__(i)
            return {"img": image, "fine_label": label}

    data = dataset_from_samples(Other(), shots=1, classnames=NAMES, columns=("img", "fine_label"))
    assert len(data.test) == 6
    with pytest.raises(DataError, match=r"sample 0 has no 'image', but img, fine_label.*columns="):
        dataset_from_samples(Other(), classnames=NAMES)


def test_the_same_pictures_have_the_same_stamp_and_others_another():
    stamps = [dataset_from_samples(Pairs(start=s, classes=NAMES), shots=1).test.stamp for s in (0, 0, 1)]
    assert stamps[0] == stamps[1] != stamps[2]


def test_a_version_stands_for_the_content():
    given = ((0, "1"), (9, "1"), (0, "2"))
    one, two, other = (dataset_from_samples(Pairs(start=s, classes=NAMES), shots=1, version=v) for s, v in given)
    assert one.test.stamp == two.test.stamp != other.test.stamp and one.train.keys[0].count("-") == 0


def test_a_drawn_list_gives_the_same_pictures_back_and_no_others(tmp_path):
    data = dataset_from_samples(Pairs(classes=NAMES), shots=2, seed=5)
    path = export_indices(data, tmp_path / "drawn.json")
    again = dataset_from_samples(Pairs(classes=NAMES), indices=path)
    assert (again.train.stamp, again.val.stamp) == (data.train.stamp, data.val.stamp)
    with pytest.raises(DataError, match="4 of the 4 train keys"):
        dataset_from_samples(Pairs(start=3, classes=NAMES), indices=path)


def test_fewer_classes_and_other_names():
    data = dataset_from_samples(Pairs(classes=NAMES), shots=2, names={"forest": "wood"})
    assert data.new_classes().classnames == ("wood",) and len(data.new_classes().train) == 2


class Tensors(Pairs):
    def __getitem__(self, i):
        return torch.zeros(3, 8, 8), i % 2


class Noise(Pairs):
    def __getitem__(self, i):
        return Image.new("RGB", (8, 8), (random.randrange(256), random.randrange(256), 7)), i % 2


class Unlabelled(Pairs):
    def __getitem__(self, i):
        return super().__getitem__(i)[0], -1


class Single(Pairs):
    def __getitem__(self, i):
        return super().__getitem__(i)[0]


@pytest.mark.parametrize(
    ("samples", "error", "said"),
    [
        (Pairs(), DataError, "does not name its classes"),
        (Pairs(classes=["only one"]), DataError, "the label of sample 1 is 1; with 1 class names"),
        (Pairs(classes=[*NAMES, "cow"]), DataError, "1 of 3 classes have no picture to train on: 'cow'"),
        (Pairs(0, classes=NAMES), DataError, "is empty"),
        (iter([]), ConfigError, "has not both"),
        (Tensors(classes=NAMES), DataError, "should be a PIL image; it is a torch.Tensor"),
        (Noise(classes=NAMES), DataError, "other pixels each time"),
        (Unlabelled(classes=NAMES), DataError, "the label of sample 0 is -1.*leave it out"),
        (Single(classes=NAMES), DataError, "should be .picture, label. or a mapping"),
        (Pairs(classes=NAMES, targets=["a"] * 20), None, ""),
        ({"train": Pairs(classes=NAMES), "dev": Pairs()}, ConfigError, "'dev' is none"),
        ({"val": Pairs(classes=NAMES), "valid": Pairs()}, ConfigError, "one too many"),
        ({"train": Pairs(classes=NAMES), "test": Pairs(classes=NAMES[::-1])}, DataError, "classes differently"),
        ({"test": Pairs(classes=NAMES)}, DataError, "expected pictures to train on"),
    ],
)
def test_samples_of_another_form_are_refused(samples, error, said):
    if error is None:
        assert len(dataset_from_samples(samples, shots=1).test) == 6
        return
    with pytest.raises(error, match=said):
        dataset_from_samples(samples, shots=1)


def test_nothing_of_the_libraries_is_imported():
    assert "datasets" not in sys.modules


def test_a_torchvision_data_set_is_taken(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    for name in NAMES:
        (tmp_path / name).mkdir()
        for i in range(10):
            Image.new("RGB", (8, 8), (i, len(name), 0)).save(tmp_path / name / f"{i}.png")
    data = dataset_from_samples(torchvision.datasets.ImageFolder(tmp_path), shots=2)
    assert data.classnames == ("forest", "sea lake") and len(data.test) == 6
