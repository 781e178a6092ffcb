"""The details of a report as three tables: classes, confusions, pictures that flipped."""

from clipcompat.runs.tables import Table
from clipcompat.studies.details import ClassAccuracy, Details


def class_table(details: Details) -> Table:
    """One row per class, those that lost most first; accuracies in percent."""
    rows = sorted(details.per_class(), key=_change)
    columns = ("class", "images", "old", "new", "change", "flips")
    cells = ((c.classname, str(c.images), _percent(c.old), _percent(c.new), _signed(c)) for c in rows)
    return Table(columns, tuple((*row, str(c.negative_flips)) for row, c in zip(cells, rows, strict=True)), "Classes")


def confusion_table(details: Details, most: int = 20) -> Table:
    """Which class was taken for which, and how often on old and on new; the most frequent on new first."""
    old, new = details.confusion("old"), details.confusion("new")
    wrong = [(i, j) for i, j in zip(*((old + new).nonzero()), strict=True) if i != j]
    wrong.sort(key=lambda pair: (-new[pair], -old[pair], pair))
    names = details.classnames
    rows = tuple((names[i], names[j], str(old[i, j]), str(new[i, j])) for i, j in wrong[:most])
    caption = f"Confusions{_of(most, len(wrong), 'details.confusion()')}"
    return Table(("class", "taken for", "on old", "on new"), rows, caption)


def flip_table(details: Details, most: int = 20) -> Table:
    """The test pictures that are right on old and wrong on new, in their order."""
    flips = details.flips()
    rows = tuple((str(f.index), f.image, f.label, f.new) for f in flips[:most])
    caption = f"Pictures right on old and wrong on new{_of(most, len(flips), 'details.flips()')}"
    return Table(("index", "picture", "class", "on new"), rows, caption)


def _of(shown: int, found: int, call: str) -> str:
    return f", {shown} of {found:,} (all: `{call}` of a report in Python)" if found > shown else f", {found}"


def _change(c: ClassAccuracy) -> float:
    return 0.0 if c.new is None else c.new - c.old


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1f}"


def _signed(c: ClassAccuracy) -> str:
    return "–" if c.new is None else f"{_change(c):+.1f}"
