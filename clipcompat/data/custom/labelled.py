"""Pictures whose classes stand in a table beside them, as one labelled split."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from clipcompat.common.errors import DataError
from clipcompat.data.custom.assembly import TEMPLATE, Template
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.custom.from_csv import read_csv
from clipcompat.data.custom.loose import loose_pictures
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.folders import first
from clipcompat.data.split import Split

_log = logging.getLogger(__name__)


def labelled_pictures(
    paths: Sequence[str | Path], table: str | Path, template: Template = TEMPLATE, upright: bool = False
) -> Split:
    """The pictures of files and folders that a table lists, with its classes.

    table: CSV with `path` and `classname` (or `label`), as for `dataset_from_csv`. Its paths are relative to the folder
    given, or, if files or several folders are, to its own folder. Pictures that it does not list are left out, with a
    warning.

    Raises:
        DataError: the table lists a picture that is not among those given, or none of them; see also `loose_pictures`
            and `dataset_from_csv`.
    """
    file, given = Path(table).expanduser(), [Path(path).expanduser() for path in paths]
    root = given[0] if len(given) == 1 and given[0].is_dir() else file.parent
    images = loose_pictures(given, upright)
    there = {(images.root / path).resolve() for path in images.paths}
    listing = read_csv(file, root)
    if missing := [path for path in listing.paths if (root / path).resolve() not in there]:
        raise DataError(
            f"{file.name} lists {len(listing.paths):,} pictures, and {len(missing):,} of them are not among the "
            f"{len(images):,} given: {first(missing, 3)}. Its paths must be relative to {root}."
        )
    if unlisted := len(images) - len(listing.paths):
        _log.warning("%s: %d pictures are not listed, and are left out.", file.name, unlisted)
    names = ClassNames.of(listing.raw, None)
    pictures = ImageFiles(root, tuple(listing.paths), file.stem, upright)
    return Split(pictures, torch.tensor(listing.labels), tuple(names.names), template, file.stem)
