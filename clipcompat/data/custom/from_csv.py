"""A table of pictures and classes, in a text file with a header, as a data set.

```
path,classname,split
images/001.jpg,polka dotted,train
```
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clipcompat.common.errors import DataError
from clipcompat.data.custom.assembly import TEMPLATE, Draw, Indices, Names, Template, assemble, own_name
from clipcompat.data.custom.partition import PART_NAMES, resolve
from clipcompat.data.pictures.images import ImageFiles
from clipcompat.data.public.folders import check_present, first
from clipcompat.data.public.split_zhou import check_relative
from clipcompat.data.sampling import Shots
from clipcompat.data.split import Dataset

_NUMBER = re.compile(r"[-+]?\d+([.,]\d*)?")  # what is meant as a label and no word
_COLUMNS = {
    "path": ("path", "file", "filename", "image"),
    "label": ("label",),
    "classname": ("classname", "class"),
    "split": ("split",),
}
"""What each column may be called; case and spaces around it do not matter."""


@dataclass(frozen=True)
class Listing:
    """What the file says: a path, a label and a part of each picture, and the raw name of each label."""

    paths: list[str]
    labels: list[int]
    parts: list[str]
    raw: list[str]


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

    The first line names the columns: `path`, and `label` or `classname` or both, and `split` if you like; others are
    passed over. What separates them (comma, semicolon, tab or bar) is seen from that line. Labels are whole numbers
    from 0 on, without gaps; where there are class names only, they are numbered in sorted order; a `label` column of
    words is one of class names. `split` says train, val or test; what is not said follows
    `clipcompat.data.custom.partition`.

    Args:
        root: the folder that paths are relative to; None: the file's own.
        names: raw class name (or label, where there are no names) -> class name; or one name a class, in order.
        name: what records call it: "csv/<name>"; the file's name without suffix if None.
        shots, seed, template, indices, allow_fewer, upright: as in `dataset_from_folder`.

    Raises:
        DataError: the file or a picture cannot be read, or a line does not hold together with the others; a path that
            leaves the root; class names that are unusable; too few shots.
        ConfigError, UnknownNameError: arguments that cannot be meant.
    """
    file = Path(path).expanduser()
    name = own_name("csv", name or file.stem)
    root = file.parent if root is None else Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"the root {root} is no folder; it must be the one that the paths in {file} are relative to.")
    listing = read_csv(file, root)
    check_present(root, listing.paths, name)
    found: dict[str, list[int]] = {}
    for i, part in enumerate(listing.parts):
        found.setdefault(part, []).append(i)
    parts = resolve(found, listing.paths, listing.labels, name)
    images = ImageFiles(root, tuple(listing.paths), name, upright)
    draw = Draw(shots, seed, template, names, indices, allow_fewer)
    return assemble(images, listing.labels, parts, listing.raw, name, draw)


def read_csv(file: Path, root: Path) -> Listing:
    """The lines of a table, checked against each other; pictures are not looked for.

    Raises:
        DataError: with the number of the first line at fault.
    """
    rows = _rows(file)
    bases = (root.absolute(), root.resolve())
    seen: dict[str, int] = {}
    paths, parts, cells = [], [], []
    for line, row in rows:
        where = f"{file}, line {line}"
        path = _relative(row["path"], bases, where)
        if path in seen:
            raise DataError(f"{where}: {path} is listed in line {seen[path]} already; each picture may be listed once.")
        seen[path] = line
        part = "train"
        if "split" in row:
            part = PART_NAMES.get(row["split"].lower(), "")
            if not part:
                raise DataError(f"{where}: the split should be train, val or test; it is {row['split']!r}.")
        paths.append(path)
        parts.append(part)
        cells.append((where, row.get("label"), row.get("classname")))
    labels, raw = _classes(cells, file)
    return Listing(paths, labels, parts, raw)


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """(line number, column -> cell) of every line that is not blank."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"the table {file} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"the table {file} is not text in UTF-8 ({error}); save it as CSV in UTF-8.") from error
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter, columns = max(((d, _columns(header, d)) for d in ",;\t|"), key=lambda found: len(found[1]))
    if "path" not in columns or not {"label", "classname"} & set(columns):
        raise DataError(
            f"{file}: the first line must name the columns, path and classname (or label) among them, separated by "
            f"commas, semicolons, tabs or bars; it is {header[:80]!r}."
        )
    found, reader = [], csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) <= max(columns.values()):
                raise DataError(
                    f"{file}, line {reader.line_num}: expected {max(columns.values()) + 1} cells at least; there are "
                    f"{len(row)}. A cell with the separator in it must be quoted."
                )
            found.append((reader.line_num, {column: row[at].strip() for column, at in columns.items()}))
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: not a sound table ({error}). Write it again.") from error
    if len(found) < 2:
        raise DataError(f"{file} lists no picture; write one a line below the header.")
    return found[1:]


def _columns(header: str, delimiter: str) -> dict[str, int]:
    try:
        cells = [cell.strip().lower() for cell in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return {}
    return {
        column: cells.index(alias)
        for column, aliases in _COLUMNS.items()
        for alias in reversed(aliases)
        if alias in cells
    }


def _relative(path: str, bases: Sequence[Path], where: str) -> str:
    """The path relative to the root; an absolute one is taken if it lies in the root, by any of its spellings."""
    for base in bases:
        if Path(path).is_absolute() and Path(path).is_relative_to(base):
            path = Path(path).relative_to(base).as_posix()
    return check_relative(path, where)


def _classes(cells: Sequence[tuple[str, str | None, str | None]], file: Path) -> tuple[list[int], list[str]]:
    """A label a line, and the raw name of each label."""
    for where, label, classname in cells:
        if label == "" or classname == "":
            raise DataError(f"{where}: the {'label' if label == '' else 'class name'} is empty.")
    words = [classname for _, _, classname in cells]
    if words[0] is None and not all(_NUMBER.fullmatch(label) for _, label, _ in cells):
        words = [label for _, label, _ in cells]  # a label column of words
    elif cells[0][1] is not None:
        return _numbered(cells, file)
    raw = sorted(set(words))
    at = {word: i for i, word in enumerate(raw)}
    return [at[word] for word in words], raw


def _numbered(cells: Sequence[tuple[str, str | None, str | None]], file: Path) -> tuple[list[int], list[str]]:
    names: dict[int, tuple[str, str]] = {}
    labels = []
    for where, label, classname in cells:
        if not (label.isascii() and label.isdecimal() and len(label) < 19):
            raise DataError(f"{where}: the label should be a whole number from 0 on; it is {label[:40]!r}.")
        known, there = names.setdefault(int(label), (classname or label, where))
        if known != (classname or label):
            raise DataError(f"{where}: label {label} is called {classname!r} here and {known!r} in {there}.")
        labels.append(int(label))
    missing = list(itertools.islice((str(i) for i in range(max(names)) if i not in names), 6))
    if missing:
        raise DataError(
            f"{file}: labels run up to {max(names)}, but {first(missing)} {'does' if len(missing) == 1 else 'do'} not "
            "occur; they must be 0, 1, 2, … without gaps. Number the classes anew, or leave the label column out."
        )
    return labels, [names[i][0] for i in range(len(names))]
