import pytest

from clipcompat.data.kind import dataset_kind


@pytest.mark.parametrize("name", ["folder:a", "folder/a", "csv:a.csv", "csv/a", "samples/a"])
def test_own_data_sets_are_known_by_their_names(name):
    assert dataset_kind(name) == "own"
    assert (dataset_kind("mini/" + name), dataset_kind("eurosat")) == ("mini", "public")
