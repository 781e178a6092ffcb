"""The other sets beside a source: all, and those on which the protocol "cross-dataset" tests its plug-ins."""

from clipcompat.common.errors import ConfigError
from clipcompat.data.kind import Kind, dataset_kind
from clipcompat.data.mini.sets import ELEVEN, study_names
from clipcompat.data.public.layout import find_layout

_SOURCES = ("mini/objects", "imagenet")


def target_names(source: str) -> tuple[str, ...]:
    """The other ten of the papers' eleven sets, or of their mirrors in the miniature.

    Raises:
        ConfigError: no paper tunes on this one for all others.
    """
    kind = dataset_kind(source)
    name = find_layout(source).name if kind == "public" else source
    if name not in _SOURCES:
        raise ConfigError(
            f"{source} is no source of the cross-dataset protocol; {' and '.join(_SOURCES)} are. Test your own sets "
            "with clipcompat.cross_dataset in Python."
        )
    return tuple(one for one in _eleven(kind) if one != name)


def other_names(source: str) -> tuple[str, ...]:
    """The other ten of the papers' eleven sets, or of their mirrors, in the papers' order, from the one after it on.

    Raises:
        ConfigError: it is none of the eleven.
    """
    kind = dataset_kind(source)
    name = find_layout(source).name if kind == "public" else source
    eleven = _eleven(kind)
    if name not in eleven:
        raise ConfigError(f"{source} is none of the eleven sets, {', '.join(eleven)}, so that it has no others.")
    place = eleven.index(name)
    return eleven[place + 1 :] + eleven[:place]


def _eleven(kind: Kind) -> tuple[str, ...]:
    return study_names() if kind == "mini" else tuple(find_layout(title).name for title in ELEVEN)
