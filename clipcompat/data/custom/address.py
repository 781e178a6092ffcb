"""Own pictures by one name, as the command line takes them: "folder:pictures/pets", "csv:pets.csv"."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipcompat.common.errors import DataError
from clipcompat.common.files import read_json
from clipcompat.common.text import shown
from clipcompat.data.custom.assembly import Names
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.custom.from_csv import dataset_from_csv, read_csv
from clipcompat.data.custom.from_folder import dataset_from_folder, read_folder
from clipcompat.data.split import Dataset
from clipcompat.data.templates import template_for


def clean_classnames(
    source: str | Path | Sequence[str], names: Names = None, *, root: str | Path | None = None
) -> ClassNames:
    """The names that a data set's classes will get, and why, before it is used; prints as a table.

    Args:
        source: a folder, a .csv (or .tsv, .txt) file, or raw names.
        names: names that are given instead of cleaned, as in `dataset_from_folder`.
        root: of a file's paths, as in `dataset_from_csv`.

    Raises:
        DataError: the folder or file cannot be read. ConfigError, UnknownNameError: `names` does not fit.
    """
    if not isinstance(source, str | Path):
        return ClassNames.of(list(source), names)
    path = Path(source).expanduser()
    if path.is_file():
        return ClassNames.of(read_csv(path, path.parent if root is None else Path(root).expanduser()).raw, names)
    return ClassNames.of(list(read_folder(path)["train"]), names)


def load_own(
    dataset: str, *, root: str | None, style: str, template: str | None, names: str | None, **draw: Any
) -> Dataset:
    """The data set of "folder:PATH" or "csv:PATH".

    Args:
        root: of a csv file's paths. style: of templates, as in `load_dataset`. template: a sentence instead.
        names: a JSON file: an object, raw name -> class name, or a list. draw: more, as in `dataset_from_folder`.

    Raises:
        DataError, ConfigError, UnknownNameError: as `dataset_from_folder` and `dataset_from_csv`.
    """
    kind, _, path = dataset.partition(":")
    if not path:
        raise DataError(f"{dataset} names no {'table' if kind == 'csv' else 'folder'}; write {kind}:PATH.")
    # openai80 has the same sentences for every data set; the other styles have the plain one for Caltech101
    sentences = template_for("caltech101", style)
    given: dict[str, Any] = {"template": template or sentences, "names": _read_names(names), **draw}
    if kind == "csv":
        return dataset_from_csv(path, root=root, **given)
    return dataset_from_folder(path, **given)


def _read_names(file: str | None) -> Mapping[str, str] | list[str] | None:
    if file is None:
        return None
    todo = 'Class names are a JSON object, {"raw name": "class name"}, or a list of class names.'
    found = read_json(Path(file).expanduser(), DataError, todo, _once)
    if not isinstance(found, dict | list):
        raise DataError(f"{file} holds {shown(found)}. {todo}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object without repeated keys; `json` would keep the last value."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key!r} is named twice")
        found[key] = value
    return found
