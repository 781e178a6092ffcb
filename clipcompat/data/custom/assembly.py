"""A `Dataset` of somebody's own pictures: the same few-shot draw and the same splits as those of public data sets."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.custom.partition import Parts
from clipcompat.data.indices import listed_shots, positions, read_indices
from clipcompat.data.sampling import Shots, check_shots, few_shot, parse_seed, parse_shots
from clipcompat.data.split import Dataset, Images, Split

TEMPLATE = "a photo of a {}."
"""What a class name is put into where nobody says otherwise."""

Template = str | Sequence[str]
Names = Mapping[str, str] | Sequence[str] | None
Indices = str | Path | Mapping[str, Any] | None

_log = logging.getLogger(__name__)


def own_name(kind: str, name: str) -> str:
    """What a data set is called in records: "folder/pets". Never a path, and never the name of a public data set."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-")
    return f"{kind}/{plain or 'data'}"


def assemble(
    images: Images,
    labels: Sequence[int],
    parts: Parts,
    classnames: ClassNames,
    *,
    name: str,
    template: Template,
    shots: Shots,
    seed: int,
    indices: Indices,
    allow_fewer: bool,
) -> Dataset:
    """Draw the few-shot set; test is the whole test part, the unlabelled pool the whole training part.

    Args:
        images, labels: all pictures and the label of each, in one order; `parts` are positions in it.
        shots, seed, indices, allow_fewer: as in `clipcompat.data.load.load_dataset`.

    Raises:
        ConfigError: a template without {}; shots or a seed that cannot be meant.
        DataError: class names that are unusable, a class without training pictures, too few shots, other indices.
    """
    shots, seed, template = parse_shots(shots), parse_seed(seed), _template(template)
    names = classnames.check(name).names
    if said := classnames.changes():
        _log.warning("%s: %s clean_classnames() shows all, names= gives others.", name, said)
    _check_classes(labels, parts, names, name)
    train_labels = [labels[i] for i in parts.train]
    if indices is None:
        _check_shots(train_labels, names, shots, name, allow_fewer, parts.held_out)
        val_labels = None if parts.val is None else [labels[i] for i in parts.val]
        train, val = few_shot(train_labels, val_labels, shots, seed)
        drawn_with: int | None = seed
    else:
        given, pool = read_indices(indices, name), {"train": parts.train, "val": parts.val or parts.train}
        train, val = (
            positions(given[part], [images.key(i) for i in pool[part]], part, name) for part in ("train", "val")
        )
        shots, drawn_with = listed_shots(given, [train_labels[i] for i in train], len(parts.train)), given.get("seed")
    at = {
        "train": [parts.train[i] for i in train],
        "val": [(parts.val or parts.train)[i] for i in val],
        "test": parts.test,
    }
    splits = {
        part: Split(
            images=images.select(chosen),
            labels=torch.tensor([labels[i] for i in chosen], dtype=torch.int64),
            classnames=names,
            template=template,
            name=f"{name}/{part}",
        )
        for part, chosen in at.items()
    }
    return Dataset(
        name=name,
        **splits,
        unlabelled=images.select(parts.train),
        shots=shots,
        seed=drawn_with,
        indices={part: list(splits[part].keys) for part in ("train", "val")},
    )


def _template(template: Template) -> str | tuple[str, ...]:
    if not isinstance(template, Sequence):
        raise ConfigError(f"a template is a sentence, or several; this is {template!r}.")
    sentences = (template,) if isinstance(template, str) else tuple(template)
    if not sentences or not all(isinstance(one, str) and "{}" in one for one in sentences):
        raise ConfigError(f"a template needs {{}} where the class name goes; this is {template!r}.")
    return template if isinstance(template, str) else sentences


def _check_classes(labels: Sequence[int], parts: Parts, names: Sequence[str], name: str) -> None:
    trained, tested = ({labels[i] for i in part} for part in (parts.train, parts.test))
    for here, what in ((trained, "to train on"), (tested, "to test on")):
        absent = [repr(names[label]) for label in range(len(names)) if label not in here]
        if absent:
            listed = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
            raise DataError(
                f"{name}: {len(absent)} of {len(names)} classes have no picture {what}: {listed}. Every class needs "
                "some; add them, or leave these classes out of all parts."
            )


def _check_shots(labels, names, shots, name: str, allow_fewer: bool, held_out: bool) -> None:
    try:
        check_shots(labels, names, shots, name, allow_fewer)
    except DataError as error:
        rule = " (There is no test part, so of each class only about half the pictures are for training.)"
        raise DataError(f"{error}{rule if held_out else ''}") from error
