"""One door to every data set: a name, a root, a number of shots and a seed give a `Dataset`."""

import logging
from dataclasses import replace
from pathlib import Path

from clipcompat.common.errors import ConfigError
from clipcompat.data.drawing import Draw, Indices, draw_dataset
from clipcompat.data.kind import dataset_kind
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.folders import check_present, find_folder
from clipcompat.data.public.layout import Layout, dataset_names, find_layout
from clipcompat.data.public.listings import read_listing
from clipcompat.data.public.split_zhou import Item, is_own_split
from clipcompat.data.sampling import Shots, parse_seed, parse_shots
from clipcompat.data.split import Dataset
from clipcompat.data.templates import template_for

__all__ = ["dataset_names", "load_dataset"]

_log = logging.getLogger(__name__)


def load_dataset(
    name: str,
    *,
    root: str | Path | None = None,
    shots: Shots = 16,
    seed: int = 1,
    templates: str = "coop",
    indices: Indices = None,
    allow_fewer: bool = False,
    repeat: bool = False,
) -> Dataset:
    """Drawn train and val splits, the whole test split, and the whole train list as the unlabelled pool.

    Class names are cleaned: `_` becomes a space, as upstream does before tokenising. Pictures are opened only when
    asked for, but missing ones of train, val and test are reported now. Test-only data sets (ImageNetV2, -Sketch,
    -A, -R) have an empty train, val and pool. ImageNet has no validation list: val is drawn from the training images
    that are left over, so that nothing is selected on test images.

    Args:
        name: "mini/…", or one of `dataset_names()`, or an alias such as "EuroSAT" or "flowers102".
        root: the folder that holds the data sets' folders (`$DATA` in CoOp's DATASETS.md); unused by mini/….
        shots: training images per class; None or "all" takes every training and validation image.
        seed: of the draw; upstream's runs with this seed draw the same images.
        templates: see `clipcompat.data.templates.template_for`; mini data sets have their own.
        indices: a file of `export_indices`, or a mapping like `Dataset.indices`, instead of a draw. `shots` and
            `seed` of the result are those in the list; if it has none, shots are counted and the seed is None.
        allow_fewer: classes with fewer than `shots` images give all they have, as upstream does.
        repeat: the Tip-Adapter and GDA variant of the draw (see `few_shot`).

    Raises:
        UnknownNameError: no such data set or template style. ConfigError: `shots` or `seed` is out of range.
        DataError: a folder, a file or a picture is missing or damaged; a class has too few images.
    """
    shots, seed = parse_shots(shots), parse_seed(seed)
    if dataset_kind(str(name)) == "mini":
        if templates != "coop" or repeat:
            raise ConfigError(f"{name} has its own template and draw; leave templates and repeat out.")
        from clipcompat.data.mini.datasets import load_mini

        return load_mini(name, shots=shots, seed=seed, indices=indices)
    layout = find_layout(name)
    template = template_for(layout.name, templates)
    folder = find_folder(layout, root)
    listing = read_listing(layout, folder)
    names = {label: name for items in listing.values() for _, label, name in items}
    classnames = tuple(" ".join(names[label].replace("_", " ").split()) for label in range(len(names)))
    _compare_sizes(layout, listing, classnames)
    own_split = layout.reader == "json" and is_own_split(folder / layout.split_file)
    if own_split:
        _log.warning("%s: an own split, not the published one; records and tables say so.", layout.name)

    image_root = folder / layout.image_root
    pools = {
        part: (ImageFiles(image_root, tuple(path for path, _, _ in items), layout.name), [y for _, y, _ in items])
        for part, items in listing.items()
    }
    draw = Draw(shots, seed, indices, allow_fewer, repeat)
    data = replace(draw_dataset(pools, draw, layout.name, classnames, template), own_split=own_split)
    if layout.reader in ("json", "fgvc"):  # the others were listed from the folders a moment ago
        keys = (key for split in (data.train, data.val, data.test) for key in split.keys)
        check_present(image_root, keys, layout.name)
    return data


def _compare_sizes(layout: Layout, listing: dict[str, list[Item]], classnames: tuple[str, ...]) -> None:
    """Warn if this is not the data set that published numbers were measured on."""
    came = (len(classnames), len(listing["train"]), len(listing["test"]))
    complete = (layout.classes, layout.train_size, layout.test_size)
    if came != complete:
        said = "%s has %d classes, %d training and %d test images here; complete are %d, %d and %d: do not compare its "
        _log.warning(said + "numbers with published ones.", layout.name, *came, *complete)
