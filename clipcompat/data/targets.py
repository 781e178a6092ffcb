"""The sets that a plug-in of a source is tested on in the protocol "cross-dataset": other pictures, other classes."""

from clipcompat.common.errors import ConfigError
from clipcompat.data.kind import dataset_kind
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
    eleven = study_names() if kind == "mini" else [find_layout(title).name for title in ELEVEN]
    return tuple(one for one in eleven if one != name)
