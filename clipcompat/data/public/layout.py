"""Where each public data set lives under `$DATA`: the layout of CoOp's DATASETS.md."""

from dataclasses import dataclass
from typing import Literal

from clipcompat.common.errors import unknown_name


@dataclass(frozen=True)
class Layout:
    """One data set of the community's layout.

    name: in this project, on the command line too. aliases: in Dassl and in the papers' tables.
    folder: under the data root. image_root: under `folder`; the keys of pictures are relative to it.
    split_file: under `folder`; lists the pictures of each split, or names the classes.
    reader: how its lists are read: a split_zhou file, FGVC's text files, ImageNet's train and val folders, or, for
        test-only sets, folders named by WordNet id or by label.
    classes, train_size, test_size: of the complete data set; 0 training images means test only.
    """

    name: str
    aliases: tuple[str, ...]
    folder: str
    image_root: str
    split_file: str
    reader: Literal["json", "fgvc", "imagenet", "wnids", "numbers"]
    classes: int
    train_size: int
    test_size: int


_NAMES = "classnames.txt"

LAYOUTS: tuple[Layout, ...] = (
    Layout("imagenet", ("ImageNet",), "imagenet", "images", _NAMES, "imagenet", 1000, 1_281_167, 50_000),
    Layout("caltech101", ("Caltech101",), "caltech-101", "101_ObjectCategories",
           "split_zhou_Caltech101.json", "json", 100, 4_128, 2_465),
    Layout("oxford_pets", ("OxfordPets", "pets"), "oxford_pets", "images",
           "split_zhou_OxfordPets.json", "json", 37, 2_944, 3_669),
    Layout("stanford_cars", ("StanfordCars", "cars"), "stanford_cars", ".",
           "split_zhou_StanfordCars.json", "json", 196, 6_509, 8_041),
    Layout("oxford_flowers", ("OxfordFlowers", "flowers102", "flowers"), "oxford_flowers", "jpg",
           "split_zhou_OxfordFlowers.json", "json", 102, 4_093, 2_463),
    Layout("food101", ("Food101",), "food-101", "images",
           "split_zhou_Food101.json", "json", 101, 50_500, 30_300),
    Layout("fgvc_aircraft", ("FGVCAircraft", "aircraft", "fgvc"), "fgvc_aircraft", "images",
           "variants.txt", "fgvc", 100, 3_334, 3_333),
    Layout("sun397", ("SUN397",), "sun397", "SUN397",
           "split_zhou_SUN397.json", "json", 397, 15_880, 19_850),
    Layout("dtd", ("DescribableTextures",), "dtd", "images",
           "split_zhou_DescribableTextures.json", "json", 47, 2_820, 1_692),
    Layout("eurosat", ("EuroSAT",), "eurosat", "2750",
           "split_zhou_EuroSAT.json", "json", 10, 13_500, 8_100),
    Layout("ucf101", ("UCF101",), "ucf101", "UCF-101-midframes",
           "split_zhou_UCF101.json", "json", 101, 7_639, 3_783),
    Layout("imagenetv2", ("ImageNetV2",), "imagenetv2", "imagenetv2-matched-frequency-format-val",
           _NAMES, "numbers", 1000, 0, 10_000),
    Layout("imagenet_sketch", ("ImageNetSketch",), "imagenet-sketch", "images",
           _NAMES, "wnids", 1000, 0, 50_889),
    Layout("imagenet_a", ("ImageNetA",), "imagenet-adversarial", "imagenet-a",
           _NAMES, "wnids", 200, 0, 7_500),
    Layout("imagenet_r", ("ImageNetR",), "imagenet-rendition", "imagenet-r",
           _NAMES, "wnids", 200, 0, 30_000),
)  # fmt: skip  # a data set per row or two


def dataset_names() -> tuple[str, ...]:
    """The public data sets, by the names that `load_dataset` and the command line use."""
    return tuple(layout.name for layout in LAYOUTS)


def find_layout(name: str) -> Layout:
    """The data set of this name or alias; case and punctuation do not matter.

    Raises:
        UnknownNameError: no such data set; the message has the nearest name and all of them.
    """
    for layout in LAYOUTS:
        if _plain(name) in {_plain(known) for known in (layout.name, *layout.aliases)}:
            return layout
    hint = "The embedded ones start with mini/, such as mini/textures, and need no root."
    raise unknown_name("dataset", name, dataset_names(), hint)


def _plain(name: str) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())
