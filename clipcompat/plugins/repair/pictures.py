"""Pictures without labels, as a split that can be encoded."""

import torch

from clipcompat.common.errors import DataError
from clipcompat.data.sampling import parse_seed
from clipcompat.data.split import Dataset, Images, Split


def unlabelled_pictures(data: Dataset, count: int, seed: int = 1) -> Images:
    """`count` pictures of the training pool, drawn without a look at their classes; all of them if there are fewer.

    seed: of the draw. A larger count with the same seed has the smaller one's pictures, and more.

    Raises:
        DataError: the dataset has no pool.
    """
    pool = data.unlabelled
    if not len(pool) or count < 1:
        todo = "Give pictures of its task instead." if not len(pool) else "Draw 8 or more; 200 are advised."
        raise DataError(f"{data.name} has {len(pool)} training pictures, of which {count} cannot be drawn. {todo}")
    generator = torch.Generator().manual_seed(parse_seed(seed))
    return pool.select(torch.randperm(len(pool), generator=generator)[:count].tolist())


def as_split(images: Images, classnames: tuple[str, ...], template: str | tuple[str, ...]) -> Split:
    """The pictures as a split whose labels say nothing: all are 0."""
    return Split(images, torch.zeros(len(images), dtype=torch.int64), classnames, template, "unlabelled pictures")
