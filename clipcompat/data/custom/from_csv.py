"""A data set from a CSV table of pictures and classes, with a header.

```
path,classname,split
images/001.jpg,polka dotted,train
```
"""

import csv
import io
import itertools
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.common.junk import is_junk
from clipcompat.common.text import brief
from clipcompat.data.custom.assembly import PART_NAMES, TEMPLATE, Names, Template, assemble, own_name, resolve
from clipcompat.data.custom.classnames import ClassNames
from clipcompat.data.drawing import Draw, Indices
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.folders import check_once, check_present, first
from clipcompat.data.public.split_zhou import check_relative
from clipcompat.data.sampling import Shots
from clipcompat.data.split import Dataset

_log = logging.getLogger(__name__)
_NUMBER = re.compile(r"[-+]?\d+([.,]\d*)?")  # a label column of these holds numbers; any other holds words
_COLUMNS = {
    "path": ("path", "file", "filename", "image"),
    "label": ("label",),
    "classname": ("classname", "class"),
    "split": ("split",),
}
"""Accepted names of each column; case and surrounding spaces do not matter."""

_Row = tuple[int, dict[str, str]]  # line number, column -> cell


@dataclass(frozen=True)
class Listing:
    """Path, label and part of each picture, and the raw name of each label."""

    paths: list[str]
    labels: list[int]
    parts: list[str]
    raw: list[str]

    __repr__ = brief


def dataset_from_csv(
    path: str | Path,
    shots: Shots = 16,
    seed: int = 1,
    *,
    root: str | Path | None = None,
    template: Template = TEMPLATE,
    names: Names = None,
    name: str | None = None,
    indices: Indices = None,
    allow_fewer: bool = False,
    upright: bool = False,
) -> Dataset:
    """Drawn train and val splits, the whole test split and the training pool of the pictures that a table lists.

    The first line names the columns: `path`, then `label` or `classname` or both, and optionally `split` (train, val or
    test); other columns are ignored. Commas, semicolons, tabs or bars separate them. Labels are whole numbers from 0
    without gaps. Without them, class names are numbered in sorted order; a `label` column of words holds class names.
    Lines that name hidden files, or what desktops leave, are left out with a warning. Missing parts follow
    `clipcompat.data.custom.assembly`.

    Args:
        root: the folder that paths are relative to; None: the table's own folder.
        names: raw class name (or label, if there are no names) -> class name; or one name per class, in order.
        name: records call it "csv/<name>"; None: the file's name without suffix.
        shots, seed, template, indices, allow_fewer, upright: as in `dataset_from_folder`.

    Raises:
        DataError: the file or a picture cannot be read; lines that contradict each other; a path outside the root;
            one file by two names; unusable class names; too few shots.
        ConfigError, UnknownNameError: an argument is out of range or unknown.
    """
    file = Path(path).expanduser()
    name = own_name("csv", name or file.stem)
    root = file.parent if root is None else Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"the root {root} is no folder; it must be the one that the paths in {file} are relative to.")
    listing = read_csv(file, root)
    check_present(root, listing.paths, name)
    check_once(root, listing.paths, f"Remove one of the two from {file.name}.")
    found = {part: [i for i, its in enumerate(listing.parts) if its == part] for part in set(listing.parts)}
    parts = resolve(found, listing.paths, listing.labels, name)
    images = ImageFiles(root, tuple(listing.paths), name, upright)
    draw = Draw(shots, seed, indices, allow_fewer)
    return assemble(images, listing.labels, parts, ClassNames.of(listing.raw, names), draw, name, template)


def read_csv(file: Path, root: Path) -> Listing:
    """Read a table and check its lines against each other; pictures are not looked for. Hidden files are left out.

    Raises:
        DataError: with the number of the first line at fault.
    """
    rows, bases = _rows(file), (root.absolute(), root.resolve())
    lines: dict[str, int] = {}
    parts, kept, junk = [], [], []
    for line, row in rows:
        where = f"{file}, line {line}"
        path = _relative(row["path"], bases, where)
        if is_junk(path):
            junk.append(path)
            continue
        kept.append((line, row))
        if lines.setdefault(path, line) != line:
            raise DataError(f"{where}: {path} is listed in line {lines[path]} already; list each picture once.")
        part = PART_NAMES.get(row.get("split", "train").lower())
        if part is None:
            raise DataError(f"{where}: the split should be train, val or test; it is {row['split']!r}.")
        parts.append(part)
    if junk:
        _log.warning(
            "%s: %d lines are left out, as they name hidden files or ones that desktops leave: %s.",
            file.name,
            len(junk),
            first(junk, 3),
        )
    if not kept:
        raise DataError(f"{file} lists hidden files only ({first(junk, 3)}); list pictures, or give them other names.")
    labels, raw = _classes(kept, file)
    return Listing(list(lines), labels, parts, raw)


