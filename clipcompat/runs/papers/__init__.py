"""Numbers printed in the papers, in percent, and a whole table of theirs with ours beside it (`reproduction`).

contcoop_table2_vit_b16.csv, contcoop_table8_vit_l14.csv: ContCoOp (arXiv 2412.20895), Tables 2 and 8.
Their H is not always that of the two accuracies beside it; `clipcompat.summary` says in how many cells.
contcoop_table3_ood.csv: its Table 3, tuned on ImageNet and tested on shifted sets, on the old backbone alone.
Tables 4 to 7 are in `ablations`. dpc_base_to_new.csv: DPC (arXiv 2503.13443) on base and new classes.

Imports: `data`, `common`; `reproduction`, `printed`, `hours` and `disk` also the files of `runs` that need no torch.
"""

import csv
import functools
import importlib.resources
from dataclasses import dataclass

from clipcompat.common.errors import UnknownNameError
from clipcompat.data.public.layout import find_layout

_OOD = "contcoop_table3_ood.csv"
_TABLES = {"clip-to-eva-vit-b-16": "contcoop_table2_vit_b16.csv", "clip-to-eva-vit-l-14": "contcoop_table8_vit_l14.csv"}
_METHODS = {
    "zero_shot": "ZeroShot",
    "linear_probe": "LinearProbe",
    "clip_adapter": "CLIP-Adapter",
    "tip_adapter_f": "Tip-Adapter-F",  # the paper calls it Tip-A, and has no column for the untrained one
    "coop": "CoOp",
    "cocoop": "CoCoOp",
    "kgcoop": "KgCoOp",
    "contcoop": "ContCoOp",
}


@dataclass(frozen=True)
class PaperCell:
    """old, new and their H as the paper prints them, in percent; the paper calls the first Base."""

    old: float
    new: float
    h: float


def paper_cell(upgrade: str, dataset: str, method: str) -> PaperCell | None:
    """As `paper_accuracy`, with the H that is printed."""
    if upgrade not in _TABLES or method not in _METHODS:
        return None
    try:
        name = find_layout(dataset).name
    except UnknownNameError:  # a mini dataset, or one of the user's own
        return None
    return _rows(_TABLES[upgrade]).get((name, _METHODS[method]))


def paper_average(upgrade: str, method: str) -> PaperCell | None:
    """What the paper prints as the average over its eleven datasets."""
    return _rows(_TABLES[upgrade]).get(("", _METHODS.get(method, ""))) if upgrade in _TABLES else None


def paper_accuracy(upgrade: str, dataset: str, method: str) -> tuple[float, float] | None:
    """(old, new) as the ContCoOp paper prints them, or None where it has no such cell (mini upgrades never do)."""
    cell = paper_cell(upgrade, dataset, method)
    return (cell.old, cell.new) if cell else None


def paper_shifted(upgrade: str, source: str, method: str) -> dict[str, float] | None:
    """Dataset -> accuracy on the old backbone, of a plug-in tuned on ImageNet: the source first, then its shifted sets.

    None where the ContCoOp paper has no such row in its Table 3.
    """
    if (upgrade, source) != ("clip-to-eva-vit-b-16", "imagenet"):
        return None
    row = next((row for row in read_table(_OOD) if row["method"] == _METHODS.get(method)), None)
    return row and {find_layout(n).name: float(v) for n, v in row.items() if n not in ("method", "average")}


def method_of(printed: str) -> str:
    """Our name of a method that the ContCoOp paper calls so."""
    return next(name for name, its in _METHODS.items() if its == printed)


@functools.cache
def _rows(file: str) -> dict[tuple[str, str], PaperCell]:
    """Cells by (our name of the dataset, or "" for the average; the paper's name of the method)."""
    return {
        ("" if row["dataset"] == "Average" else find_layout(row["dataset"]).name, row["method"]): PaperCell(
            *(float(row[part]) for part in ("base", "new", "h"))
        )
        for row in read_table(file)
    }


def read_table(file: str) -> list[dict[str, str]]:
    """The rows of a CSV beside this file, as text."""
    text = (importlib.resources.files(__package__) / file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
