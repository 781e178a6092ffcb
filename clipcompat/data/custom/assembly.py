"""A `Dataset` of the user's own pictures: divided into train, val and test, then drawn as public data sets are.

Parts that the data name are kept. The others follow a fixed rule, which depends on neither shots nor seed:

    train, val, test    as they are
    train, test         validation is drawn, class by class, from training pictures that are left over
    train, val          val is the test part, as with ImageNet, and validation is drawn as above
    one part only       `hold_out`: 5 of 10 pictures of each class for training, 2 for validation, 3 for testing
"""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.text import brief
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.drawing import Draw, draw_dataset
from clipcompat.data.public.folders import first
from clipcompat.data.split import Dataset, Images

TEMPLATE = "a photo of a {}."
"""The default template."""

Template = str | Sequence[str]
Names = Mapping[str, str] | Sequence[str] | None

_ALIASES = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
PART_NAMES = {alias: part for part, aliases in _ALIASES.items() for alias in aliases}
"""Names of parts in folders and cells, in lower case."""

_OTHERS = (
    "trainval minival eval evaluation dev devel development holdout query gallery support probe unseen fold "
    "pred predict prediction predictions unlabelled unlabeled"
)
_PART_WORDS = {*PART_NAMES, *_OTHERS.split()}
_FILLERS = {*"seg set data dataset split image images img picture pictures photo photos".split()}

_RULE = "clipcompat-hold-out-1"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """Positions of pictures in each part. If val is None, it is drawn from what training leaves over."""

    train: list[int]
    val: list[int] | None
    test: list[int]
    held_out: bool = False

    __repr__ = brief


def resolve(found: Mapping[str, list[int]], keys: Sequence[str], labels: Sequence[int], name: str) -> Parts:
    """The three parts, from those that were found ("train", "val", "test").

    keys, labels: [picture]; `hold_out` orders by a hash of the key. name: of the data set, for messages.

    Raises:
        DataError: no training part, no test picture, or too few pictures to divide.
    """
    found = {part: at for part, at in found.items() if at}
    if set(found) == {"train"}:
        parts = hold_out(found["train"], keys, labels, name)
        sizes = (len(parts.train), len(parts.val or ()), len(parts.test))
        said = "%s: one part only; by a fixed rule %d pictures are for training, %d for validation, %d for testing."
        _log.info(said, name, *sizes)
        return parts
    if "train" not in found:
        came = ", ".join(found) or "nothing"
        raise DataError(f"{name}: expected pictures to train on; there are: {came}. Call that part train.")
    if "test" not in found:
        _log.warning("%s: there is no test part, so val is tested on; validation comes from the training part.", name)
        return Parts(found["train"], None, found["val"])
    return Parts(found["train"], found.get("val"), found["test"])


def look_like_parts(folders: Sequence[str]) -> bool:
    """Whether all folders are named as the field names parts, and otherwise alike: "seg_train" and "seg_test"."""
    others = set()
    for folder in folders:
        plain = re.sub("(hold|held)[ _-]?out", "holdout", folder.lower())
        words = [re.sub("(set|data|images)$", "", word) or word for word in re.findall(r"[^\W\d_]+", plain)]
        if not _PART_WORDS.intersection(words):
            return False
        others.add(" ".join(word for word in words if word not in _PART_WORDS | _FILLERS))
    return len(others) == 1


def hold_out(at: Sequence[int], keys: Sequence[str], labels: Sequence[int], name: str) -> Parts:
    """Divide pictures class by class, ordered by a hash of their keys: the same on every machine and for every seed.

    Of n pictures of a class, 3n/10 are for testing and 2n/10 for validation, rounded to the nearest, at least one each;
    the rest is for training. (CoOp shuffles and takes 50, 20 and 30 % if a data set has no official split.)

    Raises:
        DataError: a class has fewer than three pictures.
    """
    groups: dict[int, list[int]] = {}
    for i in at:
        groups.setdefault(labels[i], []).append(i)
    train, val, test = [], [], []
    for group in groups.values():
        n = len(group)
        if n < 3:
            raise DataError(
                f"{name}: the class of {keys[group[0]]} has {n} {'picture' if n == 1 else 'pictures'}; at least 3 are "
                "needed, to train, validate and test on different ones. Add some, or leave the class out."
            )
        order = sorted(group, key=lambda i: hashlib.sha256(f"{_RULE}\0{keys[i]}".encode()).digest())
        tested, validated = max(1, (3 * n + 5) // 10), max(1, (2 * n + 5) // 10)
        test += sorted(order[:tested])
        val += sorted(order[tested : tested + validated])
        train += sorted(order[tested + validated :])
    return Parts(train, val, test, held_out=True)


def own_name(kind: str, name: str) -> str:
    """The name in records: "folder/pets". Never a path, and never the name of a public data set."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-")
    return f"{kind}/{plain or 'data'}"


def assemble(
    images: Images, labels: Sequence[int], parts: Parts, cleaned: ClassNames, draw: Draw, name: str, template: Template
) -> Dataset:
    """Draw the few-shot set.

    images, labels: all pictures, and the label of each in the same order; `parts` are positions in them.

    Raises:
        ConfigError: a template without {}; shots or a seed out of range.
        DataError: unusable class names, a class without pictures, too few shots, or indices of other pictures.
    """
    template, classnames = _template(template), cleaned.check(name).names
    if said := cleaned.changes():
        _log.warning("%s: %s clean_classnames() shows all, names= gives others.", name, said)
    at = {"train": parts.train, "val": parts.val or [], "test": parts.test}
    pools = {part: (images.select(chosen), [labels[i] for i in chosen]) for part, chosen in at.items()}
    for part, task in (("train", "train on"), ("test", "test on")):
        present = set(pools[part][1])
        absent = [repr(one) for label, one in enumerate(classnames) if label not in present]
        if absent:
            raise DataError(
                f"{name}: {len(absent)} of {len(classnames)} classes have no picture to {task}: {first(absent)}. "
                "Add some, or leave these classes out of all parts."
            )
    hint = " (There is no test part, so only about half the pictures are for training.)" if parts.held_out else ""
    return draw_dataset(pools, draw, name, classnames, template, hint)


def _template(template: Template) -> str | tuple[str, ...]:
    sentences = (template,) if isinstance(template, str) else template
    sound = isinstance(sentences, Sequence) and all(isinstance(one, str) and "{}" in one for one in sentences)
    if not sound or not sentences:
        raise ConfigError(f"a template needs {{}} where the class name goes, in each sentence; this is {template!r}.")
    return template if isinstance(template, str) else tuple(template)