def _rows(file: Path) -> list[_Row]:
    """Every line below the header that is not blank."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"the table {file} cannot be read: {error.strerror or error}. Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"the table {file} is not text in UTF-8 ({error}); save it as CSV in UTF-8.") from error
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter, columns = max(((d, _columns(header, d)) for d in ",;\t|"), key=lambda found: len(found[1]))
    if "path" not in columns or not {"label", "classname"} & set(columns):
        raise DataError(
            f"{file}: the first line must name the columns, path and classname (or label) among them, between commas, "
            f"semicolons, tabs or bars; it is {header[:80]!r}."
        )
    _refuse_doubles(header, delimiter, file)
    found, reader = [], csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    least, most = max(columns.values()) + 1, 0
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            most = most or len(row)  # the header's
            if len(row) < least or any(cell.strip() for cell in row[most:]):
                came = f"the header has {most} columns, but there are {len(row)} cells"
                raise DataError(f"{file}, line {reader.line_num}: {came}. Quote cells that contain the separator.")
            found.append((reader.line_num, {column: row[at].strip() for column, at in columns.items()}))
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: not a sound table ({error}). Write it again.") from error
    if len(found) < 2:
        raise DataError(f"{file} lists no picture; write one per line below the header.")
    return found[1:]


def _refuse_doubles(header: str, delimiter: str, file: Path) -> None:
    """Refuse a header in which two columns may be meant by one role, as `path` and `file`."""
    cells = _cells(header, delimiter)
    for column, aliases in _COLUMNS.items():
        if len(found := [cell for cell in cells if cell in aliases]) > 1:
            named = " and ".join(found)
            raise DataError(f"{file}: the columns {named} may both be the {column}; leave one, or rename the other.")


def _cells(header: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _columns(header: str, delimiter: str) -> dict[str, int]:
    cells = _cells(header, delimiter)
    named = {column: next((a for a in aliases if a in cells), None) for column, aliases in _COLUMNS.items()}
    return {column: cells.index(alias) for column, alias in named.items() if alias}


def _relative(path: str, bases: Sequence[Path], where: str) -> str:
    """The path relative to the root; an absolute path must lie in one of `bases`, the root's spellings."""
    for base in bases:
        if Path(path).is_absolute() and Path(path).is_relative_to(base):
            path = Path(path).relative_to(base).as_posix()
    return check_relative(path, where)


def _classes(rows: list[_Row], file: Path) -> tuple[list[int], list[str]]:
    """The label of each line, and the raw name of each label."""
    for line, row in rows:
        for column, what in (("label", "label"), ("classname", "class name")):
            if row.get(column) == "":
                raise DataError(f"{file}, line {line}: the {what} is empty; write it, or leave the line out.")
    _, columns = rows[0]
    if "label" in columns and ("classname" in columns or all(_NUMBER.fullmatch(row["label"]) for _, row in rows)):
        return _numbered(rows, file)
    words = [row["classname" if "classname" in columns else "label"] for _, row in rows]
    raw = sorted(set(words))
    at = {word: i for i, word in enumerate(raw)}
    return [at[word] for word in words], raw


def _numbered(rows: list[_Row], file: Path) -> tuple[list[int], list[str]]:
    names: dict[int, tuple[str, int]] = {}
    labels = []
    for line, row in rows:
        where, label = f"{file}, line {line}", row["label"]
        if not (label.isascii() and label.isdecimal() and len(label) < 19):
            raise DataError(f"{where}: the label should be a whole number from 0 on; it is {label[:40]!r}.")
        name = row.get("classname", label)
        known, there = names.setdefault(int(label), (name, line))
        if known != name:
            raise DataError(f"{where}: label {label} is called {name!r} here and {known!r} in line {there}.")
        labels.append(int(label))
    if missing := list(itertools.islice((str(i) for i in range(max(names)) if i not in names), 6)):
        raise DataError(
            f"{file}: labels must be 0, 1, 2, … without gaps; they run up to {max(names)} without {first(missing)}. "
            "Number the classes again, or leave the label column out."
        )
    return labels, [names[i][0] for i in range(len(names))]
