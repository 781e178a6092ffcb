from __future__ import annotations

import csv

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.data.public.layout import LAYOUTS, dataset_names, find_layout
from clipcompat.data.public.split_zhou import read_split

IN_TABLE = {"DTD": "dtd", "Flowers102": "oxford_flowers"}  # the others differ in case and hyphens only


def _table(shared_data) -> dict[str, dict[str, str]]:
    with open(shared_data.parent / "reference" / "contcoop_table1_datasets.csv", newline="") as stream:
        return {find_layout(IN_TABLE.get(row["dataset"], row["dataset"])).name: row for row in csv.DictReader(stream)}


def test_there_are_fifteen_data_sets_and_no_two_share_a_name_or_a_folder():
    assert len(dataset_names()) == len({layout.folder for layout in LAYOUTS}) == 15
    for layout in LAYOUTS:
        for name in (layout.name, *layout.aliases):
            assert find_layout(name) is layout


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("EuroSAT", "eurosat"),
        ("flowers102", "oxford_flowers"),
        ("DescribableTextures", "dtd"),
        ("Oxford-Pets", "oxford_pets"),
        ("ImageNet-A", "imagenet_a"),
        ("imagenet-v2", "imagenetv2"),
    ],
)
def test_a_data_set_answers_to_the_names_people_use(given, name):
    assert find_layout(given).name == name


def test_an_unknown_name_gets_the_nearest_one_and_a_word_on_mini():
    with pytest.raises(UnknownNameError, match=r"unknown dataset 'eurosatt'. Did you mean 'eurosat'\?.*mini/"):
        find_layout("eurosatt")


def test_sizes_are_those_of_the_paper(shared_data):
    table = _table(shared_data)
    assert set(table) == set(dataset_names())
    for layout in LAYOUTS:
        row = table[layout.name]
        printed = (int(row["classes"]), int(row["train"] or 0), int(row["test"]))
        # The paper rounds ImageNet's 1,281,167 training images.
        train = round(layout.train_size, -4) if layout.name == "imagenet" else layout.train_size
        assert (layout.classes, train, layout.test_size) == printed, layout.name


def test_the_seven_published_split_files_have_the_sizes_of_the_layout(shared_data):
    published = {path.name for path in (shared_data / "splits").glob("split_zhou_*.json")}
    read = [layout for layout in LAYOUTS if layout.split_file in published]
    assert len(read) == len(published) == 7
    for layout in read:
        split = read_split(shared_data / "splits" / layout.split_file)
        classes = len({label for items in split.values() for _, label, _ in items})
        sizes = (classes, len(split["train"]), len(split["test"]))
        assert sizes == (layout.classes, layout.train_size, layout.test_size), layout.name


@pytest.mark.parametrize("name", ["fgvc", "FGVC", "fgvc_aircraft", "fgvc-aircraft", "FGVCAircraft", "aircraft"])
def test_every_usual_name_of_fgvc_aircraft_finds_it(name):
    assert find_layout(name).name == "fgvc_aircraft"


def test_no_two_datasets_share_a_name():
    owners: dict[str, set[str]] = {}
    for layout in LAYOUTS:
        for name in (layout.name, *layout.aliases):
            owners.setdefault("".join(filter(str.isalnum, name.lower())), set()).add(layout.name)
    assert len(owners) > 20 and all(len(names) == 1 for names in owners.values())
