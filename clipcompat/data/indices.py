"""Lists of drawn images: a record stores them, and another machine can repeat the draw."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.files import read_json, refuse_overwriting, to_json, write_atomic
from clipcompat.data.public.published_lists import is_cross_modal, published, read_2sfs
from clipcompat.data.sampling import parse_shots
from clipcompat.data.split import Dataset

_WRITES = "export_indices() writes such files."


def export_indices(dataset: Dataset, path: str | Path, force: bool = False) -> Path:
    """Write the drawn lists as JSON that `load_dataset(indices=…)` takes on any machine.

    Base or new classes of a data set give the list of the whole draw: classes are left out after drawing.

    force: overwrite a file of this name.

    Raises:
        StorageError: the file exists, or it cannot be written.
    """
    refuse_overwriting(path, force)
    drawn = {part: list(dataset.indices[part]) for part in ("train", "val")}
    content = {"dataset": dataset.name.partition("[")[0], "shots": dataset.shots, "seed": dataset.seed, **drawn}
    return write_atomic(path, to_json(content) + "\n")


def read_indices(source: str | Path | Mapping[str, Any], name: str) -> dict[str, Any]:
    """A drawn list, read from a file or taken as it is.

    Args:
        source: a JSON file, or a mapping, with "train" and "val" (lists of keys), and optionally "dataset", "shots"
            and "seed". A key may occur twice in train, if it was drawn with replacement. Or a published list, see
            `clipcompat.data.public.published_lists`.
        name: the data set that the list is for.

    Raises:
        DataError: no such file, no JSON, not of this form, or drawn from another data set.
    """
    where = "indices"
    if not isinstance(source, Mapping):
        where, path = str(source), Path(source).expanduser()
        source = read_2sfs(path, name) if path.suffix == ".jsonl" else read_json(path, DataError, _WRITES)
        if is_cross_modal(source):
            source = published({part: source[part]["data"] for part in ("train", "val")}, path, name)
    for part in ("train", "val"):
        keys = source.get(part) if isinstance(source, Mapping) else None
        if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
            came = f"{part!r} is {'not there' if keys is None else 'something else'}"
            form = '{"train": [keys], "val": [keys]} with image keys as strings'
            raise DataError(f"{where}: expected {form}, but {came}. {_WRITES}")
    if source.get("dataset", name) != name:
        raise DataError(f"{where} was drawn from {source['dataset']!r}, not from {name!r}; use the list of {name!r}.")
    if not isinstance(source.get("seed"), int | None):
        raise DataError(f"{where}: the seed should be a whole number or null; it is {source['seed']!r}.")
    if both := set(source["train"]) & set(source["val"]):
        said = f"{len(both)} images are both in train and in val, such as {min(both)}"
        raise DataError(f"{where}: {said}; validate on images that were not trained on.")
    return dict(source)


def listed_shots(given: Mapping[str, Any], drawn: Sequence[int], pool: int) -> int | None:
    """The shots of a drawn list: as given, else the most images of any class; None if it is the whole pool.

    drawn: labels of the drawn images. pool: how many images there were to draw from.
    """
    if "shots" in given:
        return parse_shots(given["shots"])
    counts = Counter(drawn).values()
    return None if len(drawn) == pool and len(set(counts)) > 1 else max(counts, default=None)


def positions(wanted: Sequence[str], keys: Sequence[str], part: str, name: str) -> list[int]:
    """Where each wanted key stands in `keys`; a DataError names the first three that are missing."""
    at = {key: i for i, key in enumerate(keys)}
    unknown = [key for key in wanted if key not in at]
    if unknown:
        shown = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        raise DataError(
            f"{name}: {len(unknown)} of the {len(wanted)} {part} keys in the given indices are not among its "
            f"{len(keys):,} {part} images: {shown}. The list belongs to another data set or split file; "
            "leave indices out to draw again."
        )
    return [at[key] for key in wanted]
