import pytest

from clipcompat.data.kind import dataset_kind
from clipcompat.data.load import load_dataset
from tests.toys import toy_dataset


@pytest.mark.parametrize("name", ["folder:a", "folder/a", "csv:a.csv", "csv/a", "samples/a"])
def test_own_data_sets_are_known_by_their_names(name):
    assert dataset_kind(name) == "own"
    assert (dataset_kind("mini/" + name), dataset_kind("eurosat")) == ("mini", "public")


def test_a_dataset_keeps_its_kind_when_classes_are_left_out(eurosat):
    mini, public, own = (
        load_dataset("mini/shapes", shots=1),
        load_dataset("eurosat", root=eurosat, shots=1),
        toy_dataset(),
    )
    for data, kind in ((mini, "mini"), (public, "public"), (own, "own")):
        parts = (data, data.base_classes(), data.new_classes(), data.subset(data.classnames[:1]))
        assert [part.kind for part in parts] == [kind] * 4
