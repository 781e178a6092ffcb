"""Which class of the source a class of a shifted set is, by list, by WordNet id or by name; what cannot be matched."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.data.load import dataset_names, load_dataset
from clipcompat.data.mini.sets import SETS
from clipcompat.data.public.layout import find_layout
from clipcompat.data.shifted import SHIFTED, class_map, shifted_names
from tests.data.public.test_readers import write_layout
from tests.toys import toy_dataset


def test_shifted_sets_exist_and_are_for_testing_only():
    assert [SETS[name].mirrors for name in SHIFTED["mini/objects"]] == [
        "ImageNetV2", "ImageNet-Sketch", "ImageNet-A", "ImageNet-R"
    ]  # fmt: skip
    assert all(SETS[name].test_only for name in SHIFTED["mini/objects"])
    assert set(SHIFTED["imagenet"]) <= set(dataset_names())
    assert all(find_layout(name).train_size == 0 for name in SHIFTED["imagenet"])


def test_a_source_is_found_by_an_alias_too():
    assert shifted_names("ImageNet") == shifted_names("imagenet") == SHIFTED["imagenet"]


@pytest.mark.parametrize("name", ["mini/textures", "dtd", "folder:pictures", "imagenet_r"])
def test_a_source_without_shifted_sets_is_told_which_have_some(name):
    with pytest.raises(ConfigError, match="mini/objects and imagenet have"):
        shifted_names(name)


def test_a_source_that_does_not_exist_is_told():
    with pytest.raises(UnknownNameError, match="imagenet"):
        shifted_names("imagenett")


def test_lists_of_mini_sets_are_the_sources_or_a_third_of_it():
    source = load_dataset("mini/objects", shots=1)
    maps = {name: class_map(source, load_dataset(name)) for name in SHIFTED["mini/objects"]}
    everything = list(range(108))
    assert list(maps.values()) == [everything, everything, everything[::3], everything[1::3]]


def test_an_equal_list_matches_class_by_class_although_two_classes_share_a_name(tmp_path):
    root = write_layout(find_layout("imagenet"), tmp_path)
    write_layout(find_layout("imagenetv2"), tmp_path)
    source, shifted = (load_dataset(name, root=root, shots=1) for name in ("imagenet", "imagenetv2"))
    assert source.classnames.count("missile") == 2
    assert class_map(source, shifted) == [0, 1, 2, 3, 4]


def test_of_two_missiles_the_wordnet_id_tells_which_one_is_meant(tmp_path):
    root = write_layout(find_layout("imagenet"), tmp_path)
    write_layout(find_layout("imagenet_r"), tmp_path, ids=("n01443537", "n04008634"))
    source, shifted = (load_dataset(name, root=root, shots=1) for name in ("imagenet", "imagenet_r"))
    assert shifted.classnames == ("goldfish", "missile")
    assert class_map(source, shifted) == [1, 3]


def test_other_sets_match_by_name_in_any_order():
    assert class_map(toy_dataset(), toy_dataset(classnames=("snow leopard cub", "red fox"))) == [2, 0]


def test_unknown_names_are_told_and_how_many():
    with pytest.raises(DataError, match=r"2 of the 3 classes of toys .* of toys: 'grey wolf', 'leopard'\. Name them"):
        class_map(toy_dataset(), toy_dataset(classnames=("grey wolf", "owl", "leopard")))


def test_of_many_unknown_names_ten_are_told():
    with pytest.raises(DataError, match=r"12 of the 12 .*'c9' …\. Name") as error:
        class_map(toy_dataset(), toy_dataset(classnames=[f"c{i}" for i in range(12)]))
    assert "'c10'" not in str(error.value)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(("owl", "owl", "red fox"), ("red fox", "owl")), (("owl", "red fox"), ("owl", "red fox", "owl"))],
)
def test_a_name_that_two_classes_share_matches_nothing(ours, theirs):
    with pytest.raises(DataError, match="several classes called 'owl'"):
        class_map(toy_dataset(classnames=ours), toy_dataset(classnames=theirs))
