"""What a notebook or an error shows of a large object is short: 30,000 classes, one picture each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clipcompat.common.errors import ClipcompatError, ConfigError, UnknownNameError
from clipcompat.data.custom.assembly import Parts
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.custom.from_csv import Listing
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.pictures.samples import SampleImages
from clipcompat.data.split import Dataset, Split
from clipcompat.methods import METHODS
from clipcompat.plugins.plugin import Plugin
from clipcompat.runs.results import Results
from clipcompat.studies.details import Details
from tests.runs.test_records import record

MANY = 30_000
NUMBERS = tuple(range(MANY))
NAMES = tuple(f"species {i:05d}" for i in NUMBERS)
FILES = ImageFiles(Path("data"), tuple(f"{name}/1.jpg" for name in NAMES), "big")
SPLIT = Split(FILES, torch.arange(MANY), NAMES, "a photo of a {}.", "big/train")
DATASET = Dataset("big", SPLIT, SPLIT, SPLIT, FILES, 1, 1, {"train": list(FILES.paths), "val": []})
PLUGIN = Plugin(
    METHODS["coop"](), {"context": torch.zeros(MANY, 4)}, {"dataset": "big", "seed": 1, "classnames": NAMES}
)


@pytest.mark.parametrize(
    "value",
    [
        FILES,
        SampleImages((NAMES,), tuple((0, i) for i in NUMBERS), "samples:big", False),
        SPLIT,
        DATASET,
        PLUGIN,
        ClassNames(NAMES, NAMES, NAMES),
        Details(NAMES, FILES.paths, NUMBERS, NUMBERS, NUMBERS),
        record(config={name: 1 for name in NAMES}),
        Results((record(),) * 1000),
        Listing(list(NAMES), list(NUMBERS), list(NAMES), list(NAMES)),
        Parts(list(NUMBERS), None, list(NUMBERS)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_large_objects_print_in_a_few_lines(value):
    assert type(value).__name__ in repr(value) and len(repr(value)) < 1500


def test_a_data_set_and_a_plugin_say_what_they_are():
    assert repr(SPLIT) == "<Split 'big/train': 30,000 images of 30,000 classes>"
    sizes = "30,000 train, 30,000 val, 30,000 test images; shots 1, seed 1"
    assert repr(DATASET) == f"<Dataset 'big': 30,000 classes; {sizes}>"
    assert repr(PLUGIN) == "<Plugin coop: 120,000 numbers, tuned on 'big', seed 1>"
    assert repr(Plugin(METHODS["coop"](), {}, {})) == "<Plugin coop: 0 numbers, tuned on None, seed None>"


def test_a_class_that_is_not_there_is_a_short_error_that_says_where_all_are():
    with pytest.raises(UnknownNameError, match=r"30,000 in all\). See its classnames for all.") as caught:
        DATASET.subset(["Species 123"])
    assert len(str(caught.value)) < 400
    with pytest.raises(UnknownNameError, match=r"30,000 in all\). clean_classnames\(\) shows all.") as caught:
        ClassNames.of(NAMES, {"fox": "red fox"})
    assert len(str(caught.value)) < 400


def test_an_error_that_repeats_a_long_value_is_cut_in_its_middle():
    with pytest.raises(ConfigError, match="^names must map folder or label names .*aaa … aaa") as caught:
        ClassNames.of(NAMES, "a" * 10**6)
    assert len(str(caught.value)) == 3003 and str(caught.value).endswith("'.")
    assert str(ClipcompatError("fox")) == "fox"
