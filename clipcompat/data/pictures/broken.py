"""Leaving out pictures that cannot be decoded, if asked.

Splits are filtered, so labels stay with their pictures; stamps, caches and records are those of the pictures left.
"""

import logging
from dataclasses import replace

from clipcompat.common.progress import Progress
from clipcompat.data.pictures.opening import find_unreadable, workers
from clipcompat.data.split import Dataset, Images

log = logging.getLogger(__name__)


Known = dict[str, str | None] | None
"""Key -> why the picture cannot be decoded, or None if it can."""


def find_broken(
    images: Images, progress: Progress | None = None, what: str = "looking for broken pictures", known: Known = None
) -> dict[str, str]:
    """Decode every picture: the keys of those that cannot be decoded, in their order, and a sentence that says why.

    known: pictures that are not decoded again; new ones are added.
    """
    known = {} if known is None else known
    keys = [images.key(i) for i in range(len(images))]
    new = [i for i, key in enumerate(keys) if key not in known]
    unreadable = find_unreadable(images, new, progress, what, workers())
    known.update((keys[i], unreadable.get(i)) for i in new)
    return {key: known[key] for key in keys if known[key]}


def skip_broken(
    data: Dataset, progress: Progress | None = None, known: Known = None
) -> tuple[Dataset, dict[str, list[str]]]:
    """The dataset without the pictures of train, val and test that cannot be decoded; and their keys, by split.

    A warning names every picture left out. A class keeps the shots that are left of its draw; none are drawn in their
    place, so that the rest of the draw stays the same. The unlabelled pool is left as it is.

    known: what `find_broken` found before in pictures of the same root; more is added.
    """
    known = {} if known is None else known
    splits, left_out = {}, {}
    for part in ("train", "val", "test"):
        split = getattr(data, part)
        broken = find_broken(split.images, progress, f"{split.name}: looking for broken pictures", known)
        for sentence in broken.values():
            log.warning("%s: left out, as asked: %s", split.name, sentence)
        kept = [i for i, key in enumerate(split.keys) if key not in broken]
        if broken:
            left_out[part] = list(broken)
            splits[part] = replace(split, images=split.images.select(kept), labels=split.labels[kept])
    indices = {part: [k for k in keys if k not in left_out.get(part, ())] for part, keys in data.indices.items()}
    return replace(data, **splits, indices=indices), left_out
