"""Shifted test sets: those that belong to a source, and which of the source's classes each of their classes is."""

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.kind import dataset_kind
from clipcompat.data.public.imagenet_names import wordnet_ids
from clipcompat.data.public.layout import find_layout
from clipcompat.data.split import Dataset

SHIFTED = {
    "mini/objects": ("mini/objects-v2", "mini/objects-sketch", "mini/objects-a", "mini/objects-r"),
    "imagenet": ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"),
}
"""Source -> its shifted test sets, in the order of the papers' tables."""

_NAMED = 10  # classes that an error names


def shifted_names(source: str) -> tuple[str, ...]:
    """The names of the shifted test sets of a source.

    Raises:
        ConfigError: it has none.
    """
    name = find_layout(source).name if dataset_kind(source) == "public" else source
    if name not in SHIFTED:
        raise ConfigError(
            f"{source} has no shifted test sets; {' and '.join(SHIFTED)} have. Test your own sets with "
            "clipcompat.robustness in Python."
        )
    return SHIFTED[name]


def class_map(source: Dataset, shifted: Dataset) -> list[int]:
    """The source's label of every class of the shifted set.

    Equal lists of names match class by class. Else classes are matched by the WordNet ids that name their folders, as
    two classes of ImageNet are called "missile", and where a data set has no such folders, by their names.

    Raises:
        DataError: the shifted set has classes that the source has not, or a name that two classes share.
    """
    if shifted.classnames == source.classnames:
        return list(range(len(source.classnames)))
    ours, theirs = _ids(source), _ids(shifted)
    if ours is None or theirs is None:
        ours, theirs = source.classnames, shifted.classnames
    at = {name: label for label, name in enumerate(ours)}
    unknown = [label for label, name in enumerate(theirs) if name not in at]
    if unknown:
        named = ", ".join(repr(shifted.classnames[label]) for label in unknown[:_NAMED])
        raise DataError(
            f"{len(unknown)} of the {len(theirs)} classes of {shifted.name} are not among those of {source.name}: "
            f"{named}{' …' if len(unknown) > _NAMED else ''}. Name them as {source.name} does, or leave them out "
            "(Dataset.subset)."
        )
    for data, names in ((source, ours), (shifted, theirs)):
        if twice := [name for name in theirs if names.count(name) > 1]:
            raise DataError(
                f"{data.name} has several classes called {twice[0]!r}, so classes cannot be matched by name; give each "
                "a name of its own."
            )
    return [at[name] for name in theirs]


def _ids(data: Dataset) -> list[str] | None:
    try:
        return wordnet_ids(data)
    except DataError:
        return None
