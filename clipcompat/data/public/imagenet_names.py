"""ImageNet's class names as CoOp's `classnames.txt`, and its classes that another data set shares.

Source of the names: OpenAI's list ("Prompt Engineering for ImageNet"), which CoOp's file is said to be copied from, as
open_clip carries it; of the WordNet ids, in the order of the labels: timm.
"""

from __future__ import annotations

from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.common.files import write_atomic
from clipcompat.data.split import Dataset


def write_classnames(path: Path) -> Path:
    """Write the thousand lines "<WordNet id> <class name>" that the readers of ImageNet and its shifted sets need."""
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # slow to import
    from timm.data import ImageNetInfo

    ids = ImageNetInfo("imagenet-1k").label_names()
    return write_atomic(path, "".join(f"{i} {n}\n" for i, n in zip(ids, IMAGENET_CLASSNAMES, strict=True)))


def same_classes(data: Dataset, other: Dataset) -> Dataset:
    """`data` over the classes that `other` has too, in its order: ImageNet's own test pictures of ImageNet-R's 200.

    Classes are told by the WordNet ids that name their folders, not by their names: two classes of ImageNet are called
    "missile", and ImageNet-R has one of them. A plug-in tuned on ImageNet can so be tested on the 200 classes before
    and after the shift: on `same_classes(imagenet, imagenet_r)` and on `imagenet_r`.

    Raises:
        DataError: a data set whose folders are no WordNet ids, or a class of `other` that `data` does not have.
    """
    ours, theirs = _ids(data), _ids(other)
    missing = [wnid for wnid in theirs if wnid not in ours]
    if missing:
        raise DataError(
            f"{other.name} has {len(missing)} classes that {data.name} has not, such as {missing[0]}; give the larger "
            "data set first."
        )
    at = {wnid: label for label, wnid in enumerate(ours)}
    return data.keep([at[wnid] for wnid in theirs], f"classes of {other.name}")


def _ids(data: Dataset) -> list[str]:
    """The WordNet id of every class."""
    ids = {label: key.rpartition("/")[0].rpartition("/")[2] for key, label in
           zip(data.test.keys, data.test.labels.tolist(), strict=True)}  # fmt: skip
    found = [ids.get(label, "") for label in range(len(data.classnames))]
    odd = [wnid for wnid in found if not (wnid[:1] == "n" and wnid[1:].isdigit() and len(wnid) == 9)]
    if odd:
        raise DataError(
            f"the pictures of {data.name} do not lie in folders named by WordNet ids ({odd[0] or 'no picture'!r}), so "
            "its classes cannot be matched; ImageNet, ImageNet-Sketch, -A and -R have such folders."
        )
    return found
