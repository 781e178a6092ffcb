"""A data set from any object that gives (picture, label) by number: torchvision's, Hugging Face's, your own.

Neither library is imported; common attributes are looked up by name.
"""

from collections.abc import Mapping
from typing import Any

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.custom.assembly import PART_NAMES, TEMPLATE, Names, Template, assemble, own_name, resolve
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.drawing import Draw, Indices
from clipcompat.data.pictures.samples import SampleImages, Source
from clipcompat.data.sampling import Shots
from clipcompat.data.split import Dataset


def dataset_from_samples(
    samples: Any,
    shots: Shots = 16,
    seed: int = 1,
    *,
    classnames: list[str] | tuple[str, ...] | None = None,
    columns: tuple[str, str] = ("image", "label"),
    version: str | None = None,
    template: Template = TEMPLATE,
    names: Names = None,
    name: str = "samples",
    indices: Indices = None,
    allow_fewer: bool = False,
) -> Dataset:
    """Drawn train and val splits, the whole test split and the training pool of one or more map-style data sets.

    Args:
        samples: a data set, or a mapping of "train", "val" (or "validation") and "test" to data sets, such as Hugging
            Face's DatasetDict. Missing parts follow the rule of `clipcompat.data.custom.assembly`. A data set has
            `len()`, and gives by number (PIL picture, label) or a mapping with the two `columns`. Load it without a
            transform: preprocessing belongs to the backbone, augmentation to `fit`.
        classnames: one per label, in order; None: the data set's own (`classes`, or the names in `features`).
        columns: of the picture and of its label, if samples are mappings.
        version: names the content and is trusted: change it when the content changes. None: the pixels of every
            picture in use are hashed into its key, which decodes each once more.
        names: class name -> another one, or one per class: as in `dataset_from_folder`.
        name: records call it "samples/<name>".
        shots, seed, template, indices, allow_fewer: as in `dataset_from_folder`.

    Raises:
        DataError: a sample is not of this form, or has other pixels each time; a label without a name; unusable class
            names; too few shots.
        ConfigError, UnknownNameError: an argument is out of range or unknown.
    """
    name = own_name("samples", name)
    given = samples if isinstance(samples, Mapping) else {"train": samples}
    sources: dict[str, Source] = {}
    for key, dataset in given.items():
        part = PART_NAMES.get(str(key).lower())
        if part is None or part in sources:
            raise ConfigError(f"{name}: parts are train, val and test, each once; {key!r} is none, or one too many.")
        if twins := [other for other, source in sources.items() if source.dataset is dataset]:
            raise DataError(f"{name}: {twins[0]} and {part} are one data set; it would be trained on and tested on.")
        sources[part] = Source(dataset, part, columns, f"{name}, {part}")
    raw = list(classnames) if classnames is not None else _own_names(sources, columns[1], name)
    labels, found = [], {}
    for part, source in sources.items():
        start = len(labels)
        labels += source.labels(len(raw))
        found[part] = list(range(start, len(labels)))
    images = SampleImages.of(list(sources.values()), name, version)
    parts = resolve(found, [str(i) for i in range(len(labels))], labels, name)
    draw = Draw(shots, seed, indices, allow_fewer)
    return assemble(images, labels, parts, ClassNames.of(raw, names), draw, name, template)


def _own_names(sources: Mapping[str, Source], column: str, name: str) -> list[str]:
    """The class names that the data sets bring along; all parts must agree."""
    known = {part: found for part, source in sources.items() if (found := source.classnames(column))}
    if not known:
        raise DataError(f"{name}: the data set does not name its classes; pass classnames=[…], one per label.")
    names = next(iter(known.values()))
    if any(found != names for found in known.values()):
        raise DataError(f"{name}: {' and '.join(known)} name their classes differently; pass classnames=[…].")
    return names
