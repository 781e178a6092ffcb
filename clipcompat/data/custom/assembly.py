"""A `Dataset` of the user's own pictures, drawn and split as public data sets are."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.custom.partition import Parts
from clipcompat.data.drawing import draw_dataset
from clipcompat.data.public.folders import first
from clipcompat.data.sampling import Shots, parse_seed, parse_shots
from clipcompat.data.split import Dataset, Images

TEMPLATE = "a photo of a {}."
"""The default template."""

Template = str | Sequence[str]
Names = Mapping[str, str] | Sequence[str] | None
Indices = str | Path | Mapping[str, Any] | None

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draw:
    """The arguments that folders, tables and samples share; `dataset_from_folder` explains them."""

    shots: Shots
    seed: int
    template: Template
    names: Names
    indices: Indices
    allow_fewer: bool


def own_name(kind: str, name: str) -> str:
    """The name in records: "folder/pets". Never a path, and never the name of a public data set."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-")
    return f"{kind}/{plain or 'data'}"


def assemble(images: Images, labels: Sequence[int], parts: Parts, raw: Sequence[str], name: str, draw: Draw) -> Dataset:
    """Draw the few-shot set.

    Args:
        images, labels: all pictures, and the label of each in the same order; `parts` are positions in them.
        raw: the name of each class, before clean-up.

    Raises:
        ConfigError: a template without {}; names that do not fit; shots or a seed out of range.
        DataError: unusable class names, a class without pictures, too few shots, or indices of other pictures.
    """
    cleaned = ClassNames.of(raw, draw.names)
    shots, seed, template = parse_shots(draw.shots), parse_seed(draw.seed), _template(draw.template)
    classnames = cleaned.check(name).names
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
    return draw_dataset(
        pools,
        name=name,
        classnames=classnames,
        template=template,
        shots=shots,
        seed=seed,
        indices=draw.indices,
        allow_fewer=draw.allow_fewer,
        hint=" (There is no test part, so only about half the pictures are for training.)" * parts.held_out,
    )


def _template(template: Template) -> str | tuple[str, ...]:
    if not isinstance(template, Sequence):
        raise ConfigError(f"a template is a sentence, or several; this is {template!r}.")
    sentences = (template,) if isinstance(template, str) else tuple(template)
    if not sentences or not all(isinstance(one, str) and "{}" in one for one in sentences):
        raise ConfigError(f"a template needs {{}} where the class name goes; this is {template!r}.")
    return template if isinstance(template, str) else sentences
