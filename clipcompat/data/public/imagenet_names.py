"""ImageNet's class names as CoOp's `classnames.txt`, and its classes that another data set shares.

Sources: the names are OpenAI's list ("Prompt Engineering for ImageNet") as open_clip carries it, which CoOp's file is
said to be copied from; the WordNet ids, in the order of the labels, are timm's.
"""

import re
from pathlib import Path, PurePosixPath

from clipcompat.common.errors import DataError
from clipcompat.common.files import write_atomic
from clipcompat.common.packages import check_torchvision
from clipcompat.data.split import Dataset


def write_classnames(path: Path) -> Path:
    """Write the thousand lines "<WordNet id> <class name>" that the readers of ImageNet and its shifted sets need."""
    check_torchvision()
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # slow to import
    from timm.data import ImageNetInfo

    ids = ImageNetInfo("imagenet-1k").label_names()
    return write_atomic(path, "".join(f"{i} {n}\n" for i, n in zip(ids, IMAGENET_CLASSNAMES, strict=True)))


def same_classes(data: Dataset, other: Dataset) -> Dataset:
    """`data` over the classes of `other`, in its order.

    So a plug-in tuned on ImageNet can be tested on ImageNet-R's 200 classes before and after the shift: on
    `same_classes(imagenet, imagenet_r)` and on `imagenet_r`. Classes are matched by the WordNet ids that name their
    folders, as two classes of ImageNet are called "missile", and ImageNet-R has one of them.

    Raises:
        DataError: a data set whose folders are no WordNet ids, or a class of `other` that `data` does not have.
    """
    ours, theirs = wordnet_ids(data), wordnet_ids(other)
    missing = [wnid for wnid in theirs if wnid not in ours]
    if missing:
        raise DataError(
            f"{other.name} has {len(missing)} classes that {data.name} has not, such as {missing[0]}; give the larger "
            "data set first."
        )
    at = {wnid: label for label, wnid in enumerate(ours)}
    return data.keep([at[wnid] for wnid in theirs], f"classes of {other.name}")


def wordnet_ids(data: Dataset) -> list[str]:
    """The WordNet id of every class: the name of the folder of its test pictures.

    Raises:
        DataError: a class has no test picture, or is in a folder that is not named so.
    """
    folders = (PurePosixPath(key).parent.name for key in data.test.keys)
    ids = dict(zip(data.test.labels.tolist(), folders, strict=True))
    found = [ids.get(label, "") for label in range(len(data.classnames))]
    odd = [wnid for wnid in found if not re.fullmatch(r"n\d{8}", wnid)]
    if odd:
        raise DataError(
            f"the pictures of {data.name} are not in folders named by WordNet ids ({odd[0] or 'no picture'!r}), so its "
            "classes cannot be matched; ImageNet, ImageNet-Sketch, -A and -R have such folders."
        )
    return found
